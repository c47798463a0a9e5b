-- Every number of an order.
SELECT DISTINCT id_type, id_value, order_guid FROM (
    SELECT 'channel_order_id' AS id_type, channel_order_id AS id_value, order_guid FROM {{ ref('order_versions') }}
    UNION ALL SELECT 'platform_txn_id', platform_txn_id, order_guid FROM {{ ref('order_versions') }}
    UNION ALL SELECT 'internal_order_id', internal_order_id, order_guid FROM {{ ref('order_versions') }}
    UNION ALL SELECT 'sub_order_id', sub_order_id, order_guid FROM {{ ref('order_lines') }}
    UNION ALL SELECT 'waybill_id', waybill_id, order_guid FROM {{ ref('shipment_lines') }}
) WHERE id_value IS NOT NULL
