-- grain: channel, promotion_id, customer_id
-- refresh: whole
-- pace: later
-- Whom the coupons of a promotion were given to.
SELECT
    channel,
    promotion_id,
    customer_id,
    count(*) AS row_count
FROM raw.coupon_targets
WHERE customer_id IS NOT NULL
GROUP BY channel, promotion_id, customer_id
