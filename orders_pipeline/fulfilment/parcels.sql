-- grain: courier_code, waybill_id
-- refresh: parcel by parcel_guid
-- touches: order by claimed_guid
-- Where each parcel stands: the fold of its courier events in the order of their time, with the orders it carries.
-- A locker or station drop is not delivery; a parcel its sender signed for came back.
WITH events AS (
    SELECT
        parcel_guid,
        courier_code,
        waybill_id,
        parcel_status,
        occurred_at,
        min(raw_status) AS raw_status,
        min(claimed_guid) AS claimed_guid
    FROM raw.tracking
    GROUP BY parcel_guid, courier_code, waybill_id, parcel_status, occurred_at, description
),

followed AS (
    SELECT
        parcel_guid,
        min(claimed_guid) AS claimed_guid,
        count(*) AS event_count,
        min(CASE WHEN parcel_status = 'collected' THEN occurred_at END) AS collected_at,
        min(occurred_at) AS first_event_at,
        max(occurred_at) AS last_event_at,
        min(CASE WHEN parcel_status = 'delivered' THEN occurred_at END) AS delivered_at,
        min(CASE WHEN parcel_status = 'returned_to_sender' THEN occurred_at END) AS returned_at
    FROM events
    GROUP BY parcel_guid
),

-- What an event says outweighs the order in which services report events of one second. A scan on the way that is dated
-- after the delivery (a clock set wrong, a batch sent late) does not undo it; a refusal or a return does.
ranked AS (
    SELECT
        e.parcel_guid,
        e.courier_code,
        e.waybill_id,
        e.parcel_status,
        e.raw_status,
        e.occurred_at,
        row_number() OVER (
            PARTITION BY e.parcel_guid
            ORDER BY
                CASE
                    WHEN
                        e.occurred_at >= f.delivered_at
                        AND e.parcel_status IN ('label_created', 'collected', 'in_transit', 'out_for_delivery', 'unmapped')
                        THEN 1
                    ELSE 0
                END ASC NULLS FIRST,
                e.occurred_at DESC NULLS LAST,
                CASE e.parcel_status
                    WHEN 'returned_to_sender' THEN 9
                    WHEN 'delivered' THEN 8
                    WHEN 'lost' THEN 7
                    WHEN 'refused' THEN 6
                    WHEN 'returning' THEN 5
                    WHEN 'awaiting_pickup' THEN 4
                    WHEN 'exception' THEN 3
                    WHEN 'out_for_delivery' THEN 2
                    WHEN 'in_transit' THEN 1
                    ELSE 0
                END DESC NULLS LAST,
                e.parcel_status ASC NULLS LAST,
                e.raw_status ASC NULLS LAST
        ) AS newest_first
    FROM events AS e
    INNER JOIN followed AS f ON e.parcel_guid = f.parcel_guid
),

carried AS (
    SELECT
        parcel_guid,
        courier_code,
        waybill_id,
        count(DISTINCT order_guid) AS order_count
    FROM fulfilment.shipment_lines
    WHERE parcel_guid IS NOT NULL
    GROUP BY parcel_guid, courier_code, waybill_id
)

SELECT
    coalesce(k.parcel_guid, c.parcel_guid) AS parcel_guid,
    coalesce(k.courier_code, c.courier_code) AS courier_code,
    coalesce(k.waybill_id, c.waybill_id) AS waybill_id,
    f.claimed_guid,
    coalesce(c.order_count, CASE WHEN f.claimed_guid IS NULL THEN 0 ELSE 1 END) AS order_count,
    coalesce(k.parcel_status, 'label_created') AS status,
    k.raw_status,
    coalesce(f.event_count, 0) AS event_count,
    -- A service that starts with the first hub has collected the parcel by then.
    CASE WHEN k.parcel_status <> 'label_created' THEN coalesce(f.collected_at, f.first_event_at) END AS collected_at,
    f.last_event_at,
    f.delivered_at,
    f.returned_at,
    coalesce(k.parcel_status = 'delivered', FALSE) AS is_delivered
FROM ranked AS k
INNER JOIN followed AS f ON k.parcel_guid = f.parcel_guid AND k.newest_first = 1
FULL OUTER JOIN carried AS c ON k.parcel_guid = c.parcel_guid
