-- Parcels as their courier events leave them.
WITH events AS (
        SELECT DISTINCT * EXCLUDE (filename) FROM {{ ref('stg_courier_tracking') }}
    UNION ALL BY NAME SELECT DISTINCT * EXCLUDE (filename) FROM {{ ref('stg_standard_tracking') }}
),
followed AS (
    SELECT courier_code, waybill_id, count(*) AS event_count, max(occurred_at) AS last_event_at,
        arg_max(status, epoch_us(occurred_at) * 10 + CASE status WHEN 'delivered' THEN 8 WHEN 'out_for_delivery' THEN 2
            WHEN 'in_transit' THEN 1 ELSE 0 END) AS status,
        coalesce(min(occurred_at) FILTER (status = 'collected'), min(occurred_at)) AS collected_at,
        min(occurred_at) FILTER (status = 'delivered') AS delivered_at
    FROM events GROUP BY courier_code, waybill_id
),
carried AS (
    SELECT courier_code, waybill_id, count(DISTINCT order_guid) AS order_count FROM {{ ref('shipment_lines') }}
    GROUP BY courier_code, waybill_id
)
SELECT courier_code, waybill_id, coalesce(c.order_count, 0) AS order_count, coalesce(f.status, 'label_created') AS status,
    coalesce(f.event_count, 0) AS event_count, f.collected_at, f.last_event_at, f.delivered_at,
    coalesce(f.status = 'delivered', false) AS is_delivered
FROM followed AS f FULL JOIN carried AS c USING (courier_code, waybill_id)
