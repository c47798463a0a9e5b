-- Orders with a product that a later file describes.
SELECT l.order_guid
FROM raw.order_lines AS l
INNER JOIN raw.products AS p ON l.sku = p.sku
INNER JOIN touched.product_keys AS t ON p.product_key = t.key
