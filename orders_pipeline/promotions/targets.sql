-- grain: promotion_id, channel, shop_id, sku
-- refresh: whole
-- What each promotion aims at: SKUs in shops, by the rows of its newest file that name a SKU, a category, both or neither, in one
-- shop, one channel or all. A promotion of coupons that names none takes the goods of its coupons.
WITH cells AS (
    SELECT
        channel,
        shop_id,
        sku,
        max(category) AS category
    FROM promotions.sales_days
    GROUP BY channel, shop_id, sku
),

rows_of AS (
    SELECT
        r.promotion_id,
        r.channel,
        r.shop_id,
        r.sku,
        r.category
    FROM raw.promotions AS r
    INNER JOIN promotions.calendars AS c ON r.promotion_id = c.promotion_id AND r.file_id = c.file_id
),

named AS (
    SELECT promotion_id, channel, shop_id, sku, category
    FROM rows_of
    WHERE sku IS NOT NULL

    UNION ALL

    SELECT r.promotion_id, f.channel, r.shop_id, f.sku, CAST(NULL AS VARCHAR) AS category
    FROM rows_of AS r
    INNER JOIN promotions.coupon_offers AS f ON r.promotion_id = f.promotion_id
    WHERE r.sku IS NULL AND r.category IS NULL
),

wide AS (
    SELECT r.promotion_id, r.channel, r.shop_id, r.category
    FROM rows_of AS r
    LEFT JOIN promotions.coupon_offers AS f ON r.promotion_id = f.promotion_id
    WHERE r.sku IS NULL AND (r.category IS NOT NULL OR f.promotion_id IS NULL)
),

aimed AS (
    SELECT n.promotion_id, c.channel, c.shop_id, c.sku, c.category
    FROM named AS n
    INNER JOIN cells AS c ON n.sku = c.sku
    WHERE
        coalesce(n.channel, c.channel) = c.channel AND coalesce(n.shop_id, c.shop_id) = c.shop_id
        AND coalesce(n.category, c.category, '') = coalesce(c.category, '')

    UNION ALL

    SELECT w.promotion_id, c.channel, c.shop_id, c.sku, c.category
    FROM wide AS w
    INNER JOIN cells AS c ON w.category = c.category
    WHERE coalesce(w.channel, c.channel) = c.channel AND coalesce(w.shop_id, c.shop_id) = c.shop_id

    UNION ALL

    SELECT w.promotion_id, c.channel, c.shop_id, c.sku, c.category
    FROM wide AS w
    CROSS JOIN cells AS c
    WHERE
        w.category IS NULL
        AND coalesce(w.channel, c.channel) = c.channel AND coalesce(w.shop_id, c.shop_id) = c.shop_id
)

SELECT
    promotion_id,
    channel,
    shop_id,
    sku,
    max(category) AS category
FROM aimed
GROUP BY promotion_id, channel, shop_id, sku
