-- Payments that name an order which has just arrived, or that were shared out to one which has changed.
SELECT r.payment_key
FROM raw.payments AS r
INNER JOIN touched.order_keys AS t ON r.claimed_guid = t.key

UNION ALL

SELECT r.payment_key
FROM raw.payments AS r
INNER JOIN orders.order_ids AS i
    ON r.channel_order_id = i.id_value AND i.id_type IN ('channel_order_id', 'sub_order_id', 'internal_order_id')
INNER JOIN touched.order_keys AS t ON i.order_guid = t.key

UNION ALL

SELECT r.payment_key
FROM raw.payments AS r
INNER JOIN orders.order_ids AS i ON coalesce(r.platform_txn_id, r.payment_id) = i.id_value AND i.id_type = 'platform_txn_id'
INNER JOIN touched.order_keys AS t ON i.order_guid = t.key

UNION ALL

SELECT r.payment_key
FROM raw.payments AS r
INNER JOIN orders.order_ids AS i ON r.merged_payment_id = i.id_value AND i.id_type = 'platform_txn_id'
INNER JOIN touched.order_keys AS t ON i.order_guid = t.key

UNION ALL

SELECT a.payment_key
FROM payments.links AS a
INNER JOIN touched.order_keys AS t ON a.order_guid = t.key
