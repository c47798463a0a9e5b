-- grain: shipment_line_guid, sku
-- refresh: shipment by shipment_line_guid
-- touches: stock by sku_guid
-- lookup: inventory.kit_components
-- Bundles that left the warehouse under the bundle's own SKU, as the components that left with them.
SELECT
    s.shipment_line_guid,
    k.component_sku AS sku,
    k.sku_guid,
    CAST(s.quantity * k.component_quantity AS DECIMAL(18, 3)) AS quantity,
    s.warehouse_id,
    s.outbound_id,
    s.waybill_id,
    s.channel_order_id,
    s.sub_order_id,
    s.shipped_at,
    s.file_id,
    s.row_number
FROM fulfilment.shipment_lines AS s
INNER JOIN inventory.kit_components AS k ON s.sku = k.kit_sku
WHERE s.shipped_at IS NOT NULL
