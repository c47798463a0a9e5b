-- grain: tag, customer_key, enters_on, leaves_on
-- refresh: whole
-- changes at: always
-- What counts for which tag from which day (enters_on) up to, excluding, which other: orders or pieces (sample), those with the trait
-- (hits), what these are of (base), what would be expected, and different things (variety). The tag's definition says what is counted.
WITH bought AS (
    SELECT
        b.customer_key,
        b.purchase_guid,
        p.as_on,
        b.channel,
        b.shop_id,
        -- Zones may differ between orders of one customer: none is of tomorrow.
        least(b.paid_on, p.as_on) AS day,
        CASE WHEN b.is_credit_note THEN 0 ELSE 1 END AS is_order,
        CASE WHEN b.currency = p.currency THEN 1 ELSE 0 END AS is_home_currency,
        b.net_amount,
        b.has_coupon,
        b.is_full_price,
        b.line_count,
        b.full_price_line_count,
        b.is_cancelled_by_customer,
        b.change_count,
        b.return_count,
        b.goods_amount,
        b.promotion_amount
    FROM customers.purchases AS b
    INNER JOIN customers.people AS p ON b.customer_key = p.customer_key
    WHERE b.paid_at <= as_of()
),

units AS (
    SELECT
        u.customer_key,
        u.category,
        least(u.paid_on, p.as_on) AS day,
        u.delivered_qty,
        u.returned_qty
    FROM customers.category_units AS u
    INNER JOIN customers.people AS p ON u.customer_key = p.customer_key
    WHERE u.paid_at <= as_of()
),

-- Of each promotion a customer used, and each address he had, the days up to its next use: at any day at most one stretch counts.
promotion_uses AS (
    SELECT
        f.customer_key,
        o.promotion_id AS thing,
        f.paid_on AS day
    FROM customers.promotion_orders AS o
    INNER JOIN customers.order_facts AS f ON o.order_guid = f.order_guid
    WHERE f.paid_at <= as_of() AND o.amount > 0 AND NOT f.is_credit_note
    GROUP BY f.customer_key, o.promotion_id, f.paid_on
),

address_uses AS (
    SELECT
        customer_key,
        delivery_key AS thing,
        paid_on AS day
    FROM customers.order_facts
    WHERE paid_at <= as_of() AND delivery_key IS NOT NULL AND NOT is_credit_note
    GROUP BY customer_key, delivery_key, paid_on
),

uses AS (
    SELECT 'promo_hunter' AS tag, customer_key, thing, day FROM promotion_uses

    UNION ALL

    SELECT 'bulk_or_reseller' AS tag, customer_key, thing, day FROM address_uses
),

stretches AS (
    SELECT
        tag,
        customer_key,
        day,
        lead(day) OVER (PARTITION BY tag, customer_key, thing ORDER BY day ASC NULLS LAST) AS next_on
    FROM uses
),

-- What counts for which tag from which day up to, excluding, which other day.
facts AS (
    SELECT 'high_potential' AS tag, customer_key, day, CAST(NULL AS DATE) AS leaves_on, is_order * is_home_currency AS sample,
        CAST(0 AS DECIMAL(18, 4)) AS hits, CAST(net_amount * is_home_currency AS DECIMAL(18, 4)) AS base,
        CAST(0 AS DECIMAL(18, 4)) AS expected, 0 AS variety
    FROM bought

    UNION ALL

    SELECT 'price_sensitive' AS tag, customer_key, day, CAST(NULL AS DATE) AS leaves_on, 1 AS sample,
        CASE WHEN has_coupon THEN 1 ELSE 0 END AS hits, CASE WHEN is_full_price THEN 1 ELSE 0 END AS base, 0 AS expected, 0 AS variety
    FROM bought
    WHERE is_order = 1

    UNION ALL

    SELECT 'frequent_canceller' AS tag, customer_key, day, CAST(NULL AS DATE) AS leaves_on, 1 AS sample,
        CASE WHEN is_cancelled_by_customer THEN 1 ELSE 0 END AS hits, 0 AS base, 0 AS expected, 0 AS variety
    FROM bought

    UNION ALL

    SELECT 'repeated_modifier' AS tag, customer_key, day, CAST(NULL AS DATE) AS leaves_on, 1 AS sample,
        CASE WHEN change_count >= threshold('customer_changes_min_count') THEN 1 ELSE 0 END AS hits, 0 AS base, 0 AS expected, 0 AS variety
    FROM bought
    WHERE is_order = 1

    UNION ALL

    SELECT 'rfm_champion' AS tag, customer_key, day, CAST(NULL AS DATE) AS leaves_on, is_order AS sample,
        0 AS hits, net_amount * is_home_currency AS base, 0 AS expected, 0 AS variety
    FROM bought

    UNION ALL

    -- Bought lately: as long as the day has one of the upper scores of recency.
    SELECT 'rfm_champion' AS tag, b.customer_key, b.day, add_days(b.day, CAST(round(s.below) AS INTEGER)) AS leaves_on, 0 AS sample,
        1 AS hits, 0 AS base, 0 AS expected, 0 AS variety
    FROM bought AS b
    CROSS JOIN customers.tag_scores AS s
    WHERE s.measure = 'recency' AND b.is_order = 1

    UNION ALL

    SELECT 'at_risk_high_value' AS tag, customer_key, day, CAST(NULL AS DATE) AS leaves_on, is_order AS sample,
        0 AS hits, net_amount * is_home_currency AS base, 0 AS expected, 0 AS variety
    FROM bought

    UNION ALL

    SELECT 'at_risk_high_value' AS tag, v.customer_key, add_days(v.last_on, m.away_days + 1) AS day, CAST('9999-12-31' AS DATE) AS leaves_on,
        0 AS sample, 1 AS hits, 0 AS base, 0 AS expected, 0 AS variety
    FROM customers.people AS v
    INNER JOIN customers.order_gaps AS m ON v.customer_key = m.customer_key

    UNION ALL

    SELECT 'new_customer' AS tag, customer_key, first_on AS day, CAST(NULL AS DATE) AS leaves_on, 1 AS sample,
        1 AS hits, 0 AS base, 0 AS expected, 0 AS variety
    FROM customers.people

    UNION ALL

    SELECT 'dormant' AS tag, v.customer_key, add_days(v.last_on, r.window_days) AS day, CAST('9999-12-31' AS DATE) AS leaves_on, 1 AS sample,
        1 AS hits, 0 AS base, 0 AS expected, 0 AS variety
    FROM customers.people AS v
    CROSS JOIN customers.tag_rules AS r
    WHERE r.tag = 'dormant'

    UNION ALL

    SELECT 'high_returner' AS tag, u.customer_key, u.day, CAST(NULL AS DATE) AS leaves_on, u.delivered_qty AS sample,
        u.returned_qty AS hits, 0 AS base, CAST(u.delivered_qty * coalesce(c.return_ratio, 0) AS DECIMAL(18, 4)) AS expected, 0 AS variety
    FROM units AS u
    LEFT JOIN customers.return_baselines AS c ON u.category = c.category

    UNION ALL

    SELECT 'high_returner' AS tag, customer_key, day, CAST(NULL AS DATE) AS leaves_on, 0 AS sample,
        0 AS hits, 0 AS base, 0 AS expected, return_count AS variety
    FROM bought
    WHERE return_count > 0

    UNION ALL

    SELECT 'promo_hunter' AS tag, b.customer_key, b.day, CAST(NULL AS DATE) AS leaves_on, 1 AS sample,
        b.promotion_amount AS hits, b.goods_amount AS base,
        CAST(b.goods_amount * coalesce(s.day_share, 0) AS DECIMAL(18, 4)) AS expected, 0 AS variety
    FROM bought AS b
    LEFT JOIN customers.promotion_shares AS s ON b.channel = s.channel AND b.shop_id = s.shop_id
    WHERE b.is_order = 1

    UNION ALL

    SELECT 'full_price_loyal' AS tag, customer_key, day, CAST(NULL AS DATE) AS leaves_on, 1 AS sample,
        full_price_line_count AS hits, line_count AS base, 0 AS expected, CASE WHEN is_full_price THEN 1 ELSE 0 END AS variety
    FROM bought
    WHERE is_order = 1

    UNION ALL

    SELECT 'bulk_or_reseller' AS tag, b.customer_key, b.day, CAST(NULL AS DATE) AS leaves_on, 1 AS sample,
        CASE WHEN l.purchase_guid IS NOT NULL THEN 1 ELSE 0 END AS hits, 0 AS base, 0 AS expected, 0 AS variety
    FROM bought AS b
    LEFT JOIN customers.large_purchases AS l ON b.customer_key = l.customer_key AND b.purchase_guid = l.purchase_guid
    WHERE b.is_order = 1

    UNION ALL

    SELECT s.tag, s.customer_key, s.day, least(add_days(s.day, r.window_days), coalesce(s.next_on, add_days(s.day, r.window_days))) AS leaves_on,
        0 AS sample, 0 AS hits, 0 AS base, 0 AS expected, 1 AS variety
    FROM stretches AS s
    INNER JOIN customers.tag_rules AS r ON s.tag = r.tag
)

SELECT
    f.tag,
    f.customer_key,
    p.as_on,
    f.day AS enters_on,
    coalesce(f.leaves_on, add_days(f.day, r.window_days)) AS leaves_on,
    CAST(sum(f.sample) AS DECIMAL(18, 4)) AS sample,
    CAST(sum(f.hits) AS DECIMAL(18, 4)) AS hits,
    CAST(sum(f.base) AS DECIMAL(18, 4)) AS base,
    CAST(sum(f.expected) AS DECIMAL(18, 4)) AS expected,
    CAST(sum(f.variety) AS DECIMAL(18, 4)) AS variety,
    min(r.off_after_days) AS off_after_days,
    min(r.sample_min) AS sample_min
FROM facts AS f
INNER JOIN customers.people AS p ON f.customer_key = p.customer_key
INNER JOIN customers.tag_rules AS r ON f.tag = r.tag
WHERE f.day <= p.as_on
GROUP BY f.tag, f.customer_key, p.as_on, f.day, coalesce(f.leaves_on, add_days(f.day, r.window_days))
