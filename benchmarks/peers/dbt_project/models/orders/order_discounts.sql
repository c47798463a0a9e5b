-- Who gave which discount.
WITH newest AS (SELECT * FROM {{ ref('douyin') }} QUALIFY exported_at = max(exported_at) OVER (PARTITION BY order_guid)),
ledger AS (
    SELECT order_guid, sub_order_id, NULL AS promotion_id, f.funder, 'line' AS scope, f.amount
    FROM newest, LATERAL (VALUES ('platform', platform_amount), ('merchant', merchant_amount),
        ('influencer', influencer_amount)) AS f(funder, amount)
    UNION ALL SELECT order_guid, NULL, "Discount Code", 'merchant', 'order', money("Discount Amount") FROM {{ ref('stg_shopify') }}
    UNION ALL SELECT order_guid, NULL, NULL, 'merchant', 'order', merchant_discount_amount FROM {{ ref('orders') }} WHERE channel = 'youzan'
    UNION ALL SELECT order_guid, NULL, NULL, 'platform', 'order', platform_discount_amount FROM {{ ref('orders') }} WHERE channel = 'youzan'
)
SELECT order_guid, row_number() OVER (PARTITION BY order_guid ORDER BY sub_order_id, funder) AS discount_no,
    * EXCLUDE (order_guid)
FROM ledger WHERE amount <> 0
