-- grain: channel, warehouse_id, stage
-- refresh: whole
-- pace: later
-- changes at: always
-- Hours lost by stage: of the clocks that fell due in the last days, what was used beyond the limit (working time of the clock's calendar; past a
-- promise, time on the wall), those still open until now. The trouble is where most hours are lost, not where most orders are late. The clocks of
-- the order as a whole (time to leave, time to arrive) run over the stages of its parcels and are left out.
WITH due AS (
    SELECT
        s.order_guid,
        s.stage,
        s.owner_role,
        p.channel,
        p.warehouse_id,
        s.clock_status,
        s.elapsed_seconds,
        CASE
            WHEN s.clock_status = 'met' THEN 0
            WHEN s.limit_seconds IS NULL OR s.elapsed_seconds <= s.limit_seconds
                THEN greatest(0, seconds_between(CASE WHEN s.stopped_at <= as_of() THEN s.stopped_at ELSE as_of() END, s.due_at))
            ELSE s.elapsed_seconds - s.limit_seconds
        END AS lost_seconds
    FROM fulfilment.order_stages AS s
    INNER JOIN fulfilment.ship_promises AS p ON s.order_guid = p.order_guid
    WHERE
        s.axis IN ('order', 'fulfilment')
        AND s.stage NOT IN ('unallocated', 'dispatched')
        AND s.clock_status IN ('met', 'met_late', 'breached')
        AND s.due_at <= as_of()
        AND s.due_at > add_hours(as_of(), -threshold('stage_delay_window_hours'))
),

cells AS (
    SELECT
        channel,
        warehouse_id,
        stage,
        min(owner_role) AS owner_role,
        count(*) AS due_count,
        CAST(sum(CASE WHEN clock_status = 'met' THEN 1 ELSE 0 END) AS BIGINT) AS on_time_count,
        CAST(sum(CASE WHEN clock_status = 'breached' THEN 1 ELSE 0 END) AS BIGINT) AS open_count,
        sum(elapsed_seconds) AS seconds,
        sum(lost_seconds) AS lost_seconds
    FROM due
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
    c.owner_role,
    c.due_count,
    c.on_time_count,
    ratio(c.on_time_count, c.due_count) AS on_time_ratio,
    c.due_count - c.on_time_count AS late_count,
    c.open_count,
    round_half_up(ratio(c.seconds, c.due_count * 3600)) AS mean_hours,
    round_half_up(ratio(c.lost_seconds, 3600)) AS lost_hours,
    r.trouble_number,
    coalesce(r.trouble_number <= 3, FALSE) AS is_top
FROM cells AS c
LEFT JOIN ranked AS r ON c.stage = r.stage
