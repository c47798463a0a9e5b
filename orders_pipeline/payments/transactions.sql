-- grain: payment_guid
-- refresh: payment by payment_key
-- lookup: orders.orders
-- Every movement on a payment account with the order it belongs to; without one where it belongs to none or to several.
-- A statement without times takes the moment at which the order was paid.
WITH orders_of AS (
    SELECT
        payment_guid,
        min(order_guid) AS order_guid,
        count(*) AS order_count,
        min(pass) AS pass
    FROM payments.allocations
    WHERE is_linked
    GROUP BY payment_guid
)

SELECT
    m.payment_guid,
    m.payment_key,
    m.account,
    m.payment_id,
    m.kind,
    m.amount,
    m.currency,
    coalesce(m.occurred_at, b.paid_at) AS occurred_at,
    coalesce(m.business_on, local_date(b.paid_at, b.timezone)) AS business_on,
    CASE WHEN o.order_count = 1 THEN o.order_guid END AS order_guid,
    coalesce(o.order_count, 0) AS order_count,
    coalesce(o.pass, 'none') AS pass,
    m.claimed_guid,
    m.channel,
    m.shop_id,
    m.channel_order_id,
    m.platform_txn_id,
    m.merged_payment_id,
    m.payout_id,
    m.is_duplicate_key,
    m.description,
    m.source,
    m.file_id,
    m.row_number
FROM payments.movements AS m
LEFT JOIN orders_of AS o ON m.payment_guid = o.payment_guid
LEFT JOIN orders.orders AS b ON o.order_guid = b.order_guid AND o.order_count = 1
