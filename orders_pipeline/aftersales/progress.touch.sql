-- Cases of orders that have come, changed or been shipped, and of goods that a later product list describes.
SELECT r.return_guid
FROM raw.returns AS r
INNER JOIN touched.order_keys AS t ON r.order_guid = t.key

UNION

SELECT r.return_guid
FROM raw.returns AS r
INNER JOIN raw.products AS p ON r.sku = p.sku
INNER JOIN touched.product_keys AS t ON p.product_key = t.key
