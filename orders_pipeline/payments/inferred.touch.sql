-- Shops whose open orders, or what has been received for them, have changed while money without a name waits there.
SELECT r.block_guid
FROM payments.residuals AS r
INNER JOIN orders.orders AS o ON r.channel = o.channel AND r.shop_id = o.shop_id AND r.currency = o.currency
INNER JOIN touched.order_keys AS t ON o.order_guid = t.key

UNION ALL

SELECT r.block_guid
FROM payments.residuals AS r
INNER JOIN payments.links AS l ON r.channel = l.channel AND r.shop_id = l.shop_id AND r.currency = l.currency
INNER JOIN touched.payment_keys AS t ON l.payment_key = t.key
