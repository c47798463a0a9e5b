-- grain: payment_guid, order_guid
-- refresh: payment by payment_key
-- lookup: orders.orders, orders.order_ids, ref.accounts
-- Which order each payment belongs to by its numbers, by the first pass that finds one, and how much of it.
-- M1 the order's own number; M2 another number of it; M3 one payment for several orders that share its number, split by what
-- each owes, exact to the cent. Payments that name an order nobody has keep a synthetic guid of their own.
-- Nearly every payment names its order and is for that order alone: only the rest goes through the other numbers.
WITH rest AS (
    SELECT
        t.payment_guid,
        t.claimed_guid,
        t.channel,
        t.channel_order_id,
        t.merged_payment_id,
        t.amount,
        coalesce(t.platform_txn_id, t.payment_id) AS platform_txn_id
    FROM payments.movements AS t
    LEFT JOIN orders.orders AS o ON t.claimed_guid = o.order_guid
    WHERE o.order_guid IS NULL OR t.merged_payment_id IS NOT NULL
),

named AS (
    SELECT payment_guid, 1 AS pass, 'claimed' AS id_type, CAST(NULL AS VARCHAR) AS id_value, claimed_guid, channel
    FROM rest

    UNION ALL

    SELECT payment_guid, 1 AS pass, 'channel_order_id' AS id_type, channel_order_id AS id_value, claimed_guid, channel
    FROM rest
    WHERE claimed_guid IS NULL

    UNION ALL

    -- An account that keeps one number keeps the platform's: its own payment number then is the order's transaction number.
    SELECT payment_guid, 2 AS pass, 'platform_txn_id' AS id_type, platform_txn_id AS id_value, claimed_guid, channel
    FROM rest

    UNION ALL

    SELECT payment_guid, 2 AS pass, 'sub_order_id' AS id_type, channel_order_id AS id_value, claimed_guid, channel
    FROM rest

    UNION ALL

    SELECT payment_guid, 2 AS pass, 'internal_order_id' AS id_type, channel_order_id AS id_value, claimed_guid, channel
    FROM rest

    UNION ALL

    SELECT payment_guid, 3 AS pass, 'platform_txn_id' AS id_type, merged_payment_id AS id_value, claimed_guid, channel
    FROM rest
    WHERE merged_payment_id IS NOT NULL
),

found AS (
    SELECT n.payment_guid, n.pass, n.id_type, o.order_guid
    FROM named AS n
    INNER JOIN orders.orders AS o ON n.claimed_guid = o.order_guid
    WHERE n.id_type = 'claimed'

    UNION ALL

    SELECT n.payment_guid, n.pass, n.id_type, i.order_guid
    FROM named AS n
    INNER JOIN orders.order_ids AS i ON n.id_type = i.id_type AND n.id_value = i.id_value
    INNER JOIN orders.orders AS o ON i.order_guid = o.order_guid
    WHERE n.channel IS NULL OR n.channel = o.channel
),

-- A payment that is what several orders with its merged number owe together is theirs, even if it names one of them.
merged AS (
    SELECT f.payment_guid
    FROM found AS f
    INNER JOIN orders.orders AS o ON f.order_guid = o.order_guid
    INNER JOIN rest AS t ON f.payment_guid = t.payment_guid
    WHERE f.pass = 3
    GROUP BY f.payment_guid
    HAVING
        count(*) > 1
        AND abs(sum(o.payable_amount) - max(abs(t.amount))) <= greatest(
            threshold('match_tolerance_amount'), threshold('match_tolerance_ratio') * abs(sum(o.payable_amount))
        )
),

first_pass AS (
    SELECT
        f.payment_guid,
        min(CASE WHEN m.payment_guid IS NULL THEN f.pass ELSE 3 END) AS pass
    FROM found AS f
    LEFT JOIN merged AS m ON f.payment_guid = m.payment_guid
    GROUP BY f.payment_guid
),

linked AS (
    SELECT
        f.payment_guid,
        f.order_guid,
        min(f.pass) AS pass,
        min(f.id_type) AS id_type
    FROM found AS f
    INNER JOIN first_pass AS p ON f.payment_guid = p.payment_guid AND f.pass = p.pass
    GROUP BY f.payment_guid, f.order_guid
),

sized AS (
    SELECT
        k.payment_guid,
        k.order_guid,
        k.pass,
        count(*) OVER (PARTITION BY k.payment_guid) AS order_count,
        -- One link that is no declared group makes the whole payment ambiguous, not only its own share.
        max(CASE WHEN k.id_type IN ('platform_txn_id', 'claimed') THEN 0 ELSE 1 END)
            OVER (PARTITION BY k.payment_guid) AS undeclared
    FROM linked AS k
),

-- Shares of a payment for several orders: in cents by largest remainder, ties to the larger, then the earlier order.
owed AS (
    SELECT
        s.payment_guid,
        s.order_guid,
        s.order_count,
        CAST(abs(t.amount) * 100 AS DECIMAL(18, 0)) AS total_cents,
        CASE WHEN t.amount < 0 THEN -1 ELSE 1 END AS direction,
        CAST(coalesce(o.payable_amount, 0) * 100 AS DECIMAL(18, 0)) AS owed_cents,
        sum(coalesce(o.payable_amount, 0)) OVER (PARTITION BY s.payment_guid) AS owed_together
    FROM sized AS s
    INNER JOIN rest AS t ON s.payment_guid = t.payment_guid
    INNER JOIN orders.orders AS o ON s.order_guid = o.order_guid
    WHERE s.order_count > 1
),

-- Nobody owes anything: equal parts.
weighed AS (
    SELECT
        payment_guid,
        order_guid,
        total_cents,
        direction,
        CASE WHEN owed_together = 0 THEN 1 ELSE owed_cents END AS weight,
        CASE WHEN owed_together = 0 THEN order_count ELSE CAST(owed_together * 100 AS DECIMAL(18, 0)) END AS weights
    FROM owed
),

divided AS (
    SELECT
        payment_guid,
        order_guid,
        direction,
        total_cents,
        weight,
        -- Products in nineteen digits and more: of two factors with eighteen DuckDB makes one of eighteen.
        (CAST(total_cents AS DECIMAL(19, 0)) * weight) % weights AS remainder,
        CAST(
            round(
                ratio(
                    CAST(total_cents AS DECIMAL(19, 0)) * weight - (CAST(total_cents AS DECIMAL(19, 0)) * weight) % weights, weights
                ), 0
            ) AS BIGINT
        ) AS whole_cents
    FROM weighed
),

shared AS (
    SELECT
        payment_guid,
        order_guid,
        direction * (
            whole_cents
            + CASE
                WHEN
                    row_number() OVER (
                        PARTITION BY payment_guid
                        ORDER BY remainder DESC NULLS LAST, weight DESC NULLS LAST, order_guid ASC NULLS LAST
                    )
                    <= total_cents - sum(whole_cents) OVER (PARTITION BY payment_guid)
                    THEN 1
                ELSE 0
            END
        ) AS cents
    FROM divided
)

SELECT
    t.payment_guid,
    t.payment_key,
    CASE
        WHEN r.payment_guid IS NULL THEN t.claimed_guid
        WHEN s.order_guid IS NOT NULL THEN s.order_guid
        ELSE guid_of('payment|' || t.account || '|' || coalesce(t.channel_order_id, t.platform_txn_id, t.payment_id))
    END AS order_guid,
    r.payment_guid IS NULL OR s.order_guid IS NOT NULL AS is_linked,
    coalesce(s.order_count > 1 AND s.undeclared = 1, FALSE) AS is_ambiguous,
    CASE
        WHEN r.payment_guid IS NULL THEN 'M1'
        WHEN s.order_guid IS NULL THEN 'none'
        WHEN s.order_count > 1 THEN 'M3'
        WHEN s.pass = 3 THEN 'M3'
        WHEN s.pass = 2 THEN 'M2'
        ELSE 'M1'
    END AS pass,
    t.account,
    coalesce(t.channel, a.channel) AS channel,
    coalesce(t.shop_id, a.shop_id) AS shop_id,
    t.channel_order_id,
    t.kind,
    CASE
        WHEN s.order_count > 1 THEN CAST(CAST(d.cents AS DECIMAL(20, 2)) * CAST(0.01 AS DECIMAL(3, 2)) AS DECIMAL(18, 2))
        ELSE t.amount
    END AS amount,
    t.currency,
    t.occurred_at,
    t.business_on,
    t.payout_id,
    t.is_duplicate_key,
    t.source,
    t.file_id,
    t.row_number
FROM payments.movements AS t
LEFT JOIN rest AS r ON t.payment_guid = r.payment_guid
LEFT JOIN sized AS s ON t.payment_guid = s.payment_guid
LEFT JOIN shared AS d ON s.payment_guid = d.payment_guid AND s.order_guid = d.order_guid
LEFT JOIN ref.accounts AS a ON t.account = a.account
-- Payouts, account fees and credits that name no order are no side of an order.
WHERE
    r.payment_guid IS NULL
    OR s.order_guid IS NOT NULL
    OR t.channel_order_id IS NOT NULL
    OR t.kind IN ('receipt', 'deposit', 'balance', 'refund')
