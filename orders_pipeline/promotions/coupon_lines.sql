-- grain: order_guid, line_no
-- refresh: order by order_guid
-- lookup: promotions.coupon_offers, promotions.coupon_audience, promotions.windows
-- Order lines paid in part with a maker's coupon, and the promotions it can have come from: given to this buyer, good for these goods,
-- on a day it ran. Several candidates stay several: which coupon it was is not in the data.
WITH coupons AS (
    SELECT
        order_guid,
        sub_order_id,
        sum(amount) AS coupon_amount
    FROM orders.order_discounts
    WHERE funder = 'brand' AND scope = 'line' AND sub_order_id IS NOT NULL
    GROUP BY order_guid, sub_order_id
),

lines AS (
    SELECT
        l.order_guid,
        l.line_no,
        l.sku,
        o.channel,
        o.customer_id,
        o.created_on,
        o.currency,
        CAST(c.coupon_amount AS DECIMAL(18, 2)) AS coupon_amount,
        l.payable_amount,
        l.file_id,
        l.row_number
    FROM coupons AS c
    INNER JOIN orders.order_lines AS l ON c.order_guid = l.order_guid AND c.sub_order_id = l.sub_order_id
    INNER JOIN orders.orders AS o ON l.order_guid = o.order_guid
),

candidates AS (
    SELECT
        n.order_guid,
        n.line_no,
        count(DISTINCT f.promotion_id) AS candidate_count,
        min(f.promotion_id) AS promotion_id
    FROM lines AS n
    INNER JOIN promotions.coupon_offers AS f ON n.channel = f.channel AND n.sku = f.sku
    INNER JOIN promotions.coupon_audience AS a
        ON f.channel = a.channel AND f.promotion_id = a.promotion_id AND n.customer_id = a.customer_id
    INNER JOIN promotions.windows AS w ON f.promotion_id = w.promotion_id
    WHERE n.created_on BETWEEN w.starts_on AND w.ends_on
    GROUP BY n.order_guid, n.line_no
)

SELECT
    n.order_guid,
    n.line_no,
    n.channel,
    n.customer_id,
    n.sku,
    n.created_on,
    n.currency,
    n.payable_amount,
    n.coupon_amount,
    coalesce(k.candidate_count, 0) AS candidate_count,
    CASE WHEN k.candidate_count = 1 THEN k.promotion_id END AS promotion_id,
    n.file_id,
    n.row_number
FROM lines AS n
LEFT JOIN candidates AS k ON n.order_guid = k.order_guid AND n.line_no = k.line_no
