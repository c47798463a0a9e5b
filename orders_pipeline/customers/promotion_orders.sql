-- grain: order_guid, promotion_id
-- refresh: order by order_guid
-- lookup: promotions.calendars, promotions.coupon_offers, raw.promotions
-- Which promotions an order fell into: goods they were for, in a shop they were for, on a day they ran. A line that several were for
-- counts with each (`amount`), and once in all (`own_amount`, with the first of them).
WITH lines AS (
    SELECT
        o.order_guid,
        l.line_no,
        o.channel,
        o.shop_id,
        o.created_on,
        l.sku,
        l.category,
        coalesce(
            l.payable_amount,
            coalesce(l.list_amount, l.unit_price * l.quantity)
            - coalesce(l.merchant_discount_amount, 0) - coalesce(l.platform_discount_amount, 0),
            0
        ) AS amount
    FROM orders.order_lines AS l
    INNER JOIN orders.orders AS o ON l.order_guid = o.order_guid
    WHERE
        o.customer_key IS NOT NULL AND o.created_on IS NOT NULL AND l.sku IS NOT NULL AND NOT l.is_gift
        AND coalesce(l.line_status, '') NOT IN ('cancelled', 'expired')
),

days AS (
    SELECT
        d.created_on,
        c.promotion_id,
        c.file_id
    FROM (SELECT created_on FROM lines GROUP BY created_on) AS d
    INNER JOIN promotions.calendars AS c ON d.created_on BETWEEN c.starts_on AND c.ends_on
),

aims AS (
    SELECT
        d.created_on,
        d.promotion_id,
        r.channel,
        r.shop_id,
        coalesce(r.sku, f.sku) AS sku,
        r.category
    FROM days AS d
    INNER JOIN raw.promotions AS r ON d.promotion_id = r.promotion_id AND d.file_id = r.file_id
    -- A promotion of coupons that names no goods takes those of its coupons.
    LEFT JOIN promotions.coupon_offers AS f
        ON r.promotion_id = f.promotion_id AND r.sku IS NULL AND r.category IS NULL
),

hits AS (
    SELECT
        l.order_guid,
        l.line_no,
        a.promotion_id,
        max(l.amount) AS amount
    FROM lines AS l
    INNER JOIN aims AS a ON l.created_on = a.created_on
    WHERE
        coalesce(a.channel, l.channel) = l.channel AND coalesce(a.shop_id, l.shop_id) = l.shop_id
        AND coalesce(a.sku, l.sku) = l.sku
        AND (a.category IS NULL OR a.category = l.category)
    GROUP BY l.order_guid, l.line_no, a.promotion_id
),

ranked AS (
    SELECT
        order_guid,
        promotion_id,
        amount,
        row_number() OVER (PARTITION BY order_guid, line_no ORDER BY promotion_id ASC NULLS LAST) AS promotion_rank
    FROM hits
)

SELECT
    order_guid,
    promotion_id,
    CAST(sum(amount) AS DECIMAL(18, 2)) AS amount,
    CAST(sum(CASE WHEN promotion_rank = 1 THEN amount ELSE 0 END) AS DECIMAL(18, 2)) AS own_amount
FROM ranked
GROUP BY order_guid, promotion_id
