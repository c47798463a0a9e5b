-- grain: day, channel, dimension, component
-- refresh: whole
-- through: scoring.components
-- returns: day DATE, channel VARCHAR, dimension VARCHAR, component VARCHAR, value DOUBLE, shrunk_value DOUBLE, peer_value DOUBLE,
-- returns: sample_count BIGINT, failed_count BIGINT, interval_low DOUBLE, interval_high DOUBLE, target DECIMAL(9, 6),
-- returns: acceptable DECIMAL(9, 6), floor DECIMAL(9, 6), weight DECIMAL(9, 3), counted_weight DOUBLE, component_score DOUBLE,
-- returns: points_lost DECIMAL(6, 1), swing_down DOUBLE, swing_up DOUBLE, is_scored BOOLEAN, not_scored_reason VARCHAR,
-- returns: meets_target BOOLEAN, measure VARCHAR, from_day DATE, to_day DATE, rule_version INTEGER, gate_cap INTEGER
-- What each component of a channel's health came to on a day, over the days it looks back on: share, interval, points, and what of the
-- score it cost. A gate that has fallen is a line of its own. Points lost and score add up to 100.
WITH spans AS (
    SELECT
        channel,
        min(day) AS first_day,
        max(day) AS last_day
    FROM health.component_days
    GROUP BY channel
),

numbers AS (
    SELECT a.day_number + 400 * b.day_number AS day_number
    FROM ref.days AS a
    CROSS JOIN ref.days AS b
    WHERE a.day_number < 400 AND b.day_number < 20
),

grid AS (
    SELECT
        s.channel,
        coalesce(h.channel, 'default') AS rules_of,
        add_days(s.last_day, -n.day_number) AS day
    FROM spans AS s
    INNER JOIN numbers AS n ON n.day_number <= days_between(s.last_day, s.first_day)
    LEFT JOIN ref.channels AS h ON s.channel = h.channel
),

-- The rules in force, and up to which day each counts what came before.
cells AS (
    SELECT
        g.channel,
        g.day,
        r.dimension,
        r.component,
        r.measure,
        r.weight_per,
        r.target,
        r.acceptable,
        r.floor,
        r.weight,
        r.gate_limit,
        r.gate_cap,
        r.rule_version,
        add_days(g.day, -r.lag_days) AS to_day,
        add_days(g.day, -r.lag_days - r.window_days) AS before_day
    FROM grid AS g
    INNER JOIN ref.health_components AS r ON g.rules_of = r.channel AND g.day >= r.valid_from AND g.day < r.valid_to
),

-- Counts from the first day on: a window is the difference of two of them.
running AS (
    SELECT
        g.channel,
        r.component,
        g.day,
        sum(coalesce(f.checked_count, 0)) OVER (
            PARTITION BY g.channel, r.component ORDER BY g.day ASC NULLS FIRST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS checked_count,
        sum(coalesce(f.failed_count, 0)) OVER (
            PARTITION BY g.channel, r.component ORDER BY g.day ASC NULLS FIRST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS failed_count
    FROM grid AS g
    INNER JOIN (SELECT channel, component FROM ref.health_components GROUP BY channel, component) AS r ON g.rules_of = r.channel
    LEFT JOIN health.component_days AS f ON g.channel = f.channel AND r.component = f.component AND g.day = f.day
),

counted AS (
    SELECT
        c.day,
        c.channel,
        c.dimension,
        c.component,
        c.measure,
        c.weight_per,
        c.target,
        c.acceptable,
        c.floor,
        c.weight,
        c.gate_limit,
        c.gate_cap,
        c.rule_version,
        add_days(c.before_day, 1) AS from_day,
        c.to_day,
        CAST(coalesce(u.checked_count, 0) - coalesce(b.checked_count, 0) AS BIGINT) AS sample_count,
        CAST(coalesce(u.failed_count, 0) - coalesce(b.failed_count, 0) AS BIGINT) AS failed_count
    FROM cells AS c
    LEFT JOIN running AS u ON c.channel = u.channel AND c.component = u.component AND c.to_day = u.day
    LEFT JOIN running AS b ON c.channel = b.channel AND c.component = b.component AND c.before_day = b.day
),

compared AS (
    SELECT
        day,
        channel,
        dimension,
        component,
        measure,
        weight_per,
        target,
        acceptable,
        floor,
        weight,
        gate_limit,
        gate_cap,
        rule_version,
        from_day,
        to_day,
        sample_count,
        failed_count,
        CAST(sum(sample_count) OVER (PARTITION BY day, component) AS BIGINT) AS peer_count,
        CAST(sum(failed_count) OVER (PARTITION BY day, component) AS BIGINT) AS peer_failed_count,
        sum(sample_count) OVER (PARTITION BY day, channel, dimension) AS any_count
    FROM counted
)

SELECT
    day,
    channel,
    dimension,
    component,
    measure,
    weight_per,
    target,
    acceptable,
    floor,
    weight,
    gate_limit,
    gate_cap,
    rule_version,
    from_day,
    to_day,
    sample_count,
    failed_count,
    peer_count,
    peer_failed_count,
    CAST(threshold('health_shrink_count') AS DOUBLE) AS shrink_count,
    CAST(threshold('health_min_sample_count') AS DOUBLE) AS min_count,
    CAST(threshold('health_min_weight_ratio') AS DOUBLE) AS min_weight_ratio
FROM compared
WHERE any_count > 0
