WITH shops AS (FROM (VALUES ('淘宝旗舰店', 'taobao', 'main'), ('抖音旗舰店', 'douyin', 'main'), ('Shopify US', 'shopify', 'us'))
    AS t(name, channel, shop_id))
SELECT DISTINCT filename, 'main' AS warehouse_id, w."出库单编号" AS outbound_id, guid(s.channel, s.shop_id, bare(w."子单原始单号")) AS order_guid,
    s.channel, s.shop_id, bare(w."子单原始单号") AS channel_order_id, bare(w."原始子订单号") AS sub_order_id,
    w."货品编号" AS sku, CAST(w."货品数量" AS DECIMAL(18, 3)) AS quantity, bare(w."物流单号") AS waybill_id,
    courier(w."物流公司") AS courier_code, CAST(bare(w."发货时间") AS TIMESTAMPTZ) AS shipped_at
FROM {{ files('wms_outbound') }} AS w
JOIN shops AS s ON w."店铺" = s.name
WHERE {{ only_new_files() }}
