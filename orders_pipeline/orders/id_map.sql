-- grain: id_type, id_value, order_guid
-- refresh: order by order_guid
-- Every outside number of an order, to look one up by whatever number is at hand.
WITH named AS (
    SELECT id_type, id_value, order_guid, source
    FROM orders.order_ids

    UNION ALL

    SELECT 'waybill_id' AS id_type, waybill_id AS id_value, order_guid, source
    FROM fulfilment.shipment_lines
    WHERE waybill_id IS NOT NULL
)

SELECT
    id_type,
    id_value,
    order_guid,
    min(source) AS source
FROM named
GROUP BY id_type, id_value, order_guid
