-- Holds of orders that have come, been paid or been closed.
SELECT h.hold_guid
FROM raw.holds AS h
INNER JOIN touched.order_keys AS t ON h.order_guid = t.key

UNION ALL

-- Holds in a unit whose factor has come or changed.
SELECT h.hold_guid
FROM raw.holds AS h
INNER JOIN touched.stock_keys AS t ON h.sku_guid = t.key
