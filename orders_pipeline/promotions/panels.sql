-- grain: panel_guid
-- refresh: whole
-- The small daily series behind the attribution. For each promotion (role): itself; its shops; its goods (target), those beside
-- them in the same shops (substitute) and the same goods in other shops (peer), as base level from the day of their first sale
-- (… base) and as sales per day with what other promotions and empty shelves disturb taken out (clean) and its base level (lost);
-- competitors' events. Without promotion: each category in each shop, the controls. Promotions that overlap are there once more as
-- one, their joint (`promotion_id` is its guid), with its members and, by who runs together, its goods' sales (segment).
WITH costs AS (
    SELECT
        promotion_id,
        sum(amount) AS discount_cost_amount
    FROM orders.order_discounts
    WHERE promotion_id IS NOT NULL AND funder = 'merchant'
    GROUP BY promotion_id
),

scopes AS (
    SELECT
        c.promotion_id,
        'promotion' AS role,
        c.kind,
        c.starts_on,
        c.ends_on,
        c.announced_on,
        k.discount_cost_amount
    FROM promotions.calendars AS c
    LEFT JOIN costs AS k ON c.promotion_id = k.promotion_id

    UNION ALL

    SELECT
        CAST(j.joint_guid AS VARCHAR) AS promotion_id,
        'joint' AS role,
        CASE WHEN min(c.kind) = max(c.kind) THEN min(c.kind) END AS kind,
        min(c.starts_on) AS starts_on,
        max(c.ends_on) AS ends_on,
        min(c.announced_on) AS announced_on,
        sum(k.discount_cost_amount) AS discount_cost_amount
    FROM promotions.joints AS j
    INNER JOIN promotions.calendars AS c ON j.promotion_id = c.promotion_id
    LEFT JOIN costs AS k ON j.promotion_id = k.promotion_id
    GROUP BY j.joint_guid
),

windows AS (
    SELECT
        promotion_id,
        role = 'joint' AS is_joint,
        add_days(starts_on, -threshold('promotion_history_days')) AS from_on,
        add_days(ends_on, threshold('promotion_aftermath_days') + threshold('promotion_later_days')) AS until_on
    FROM scopes
),

targets AS (
    SELECT promotion_id, channel, shop_id, sku, category
    FROM promotions.targets

    UNION ALL

    SELECT CAST(j.joint_guid AS VARCHAR) AS promotion_id, t.channel, t.shop_id, t.sku, max(t.category) AS category
    FROM promotions.targets AS t
    INNER JOIN promotions.joints AS j ON t.promotion_id = j.promotion_id
    GROUP BY j.joint_guid, t.channel, t.shop_id, t.sku
),

runs AS (
    SELECT
        CAST(j.joint_guid AS VARCHAR) AS promotion_id,
        t.channel,
        t.shop_id,
        t.sku,
        d.sold_on,
        string_agg(CAST(j.member_no AS VARCHAR), ',' ORDER BY j.member_no) AS members
    FROM promotions.joints AS j
    INNER JOIN promotions.calendars AS c ON j.promotion_id = c.promotion_id
    INNER JOIN promotions.targets AS t ON j.promotion_id = t.promotion_id
    INNER JOIN promotions.cell_days AS d
        ON t.channel = d.channel AND t.shop_id = d.shop_id AND t.sku = d.sku AND d.sold_on BETWEEN c.starts_on AND c.ends_on
    GROUP BY j.joint_guid, t.channel, t.shop_id, t.sku, d.sold_on
),

segments AS (
    SELECT
        r.promotion_id,
        r.members AS category,
        r.sold_on AS day_on,
        sum(d.observed_amount) AS observed_amount,
        sum(d.list_amount) AS list_amount,
        sum(c.base_amount) AS base_amount
    FROM runs AS r
    INNER JOIN promotions.cells AS c ON r.channel = c.channel AND r.shop_id = c.shop_id AND r.sku = c.sku
    INNER JOIN promotions.cell_days AS d
        ON r.channel = d.channel AND r.shop_id = d.shop_id AND r.sku = d.sku AND r.sold_on = d.sold_on
    GROUP BY r.promotion_id, r.members, r.sold_on
),

shops AS (
    SELECT promotion_id, channel, shop_id
    FROM targets
    GROUP BY promotion_id, channel, shop_id
),

goods AS (
    SELECT promotion_id, sku
    FROM targets
    GROUP BY promotion_id, sku
),

kinds AS (
    SELECT promotion_id, channel, shop_id, category
    FROM targets
    GROUP BY promotion_id, channel, shop_id, category
),

members AS (
    SELECT promotion_id, 'target' AS role, channel, shop_id, sku
    FROM targets

    UNION ALL

    SELECT k.promotion_id, 'substitute' AS role, c.channel, c.shop_id, c.sku
    FROM kinds AS k
    INNER JOIN promotions.cells AS c ON k.channel = c.channel AND k.shop_id = c.shop_id AND k.category = c.category
    LEFT JOIN targets AS t
        ON k.promotion_id = t.promotion_id AND c.channel = t.channel AND c.shop_id = t.shop_id AND c.sku = t.sku
    WHERE t.sku IS NULL

    UNION ALL

    SELECT g.promotion_id, 'peer' AS role, c.channel, c.shop_id, c.sku
    FROM goods AS g
    INNER JOIN promotions.cells AS c ON g.sku = c.sku
    LEFT JOIN shops AS s ON g.promotion_id = s.promotion_id AND c.channel = s.channel AND c.shop_id = s.shop_id
    WHERE s.shop_id IS NULL
),

joined AS (
    SELECT
        m.promotion_id,
        m.role,
        d.sold_on,
        c.base_amount,
        d.sold_qty,
        d.observed_amount,
        d.list_amount,
        d.existing_amount,
        d.identified_amount,
        d.is_out,
        d.is_out
        OR coalesce(CASE WHEN w.is_joint THEN d.first_joint_id ELSE d.first_promotion_id END <> m.promotion_id, FALSE)
        OR coalesce(CASE WHEN w.is_joint THEN d.last_joint_id ELSE d.last_promotion_id END <> m.promotion_id, FALSE) AS is_disturbed,
        coalesce(CASE WHEN w.is_joint THEN d.first_running_joint_id ELSE d.first_running_id END <> m.promotion_id, FALSE)
        OR coalesce(CASE WHEN w.is_joint THEN d.last_running_joint_id ELSE d.last_running_id END <> m.promotion_id, FALSE) AS is_shared
    FROM members AS m
    INNER JOIN windows AS w ON m.promotion_id = w.promotion_id
    INNER JOIN promotions.cells AS c ON m.channel = c.channel AND m.shop_id = c.shop_id AND m.sku = c.sku
    INNER JOIN promotions.cell_days AS d
        ON m.channel = d.channel AND m.shop_id = d.shop_id AND m.sku = d.sku AND d.sold_on BETWEEN w.from_on AND w.until_on
),

series AS (
    SELECT
        promotion_id,
        role,
        sold_on AS day_on,
        sum(sold_qty) AS sold_qty,
        sum(observed_amount) AS observed_amount,
        sum(list_amount) AS list_amount,
        sum(CASE WHEN is_disturbed THEN 0 ELSE list_amount END) AS clean_amount,
        sum(CASE WHEN is_disturbed THEN 0 ELSE observed_amount END) AS clean_observed_amount,
        sum(CASE WHEN is_disturbed THEN 0 ELSE existing_amount END) AS existing_amount,
        sum(identified_amount) AS identified_amount,
        sum(CASE WHEN is_disturbed THEN base_amount ELSE 0 END) AS lost_amount,
        sum(CASE WHEN is_shared THEN base_amount ELSE 0 END) AS shared_amount,
        sum(CASE WHEN is_out THEN base_amount ELSE 0 END) AS out_amount
    FROM joined
    GROUP BY promotion_id, role, sold_on
),

bases AS (
    SELECT
        m.promotion_id,
        m.role,
        c.first_on AS day_on,
        min(c.currency) AS currency,
        max(c.currency) AS last_currency,
        sum(c.clean_qty) AS sold_qty,
        sum(c.clean_amount) AS clean_amount,
        sum(c.base_amount) AS base_amount
    FROM members AS m
    INNER JOIN promotions.cells AS c ON m.channel = c.channel AND m.shop_id = c.shop_id AND m.sku = c.sku
    GROUP BY m.promotion_id, m.role, c.first_on
),

controls AS (
    SELECT
        d.channel,
        d.shop_id,
        coalesce(c.category, '') AS category,
        d.sold_on AS day_on,
        sum(CASE WHEN d.is_clean THEN d.list_amount ELSE 0 END) AS clean_amount,
        sum(CASE WHEN d.is_clean THEN 0 ELSE c.base_amount END) AS lost_amount
    FROM promotions.cell_days AS d
    INNER JOIN promotions.cells AS c ON d.channel = c.channel AND d.shop_id = c.shop_id AND d.sku = c.sku
    GROUP BY d.channel, d.shop_id, coalesce(c.category, ''), d.sold_on
),

control_bases AS (
    SELECT
        channel,
        shop_id,
        coalesce(category, '') AS category,
        first_on AS day_on,
        sum(base_amount) AS base_amount
    FROM promotions.cells
    GROUP BY channel, shop_id, coalesce(category, ''), first_on
),

events AS (
    SELECT
        e.channel,
        e.shop_id,
        e.sku,
        e.category,
        local_date(e.starts_at, coalesce(e.timezone, 'Asia/Shanghai')) AS starts_on,
        greatest(
            local_date(add_minutes(e.ends_at, -1), coalesce(e.timezone, 'Asia/Shanghai')),
            local_date(e.starts_at, coalesce(e.timezone, 'Asia/Shanghai'))
        ) AS ends_on
    FROM raw.competitor_events AS e
),

-- An event that names a SKU only stands for the category of that SKU, among the buyers it takes.
places AS (
    SELECT channel, shop_id, sku, category
    FROM promotions.cells
),

event_places AS (
    SELECT p.channel, p.shop_id, coalesce(p.category, '') AS category, e.starts_on, e.ends_on
    FROM events AS e
    INNER JOIN places AS p ON e.channel = p.channel AND coalesce(e.category, '') = coalesce(p.category, '')
    WHERE e.category IS NOT NULL AND coalesce(e.shop_id, p.shop_id) = p.shop_id AND coalesce(e.sku, p.sku) = p.sku

    UNION ALL

    SELECT p.channel, p.shop_id, coalesce(p.category, '') AS category, e.starts_on, e.ends_on
    FROM events AS e
    INNER JOIN places AS p ON e.channel = p.channel AND e.sku = p.sku
    WHERE e.category IS NULL AND coalesce(e.shop_id, p.shop_id) = p.shop_id

    UNION ALL

    SELECT p.channel, p.shop_id, coalesce(p.category, '') AS category, e.starts_on, e.ends_on
    FROM events AS e
    INNER JOIN places AS p ON e.channel = p.channel
    WHERE e.category IS NULL AND e.sku IS NULL AND coalesce(e.shop_id, p.shop_id) = p.shop_id
),

extent AS (
    SELECT
        min(sold_on) AS first_on,
        max(sold_on) AS last_on
    FROM promotions.sales_days
),

stacked AS (
    SELECT
        promotion_id, role, CAST(NULL AS VARCHAR) AS channel, CAST(NULL AS VARCHAR) AS shop_id, kind AS category,
        starts_on AS day_on, ends_on AS until_on, announced_on AS other_on, CAST(NULL AS DECIMAL(18, 3)) AS sold_qty,
        discount_cost_amount AS observed_amount, CAST(NULL AS DECIMAL(18, 2)) AS list_amount,
        CAST(NULL AS DECIMAL(18, 2)) AS clean_amount, CAST(NULL AS DECIMAL(18, 2)) AS clean_observed_amount,
        CAST(NULL AS DECIMAL(18, 2)) AS existing_amount, CAST(NULL AS DECIMAL(18, 2)) AS identified_amount,
        CAST(NULL AS DECIMAL(18, 6)) AS lost_amount, CAST(NULL AS DECIMAL(18, 6)) AS shared_amount,
        CAST(NULL AS DECIMAL(18, 6)) AS out_amount, CAST(NULL AS DECIMAL(18, 6)) AS base_amount
    FROM scopes

    UNION ALL

    SELECT
        CAST(j.joint_guid AS VARCHAR) AS promotion_id, 'member' AS role, CAST(NULL AS VARCHAR) AS channel,
        CAST(NULL AS VARCHAR) AS shop_id, j.promotion_id AS category, c.starts_on AS day_on, c.ends_on AS until_on,
        CAST(NULL AS DATE) AS other_on, CAST(j.member_no AS DECIMAL(18, 3)) AS sold_qty,
        CAST(NULL AS DECIMAL(18, 2)) AS observed_amount, CAST(NULL AS DECIMAL(18, 2)) AS list_amount,
        CAST(NULL AS DECIMAL(18, 2)) AS clean_amount, CAST(NULL AS DECIMAL(18, 2)) AS clean_observed_amount,
        CAST(NULL AS DECIMAL(18, 2)) AS existing_amount, CAST(NULL AS DECIMAL(18, 2)) AS identified_amount,
        CAST(NULL AS DECIMAL(18, 6)) AS lost_amount, CAST(NULL AS DECIMAL(18, 6)) AS shared_amount,
        CAST(NULL AS DECIMAL(18, 6)) AS out_amount, CAST(NULL AS DECIMAL(18, 6)) AS base_amount
    FROM promotions.joints AS j
    INNER JOIN promotions.calendars AS c ON j.promotion_id = c.promotion_id

    UNION ALL

    SELECT
        promotion_id, 'segment' AS role, CAST(NULL AS VARCHAR) AS channel, CAST(NULL AS VARCHAR) AS shop_id,
        category, day_on, CAST(NULL AS DATE) AS until_on, CAST(NULL AS DATE) AS other_on,
        CAST(NULL AS DECIMAL(18, 3)) AS sold_qty, observed_amount, list_amount,
        CAST(NULL AS DECIMAL(18, 2)) AS clean_amount, CAST(NULL AS DECIMAL(18, 2)) AS clean_observed_amount,
        CAST(NULL AS DECIMAL(18, 2)) AS existing_amount, CAST(NULL AS DECIMAL(18, 2)) AS identified_amount,
        CAST(NULL AS DECIMAL(18, 6)) AS lost_amount, CAST(NULL AS DECIMAL(18, 6)) AS shared_amount,
        CAST(NULL AS DECIMAL(18, 6)) AS out_amount, base_amount
    FROM segments

    UNION ALL

    SELECT
        promotion_id, 'shop' AS role, channel, shop_id, coalesce(category, '') AS category, CAST(NULL AS DATE) AS day_on,
        CAST(NULL AS DATE) AS until_on, CAST(NULL AS DATE) AS other_on, CAST(NULL AS DECIMAL(18, 3)) AS sold_qty,
        CAST(NULL AS DECIMAL(18, 2)) AS observed_amount, CAST(NULL AS DECIMAL(18, 2)) AS list_amount,
        CAST(NULL AS DECIMAL(18, 2)) AS clean_amount, CAST(NULL AS DECIMAL(18, 2)) AS clean_observed_amount,
        CAST(NULL AS DECIMAL(18, 2)) AS existing_amount, CAST(NULL AS DECIMAL(18, 2)) AS identified_amount,
        CAST(NULL AS DECIMAL(18, 6)) AS lost_amount, CAST(NULL AS DECIMAL(18, 6)) AS shared_amount,
        CAST(NULL AS DECIMAL(18, 6)) AS out_amount, CAST(NULL AS DECIMAL(18, 6)) AS base_amount
    FROM kinds

    UNION ALL

    SELECT
        promotion_id, role, CAST(NULL AS VARCHAR) AS channel, CAST(NULL AS VARCHAR) AS shop_id,
        CAST(NULL AS VARCHAR) AS category, day_on, CAST(NULL AS DATE) AS until_on, CAST(NULL AS DATE) AS other_on, sold_qty,
        observed_amount, list_amount, clean_amount, clean_observed_amount, existing_amount, identified_amount, lost_amount,
        shared_amount, out_amount, CAST(NULL AS DECIMAL(18, 6)) AS base_amount
    FROM series

    UNION ALL

    SELECT
        promotion_id, role || ' base' AS role, currency AS channel, last_currency AS shop_id,
        CAST(NULL AS VARCHAR) AS category, day_on, CAST(NULL AS DATE) AS until_on, CAST(NULL AS DATE) AS other_on, sold_qty,
        CAST(NULL AS DECIMAL(18, 2)) AS observed_amount, CAST(NULL AS DECIMAL(18, 2)) AS list_amount, clean_amount,
        CAST(NULL AS DECIMAL(18, 2)) AS clean_observed_amount, CAST(NULL AS DECIMAL(18, 2)) AS existing_amount,
        CAST(NULL AS DECIMAL(18, 2)) AS identified_amount, CAST(NULL AS DECIMAL(18, 6)) AS lost_amount,
        CAST(NULL AS DECIMAL(18, 6)) AS shared_amount, CAST(NULL AS DECIMAL(18, 6)) AS out_amount, base_amount
    FROM bases

    UNION ALL

    SELECT
        CAST(NULL AS VARCHAR) AS promotion_id, 'control' AS role, channel, shop_id, category, day_on,
        CAST(NULL AS DATE) AS until_on, CAST(NULL AS DATE) AS other_on, CAST(NULL AS DECIMAL(18, 3)) AS sold_qty,
        CAST(NULL AS DECIMAL(18, 2)) AS observed_amount, CAST(NULL AS DECIMAL(18, 2)) AS list_amount, clean_amount,
        CAST(NULL AS DECIMAL(18, 2)) AS clean_observed_amount, CAST(NULL AS DECIMAL(18, 2)) AS existing_amount,
        CAST(NULL AS DECIMAL(18, 2)) AS identified_amount, lost_amount, CAST(NULL AS DECIMAL(18, 6)) AS shared_amount,
        CAST(NULL AS DECIMAL(18, 6)) AS out_amount, CAST(NULL AS DECIMAL(18, 6)) AS base_amount
    FROM controls

    UNION ALL

    SELECT
        CAST(NULL AS VARCHAR) AS promotion_id, 'control base' AS role, channel, shop_id, category, day_on,
        CAST(NULL AS DATE) AS until_on, CAST(NULL AS DATE) AS other_on, CAST(NULL AS DECIMAL(18, 3)) AS sold_qty,
        CAST(NULL AS DECIMAL(18, 2)) AS observed_amount, CAST(NULL AS DECIMAL(18, 2)) AS list_amount,
        CAST(NULL AS DECIMAL(18, 2)) AS clean_amount, CAST(NULL AS DECIMAL(18, 2)) AS clean_observed_amount,
        CAST(NULL AS DECIMAL(18, 2)) AS existing_amount, CAST(NULL AS DECIMAL(18, 2)) AS identified_amount,
        CAST(NULL AS DECIMAL(18, 6)) AS lost_amount, CAST(NULL AS DECIMAL(18, 6)) AS shared_amount,
        CAST(NULL AS DECIMAL(18, 6)) AS out_amount, base_amount
    FROM control_bases

    UNION ALL

    SELECT
        CAST(NULL AS VARCHAR) AS promotion_id, 'event' AS role, channel, shop_id, category, starts_on, ends_on,
        CAST(NULL AS DATE) AS other_on, CAST(NULL AS DECIMAL(18, 3)) AS sold_qty,
        CAST(NULL AS DECIMAL(18, 2)) AS observed_amount, CAST(NULL AS DECIMAL(18, 2)) AS list_amount,
        CAST(NULL AS DECIMAL(18, 2)) AS clean_amount, CAST(NULL AS DECIMAL(18, 2)) AS clean_observed_amount,
        CAST(NULL AS DECIMAL(18, 2)) AS existing_amount, CAST(NULL AS DECIMAL(18, 2)) AS identified_amount,
        CAST(NULL AS DECIMAL(18, 6)) AS lost_amount, CAST(NULL AS DECIMAL(18, 6)) AS shared_amount,
        CAST(NULL AS DECIMAL(18, 6)) AS out_amount, CAST(NULL AS DECIMAL(18, 6)) AS base_amount
    FROM event_places
    GROUP BY channel, shop_id, category, starts_on, ends_on

    UNION ALL

    SELECT
        CAST(NULL AS VARCHAR) AS promotion_id, 'extent' AS role, CAST(NULL AS VARCHAR) AS channel,
        CAST(NULL AS VARCHAR) AS shop_id, CAST(NULL AS VARCHAR) AS category, first_on, last_on,
        local_date(as_of(), 'Asia/Shanghai') AS other_on, CAST(NULL AS DECIMAL(18, 3)) AS sold_qty,
        CAST(NULL AS DECIMAL(18, 2)) AS observed_amount, CAST(NULL AS DECIMAL(18, 2)) AS list_amount,
        CAST(NULL AS DECIMAL(18, 2)) AS clean_amount, CAST(NULL AS DECIMAL(18, 2)) AS clean_observed_amount,
        CAST(NULL AS DECIMAL(18, 2)) AS existing_amount, CAST(NULL AS DECIMAL(18, 2)) AS identified_amount,
        CAST(NULL AS DECIMAL(18, 6)) AS lost_amount, CAST(NULL AS DECIMAL(18, 6)) AS shared_amount,
        CAST(NULL AS DECIMAL(18, 6)) AS out_amount, CAST(NULL AS DECIMAL(18, 6)) AS base_amount
    FROM extent
)

SELECT
    guid_of(
        coalesce(promotion_id, '') || '|' || role || '|' || coalesce(channel, '') || '|' || coalesce(shop_id, '') || '|'
        || coalesce(category, '') || '|' || coalesce(CAST(day_on AS VARCHAR), '') || '|' || coalesce(CAST(until_on AS VARCHAR), '')
    ) AS panel_guid,
    promotion_id,
    role,
    channel,
    shop_id,
    category,
    day_on,
    until_on,
    other_on,
    CAST(sold_qty AS DOUBLE) AS sold_qty,
    CAST(observed_amount AS DECIMAL(18, 2)) AS observed_amount,
    CAST(list_amount AS DECIMAL(18, 2)) AS list_amount,
    CAST(clean_amount AS DOUBLE) AS clean_amount,
    CAST(clean_observed_amount AS DOUBLE) AS clean_observed_amount,
    CAST(existing_amount AS DOUBLE) AS existing_amount,
    CAST(identified_amount AS DOUBLE) AS identified_amount,
    CAST(lost_amount AS DOUBLE) AS lost_amount,
    CAST(shared_amount AS DOUBLE) AS shared_amount,
    CAST(out_amount AS DOUBLE) AS out_amount,
    CAST(base_amount AS DOUBLE) AS base_amount
FROM stacked
