-- grain: customer_id, tag, order_guid
-- refresh: whole
-- changes at: always
-- The orders behind each tag that is on or provisional: those of its window, and which of them have the trait the tag is about.
WITH tagged AS (
    SELECT
        t.customer_id,
        t.tag,
        t.as_on,
        t.window_from_on,
        guid_of(t.customer_id) AS customer_key
    FROM customers.tags AS t
    WHERE t.status IN ('on', 'provisional')
),

newest AS (
    SELECT
        customer_key,
        max(paid_at) AS paid_at
    FROM customers.order_facts
    WHERE paid_at <= as_of() AND NOT is_credit_note
    GROUP BY customer_key
)

SELECT
    t.customer_id,
    t.tag,
    f.order_guid,
    f.channel,
    f.channel_order_id,
    f.paid_on,
    f.currency,
    CAST(f.paid_amount - f.refunded_amount AS DECIMAL(18, 2)) AS net_amount,
    CASE t.tag
        WHEN 'price_sensitive' THEN f.has_coupon
        WHEN 'frequent_canceller' THEN f.is_cancelled_by_customer
        WHEN 'repeated_modifier' THEN f.change_count >= threshold('customer_changes_min_count')
        WHEN 'high_returner' THEN f.returned_qty > 0
        WHEN 'promo_hunter' THEN f.promotion_amount > 0
        WHEN 'full_price_loyal' THEN f.full_price_line_count > 0
        WHEN 'bulk_or_reseller' THEN l.purchase_guid IS NOT NULL
        ELSE TRUE
    END AS is_hit,
    f.file_id,
    f.row_number
FROM tagged AS t
INNER JOIN customers.order_facts AS f ON t.customer_key = f.customer_key
INNER JOIN newest AS n ON t.customer_key = n.customer_key
LEFT JOIN customers.large_purchases AS l ON f.customer_key = l.customer_key AND f.purchase_guid = l.purchase_guid
WHERE
    f.paid_at <= as_of()
    -- Of who has not bought for so long, the last order is what says so.
    AND (f.paid_on >= t.window_from_on OR (t.tag = 'dormant' AND f.paid_at = n.paid_at))
