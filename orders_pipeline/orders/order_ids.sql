-- grain: id_type, id_value, order_guid
-- refresh: order by order_guid
-- Every number the channels' own files give an order; what payments and shipments are linked by.
WITH named AS (
    SELECT order_guid, 'channel_order_id' AS id_type, channel_order_id AS id_value, source
    FROM orders.order_versions

    UNION ALL

    SELECT order_guid, 'platform_txn_id' AS id_type, platform_txn_id AS id_value, source
    FROM orders.order_versions

    UNION ALL

    SELECT order_guid, 'internal_order_id' AS id_type, internal_order_id AS id_value, source
    FROM orders.order_versions

    UNION ALL

    SELECT order_guid, 'sub_order_id' AS id_type, sub_order_id AS id_value, source
    FROM orders.order_lines
)

SELECT
    id_type,
    id_value,
    order_guid,
    min(source) AS source
FROM named
WHERE id_value IS NOT NULL
GROUP BY id_type, id_value, order_guid
