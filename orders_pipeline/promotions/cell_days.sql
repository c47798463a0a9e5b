-- grain: channel, shop_id, sku, sold_on
-- refresh: whole
-- Sales per SKU, shop and day beside what disturbs them: which promotions reach the day as one of their own goods (from notice to
-- aftermath) or of goods beside them, which run on it, and whether the SKU was out of stock. A day nothing disturbs is clean.
-- The same once more by joint, where promotions that can only be looked at together count as one.
WITH days AS (
    SELECT sold_on
    FROM promotions.sales_days
    GROUP BY sold_on
),

cells AS (
    SELECT
        channel,
        shop_id,
        sku,
        max(category) AS category,
        min(sold_on) AS first_on
    FROM promotions.sales_days
    GROUP BY channel, shop_id, sku
),

reached AS (
    SELECT
        t.promotion_id,
        t.channel,
        t.shop_id,
        t.sku,
        add_days(
            c.starts_on, CASE WHEN c.announced_on < c.starts_on THEN -threshold('promotion_notice_days') ELSE 0 END
        ) AS from_on,
        add_days(c.ends_on, threshold('promotion_aftermath_days')) AS until_on,
        c.starts_on,
        c.ends_on
    FROM promotions.targets AS t
    INNER JOIN promotions.calendars AS c ON t.promotion_id = c.promotion_id
),

beside AS (
    SELECT
        t.promotion_id,
        x.channel,
        x.shop_id,
        x.sku,
        min(c.starts_on) AS from_on,
        max(c.ends_on) AS until_on
    FROM promotions.targets AS t
    INNER JOIN promotions.calendars AS c ON t.promotion_id = c.promotion_id
    INNER JOIN cells AS x ON t.channel = x.channel AND t.shop_id = x.shop_id AND t.category = x.category
    GROUP BY t.promotion_id, x.channel, x.shop_id, x.sku
),

marks AS (
    SELECT
        r.channel,
        r.shop_id,
        r.sku,
        d.sold_on,
        r.promotion_id,
        CASE WHEN d.sold_on BETWEEN r.starts_on AND r.ends_on THEN r.promotion_id END AS running_id,
        0 AS is_out
    FROM reached AS r
    INNER JOIN days AS d ON d.sold_on BETWEEN r.from_on AND r.until_on

    UNION ALL

    SELECT
        b.channel,
        b.shop_id,
        b.sku,
        d.sold_on,
        b.promotion_id,
        CAST(NULL AS VARCHAR) AS running_id,
        0 AS is_out
    FROM beside AS b
    INNER JOIN days AS d ON d.sold_on BETWEEN b.from_on AND b.until_on

    UNION ALL

    SELECT
        c.channel,
        c.shop_id,
        c.sku,
        d.sold_on,
        CAST(NULL AS VARCHAR) AS promotion_id,
        CAST(NULL AS VARCHAR) AS running_id,
        1 AS is_out
    FROM promotions.stock_gaps AS g
    INNER JOIN cells AS c ON g.sku = c.sku
    INNER JOIN days AS d ON d.sold_on BETWEEN g.starts_on AND g.ends_on
),

marked AS (
    SELECT
        m.channel,
        m.shop_id,
        m.sku,
        m.sold_on,
        min(coalesce(CAST(j.joint_guid AS VARCHAR), m.promotion_id)) AS first_joint_id,
        max(coalesce(CAST(j.joint_guid AS VARCHAR), m.promotion_id)) AS last_joint_id,
        min(CASE WHEN m.running_id IS NOT NULL THEN coalesce(CAST(j.joint_guid AS VARCHAR), m.running_id) END) AS first_running_joint_id,
        max(CASE WHEN m.running_id IS NOT NULL THEN coalesce(CAST(j.joint_guid AS VARCHAR), m.running_id) END) AS last_running_joint_id,
        min(m.promotion_id) AS first_promotion_id,
        max(m.promotion_id) AS last_promotion_id,
        min(m.running_id) AS first_running_id,
        max(m.running_id) AS last_running_id,
        max(m.is_out) AS is_out
    FROM marks AS m
    INNER JOIN cells AS c ON m.channel = c.channel AND m.shop_id = c.shop_id AND m.sku = c.sku
    LEFT JOIN promotions.joints AS j ON m.promotion_id = j.promotion_id
    WHERE m.sold_on >= c.first_on
    GROUP BY m.channel, m.shop_id, m.sku, m.sold_on
)

SELECT
    coalesce(s.channel, m.channel) AS channel,
    coalesce(s.shop_id, m.shop_id) AS shop_id,
    coalesce(s.sku, m.sku) AS sku,
    coalesce(s.sold_on, m.sold_on) AS sold_on,
    coalesce(s.sold_qty, 0) AS sold_qty,
    coalesce(s.observed_amount, 0) AS observed_amount,
    coalesce(s.list_amount, 0) AS list_amount,
    coalesce(s.existing_amount, 0) AS existing_amount,
    coalesce(s.identified_amount, 0) AS identified_amount,
    m.first_promotion_id,
    m.last_promotion_id,
    m.first_running_id,
    m.last_running_id,
    m.first_joint_id,
    m.last_joint_id,
    m.first_running_joint_id,
    m.last_running_joint_id,
    coalesce(m.is_out, 0) = 1 AS is_out,
    m.sku IS NULL AS is_clean
FROM promotions.sales_days AS s
FULL OUTER JOIN marked AS m
    ON s.channel = m.channel AND s.shop_id = m.shop_id AND s.sku = m.sku AND s.sold_on = m.sold_on
