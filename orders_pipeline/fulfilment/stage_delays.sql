-- grain: channel, warehouse_id, stage
-- refresh: whole
-- changes at: always
-- Hours lost by stage in the last days: time spent beyond what a stage may take, still waiting orders until now. The trouble is where most
-- hours are lost, not where most orders are late.
WITH recent AS (
    SELECT
        channel,
        warehouse_id,
        stage,
        step,
        greatest(0, seconds_between(CASE WHEN left_at <= as_of() THEN left_at ELSE as_of() END, due_at)) AS lost_seconds,
        seconds_between(CASE WHEN left_at <= as_of() THEN left_at ELSE as_of() END, entered_at) AS seconds
    FROM fulfilment.waits
    WHERE entered_at <= as_of() AND coalesce(left_at > add_hours(as_of(), -threshold('stage_delay_window_hours')), TRUE)
),

cells AS (
    SELECT
        channel,
        warehouse_id,
        stage,
        min(step) AS step,
        count(*) AS wait_count,
        CAST(sum(CASE WHEN lost_seconds > 0 THEN 1 ELSE 0 END) AS BIGINT) AS late_count,
        sum(seconds) AS seconds,
        sum(lost_seconds) AS lost_seconds
    FROM recent
    GROUP BY channel, warehouse_id, stage
),

stages AS (
    SELECT
        stage,
        sum(lost_seconds) AS lost_seconds
    FROM cells
    GROUP BY stage
),

ranked AS (
    SELECT
        stage,
        row_number() OVER (ORDER BY lost_seconds DESC NULLS LAST, stage ASC NULLS LAST) AS trouble_number
    FROM stages
    WHERE lost_seconds > 0
)

SELECT
    c.channel,
    c.warehouse_id,
    c.stage,
    CASE c.step WHEN 'review' THEN 'operations' WHEN 'courier' THEN 'logistics' ELSE 'warehouse' END AS owner_role,
    c.wait_count,
    c.late_count,
    round_half_up(ratio(c.seconds, c.wait_count * 3600)) AS mean_hours,
    round_half_up(ratio(c.lost_seconds, 3600)) AS lost_hours,
    r.trouble_number,
    coalesce(r.trouble_number <= 3, FALSE) AS is_top
FROM cells AS c
LEFT JOIN ranked AS r ON c.stage = r.stage
