-- grain: payment_guid, order_guid
-- refresh: block by block_guid
-- touches: payment by payment_key
-- lookup: orders.orders, payments.links
-- through: inference.infer
-- returns: block_guid UUID, payment_guid UUID, payment_key UUID, order_guid UUID, pass VARCHAR, is_ambiguous BOOLEAN,
-- returns: amount DECIMAL(18, 2)
-- Money that names no order, linked by amount and day inside one shop and currency, on what the numbers have left over:
-- M4 a payment and an order that fit nobody else; M5 a few that add up in one way only. Several ways are ambiguous: such a
-- payment stands for itself, its own guid in the place of the order's.
WITH received AS (
    SELECT
        order_guid,
        sum(amount) AS amount
    FROM payments.links
    WHERE is_linked AND kind IN ('receipt', 'deposit', 'balance')
    GROUP BY order_guid
),

open_orders AS (
    SELECT
        o.order_guid,
        o.channel,
        o.shop_id,
        o.currency,
        o.payable_amount - coalesce(r.amount, 0) AS amount,
        local_date(coalesce(o.paid_at, o.created_at), o.timezone) AS day_on,
        o.platform_txn_id
    FROM orders.orders AS o
    LEFT JOIN received AS r ON o.order_guid = r.order_guid
    WHERE
        o.status NOT IN ('cancelled', 'expired') AND o.order_type NOT IN ('test', 'resend')
        AND o.payment_leg = 'bills'
        AND o.payable_amount - coalesce(r.amount, 0) > threshold('match_tolerance_amount')
),

blocks AS (
    SELECT
        block_guid,
        min(channel) AS channel,
        min(shop_id) AS shop_id,
        min(currency) AS currency,
        min(business_on) AS first_on,
        max(business_on) AS last_on
    FROM payments.residuals
    GROUP BY block_guid
),

records AS (
    SELECT
        block_guid,
        'payment' AS side,
        payment_guid AS record_guid,
        payment_key,
        amount,
        business_on AS day_on,
        platform_txn_id
    FROM payments.residuals

    UNION ALL

    SELECT
        b.block_guid,
        'order' AS side,
        o.order_guid AS record_guid,
        CAST(NULL AS UUID) AS payment_key,
        o.amount,
        o.day_on,
        o.platform_txn_id
    FROM blocks AS b
    INNER JOIN open_orders AS o
        ON b.channel = o.channel AND b.shop_id = o.shop_id AND b.currency = o.currency
        AND o.day_on >= add_days(b.first_on, -threshold('match_window_after_days'))
        AND o.day_on <= add_days(b.last_on, threshold('match_window_before_days'))
)

SELECT
    block_guid,
    side,
    record_guid,
    payment_key,
    amount,
    day_on,
    platform_txn_id,
    threshold('match_tolerance_amount') AS tolerance_amount,
    threshold('match_window_before_days') AS before_days,
    threshold('match_window_after_days') AS after_days,
    threshold('match_group_max_count') AS group_max_count,
    threshold('match_block_max_count') AS block_max_count
FROM records
