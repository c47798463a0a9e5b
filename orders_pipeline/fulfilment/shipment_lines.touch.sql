-- Outbound lines that name an order which has just arrived by another of its numbers, or belonged to one that changed.
SELECT r.shipment_line_guid
FROM raw.shipments AS r
INNER JOIN orders.order_ids AS i ON r.channel_order_id = i.id_value
INNER JOIN touched.order_keys AS t ON i.order_guid = t.key

UNION ALL

SELECT s.shipment_line_guid
FROM fulfilment.shipment_lines AS s
INNER JOIN touched.order_keys AS t ON s.order_guid = t.key

UNION ALL

-- Lines in a unit whose factor has come or changed.
SELECT r.shipment_line_guid
FROM raw.shipments AS r
INNER JOIN touched.stock_keys AS t ON r.sku_guid = t.key
