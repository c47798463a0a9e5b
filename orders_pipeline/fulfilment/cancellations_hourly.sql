-- grain: channel, hour_at
-- refresh: whole
-- pace: later
-- changes at: always
-- through: bursts.expected
-- returns: channel VARCHAR, hour_at TIMESTAMPTZ, hour_local TIMESTAMP, cancelled_count BIGINT, day_count BIGINT, usual_count DOUBLE,
-- returns: interval_low DOUBLE, interval_high DOUBLE, is_burst BOOLEAN
-- Cancellations by hour of the last week against the usual number at that hour of the day, over the weeks before.
WITH cancelled AS (
    SELECT
        o.channel,
        CAST(date_trunc('hour', v.entered_at) AS TIMESTAMPTZ) AS hour_at,
        min(o.timezone) AS timezone,
        count(*) AS cancelled_count
    FROM fulfilment.stage_visits AS v
    INNER JOIN orders.orders AS o ON v.order_guid = o.order_guid
    WHERE
        v.axis = 'order' AND v.stage IN ('cancelled', 'expired') AND NOT v.is_observed
        AND o.order_type NOT IN ('test', 'credit_note', 'adjustment')
        AND v.entered_at <= as_of()
        AND v.entered_at >= add_hours(as_of(), -24 * (threshold('cancel_burst_history_days') + 8))
    GROUP BY o.channel, CAST(date_trunc('hour', v.entered_at) AS TIMESTAMPTZ)
),

-- Days of which something is known: a channel that began a week ago has no four weeks of habits.
begun AS (
    SELECT
        channel,
        min(created_at) AS begun_at
    FROM orders.orders
    GROUP BY channel
)

SELECT
    c.channel,
    c.hour_at,
    min(from_utc_timestamp(c.hour_at, c.timezone)) AS hour_local,
    min(c.cancelled_count) AS cancelled_count,
    CAST(
        round(min(least(threshold('cancel_burst_history_days'), greatest(0, seconds_between(c.hour_at, b.begun_at) // 86400)))) AS BIGINT
    ) AS day_count,
    CAST(coalesce(sum(h.cancelled_count), 0) AS BIGINT) AS history_count,
    CAST(threshold('cancel_burst_deviation_ratio') AS DOUBLE) AS deviation,
    CAST(round(threshold('cancel_burst_min_count')) AS BIGINT) AS min_count
FROM cancelled AS c
INNER JOIN begun AS b ON c.channel = b.channel
LEFT JOIN cancelled AS h
    ON
        c.channel = h.channel
        AND h.hour_at < c.hour_at
        AND h.hour_at >= add_hours(c.hour_at, -24 * threshold('cancel_burst_history_days'))
        AND hour(from_utc_timestamp(h.hour_at, h.timezone)) = hour(from_utc_timestamp(c.hour_at, c.timezone))
WHERE c.hour_at > add_hours(as_of(), -24 * 7)
GROUP BY c.channel, c.hour_at
