-- grain: courier_code, waybill_id, issue
-- refresh: parcel by parcel_guid
-- lookup: orders.orders, aftersales.return_items
-- What each parcel's next step is waiting for, and since when: what becomes an issue as soon as it has lasted too long.
WITH carried AS (
    SELECT
        parcel_guid,
        order_guid,
        min(warehouse_id) AS warehouse_id,
        min(coalesce(label_printed_at, packed_at, shipped_at, created_at)) AS label_at
    FROM fulfilment.shipment_lines
    WHERE parcel_guid IS NOT NULL
    GROUP BY parcel_guid, order_guid
),

-- Without a warehouse document the courier's events may name the order.
members AS (
    SELECT parcel_guid, order_guid, warehouse_id, label_at
    FROM carried

    UNION ALL

    SELECT
        p.parcel_guid,
        p.claimed_guid AS order_guid,
        CAST(NULL AS VARCHAR) AS warehouse_id,
        CAST(NULL AS TIMESTAMPTZ) AS label_at
    FROM fulfilment.parcels AS p
    LEFT JOIN carried AS c ON p.parcel_guid = c.parcel_guid
    WHERE c.parcel_guid IS NULL
),

known AS (
    SELECT
        m.parcel_guid,
        m.order_guid,
        m.warehouse_id,
        m.label_at,
        o.channel,
        o.status,
        coalesce(o.status IN ('cancelled', 'expired'), FALSE) AS is_closed,
        o.status NOT IN ('completed', 'cancelled', 'expired') AND o.completed_at IS NULL AS is_open
    FROM members AS m
    LEFT JOIN orders.orders AS o ON m.order_guid = o.order_guid
),

-- A parcel for several orders is cancelled when all of them are.
together AS (
    SELECT
        parcel_guid,
        min(order_guid) AS order_guid,
        min(CASE WHEN is_open THEN order_guid END) AS open_order_guid,
        min(warehouse_id) AS warehouse_id,
        min(channel) AS channel,
        min(label_at) AS label_at,
        min(CASE WHEN is_closed THEN 1 ELSE 0 END) = 1 AS is_closed
    FROM known
    GROUP BY parcel_guid
),

disputes AS (
    SELECT
        k.parcel_guid,
        min(k.order_guid) AS order_guid,
        min(i.requested_at) AS disputed_at
    FROM known AS k
    INNER JOIN aftersales.return_items AS i ON k.order_guid = i.order_guid
    INNER JOIN fulfilment.parcels AS p ON k.parcel_guid = p.parcel_guid
    WHERE
        i.class = 'not_received'
        AND i.status NOT IN ('closed', 'rejected', 'refunded')
        AND i.refunded_at IS NULL
        AND i.requested_at >= p.delivered_at
    GROUP BY k.parcel_guid
),

parcels AS (
    SELECT
        p.parcel_guid,
        p.courier_code,
        p.waybill_id,
        p.order_count,
        p.status,
        p.collected_at,
        p.last_event_at,
        p.delivered_at,
        p.returned_at,
        p.is_delivered,
        t.order_guid,
        t.open_order_guid,
        t.warehouse_id,
        t.channel,
        t.label_at,
        coalesce(t.is_closed, FALSE) AS is_closed
    FROM fulfilment.parcels AS p
    LEFT JOIN together AS t ON p.parcel_guid = t.parcel_guid
),

found AS (
    SELECT
        parcel_guid, courier_code, waybill_id, order_guid, channel, warehouse_id, order_count, status,
        'no_collection' AS issue,
        coalesce(label_at, last_event_at) AS since_at,
        'label_without_scan' AS cause
    FROM parcels
    WHERE collected_at IS NULL AND status IN ('label_created', 'unmapped') AND NOT is_closed

    UNION ALL

    -- In a locker it waits for the buyer, not for the courier.
    SELECT
        parcel_guid, courier_code, waybill_id, order_guid, channel, warehouse_id, order_count, status,
        'no_movement' AS issue,
        last_event_at AS since_at,
        CASE WHEN status IN ('refused', 'returning') THEN 'way_back' WHEN status = 'exception' THEN 'exception' ELSE 'no_scan' END AS cause
    FROM parcels
    WHERE
        collected_at IS NOT NULL
        AND status IN ('collected', 'in_transit', 'out_for_delivery', 'exception', 'refused', 'returning', 'unmapped')

    UNION ALL

    SELECT
        parcel_guid, courier_code, waybill_id, open_order_guid AS order_guid, channel, warehouse_id, order_count, status,
        'signed_not_completed' AS issue,
        delivered_at AS since_at,
        'order_not_completed' AS cause
    FROM parcels
    WHERE is_delivered AND open_order_guid IS NOT NULL

    UNION ALL

    -- The buyer says that nothing came, or the parcel moved on after it was signed for.
    SELECT
        p.parcel_guid, p.courier_code, p.waybill_id, coalesce(d.order_guid, p.order_guid) AS order_guid, p.channel, p.warehouse_id,
        p.order_count, p.status,
        'disputed' AS issue,
        coalesce(d.disputed_at, p.last_event_at) AS since_at,
        CASE WHEN d.disputed_at IS NULL THEN 'moved_after_signature' ELSE 'buyer_did_not_receive' END AS cause
    FROM parcels AS p
    LEFT JOIN disputes AS d ON p.parcel_guid = d.parcel_guid
    WHERE
        p.delivered_at IS NOT NULL
        AND (d.disputed_at IS NOT NULL OR (p.status IN ('exception', 'awaiting_pickup', 'lost') AND p.last_event_at > p.delivered_at))
)

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
    cause
FROM found
WHERE since_at IS NOT NULL
