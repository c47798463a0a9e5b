-- grain: channel, promotion_id, coupon_id, sku
-- refresh: whole
-- pace: later
-- Which goods each coupon of a promotion is good for; rows that several files or lines repeat say the same once.
SELECT
    channel,
    promotion_id,
    coupon_id,
    sku,
    count(*) AS row_count
FROM raw.coupon_products
GROUP BY channel, promotion_id, coupon_id, sku
