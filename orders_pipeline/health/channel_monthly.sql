-- grain: month, channel
-- refresh: whole
-- changes at: always
-- Each channel's month: orders created of those there should be, hours until the money was booked, share of abnormal orders, the mean of the
-- daily scores, and what cost most of them.
WITH facts AS (
    SELECT
        order_guid,
        channel,
        CAST(date_trunc('month', created_on) AS DATE) AS month,
        is_paid
    FROM health.order_facts
    WHERE created_at <= as_of()
),

abnormal AS (
    SELECT
        p.reference_id AS order_guid
    FROM health.problems AS p
    INNER JOIN (SELECT component FROM ref.health_components WHERE is_abnormal GROUP BY component) AS r ON p.problem = r.component
    GROUP BY p.reference_id
),

orders AS (
    SELECT
        f.channel,
        f.month,
        count(*) AS order_count,
        count(CASE WHEN f.is_paid THEN 1 END) AS paid_count,
        count(a.order_guid) AS abnormal_count
    FROM facts AS f
    LEFT JOIN abnormal AS a ON f.order_guid = a.order_guid
    GROUP BY f.channel, f.month
),

-- What is no order of ours is abnormal by itself.
not_created AS (
    SELECT
        channel,
        CAST(date_trunc('month', counted_on) AS DATE) AS month,
        count(DISTINCT reference_id) AS missing_count
    FROM health.problems
    WHERE problem IN ('paid_not_created', 'order_not_created')
    GROUP BY channel, CAST(date_trunc('month', counted_on) AS DATE)
),

settled AS (
    SELECT
        channel,
        CAST(date_trunc('month', paid_on) AS DATE) AS month,
        count(*) AS settled_count,
        sum(settlement_seconds) AS seconds
    FROM health.order_facts
    WHERE settlement_seconds IS NOT NULL AND settled_at <= as_of()
    GROUP BY channel, CAST(date_trunc('month', paid_on) AS DATE)
),

scores AS (
    SELECT
        channel,
        CAST(date_trunc('month', day) AS DATE) AS month,
        sum(CASE WHEN dimension = 'operations' THEN score END) AS operations,
        count(CASE WHEN dimension = 'operations' THEN score END) AS scored_day_count,
        min(CASE WHEN dimension = 'operations' THEN score END) AS lowest_score,
        sum(CASE WHEN dimension = 'data_quality' THEN score END) AS data_quality,
        count(CASE WHEN dimension = 'data_quality' THEN score END) AS quality_day_count
    FROM health.channel_daily
    GROUP BY channel, CAST(date_trunc('month', day) AS DATE)
),

costs AS (
    SELECT
        channel,
        CAST(date_trunc('month', day) AS DATE) AS month,
        component,
        sum(points_lost) AS lost
    FROM health.score_components
    WHERE dimension = 'operations' AND points_lost > 0
    GROUP BY channel, CAST(date_trunc('month', day) AS DATE), component
),

worst AS (
    SELECT
        channel,
        month,
        component,
        lost,
        row_number() OVER (PARTITION BY channel, month ORDER BY lost DESC NULLS LAST, component ASC NULLS LAST) AS place
    FROM costs
),

months AS (
    SELECT channel, month FROM orders

    UNION

    SELECT channel, month FROM not_created
)

SELECT
    k.month,
    k.channel,
    coalesce(o.order_count, 0) AS order_count,
    coalesce(n.missing_count, 0) AS not_created_count,
    ratio(coalesce(o.order_count, 0), coalesce(o.order_count, 0) + coalesce(n.missing_count, 0)) AS creation_success_ratio,
    coalesce(t.settled_count, 0) AS settled_count,
    round_half_up(ratio(t.seconds, t.settled_count * 3600)) AS mean_settlement_hours,
    coalesce(o.abnormal_count, 0) + coalesce(n.missing_count, 0) AS abnormal_count,
    ratio(
        coalesce(o.abnormal_count, 0) + coalesce(n.missing_count, 0), coalesce(o.order_count, 0) + coalesce(n.missing_count, 0)
    ) AS abnormal_ratio,
    CAST(round(CAST(ratio(s.operations, s.scored_day_count) AS DECIMAL(18, 8)), 1) AS DECIMAL(6, 1)) AS score,
    s.lowest_score,
    coalesce(s.scored_day_count, 0) AS scored_day_count,
    CAST(round(CAST(ratio(s.data_quality, s.quality_day_count) AS DECIMAL(18, 8)), 1) AS DECIMAL(6, 1)) AS data_quality_score,
    w.component AS worst_component,
    CAST(round(CAST(ratio(w.lost, s.scored_day_count) AS DECIMAL(18, 8)), 1) AS DECIMAL(6, 1)) AS worst_points_lost,
    add_calendar_months(k.month, 1) <= local_date(as_of(), coalesce(h.timezone, d.timezone)) AS is_complete
FROM months AS k
LEFT JOIN orders AS o ON k.channel = o.channel AND k.month = o.month
LEFT JOIN not_created AS n ON k.channel = n.channel AND k.month = n.month
LEFT JOIN settled AS t ON k.channel = t.channel AND k.month = t.month
LEFT JOIN scores AS s ON k.channel = s.channel AND k.month = s.month
LEFT JOIN worst AS w ON k.channel = w.channel AND k.month = w.month AND w.place = 1
LEFT JOIN ref.channels AS h ON k.channel = h.channel
CROSS JOIN ref.channels AS d
WHERE d.channel = 'default'
