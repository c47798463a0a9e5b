-- grain: order_guid, event_number
-- refresh: order by order_guid
-- lookup: finance.exchange_rates, ref.channels
-- changes at: next_change_at
-- What each event of an order (payment, control, refund, end of the time for returns …) makes of it: how much of the price is
-- earned, how much tax is in that, how much money is owed in goods. Every entry of finance.revenue is a step between two rows.
WITH payments AS (
    SELECT
        a.order_guid,
        a.payment_guid,
        CASE
            WHEN a.kind = 'refund' THEN 'refund'
            WHEN a.kind = 'deposit' THEN 'deposit'
            ELSE 'receipt'
        END AS event,
        a.occurred_at,
        a.business_on,
        a.amount
    FROM payments.allocations AS a
    WHERE a.is_linked AND NOT a.is_ambiguous AND a.kind IN ('receipt', 'deposit', 'balance', 'adjustment', 'refund')
),

case_rows AS (
    SELECT
        order_guid,
        kind,
        status,
        row_number() OVER (
            PARTITION BY order_guid, return_id, sku
            ORDER BY exported_at DESC NULLS LAST, file_id DESC NULLS LAST, row_number DESC NULLS LAST
        ) AS newest_first,
        refund_amount
    FROM raw.returns
),

-- Goods exchanged for the same or repaired are no return: only these cases take goods back for money.
goods_back AS (
    SELECT order_guid, count(*) AS case_count
    FROM case_rows
    WHERE newest_first = 1 AND kind = 'return_refund' AND status NOT IN ('rejected', 'closed')
    GROUP BY order_guid
),

goods_kept AS (
    SELECT order_guid, refund_amount, count(*) AS case_count
    FROM case_rows
    WHERE newest_first = 1 AND kind = 'refund_only' AND status <> 'rejected' AND refund_amount IS NOT NULL
    GROUP BY order_guid, refund_amount
),

sent_back AS (
    SELECT s.order_guid, count(*) AS line_count
    FROM fulfilment.shipment_lines AS s
    INNER JOIN fulfilment.parcels AS p ON s.parcel_guid = p.parcel_guid
    WHERE p.status = 'returned_to_sender'
    GROUP BY s.order_guid
),

last_controls AS (
    SELECT order_guid, max(controlled_at) AS controlled_at
    FROM finance.controls
    WHERE controlled_at <= as_of()
    GROUP BY order_guid
),

-- The deposit of a presale that was never completed is the merchant's when the right to the goods is gone.
closed AS (
    SELECT order_guid, min(valid_from_at) AS closed_seen_at
    FROM orders.order_versions
    WHERE status IN ('cancelled', 'expired')
    GROUP BY order_guid
),

deposits AS (
    SELECT
        order_guid,
        sum(CASE WHEN event = 'receipt' THEN 0 ELSE amount END) AS left_amount,
        sum(CASE WHEN event = 'receipt' THEN 1 ELSE 0 END) AS receipt_count,
        max(occurred_at) AS last_at
    FROM payments
    GROUP BY order_guid
),

coupons AS (
    SELECT
        order_guid,
        coupon_id,
        CAST(stand_alone_amount AS DECIMAL(19, 2)) * CAST(coalesce(expected_use_ratio, 1) AS DECIMAL(9, 6)) AS amount,
        redeemed_at,
        expires_at,
        row_number() OVER (
            PARTITION BY order_guid, coupon_id
            ORDER BY exported_at DESC NULLS LAST, file_id DESC NULLS LAST, row_number DESC NULLS LAST
        ) AS newest_first
    FROM raw.coupon_grants
),

happened AS (
    SELECT
        order_guid,
        'ordered' AS event,
        0 AS event_rank,
        created_at AS occurred_at,
        CAST(NULL AS DATE) AS business_on,
        '' AS event_key,
        CAST(0 AS DECIMAL(18, 2)) AS amount,
        CAST(0 AS DECIMAL(18, 12)) AS passed_ratio
    FROM finance.contracts

    UNION ALL

    SELECT
        order_guid,
        event,
        CASE WHEN event = 'refund' THEN 4 ELSE 1 END AS event_rank,
        occurred_at,
        business_on,
        CAST(payment_guid AS VARCHAR) AS event_key,
        amount,
        CAST(0 AS DECIMAL(18, 12)) AS passed_ratio
    FROM payments

    UNION ALL

    -- Where the order file is the only proof of payment.
    SELECT
        c.order_guid,
        'receipt' AS event,
        1 AS event_rank,
        coalesce(c.paid_at, c.created_at) AS occurred_at,
        CAST(NULL AS DATE) AS business_on,
        '' AS event_key,
        c.claimed_paid_amount AS amount,
        CAST(0 AS DECIMAL(18, 12)) AS passed_ratio
    FROM finance.contracts AS c
    LEFT JOIN deposits AS d ON c.order_guid = d.order_guid
    WHERE c.payment_leg = 'order_export' AND d.order_guid IS NULL AND c.claimed_paid_amount <> 0

    UNION ALL

    SELECT
        order_guid,
        'control' AS event,
        3 AS event_rank,
        controlled_at AS occurred_at,
        CAST(NULL AS DATE) AS business_on,
        CAST(control_number AS VARCHAR) AS event_key,
        CAST(0 AS DECIMAL(18, 2)) AS amount,
        passed_ratio
    FROM finance.controls

    UNION ALL

    SELECT
        c.order_guid,
        'return_window_end' AS event,
        6 AS event_rank,
        add_hours(k.controlled_at, c.return_days * 24) AS occurred_at,
        CAST(NULL AS DATE) AS business_on,
        '' AS event_key,
        CAST(0 AS DECIMAL(18, 2)) AS amount,
        CAST(0 AS DECIMAL(18, 12)) AS passed_ratio
    FROM finance.contracts AS c
    INNER JOIN last_controls AS k ON c.order_guid = k.order_guid
    WHERE c.return_days > 0

    UNION ALL

    SELECT
        c.order_guid,
        'deposit_forfeited' AS event,
        5 AS event_rank,
        greatest(coalesce(c.cancelled_at, k.closed_seen_at), d.last_at) AS occurred_at,
        CAST(NULL AS DATE) AS business_on,
        '' AS event_key,
        CAST(d.left_amount AS DECIMAL(18, 2)) AS amount,
        CAST(0 AS DECIMAL(18, 12)) AS passed_ratio
    FROM finance.contracts AS c
    INNER JOIN deposits AS d ON c.order_guid = d.order_guid
    LEFT JOIN closed AS k ON c.order_guid = k.order_guid
    WHERE
        c.order_type = 'presale' AND c.status IN ('cancelled', 'expired') AND d.receipt_count = 0 AND d.left_amount > 0
        AND coalesce(c.cancelled_at, k.closed_seen_at) IS NOT NULL

    UNION ALL

    SELECT
        c.order_guid,
        'coupon_used' AS event,
        7 AS event_rank,
        -- A right that is gone before the sale was earned is gone with it.
        coalesce(c.redeemed_at, c.expires_at) AS occurred_at,
        CAST(NULL AS DATE) AS business_on,
        c.coupon_id AS event_key,
        CAST(c.amount AS DECIMAL(18, 2)) AS amount,
        CAST(0 AS DECIMAL(18, 12)) AS passed_ratio
    FROM coupons AS c
    WHERE c.newest_first = 1 AND coalesce(c.redeemed_at, c.expires_at) IS NOT NULL
),

dated AS (
    SELECT
        h.order_guid,
        h.event,
        h.event_rank,
        h.occurred_at,
        h.event_key,
        h.amount,
        h.passed_ratio,
        coalesce(h.business_on, local_date(h.occurred_at, c.timezone)) AS recognised_on,
        min(CASE WHEN h.occurred_at > as_of() THEN h.occurred_at END) OVER (PARTITION BY h.order_guid) AS next_change_at
    FROM happened AS h
    INNER JOIN finance.contracts AS c ON h.order_guid = c.order_guid
),

rated AS (
    SELECT
        d.order_guid,
        row_number() OVER (
            PARTITION BY d.order_guid
            ORDER BY d.occurred_at ASC NULLS LAST, d.event_rank ASC NULLS LAST, d.event_key ASC NULLS LAST
        ) AS event_number,
        d.event,
        d.occurred_at,
        d.recognised_on,
        d.amount,
        d.passed_ratio,
        d.next_change_at,
        c.currency,
        b.currency AS book_currency,
        CASE WHEN c.currency = b.currency THEN CAST(1 AS DECIMAL(18, 4)) ELSE x.exchange_rate END AS exchange_rate
    FROM dated AS d
    INNER JOIN finance.contracts AS c ON d.order_guid = c.order_guid
    CROSS JOIN ref.channels AS b
    LEFT JOIN finance.exchange_rates AS x
        ON c.currency = x.currency AND d.recognised_on >= x.valid_from AND d.recognised_on < x.valid_to
    WHERE b.channel = 'default' AND (d.occurred_at <= as_of() OR d.event = 'ordered')
),

summed AS (
    SELECT
        *,
        sum(CASE WHEN event IN ('receipt', 'deposit') THEN amount ELSE 0 END) OVER so_far AS received_amount,
        sum(CASE WHEN event = 'refund' THEN -amount ELSE 0 END) OVER so_far AS refunded_amount,
        sum(CASE WHEN event = 'deposit_forfeited' THEN amount ELSE 0 END) OVER so_far AS forfeited_amount,
        sum(CASE WHEN event = 'coupon_used' THEN amount ELSE 0 END) OVER so_far AS coupon_used_amount,
        max(passed_ratio) OVER so_far AS earned_ratio,
        max(CASE WHEN event = 'return_window_end' THEN 1 ELSE 0 END) OVER so_far AS is_window_over,
        sum(CASE WHEN event IN ('receipt', 'deposit') THEN CAST(amount AS DECIMAL(19, 2)) * exchange_rate ELSE 0 END) OVER so_far AS received_book_amount,
        max(CASE WHEN event IN ('receipt', 'deposit') AND exchange_rate IS NULL THEN 1 ELSE 0 END) OVER so_far AS is_unrated,
        last_value(CASE WHEN event = 'control' THEN exchange_rate END IGNORE NULLS) OVER so_far AS control_rate,
        first_value(CASE WHEN event = 'control' THEN exchange_rate END IGNORE NULLS) OVER so_far AS first_control_rate
    FROM rated
    WINDOW so_far AS (
        PARTITION BY order_guid ORDER BY event_number ASC NULLS LAST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    )
),

-- A refund takes from the price what was not paid too much; of a price the platform pays a part of, in proportion.
reduced AS (
    SELECT
        s.*,
        c.price_amount,
        c.vat_share,
        CASE
            WHEN c.buyer_amount <= 0 THEN CAST(0 AS DECIMAL(18, 2))
            WHEN c.buyer_amount = c.price_amount
                THEN CAST(greatest(s.refunded_amount - greatest(s.received_amount - c.buyer_amount, 0), 0) AS DECIMAL(18, 2))
            ELSE round_half_up(
                ratio(
                    greatest(s.refunded_amount - greatest(s.received_amount - c.buyer_amount, 0), 0) * c.price_amount,
                    c.buyer_amount
                )
            )
        END AS reduction_amount
    FROM summed AS s
    INNER JOIN finance.contracts AS c ON s.order_guid = c.order_guid
),

earned AS (
    -- Products in nineteen digits: of two factors with eighteen DuckDB makes one of eighteen.
    SELECT
        *,
        CASE
            WHEN price_amount < 0 THEN round_half_up(CAST(price_amount AS DECIMAL(19, 2)) * earned_ratio)
            ELSE greatest(
                least(round_half_up(CAST(price_amount AS DECIMAL(19, 2)) * earned_ratio), price_amount - reduction_amount), CAST(0 AS DECIMAL(18, 2))
            )
        END AS earned_amount
    FROM reduced
),

owed AS (
    SELECT
        *,
        round_half_up(CAST(earned_amount AS DECIMAL(19, 2)) * vat_share) AS vat_amount,
        CASE
            WHEN price_amount < 0 THEN CAST(0 AS DECIMAL(18, 2))
            ELSE CAST(
                greatest(received_amount - refunded_amount - forfeited_amount - earned_amount, 0) AS DECIMAL(18, 2)
            )
        END AS liability_amount
    FROM earned
),

-- Money prepaid stays at the rates it came in at, whatever the rate is when the goods go out.
booked AS (
    SELECT
        *,
        CASE
            WHEN liability_amount = 0 OR received_amount = 0 THEN CAST(0 AS DECIMAL(18, 2))
            WHEN is_unrated = 0 THEN round_half_up(ratio(liability_amount * received_book_amount, received_amount))
        END AS liability_book_amount
    FROM owed
),

stepped AS (
    SELECT
        *,
        liability_book_amount - coalesce(lag(liability_book_amount) OVER in_time, 0) AS liability_book_step,
        earned_amount - coalesce(lag(earned_amount) OVER in_time, 0) AS earned_step,
        vat_amount - coalesce(lag(vat_amount) OVER in_time, 0) AS vat_step,
        liability_amount - coalesce(lag(liability_amount) OVER in_time, 0) AS liability_step,
        coalesce(lag(received_amount) OVER in_time, 0) AS received_before,
        coalesce(lag(received_book_amount) OVER in_time, 0) AS received_book_before
    FROM booked
    WINDOW in_time AS (PARTITION BY order_guid ORDER BY event_number ASC NULLS LAST)
)

SELECT
    s.order_guid,
    s.event_number,
    s.event,
    CASE
        WHEN s.event <> 'refund' THEN NULL
        WHEN k.case_count > 0 THEN 'price_concession'
        WHEN r.case_count > 0 OR b.line_count > 0 THEN 'return'
        ELSE 'price_concession'
    END AS refund_kind,
    s.occurred_at,
    s.recognised_on,
    s.amount,
    s.currency,
    s.earned_amount,
    s.vat_amount,
    s.liability_amount,
    CAST(s.earned_step AS DECIMAL(18, 2)) AS earned_step,
    CAST(s.vat_step AS DECIMAL(18, 2)) AS vat_step,
    CAST(s.liability_step AS DECIMAL(18, 2)) AS liability_step,
    CAST(s.coupon_used_amount AS DECIMAL(18, 2)) AS coupon_used_amount,
    s.is_window_over = 1 AS is_window_over,
    s.book_currency,
    s.exchange_rate,
    s.first_control_rate,
    CAST(s.liability_book_step AS DECIMAL(18, 2)) AS liability_book_step,
    -- The step in the book currency: what was prepaid at the rates of its payments, the rest at the rate of control.
    CASE
        WHEN s.event = 'control' AND s.liability_step < 0 AND s.received_before > 0
            THEN round_half_up(
                ratio(-s.liability_step * s.received_book_before, s.received_before)
                + CAST((s.earned_step + s.liability_step) * s.exchange_rate AS DOUBLE)
            )
        WHEN s.event = 'control' THEN round_half_up(CAST(s.earned_step AS DECIMAL(19, 2)) * s.exchange_rate)
        ELSE round_half_up(CAST(s.earned_step AS DECIMAL(19, 2)) * coalesce(s.control_rate, s.exchange_rate))
    END AS earned_book_step,
    -- Money that settles what was earned before: the rate has moved since.
    CASE
        WHEN s.event IN ('receipt', 'deposit') AND s.earned_amount > 0
            THEN round_half_up((s.amount - s.liability_step) * (s.exchange_rate - s.control_rate))
    END AS exchange_difference,
    s.next_change_at
FROM stepped AS s
LEFT JOIN goods_back AS r ON s.order_guid = r.order_guid
LEFT JOIN goods_kept AS k ON s.order_guid = k.order_guid AND -s.amount = k.refund_amount
LEFT JOIN sent_back AS b ON s.order_guid = b.order_guid
