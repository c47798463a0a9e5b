-- grain: day, channel, province, warehouse_id
-- refresh: whole
-- pace: later
-- On-time shipping of the orders whose clock fell due on a day: met of met, met late and breached. Cancelled in time (void) it is in neither;
-- shipped before the day it was due, it counts on the day it was due. Hours from payment until all had left; percentiles by nearest rank, of
-- the orders that have left.
WITH ranked AS (
    SELECT
        due_on,
        channel,
        province,
        warehouse_id,
        clock_status,
        ship_seconds,
        row_number() OVER (
            PARTITION BY due_on, channel, province, warehouse_id
            ORDER BY ship_seconds ASC NULLS LAST, order_guid ASC NULLS LAST
        ) AS place,
        count(ship_seconds) OVER (PARTITION BY due_on, channel, province, warehouse_id) AS places
    FROM fulfilment.ship_promises
    WHERE is_scored
),

cells AS (
    SELECT
        due_on,
        channel,
        province,
        warehouse_id,
        count(*) AS due_count,
        CAST(sum(CASE WHEN clock_status = 'met' THEN 1 ELSE 0 END) AS BIGINT) AS on_time_count,
        CAST(sum(CASE WHEN clock_status = 'met_late' THEN 1 ELSE 0 END) AS BIGINT) AS late_count,
        CAST(sum(CASE WHEN clock_status = 'breached' THEN 1 ELSE 0 END) AS BIGINT) AS breached_count,
        count(ship_seconds) AS shipped_count,
        sum(ship_seconds) AS seconds,
        min(CASE WHEN place * 2 >= places THEN ship_seconds END) AS p50_seconds,
        min(CASE WHEN place * 10 >= places * 9 THEN ship_seconds END) AS p90_seconds
    FROM ranked
    GROUP BY due_on, channel, province, warehouse_id
)

SELECT
    due_on AS day,
    channel,
    province,
    warehouse_id,
    due_count,
    on_time_count,
    late_count,
    breached_count,
    ratio(on_time_count, due_count) AS on_time_ratio,
    shipped_count,
    round_half_up(ratio(seconds, shipped_count * 3600)) AS mean_hours,
    round_half_up(ratio(p50_seconds, 3600)) AS p50_hours,
    round_half_up(ratio(p90_seconds, 3600)) AS p90_hours
FROM cells
