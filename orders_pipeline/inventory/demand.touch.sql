-- Orders that a sale of the movement file names.
SELECT i.order_guid
FROM raw.inventory_movements AS m
INNER JOIN touched.stock_keys AS t ON m.sku_guid = t.key
INNER JOIN orders.order_ids AS i ON m.reference_id = i.id_value
WHERE m.kind = 'sale' AND i.id_type IN ('channel_order_id', 'sub_order_id', 'internal_order_id')

UNION ALL

-- Orders that share a number with one that has come or gone: a sale that names it may now mean either.
SELECT i.order_guid
FROM orders.order_ids AS i
INNER JOIN orders.order_ids AS o ON i.id_value = o.id_value
INNER JOIN touched.order_keys AS t ON o.order_guid = t.key
WHERE
    i.id_type IN ('channel_order_id', 'sub_order_id', 'internal_order_id')
    AND o.id_type IN ('channel_order_id', 'sub_order_id', 'internal_order_id')
