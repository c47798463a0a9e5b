-- Goods whose lead time or order quantities a later file states.
SELECT b.sku_guid
FROM inventory.balances AS b
INNER JOIN touched.product_keys AS t ON b.sku_guid = t.key
