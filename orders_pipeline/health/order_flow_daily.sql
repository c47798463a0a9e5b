-- grain: day, channel
-- refresh: whole
-- changes at: always
-- How orders of a day move: hours until they are accepted (paid, then released to the warehouse), steps they take, steps that are not
-- allowed, and how often other systems had to be called again. Percentiles by nearest rank.
WITH ranked AS (
    SELECT
        channel,
        created_on AS day,
        accept_seconds,
        is_accept_late,
        row_number() OVER (PARTITION BY channel, created_on ORDER BY accept_seconds ASC NULLS LAST, order_guid ASC NULLS LAST) AS place,
        count(*) OVER (PARTITION BY channel, created_on) AS places
    FROM health.order_facts
    WHERE accept_seconds IS NOT NULL AND created_at <= as_of()
),

accepted AS (
    SELECT
        channel,
        day,
        count(*) AS accepted_count,
        count(CASE WHEN is_accept_late THEN 1 END) AS late_count,
        sum(accept_seconds) AS seconds,
        min(CASE WHEN place * 2 >= places THEN accept_seconds END) AS p50_seconds,
        min(CASE WHEN place * 10 >= places * 9 THEN accept_seconds END) AS p90_seconds
    FROM ranked
    GROUP BY channel, day
),

orders AS (
    SELECT
        channel,
        created_on AS day,
        count(*) AS order_count,
        sum(greatest(step_count - 1, 0)) AS change_count,
        count(CASE WHEN step_count > 1 THEN 1 END) AS changed_count,
        sum(illegal_count) AS illegal_count
    FROM health.order_facts
    WHERE created_at <= as_of()
    GROUP BY channel, created_on
),

-- The same call in two exports is one call.
calls AS (
    SELECT
        channel,
        day,
        count(*) AS call_count,
        count(CASE WHEN attempt > 1 THEN 1 END) AS retry_count,
        count(CASE WHEN status_code >= 400 OR error IS NOT NULL THEN 1 END) AS failed_call_count
    FROM (
        SELECT
            coalesce(c.channel, 'unmapped') AS channel,
            local_date(c.requested_at, coalesce(h.timezone, d.timezone)) AS day,
            c.row_hash,
            max(c.attempt) AS attempt,
            max(c.status_code) AS status_code,
            max(c.error) AS error
        FROM raw.interface_calls AS c
        LEFT JOIN ref.channels AS h ON c.channel = h.channel
        CROSS JOIN ref.channels AS d
        WHERE d.channel = 'default' AND c.requested_at <= as_of()
        GROUP BY coalesce(c.channel, 'unmapped'), local_date(c.requested_at, coalesce(h.timezone, d.timezone)), c.row_hash
    ) AS once
    GROUP BY channel, day
),

days AS (
    SELECT channel, day FROM orders

    UNION

    SELECT channel, day FROM calls
)

SELECT
    k.day,
    k.channel,
    coalesce(o.order_count, 0) AS order_count,
    coalesce(a.accepted_count, 0) AS accepted_count,
    coalesce(a.late_count, 0) AS late_count,
    round_half_up(ratio(a.seconds, a.accepted_count * 3600)) AS mean_accept_hours,
    round_half_up(ratio(a.p50_seconds, 3600)) AS p50_accept_hours,
    round_half_up(ratio(a.p90_seconds, 3600)) AS p90_accept_hours,
    CAST(coalesce(o.change_count, 0) AS BIGINT) AS status_change_count,
    coalesce(o.changed_count, 0) AS changed_count,
    ratio(o.changed_count, o.order_count) AS status_change_ratio,
    CAST(coalesce(o.illegal_count, 0) AS BIGINT) AS illegal_count,
    coalesce(c.call_count, 0) AS call_count,
    coalesce(c.retry_count, 0) AS retry_count,
    ratio(c.retry_count, c.call_count) AS retry_ratio,
    coalesce(c.failed_call_count, 0) AS failed_call_count
FROM days AS k
LEFT JOIN orders AS o ON k.channel = o.channel AND k.day = o.day
LEFT JOIN accepted AS a ON k.channel = a.channel AND k.day = a.day
LEFT JOIN calls AS c ON k.channel = c.channel AND k.day = c.day
