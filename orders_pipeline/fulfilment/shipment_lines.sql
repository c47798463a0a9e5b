-- grain: shipment_line_guid
-- refresh: shipment by shipment_line_guid
-- touches: order by order_guid
-- touches: parcel by parcel_guid
-- touches: stock by sku_guid
-- lookup: orders.orders, orders.order_ids, inventory.stock_units
-- Lines of warehouse outbound documents with the order they belong to; a newer export of the same line replaces the older. Quantities
-- are in the base unit of the SKU: of a line of which a part is in a unit nobody has declared, nothing is known to have left.
WITH stated AS (
    SELECT
        r.shipment_line_guid,
        r.file_id,
        r.exported_at,
        CAST(CASE WHEN r.quantity_unit IS NULL THEN r.quantity ELSE r.quantity * u.base_qty END AS DECIMAL(18, 3)) AS quantity,
        r.row_number
    FROM raw.shipments AS r
    LEFT JOIN inventory.stock_units AS u ON r.sku_guid = u.sku_guid AND r.quantity_unit = u.unit
),

per_file AS (
    -- One outbound line may stand in several rows of a file (batches, lots): their quantities add up.
    SELECT
        shipment_line_guid,
        file_id,
        max(exported_at) AS exported_at,
        CASE WHEN count(*) = count(quantity) THEN sum(quantity) ELSE 0 END AS quantity,
        min(row_number) AS row_number
    FROM stated
    GROUP BY shipment_line_guid, file_id
),

ranked AS (
    SELECT
        shipment_line_guid,
        file_id,
        quantity,
        row_number,
        row_number() OVER (
            PARTITION BY shipment_line_guid
            ORDER BY exported_at DESC NULLS LAST, file_id DESC NULLS LAST
        ) AS newest_first
    FROM per_file
),

newest AS (
    SELECT
        r.shipment_line_guid,
        r.warehouse_id,
        r.outbound_id,
        r.claimed_guid,
        r.channel,
        r.shop_id,
        r.channel_order_id,
        r.sub_order_id,
        r.sku,
        CAST(k.quantity AS DECIMAL(18, 3)) AS quantity,
        r.waybill_id,
        r.courier_code,
        r.parcel_guid,
        r.released_at,
        r.picked_at,
        r.label_printed_at,
        r.packed_at,
        r.shipped_at,
        r.created_at,
        r.source,
        r.timezone,
        r.file_id,
        r.row_number
    FROM ranked AS k
    INNER JOIN raw.shipments AS r
        ON k.shipment_line_guid = r.shipment_line_guid AND k.file_id = r.file_id AND k.row_number = r.row_number
    WHERE k.newest_first = 1
),

-- A document that names the order by another of its numbers (sub-order, internal, or without its shop).
strays AS (
    SELECT
        n.shipment_line_guid,
        n.channel,
        n.channel_order_id
    FROM newest AS n
    LEFT JOIN orders.orders AS o ON n.claimed_guid = o.order_guid
    WHERE o.order_guid IS NULL
),

named AS (
    SELECT
        s.shipment_line_guid,
        min(i.order_guid) AS order_guid,
        count(DISTINCT i.order_guid) AS order_count
    FROM strays AS s
    INNER JOIN orders.order_ids AS i ON s.channel_order_id = i.id_value
    INNER JOIN orders.orders AS o ON i.order_guid = o.order_guid
    WHERE
        i.id_type IN ('channel_order_id', 'sub_order_id', 'internal_order_id')
        AND (s.channel IS NULL OR s.channel = 'unmapped' OR s.channel = o.channel)
    GROUP BY s.shipment_line_guid
)

SELECT
    n.shipment_line_guid,
    n.warehouse_id,
    n.outbound_id,
    coalesce(
        m.order_guid,
        n.claimed_guid,
        guid_of('shipment|' || n.warehouse_id || '|' || n.outbound_id || '|' || coalesce(n.channel_order_id, ''))
    ) AS order_guid,
    coalesce(m.order_count > 1, FALSE) AS is_ambiguous,
    n.claimed_guid,
    n.channel,
    n.shop_id,
    n.channel_order_id,
    n.sub_order_id,
    n.sku,
    guid_of(n.sku) AS sku_guid,
    n.quantity,
    n.waybill_id,
    n.courier_code,
    n.parcel_guid,
    n.released_at,
    n.picked_at,
    n.label_printed_at,
    n.packed_at,
    n.shipped_at,
    n.created_at,
    n.timezone,
    n.source,
    n.file_id,
    n.row_number
FROM newest AS n
LEFT JOIN named AS m ON n.shipment_line_guid = m.shipment_line_guid
