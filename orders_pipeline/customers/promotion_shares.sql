-- grain: channel, shop_id
-- refresh: whole
-- changes at: always
-- On what share of its selling days a shop had a promotion: what a customer's purchases in promotions are held against.
WITH bought AS (
    SELECT
        b.customer_key,
        b.purchase_guid,
        b.channel,
        b.shop_id,
        b.paid_at,
        p.as_on,
        least(b.paid_on, p.as_on) AS day
    FROM customers.purchases AS b
    INNER JOIN customers.people AS p ON b.customer_key = p.customer_key
    WHERE b.paid_at <= as_of() AND NOT b.is_credit_note
),

shop_days AS (
    SELECT
        b.channel,
        b.shop_id,
        b.day
    FROM bought AS b
    CROSS JOIN customers.tag_rules AS r
    WHERE r.tag = 'promo_hunter' AND b.day > add_days(b.as_on, -r.window_days)
    GROUP BY b.channel, b.shop_id, b.day
),

campaigns AS (
    SELECT
        r.channel,
        r.shop_id,
        c.starts_on,
        c.ends_on
    FROM promotions.calendars AS c
    INNER JOIN raw.promotions AS r ON c.promotion_id = r.promotion_id AND c.file_id = r.file_id
    GROUP BY r.channel, r.shop_id, c.starts_on, c.ends_on
),

promotion_days AS (
    SELECT
        d.channel,
        d.shop_id,
        d.day
    FROM shop_days AS d
    INNER JOIN campaigns AS c ON d.day BETWEEN c.starts_on AND c.ends_on
    WHERE coalesce(c.channel, d.channel) = d.channel AND coalesce(c.shop_id, d.shop_id) = d.shop_id
    GROUP BY d.channel, d.shop_id, d.day
)

SELECT
    d.channel,
    d.shop_id,
    CAST(ratio(count(p.day), count(*)) AS DECIMAL(9, 6)) AS day_share
FROM shop_days AS d
LEFT JOIN promotion_days AS p ON d.channel = p.channel AND d.shop_id = p.shop_id AND d.day = p.day
GROUP BY d.channel, d.shop_id
