-- grain: day, metric, channel
-- refresh: whole
-- changes at: always
-- through: habits.compared
-- returns: day DATE, metric VARCHAR, channel VARCHAR, value DOUBLE, usual_value DOUBLE, interval_low DOUBLE, interval_high DOUBLE,
-- returns: sample_count BIGINT, is_anomaly BOOLEAN
-- Volumes (orders, payments) and rates (quality.metrics) of the last weeks against the same weekday of the weeks before: the value, what
-- is usual, and the interval in which chance keeps it. A day without a single order is a value of zero, up to the channel's last one.
WITH bounds AS (
    SELECT local_date(as_of(), timezone) AS today
    FROM ref.channels
    WHERE channel = 'default'
),

volumes AS (
    SELECT
        day,
        'order_count' AS metric,
        channel,
        count(*) AS passed_count
    FROM quality.order_quality
    WHERE is_trade
    GROUP BY day, channel

    UNION ALL

    SELECT
        local_date(t.occurred_at, coalesce(c.timezone, d.timezone)) AS day,
        'payment_count' AS metric,
        t.channel,
        count(*) AS passed_count
    FROM payments.transactions AS t
    LEFT JOIN ref.channels AS c ON t.channel = c.channel
    CROSS JOIN ref.channels AS d
    WHERE t.channel IS NOT NULL AND d.channel = 'default'
    GROUP BY local_date(t.occurred_at, coalesce(c.timezone, d.timezone)), t.channel
),

spans AS (
    SELECT
        metric,
        channel,
        min(day) AS first_day,
        max(day) AS last_day
    FROM volumes
    GROUP BY metric, channel
),

calendar AS (
    SELECT
        s.metric,
        s.channel,
        add_days(b.today, -n.day_number) AS day
    FROM spans AS s
    CROSS JOIN bounds AS b
    CROSS JOIN ref.days AS n
    WHERE
        n.day_number >= 1
        AND n.day_number <= threshold('anomaly_window_days') + threshold('anomaly_history_days')
        AND add_days(b.today, -n.day_number) >= s.first_day
        AND add_days(b.today, -n.day_number) <= s.last_day
),

series AS (
    SELECT
        k.day,
        k.metric,
        k.channel,
        'volume' AS kind,
        coalesce(v.passed_count, 0) AS passed_count,
        1 AS checked_count
    FROM calendar AS k
    LEFT JOIN volumes AS v ON k.day = v.day AND k.metric = v.metric AND k.channel = v.channel

    UNION ALL

    SELECT
        m.day,
        m.metric,
        m.channel,
        'rate' AS kind,
        m.passed_count,
        m.checked_count
    FROM quality.metrics AS m
    CROSS JOIN bounds AS b
    WHERE m.day < b.today AND m.day >= add_days(b.today, -(threshold('anomaly_window_days') + threshold('anomaly_history_days')))
),

valued AS (
    SELECT
        *,
        CAST(ratio(passed_count, checked_count) AS DECIMAL(18, 6)) AS value
    FROM series
)

SELECT
    c.day,
    c.metric,
    c.channel,
    min(c.kind) AS kind,
    min(c.value) AS value,
    min(c.checked_count) AS checked_count,
    count(h.day) AS sample_count,
    coalesce(sum(h.value), 0) AS value_sum,
    -- 18 digits would end at a thousand orders a day.
    coalesce(sum(CAST(h.value AS DECIMAL(19, 6)) * h.value), 0) AS square_sum,
    CAST(coalesce(sum(h.passed_count), 0) AS BIGINT) AS history_passed_count,
    CAST(coalesce(sum(h.checked_count), 0) AS BIGINT) AS history_checked_count,
    CAST(threshold('anomaly_deviation_ratio') AS DOUBLE) AS deviation,
    CAST(round(threshold('anomaly_samples_min_count')) AS BIGINT) AS min_samples
FROM valued AS c
CROSS JOIN bounds AS b
LEFT JOIN valued AS h
    ON
        c.metric = h.metric
        AND c.channel = h.channel
        AND h.day < c.day
        AND h.day >= add_days(c.day, -threshold('anomaly_history_days'))
        AND iso_weekday(h.day) = iso_weekday(c.day)
WHERE c.day >= add_days(b.today, -threshold('anomaly_window_days'))
GROUP BY c.day, c.metric, c.channel
