-- grain: day, channel, dimension
-- refresh: whole
-- through: scoring.totals
-- returns: day DATE, channel VARCHAR, dimension VARCHAR, score DECIMAL(6, 1), band VARCHAR, order_count BIGINT, is_scored BOOLEAN,
-- returns: score_low DECIMAL(6, 1), score_high DECIMAL(6, 1), scored_weight_ratio DOUBLE, is_capped BOOLEAN,
-- returns: equal_weight_score DECIMAL(6, 1), weight_low_score DECIMAL(6, 1), weight_high_score DECIMAL(6, 1)
-- The health of each channel on each day, 0 to 100, operations and data quality apart, with its interval and band, and how much of it
-- stands on the choice of weights.
WITH created AS (
    SELECT channel, day, checked_count - failed_count AS order_count
    FROM health.component_days
    WHERE component = 'order_not_created'
)

SELECT
    c.day,
    c.channel,
    c.dimension,
    c.component,
    c.weight,
    c.counted_weight,
    c.component_score,
    c.points_lost,
    c.swing_down,
    c.swing_up,
    c.is_scored,
    c.not_scored_reason,
    c.gate_cap,
    coalesce(o.order_count, 0) AS order_count,
    CAST(threshold('health_healthy_min_count') AS DOUBLE) AS healthy_min,
    CAST(threshold('health_watch_min_count') AS DOUBLE) AS watch_min
FROM health.score_components AS c
LEFT JOIN created AS o ON c.channel = o.channel AND c.day = o.day
