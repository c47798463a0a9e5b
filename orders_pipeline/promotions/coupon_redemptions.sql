-- grain: channel, promotion_id, coupon_id, customer_id, redeemed_on
-- refresh: whole
-- Each coupon handed in, with the three rules it has to keep: given to this customer, within the promotion's days, one of its coupons.
WITH handed_in AS (
    SELECT
        channel,
        promotion_id,
        coupon_id,
        customer_id,
        redeemed_on,
        min(file_id) AS file_id,
        min(row_number) AS row_number
    FROM raw.coupon_redemptions
    GROUP BY channel, promotion_id, coupon_id, customer_id, redeemed_on
),

coupons AS (
    SELECT
        channel,
        promotion_id,
        coupon_id,
        count(*) AS sku_count
    FROM promotions.coupon_offers
    GROUP BY channel, promotion_id, coupon_id
)

SELECT
    h.channel,
    h.promotion_id,
    h.coupon_id,
    h.customer_id,
    h.redeemed_on,
    a.customer_id IS NOT NULL AS is_targeted,
    coalesce(h.redeemed_on BETWEEN w.starts_on AND w.ends_on, FALSE) AS is_in_window,
    c.coupon_id IS NOT NULL AS is_of_promotion,
    h.file_id,
    h.row_number
FROM handed_in AS h
LEFT JOIN promotions.coupon_audience AS a
    ON h.channel = a.channel AND h.promotion_id = a.promotion_id AND h.customer_id = a.customer_id
LEFT JOIN promotions.windows AS w ON h.promotion_id = w.promotion_id
LEFT JOIN coupons AS c ON h.channel = c.channel AND h.promotion_id = c.promotion_id AND h.coupon_id = c.coupon_id
