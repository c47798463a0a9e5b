-- Outbound lines, each once, parcels by their courier events, and every number of an order.

CREATE TABLE fulfilment.shipment_lines AS
WITH shops AS (FROM (VALUES ('淘宝旗舰店', 'taobao', 'main'), ('抖音旗舰店', 'douyin', 'main'), ('Shopify US', 'shopify', 'us'))
    AS t(name, channel, shop_id))
SELECT DISTINCT 'main' AS warehouse_id, w."出库单编号" AS outbound_id, guid(s.channel, s.shop_id, bare(w."子单原始单号")) AS order_guid,
    s.channel, s.shop_id, bare(w."子单原始单号") AS channel_order_id, bare(w."原始子订单号") AS sub_order_id,
    w."货品编号" AS sku, CAST(w."货品数量" AS DECIMAL(18, 3)) AS quantity, bare(w."物流单号") AS waybill_id,
    courier(w."物流公司") AS courier_code, CAST(bare(w."发货时间") AS TIMESTAMPTZ) AS shipped_at
FROM {wms_outbound} AS w
JOIN shops AS s ON w."店铺" = s.name;

INSERT INTO fulfilment.shipment_lines BY NAME
SELECT DISTINCT warehouse_id, outbound_id, guid(channel, shop_id, channel_order_id) AS order_guid, channel, shop_id, channel_order_id,
    sku, CAST(quantity AS DECIMAL(18, 3)) AS quantity, waybill_id, courier_code, CAST(shipped_at AS TIMESTAMPTZ) AS shipped_at
FROM {standard_shipments};

CREATE TABLE fulfilment.parcels AS
WITH events AS (
    SELECT DISTINCT courier("快递公司") AS courier_code, "运单号" AS waybill_id, "描述" AS description,
        CASE "状态码" WHEN '0' THEN 'in_transit' WHEN '1' THEN 'collected' WHEN '5' THEN 'out_for_delivery' WHEN '3' THEN 'delivered'
            ELSE 'unmapped' END AS status,
        CAST("时间" AS TIMESTAMPTZ) AS occurred_at
    FROM {courier_tracking}
    UNION ALL
    SELECT DISTINCT courier_code, waybill_id, description, status_code, CAST(occurred_at AS TIMESTAMPTZ)
    FROM {standard_tracking}
),
followed AS (
    SELECT courier_code, waybill_id, count(*) AS event_count, max(occurred_at) AS last_event_at,
        arg_max(status, epoch_us(occurred_at) * 10 + CASE status WHEN 'delivered' THEN 8 WHEN 'out_for_delivery' THEN 2
            WHEN 'in_transit' THEN 1 ELSE 0 END) AS status,
        coalesce(min(occurred_at) FILTER (status = 'collected'), min(occurred_at)) AS collected_at,
        min(occurred_at) FILTER (status = 'delivered') AS delivered_at
    FROM events GROUP BY courier_code, waybill_id
),
carried AS (
    SELECT courier_code, waybill_id, count(DISTINCT order_guid) AS order_count FROM fulfilment.shipment_lines
    GROUP BY courier_code, waybill_id
)
SELECT courier_code, waybill_id, coalesce(c.order_count, 0) AS order_count, coalesce(f.status, 'label_created') AS status,
    coalesce(f.event_count, 0) AS event_count, f.collected_at, f.last_event_at, f.delivered_at,
    coalesce(f.status = 'delivered', false) AS is_delivered
FROM followed AS f FULL JOIN carried AS c USING (courier_code, waybill_id);

CREATE TABLE orders.id_map AS
SELECT DISTINCT id_type, id_value, order_guid FROM (
    SELECT 'channel_order_id' AS id_type, channel_order_id AS id_value, order_guid FROM orders.order_versions
    UNION ALL SELECT 'platform_txn_id', platform_txn_id, order_guid FROM orders.order_versions
    UNION ALL SELECT 'internal_order_id', internal_order_id, order_guid FROM orders.order_versions
    UNION ALL SELECT 'sub_order_id', sub_order_id, order_guid FROM orders.order_lines
    UNION ALL SELECT 'waybill_id', waybill_id, order_guid FROM fulfilment.shipment_lines
) WHERE id_value IS NOT NULL;
