-- grain: customer_key, purchase_guid
-- refresh: customer by customer_key
-- What a customer bought at a time: orders paid for together are one purchase, a credit note is one that takes back.
SELECT
    customer_key,
    purchase_guid,
    min(customer_id) AS customer_id,
    min(channel) AS channel,
    min(shop_id) AS shop_id,
    min(currency) AS currency,
    min(timezone) AS timezone,
    max(CASE WHEN is_credit_note THEN 1 ELSE 0 END) = 1 AS is_credit_note,
    min(paid_at) AS paid_at,
    min(paid_on) AS paid_on,
    count(*) AS order_count,
    CAST(sum(paid_amount - refunded_amount) AS DECIMAL(18, 2)) AS net_amount,
    max(CASE WHEN has_coupon THEN 1 ELSE 0 END) = 1 AS has_coupon,
    min(CASE WHEN is_full_price THEN 1 ELSE 0 END) = 1 AS is_full_price,
    CAST(round(sum(line_count)) AS BIGINT) AS line_count,
    CAST(round(sum(full_price_line_count)) AS BIGINT) AS full_price_line_count,
    max(CASE WHEN is_cancelled_by_customer THEN 1 ELSE 0 END) = 1 AS is_cancelled_by_customer,
    max(change_count) AS change_count,
    CAST(sum(delivered_qty) AS DECIMAL(18, 3)) AS delivered_qty,
    CAST(sum(returned_qty) AS DECIMAL(18, 3)) AS returned_qty,
    CAST(round(sum(return_count)) AS BIGINT) AS return_count,
    CAST(sum(goods_amount) AS DECIMAL(18, 2)) AS goods_amount,
    CAST(sum(promotion_amount) AS DECIMAL(18, 2)) AS promotion_amount
FROM customers.order_facts
GROUP BY customer_key, purchase_guid
