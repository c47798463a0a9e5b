-- grain: courier_code, warehouse_id, province, weekday
-- refresh: whole
-- pace: later
-- Promised against actual by courier, lane (warehouse to province) and weekday of collection. Promised is the channel's promise to the
-- buyer, else the transit days of the courier's rate for the lane; a parcel without either has no verdict.
WITH lanes AS (
    SELECT
        s.parcel_guid,
        min(s.warehouse_id) AS warehouse_id,
        min(o.province) AS province,
        min(o.timezone) AS timezone,
        min(o.promised_delivery_at) AS promised_delivery_at
    FROM fulfilment.shipment_lines AS s
    INNER JOIN orders.orders AS o ON s.order_guid = o.order_guid
    WHERE s.parcel_guid IS NOT NULL
    GROUP BY s.parcel_guid
),

rates AS (
    SELECT
        warehouse_id,
        province,
        courier_code,
        max(transit_days) AS transit_days
    FROM raw.courier_rates
    WHERE transit_days IS NOT NULL
    GROUP BY warehouse_id, province, courier_code
),

parcels AS (
    SELECT
        p.parcel_guid,
        p.courier_code,
        l.warehouse_id,
        coalesce(l.province, 'unknown') AS province,
        iso_weekday(local_date(p.collected_at, l.timezone)) AS weekday,
        p.collected_at,
        p.delivered_at,
        CASE WHEN p.is_delivered THEN seconds_between(p.delivered_at, p.collected_at) END AS seconds,
        coalesce(l.promised_delivery_at, add_hours(p.collected_at, 24 * r.transit_days)) AS promised_at
    FROM fulfilment.parcels AS p
    INNER JOIN lanes AS l ON p.parcel_guid = l.parcel_guid
    LEFT JOIN rates AS r ON l.warehouse_id = r.warehouse_id AND l.province = r.province AND p.courier_code = r.courier_code
    WHERE p.collected_at IS NOT NULL
),

ranked AS (
    SELECT
        courier_code,
        warehouse_id,
        province,
        weekday,
        seconds,
        CASE WHEN promised_at IS NOT NULL THEN seconds_between(promised_at, collected_at) END AS promised_seconds,
        CASE WHEN promised_at IS NOT NULL AND seconds IS NOT NULL THEN CASE WHEN delivered_at <= promised_at THEN 1 ELSE 0 END END AS is_kept,
        row_number() OVER (
            PARTITION BY courier_code, warehouse_id, province, weekday
            ORDER BY seconds ASC NULLS LAST, parcel_guid ASC NULLS LAST
        ) AS place,
        count(seconds) OVER (PARTITION BY courier_code, warehouse_id, province, weekday) AS places
    FROM parcels
)

SELECT
    courier_code,
    warehouse_id,
    province,
    weekday,
    count(*) AS parcel_count,
    count(seconds) AS delivered_count,
    count(is_kept) AS promised_count,
    CAST(round(coalesce(sum(is_kept), 0), 0) AS BIGINT) AS on_time_count,
    ratio(coalesce(sum(is_kept), 0), count(is_kept)) AS on_time_ratio,
    round_half_up(ratio(sum(promised_seconds), count(promised_seconds) * 3600)) AS promised_hours,
    round_half_up(ratio(sum(seconds), count(seconds) * 3600)) AS mean_hours,
    round_half_up(ratio(min(CASE WHEN place * 2 >= places THEN seconds END), 3600)) AS p50_hours,
    round_half_up(ratio(min(CASE WHEN place * 10 >= places * 9 THEN seconds END), 3600)) AS p90_hours
FROM ranked
GROUP BY courier_code, warehouse_id, province, weekday
