-- grain: courier_code, waybill_id, issue
-- refresh: whole
-- pace: later
-- changes at: always
-- Parcels that somebody has to ask the courier about, since when and how bad. A thin layer: what is waited for changes with what is
-- touched, its age with every look. A dispute needs no age.
WITH aged AS (
    SELECT
        parcel_guid,
        courier_code,
        waybill_id,
        issue,
        order_guid,
        channel,
        warehouse_id,
        order_count,
        status,
        since_at,
        cause,
        seconds_between(as_of(), since_at) AS seconds,
        CASE issue
            WHEN 'no_collection' THEN 3600 * threshold('parcel_collection_watch_hours')
            WHEN 'no_movement' THEN 3600 * threshold('parcel_movement_watch_hours')
            WHEN 'signed_not_completed' THEN 3600 * threshold('parcel_completion_alert_hours')
            ELSE 0
        END AS watch_seconds,
        CASE issue
            WHEN 'no_collection' THEN 3600 * threshold('first_scan_limit_hours')
            WHEN 'no_movement' THEN 3600 * threshold('parcel_movement_alert_hours')
            WHEN 'signed_not_completed' THEN 3600 * threshold('parcel_completion_alert_hours')
            ELSE 0
        END AS alert_seconds
    FROM fulfilment.parcel_watch
)

SELECT
    courier_code,
    waybill_id,
    issue,
    parcel_guid,
    order_guid,
    channel,
    warehouse_id,
    order_count,
    status,
    cause,
    since_at,
    round_half_up(ratio(seconds, 3600)) AS age_hours,
    CASE WHEN seconds >= alert_seconds THEN 'alert' ELSE 'watch' END AS severity
FROM aged
WHERE seconds >= watch_seconds
