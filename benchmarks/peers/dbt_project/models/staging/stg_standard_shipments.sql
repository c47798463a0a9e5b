SELECT DISTINCT filename, warehouse_id, outbound_id, guid(channel, shop_id, channel_order_id) AS order_guid, channel, shop_id, channel_order_id,
    sku, CAST(quantity AS DECIMAL(18, 3)) AS quantity, waybill_id, courier_code, CAST(shipped_at AS TIMESTAMPTZ) AS shipped_at
FROM {{ files('standard_shipments') }}
WHERE {{ only_new_files() }}
