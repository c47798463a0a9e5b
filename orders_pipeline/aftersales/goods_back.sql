-- grain: return_guid
-- refresh: return by return_guid
-- lookup: raw.inventory_movements, fulfilment.parcels
-- The way of the goods back: when their parcel reached us, when they were in stock again (or written off), by the movement file that names
-- the case, its waybill or, with the same SKU, its order.
WITH numbers AS (
    SELECT return_guid, return_id AS reference_id, sku, FALSE AS needs_sku
    FROM aftersales.return_items

    UNION

    SELECT return_guid, return_waybill_id AS reference_id, sku, FALSE AS needs_sku
    FROM aftersales.return_items
    WHERE return_waybill_id IS NOT NULL

    UNION

    SELECT return_guid, channel_order_id AS reference_id, sku, TRUE AS needs_sku
    FROM aftersales.return_items
    WHERE sku IS NOT NULL
),

cases AS (
    SELECT
        return_guid,
        min(requested_at) AS requested_at,
        min(return_waybill_id) AS return_waybill_id
    FROM aftersales.return_items
    GROUP BY return_guid
),

moved AS (
    SELECT
        n.return_guid,
        min(CASE WHEN m.kind = 'return_received' THEN m.occurred_at END) AS booked_in_at,
        min(CASE WHEN m.kind = 'restock' THEN m.occurred_at END) AS restocked_at,
        min(CASE WHEN m.kind IN ('damage', 'write_off') THEN m.occurred_at END) AS written_off_at
    FROM numbers AS n
    INNER JOIN cases AS c ON n.return_guid = c.return_guid
    INNER JOIN raw.inventory_movements AS m
        ON n.reference_id = m.reference_id AND (n.sku = m.sku OR (n.sku IS NULL AND NOT n.needs_sku))
    WHERE m.kind IN ('return_received', 'restock', 'damage', 'write_off') AND m.occurred_at >= c.requested_at
    GROUP BY n.return_guid
),

parcels AS (
    SELECT
        c.return_guid,
        min(p.collected_at) AS sent_at,
        min(p.delivered_at) AS arrived_at
    FROM cases AS c
    INNER JOIN fulfilment.parcels AS p ON c.return_waybill_id = p.waybill_id
    GROUP BY c.return_guid
)

SELECT
    c.return_guid,
    p.sent_at,
    coalesce(least(p.arrived_at, m.booked_in_at), p.arrived_at, m.booked_in_at) AS arrived_at,
    m.restocked_at,
    m.written_off_at
FROM cases AS c
LEFT JOIN moved AS m ON c.return_guid = m.return_guid
LEFT JOIN parcels AS p ON c.return_guid = p.return_guid
