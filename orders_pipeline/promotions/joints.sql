-- grain: promotion_id
-- refresh: whole
-- through: joints.group
-- returns: promotion_id VARCHAR, joint_guid UUID, member_no INTEGER
-- Promotions that cannot be looked at one by one: they run on the same goods on the same days, directly or through others. A pair
-- belongs together from half the share on that refuses a promotion, because clean sales, which weigh there, are not known yet.
WITH running AS (
    SELECT
        t.promotion_id,
        t.channel,
        t.shop_id,
        t.sku,
        c.starts_on,
        c.ends_on,
        sum(s.list_amount) AS weight_amount
    FROM promotions.targets AS t
    INNER JOIN promotions.calendars AS c ON t.promotion_id = c.promotion_id
    INNER JOIN promotions.sales_days AS s ON t.channel = s.channel AND t.shop_id = s.shop_id AND t.sku = s.sku
    GROUP BY t.promotion_id, t.channel, t.shop_id, t.sku, c.starts_on, c.ends_on
),

wholes AS (
    SELECT
        promotion_id,
        sum(weight_amount * (days_between(ends_on, starts_on) + 1)) AS weight_amount
    FROM running
    GROUP BY promotion_id
),

pairs AS (
    SELECT
        a.promotion_id,
        b.promotion_id AS other_id,
        sum(
            a.weight_amount * (days_between(least(a.ends_on, b.ends_on), greatest(a.starts_on, b.starts_on)) + 1)
        ) AS weight_amount
    FROM running AS a
    INNER JOIN running AS b
        ON a.channel = b.channel AND a.shop_id = b.shop_id AND a.sku = b.sku
        AND a.starts_on <= b.ends_on AND b.starts_on <= a.ends_on
    WHERE a.promotion_id <> b.promotion_id
    GROUP BY a.promotion_id, b.promotion_id
)

SELECT
    p.promotion_id,
    p.other_id,
    guid_of('joint|' || p.promotion_id) AS joint_guid
FROM pairs AS p
INNER JOIN wholes AS a ON p.promotion_id = a.promotion_id
INNER JOIN wholes AS b ON p.other_id = b.promotion_id
WHERE p.weight_amount > 0.05 * least(a.weight_amount, b.weight_amount)
