-- grain: customer_id, tag
-- refresh: whole
-- changes at: always
-- through: tagging.judge each customer_id
-- returns: customer_id VARCHAR, tag VARCHAR, status VARCHAR, value DOUBLE, threshold DOUBLE, sample_count BIGINT, interval_low DOUBLE,
-- returns: interval_high DOUBLE, since_on DATE, is_met BOOLEAN, window_from_on DATE, as_on DATE, rule_version INTEGER
-- The tags of each customer by the definitions in force: on, provisional (too few orders to be sure) or insufficient evidence. No row: the
-- rule fails, or nothing happened in its window. A tag goes only after its rule has failed for some days in a row.
WITH sums AS (
    SELECT
        tag,
        customer_key,
        min(as_on) AS as_on,
        sum(CASE WHEN leaves_on > as_on THEN sample ELSE 0 END) AS sample,
        sum(CASE WHEN leaves_on > as_on THEN hits ELSE 0 END) AS hits,
        sum(CASE WHEN leaves_on > as_on THEN base ELSE 0 END) AS base,
        sum(CASE WHEN leaves_on > as_on THEN expected ELSE 0 END) AS expected,
        sum(CASE WHEN leaves_on > as_on THEN variety ELSE 0 END) AS variety,
        -- The most that can have counted on any day on which the rule may still have held.
        sum(CASE WHEN leaves_on > add_days(as_on, -off_after_days) THEN sample ELSE 0 END) AS most_sample,
        sum(CASE WHEN leaves_on > add_days(as_on, -off_after_days) THEN hits ELSE 0 END) AS most_hits,
        sum(CASE WHEN leaves_on > add_days(as_on, -off_after_days) THEN variety ELSE 0 END) AS most_variety
    FROM customers.tag_evidence
    GROUP BY tag, customer_key
),

-- Only whom a tag may concern is followed day by day.
today AS (
    SELECT
        s.tag,
        s.customer_key,
        s.as_on,
        s.sample,
        s.hits,
        s.base,
        s.expected,
        s.variety,
        s.most_sample >= coalesce(r.sample_min, 1) AND (
            (r.hits_min IS NULL AND r.variety_min IS NULL)
            OR coalesce(s.most_hits >= r.hits_min, FALSE) OR coalesce(s.most_variety >= r.variety_min, FALSE)
        ) AS is_candidate
    FROM sums AS s
    INNER JOIN customers.tag_rules AS r ON s.tag = r.tag
),

steps AS (
    SELECT
        e.tag,
        e.customer_key,
        e.enters_on AS point_on,
        e.sample,
        e.hits,
        e.base,
        e.expected,
        e.variety
    FROM customers.tag_evidence AS e
    INNER JOIN today AS t ON e.tag = t.tag AND e.customer_key = t.customer_key AND t.is_candidate

    UNION ALL

    SELECT
        e.tag,
        e.customer_key,
        e.leaves_on AS point_on,
        -e.sample AS sample,
        -e.hits AS hits,
        -e.base AS base,
        -e.expected AS expected,
        -e.variety AS variety
    FROM customers.tag_evidence AS e
    INNER JOIN today AS t ON e.tag = t.tag AND e.customer_key = t.customer_key AND t.is_candidate
    WHERE e.leaves_on <= e.as_on
),

points AS (
    SELECT
        tag,
        customer_key,
        point_on,
        CAST(sum(sample) AS DECIMAL(18, 4)) AS sample,
        CAST(sum(hits) AS DECIMAL(18, 4)) AS hits,
        CAST(sum(base) AS DECIMAL(18, 4)) AS base,
        CAST(sum(expected) AS DECIMAL(18, 4)) AS expected,
        CAST(sum(variety) AS DECIMAL(18, 4)) AS variety
    FROM steps
    GROUP BY tag, customer_key, point_on
),

states AS (
    SELECT
        tag,
        customer_key,
        point_on,
        sum(sample) OVER so_far AS sample,
        sum(hits) OVER so_far AS hits,
        sum(base) OVER so_far AS base,
        sum(expected) OVER so_far AS expected,
        sum(variety) OVER so_far AS variety
    FROM points
    WINDOW so_far AS (
        PARTITION BY tag, customer_key ORDER BY point_on ASC NULLS LAST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    )

    UNION ALL

    SELECT tag, customer_key, as_on AS point_on, sample, hits, base, expected, variety
    FROM today
    WHERE NOT is_candidate AND sample > 0
),

cancel_rates AS (
    SELECT
        p.channel,
        ratio(sum(t.hits), sum(t.sample)) AS bar
    FROM today AS t
    INNER JOIN customers.people AS p ON t.customer_key = p.customer_key
    WHERE t.tag = 'frequent_canceller'
    GROUP BY p.channel
),

-- Channels whose changes and returns are reported at all: elsewhere their absence says nothing.
watched AS (
    SELECT channel
    FROM customers.edit_requests
    GROUP BY channel
),

reported AS (
    SELECT p.channel
    FROM today AS t
    INNER JOIN customers.people AS p ON t.customer_key = p.customer_key
    WHERE t.tag = 'high_returner' AND t.hits > 0
    GROUP BY p.channel
),

-- What the value is held against; without it there is no evidence.
bars AS (
    SELECT 'high_potential' AS tag, customer_key, basket AS bar
    FROM customers.peer_baskets

    UNION ALL

    SELECT 'frequent_canceller' AS tag, p.customer_key, c.bar
    FROM customers.people AS p
    INNER JOIN cancel_rates AS c ON p.channel = c.channel

    UNION ALL

    SELECT 'repeated_modifier' AS tag, p.customer_key, CAST(0 AS DOUBLE) AS bar
    FROM customers.people AS p
    INNER JOIN watched AS w ON p.channel = w.channel

    UNION ALL

    SELECT 'high_returner' AS tag, p.customer_key, CAST(0 AS DOUBLE) AS bar
    FROM customers.people AS p
    INNER JOIN reported AS w ON p.channel = w.channel

    UNION ALL

    SELECT r.tag, p.customer_key, CAST(s.at_least AS DOUBLE) AS bar
    FROM customers.people AS p
    INNER JOIN customers.tag_scores AS s ON s.measure = 'money' AND p.currency = s.currency
    CROSS JOIN customers.tag_rules AS r
    WHERE r.tag IN ('rfm_champion', 'at_risk_high_value')
)

SELECT
    p.customer_id,
    s.tag,
    r.rule_version,
    p.as_on,
    s.point_on,
    CAST(s.sample AS DOUBLE) AS sample,
    CAST(s.hits AS DOUBLE) AS hits,
    CAST(s.base AS DOUBLE) AS base,
    CAST(s.expected AS DOUBLE) AS expected,
    CAST(s.variety AS DOUBLE) AS variety,
    CASE
        WHEN s.tag IN ('high_potential', 'frequent_canceller', 'repeated_modifier', 'high_returner', 'rfm_champion', 'at_risk_high_value')
        THEN b.bar
        ELSE CAST(0 AS DOUBLE)
    END AS bar,
    CASE s.tag
        WHEN 'new_customer' THEN days_between(p.as_on, p.first_on)
        ELSE days_between(p.as_on, p.last_on)
    END AS age_days,
    r.window_days,
    CAST(r.sample_min AS DOUBLE) AS sample_min,
    CAST(r.limit_value AS DOUBLE) AS limit_value,
    CAST(r.hits_min AS DOUBLE) AS hits_min,
    CAST(r.variety_min AS DOUBLE) AS variety_min,
    CASE s.tag
        WHEN 'rfm_champion' THEN CAST(q.at_least AS DOUBLE)
        WHEN 'at_risk_high_value' THEN CAST(m.away_days AS DOUBLE)
        ELSE CAST(r.factor AS DOUBLE)
    END AS factor,
    CAST(r.confirm_value AS DOUBLE) AS confirm_value,
    r.off_after_days
FROM states AS s
INNER JOIN customers.people AS p ON s.customer_key = p.customer_key
INNER JOIN customers.tag_rules AS r ON s.tag = r.tag
CROSS JOIN customers.tag_scores AS q
LEFT JOIN bars AS b ON s.tag = b.tag AND s.customer_key = b.customer_key
LEFT JOIN customers.order_gaps AS m ON s.customer_key = m.customer_key
WHERE q.measure = 'frequency'
