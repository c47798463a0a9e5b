-- Goods whose base unit a later product list states.
SELECT u.sku_guid
FROM inventory.stock_units AS u
INNER JOIN touched.product_keys AS t ON u.sku_guid = t.key
