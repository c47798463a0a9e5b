-- grain: hour_at, channel, warehouse_id, stage
-- refresh: whole
-- pace: later
-- changes at: always
-- How many orders waited in each stage at the end of every hour of the last days (of the running hour: now), and how many of them too
-- long: what came in until then less what had left.
WITH changes AS (
    SELECT channel, warehouse_id, stage, CAST(date_trunc('hour', entered_at) AS TIMESTAMPTZ) AS hour_at, 1 AS came, 0 AS late
    FROM fulfilment.waits
    WHERE entered_at <= as_of()

    UNION ALL

    SELECT channel, warehouse_id, stage, CAST(date_trunc('hour', left_at) AS TIMESTAMPTZ) AS hour_at, -1 AS came, 0 AS late
    FROM fulfilment.waits
    WHERE left_at <= as_of() AND entered_at <= as_of()

    UNION ALL

    SELECT channel, warehouse_id, stage, CAST(date_trunc('hour', due_at) AS TIMESTAMPTZ) AS hour_at, 0 AS came, 1 AS late
    FROM fulfilment.waits
    WHERE due_at < as_of() AND coalesce(left_at > due_at, TRUE)

    UNION ALL

    SELECT channel, warehouse_id, stage, CAST(date_trunc('hour', left_at) AS TIMESTAMPTZ) AS hour_at, 0 AS came, -1 AS late
    FROM fulfilment.waits
    WHERE due_at < as_of() AND left_at > due_at AND left_at <= as_of()
),

by_hour AS (
    SELECT
        channel,
        warehouse_id,
        stage,
        -- What came before the days shown stands at their beginning.
        greatest(hour_at, add_hours(CAST(date_trunc('hour', as_of()) AS TIMESTAMPTZ), 1 - threshold('backlog_history_hours'))) AS hour_at,
        sum(came) AS came,
        sum(late) AS late
    FROM changes
    GROUP BY
        channel, warehouse_id, stage,
        greatest(hour_at, add_hours(CAST(date_trunc('hour', as_of()) AS TIMESTAMPTZ), 1 - threshold('backlog_history_hours')))
),

cells AS (
    SELECT channel, warehouse_id, stage
    FROM by_hour
    GROUP BY channel, warehouse_id, stage
),

hours AS (
    SELECT
        c.channel,
        c.warehouse_id,
        c.stage,
        add_hours(CAST(date_trunc('hour', as_of()) AS TIMESTAMPTZ), -d.day_number) AS hour_at
    FROM cells AS c
    CROSS JOIN ref.days AS d
    WHERE d.day_number < threshold('backlog_history_hours')
),

levels AS (
    SELECT
        h.hour_at,
        h.channel,
        h.warehouse_id,
        h.stage,
        sum(coalesce(b.came, 0)) OVER (
            PARTITION BY h.channel, h.warehouse_id, h.stage
            ORDER BY h.hour_at ASC NULLS FIRST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS order_count,
        sum(coalesce(b.late, 0)) OVER (
            PARTITION BY h.channel, h.warehouse_id, h.stage
            ORDER BY h.hour_at ASC NULLS FIRST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS overdue_count
    FROM hours AS h
    LEFT JOIN by_hour AS b
        ON h.hour_at = b.hour_at AND h.channel = b.channel AND h.warehouse_id = b.warehouse_id AND h.stage = b.stage
)

SELECT
    hour_at,
    channel,
    warehouse_id,
    stage,
    CAST(order_count AS BIGINT) AS order_count,
    CAST(overdue_count AS BIGINT) AS overdue_count
FROM levels
WHERE order_count > 0
