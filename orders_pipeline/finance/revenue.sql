-- grain: order_guid, entry_number
-- refresh: order by order_guid
-- lookup: finance.return_rates
-- The entries that recognise revenue, one per order, event and kind, signed by their effect on what the kind names: revenue is up
-- when the buyer has control and down with refunds, a contract liability is up with money and down with control.
WITH firsts AS (
    SELECT
        e.order_guid,
        min(CAST(date_trunc('month', e.recognised_on) AS DATE)) AS month
    FROM finance.earnings AS e
    WHERE e.event = 'control'
    GROUP BY e.order_guid
),

-- The share of an order that is expected back is that of the month it was first recognised in.
expected AS (
    SELECT
        c.order_guid,
        CASE
            WHEN c.return_days = 0 THEN CAST(0 AS DECIMAL(9, 6))
            ELSE coalesce(
                c.return_ratio, t.return_ratio,
                CASE WHEN c.without_history = 'constrain' THEN CAST(1 AS DECIMAL(9, 6)) ELSE CAST(0 AS DECIMAL(9, 6)) END
            )
        END AS return_ratio
    FROM finance.contracts AS c
    LEFT JOIN firsts AS f ON c.order_guid = f.order_guid
    LEFT JOIN finance.return_rates AS t ON c.channel = t.channel AND f.month = t.month
),

stated AS (
    SELECT
        e.order_guid,
        e.event_number,
        e.event,
        e.refund_kind,
        e.occurred_at,
        e.recognised_on,
        e.amount,
        e.earned_step,
        e.vat_step,
        e.liability_step,
        e.earned_book_step,
        e.exchange_difference,
        e.exchange_rate,
        coalesce(e.first_control_rate, e.exchange_rate) AS control_rate,
        e.liability_book_step,
        e.book_currency,
        c.channel,
        c.currency,
        c.rule,
        c.rule_version,
        c.cost_amount,
        c.price_amount,
        x.return_ratio,
        e.earned_amount - e.vat_amount AS net_amount,
        e.is_window_over,
        -- Of goods refunded without coming back the cost stays spent.
        e.earned_amount - sum(CASE WHEN e.refund_kind = 'price_concession' THEN e.earned_step ELSE 0 END) OVER so_far AS kept_amount,
        CASE
            WHEN c.coupon_alone_amount > 0 AND c.goods_alone_amount > 0
                THEN ratio(
                    greatest(c.coupon_alone_amount - e.coupon_used_amount, 0), c.goods_alone_amount + c.coupon_alone_amount
                )
            ELSE 0
        END AS coupon_ratio
    FROM finance.earnings AS e
    INNER JOIN finance.contracts AS c ON e.order_guid = c.order_guid
    INNER JOIN expected AS x ON e.order_guid = x.order_guid
    WINDOW so_far AS (
        PARTITION BY e.order_guid ORDER BY e.event_number ASC NULLS LAST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    )
),

costed AS (
    SELECT
        *,
        CASE
            WHEN cost_amount IS NULL OR price_amount = 0 THEN CAST(0 AS DECIMAL(18, 2))
            ELSE round_half_up(ratio(cost_amount * kept_amount, price_amount))
        END AS spent_amount
    FROM stated
),

-- What stands after the event; the entry is the difference to what stood before.
standing AS (
    SELECT
        *,
        CASE WHEN is_window_over OR net_amount < 0 THEN CAST(0 AS DECIMAL(18, 2)) ELSE round_half_up(CAST(net_amount AS DECIMAL(19, 2)) * return_ratio) END
            AS refund_liability,
        CASE WHEN is_window_over OR net_amount < 0 THEN CAST(0 AS DECIMAL(18, 2)) ELSE round_half_up(CAST(spent_amount AS DECIMAL(19, 2)) * return_ratio) END
            AS return_asset,
        CASE WHEN net_amount < 0 THEN CAST(0 AS DECIMAL(18, 2)) ELSE round_half_up(CAST(net_amount AS DOUBLE) * coupon_ratio) END AS coupon_liability
    FROM costed
),

standing_in_books AS (
    SELECT
        *,
        round_half_up(CAST(refund_liability AS DECIMAL(19, 2)) * control_rate) AS refund_liability_book,
        round_half_up(CAST(coupon_liability AS DECIMAL(19, 2)) * control_rate) AS coupon_liability_book
    FROM standing
),

steps AS (
    SELECT
        *,
        refund_liability - coalesce(lag(refund_liability) OVER in_time, 0) AS refund_liability_step,
        return_asset - coalesce(lag(return_asset) OVER in_time, 0) AS return_asset_step,
        coupon_liability - coalesce(lag(coupon_liability) OVER in_time, 0) AS coupon_liability_step,
        spent_amount - coalesce(lag(spent_amount) OVER in_time, 0) AS spent_step,
        -- In the currency of the books both stay at the rate of control, so that what was kept back is released in full.
        refund_liability_book - coalesce(lag(refund_liability_book) OVER in_time, 0) AS refund_liability_book_step,
        coupon_liability_book - coalesce(lag(coupon_liability_book) OVER in_time, 0) AS coupon_liability_book_step
    FROM standing_in_books
    WINDOW in_time AS (PARTITION BY order_guid ORDER BY event_number ASC NULLS LAST)
),

entries AS (
    SELECT
        order_guid, event_number, 1 AS kind_rank,
        CASE WHEN refund_kind IS NULL THEN 'revenue' ELSE refund_kind END AS entry_kind,
        earned_step - vat_step AS amount, currency
    FROM steps

    UNION ALL

    SELECT order_guid, event_number, 2 AS kind_rank, 'vat' AS entry_kind, vat_step AS amount, currency
    FROM steps

    UNION ALL

    SELECT order_guid, event_number, 3 AS kind_rank, 'contract_liability' AS entry_kind, liability_step AS amount, currency
    FROM steps

    UNION ALL

    SELECT order_guid, event_number, 4 AS kind_rank, 'forfeited_deposit' AS entry_kind, amount, currency
    FROM steps
    WHERE event = 'deposit_forfeited'

    UNION ALL

    SELECT order_guid, event_number, 5 AS kind_rank, 'expected_return' AS entry_kind, -refund_liability_step AS amount, currency
    FROM steps

    UNION ALL

    SELECT order_guid, event_number, 6 AS kind_rank, 'material_right' AS entry_kind, -coupon_liability_step AS amount, currency
    FROM steps

    UNION ALL

    SELECT
        order_guid, event_number, 7 AS kind_rank, 'cost_of_sales' AS entry_kind,
        spent_step - return_asset_step AS amount, book_currency AS currency
    FROM steps

    UNION ALL

    SELECT
        order_guid, event_number, 8 AS kind_rank, 'return_asset' AS entry_kind, return_asset_step AS amount,
        book_currency AS currency
    FROM steps

    UNION ALL

    SELECT
        order_guid, event_number, 9 AS kind_rank, 'fx_difference' AS entry_kind, exchange_difference AS amount,
        book_currency AS currency
    FROM steps
)

SELECT
    n.order_guid,
    row_number() OVER (
        PARTITION BY n.order_guid
        ORDER BY n.event_number ASC NULLS LAST, n.kind_rank ASC NULLS LAST
    ) AS entry_number,
    s.channel,
    n.entry_kind,
    CAST(n.amount AS DECIMAL(18, 2)) AS amount,
    n.currency,
    s.recognised_on,
    s.rule,
    s.rule_version,
    s.event,
    s.occurred_at,
    -- In the currency of the books: revenue as its event says, other kinds at the rate of their day; empty without a rate.
    CASE
        WHEN n.currency = s.book_currency THEN CAST(n.amount AS DECIMAL(18, 2))
        WHEN n.entry_kind IN ('revenue', 'return', 'price_concession') AND s.vat_step = 0 THEN s.earned_book_step
        WHEN n.entry_kind IN ('revenue', 'return', 'price_concession')
            THEN s.earned_book_step - round_half_up(CAST(s.vat_step AS DECIMAL(19, 2)) * s.exchange_rate)
        WHEN n.entry_kind = 'contract_liability' THEN s.liability_book_step
        WHEN n.entry_kind = 'expected_return' THEN CAST(-s.refund_liability_book_step AS DECIMAL(18, 2))
        WHEN n.entry_kind = 'material_right' THEN CAST(-s.coupon_liability_book_step AS DECIMAL(18, 2))
        ELSE round_half_up(CAST(n.amount AS DECIMAL(19, 2)) * s.exchange_rate)
    END AS book_amount,
    s.book_currency,
    CAST(s.return_ratio AS DECIMAL(9, 6)) AS return_ratio
FROM entries AS n
INNER JOIN steps AS s ON n.order_guid = s.order_guid AND n.event_number = s.event_number
WHERE n.amount <> 0
