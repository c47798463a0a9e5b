-- grain: order_guid
-- refresh: order by order_guid
-- What was paid for each order.
SELECT
    guid_of(p.channel || '|' || p.order_id) AS order_guid,
    sum(p.amount) AS paid_amount,
    count(*) AS payment_count,
    sum(p.amount) FILTER (WHERE p.kind = 'refund') AS refunded_amount,
    max(p.paid_at) AS last_paid_at,
    string_agg(p.payment_id, ',' ORDER BY p.payment_id DESC) AS payment_ids,
    CAST(ratio(sum(p.amount), count(*)) AS DECIMAL(18, 4)) AS mean_amount,
    -- More digits than 38 before the product is cut: those behind the point are kept.
    sum(p.amount * CAST(0.3333333 AS DECIMAL(18, 7))) * CAST(1.001 AS DECIMAL(18, 3)) + sum(p.amount) AS long_amount
FROM raw.payments AS p
GROUP BY p.channel, p.order_id
