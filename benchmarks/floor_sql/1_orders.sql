-- Every export's view of every order (`seen`), folded to versions. Chinese exports write ids as ="…": no quote character.

CREATE TEMP TABLE seen AS
SELECT strptime(regexp_extract(filename, 'List(\d{12})', 1) || '+08', '%Y%m%d%H%M%z') AS exported_at,
    guid('taobao', 'main', bare("订单编号")) AS order_guid, 'taobao' AS channel, 'main' AS shop_id,
    bare("订单编号") AS channel_order_id, CAST(NULL AS VARCHAR) AS platform_txn_id, CAST(NULL AS VARCHAR) AS internal_order_id,
    CASE WHEN "分阶段订单信息" IS NULL THEN 'normal' ELSE 'presale' END AS order_type,
    CASE "订单状态" WHEN '等待买家付款' THEN 'pending_payment' WHEN '买家已付款，等待卖家发货' THEN 'paid'
        WHEN '卖家已发货，等待买家确认' THEN 'shipped' WHEN '交易成功' THEN 'completed'
        WHEN '交易关闭' THEN CASE "订单关闭原因" WHEN '买家未付款' THEN 'expired' ELSE 'cancelled' END
        ELSE 'unmapped' END AS status,
    "订单状态" AS raw_status, 'CNY' AS currency, CAST(NULL AS DECIMAL(18, 2)) AS list_amount,
    CAST(NULL AS DECIMAL(18, 2)) AS merchant_discount_amount, CAST(NULL AS DECIMAL(18, 2)) AS platform_discount_amount,
    money("买家应付邮费") AS freight_amount, money("买家应付货款") + money("买家应付邮费") AS payable_amount,
    money("买家实际支付金额") AS paid_amount, money("退款金额") AS refunded_amount,
    money(nullif(regexp_extract("分阶段订单信息", '定金(\d+\.\d+)', 1), '')) AS deposit_amount,
    CAST("订单创建时间" AS TIMESTAMPTZ) AS created_at, CAST("订单付款时间" AS TIMESTAMPTZ) AS paid_at,
    CAST(NULL AS TIMESTAMPTZ) AS shipped_at, CAST("确认收货时间" AS TIMESTAMPTZ) AS completed_at,
    CAST(NULL AS TIMESTAMPTZ) AS cancelled_at, CAST(NULL AS TIMESTAMPTZ) AS promised_ship_at,
    nullif("订单关闭原因", '订单未关闭') AS close_reason, CAST("宝贝总数量" AS DECIMAL(18, 3)) AS item_quantity,
    person('phone', trim("联系手机", '''')) AS customer_id, split_part("收货地址", ' ', 1) AS province,
    split_part("收货地址", ' ', 2) AS city, split_part("收货地址", ' ', 3) AS district, "买家留言" AS buyer_note
FROM {taobao_orders}
WHERE "订单编号" LIKE '="%';

-- One row per sub-order; an order with an unreadable row is left out whole, a row that stands twice counts once.

CREATE TEMP TABLE douyin AS
SELECT DISTINCT to_timestamp(CAST(regexp_extract(filename, '(\d{10})_', 1) AS BIGINT)) AS exported_at,
    guid('douyin', 'main', trim("主订单编号", chr(9))) AS order_guid, trim("主订单编号", chr(9)) AS channel_order_id,
    trim("子订单编号", chr(9)) AS sub_order_id, trim("商家编码", chr(9)) AS sku, trim("选购商品", chr(9)) AS product_title,
    CAST("商品数量" AS DECIMAL(18, 3)) AS quantity, CAST("商品单价" AS DECIMAL(18, 4)) AS unit_price,
    TRY_CAST("订单应付金额" AS DECIMAL(18, 2)) AS payable_amount, money("运费") AS freight_amount,
    money("平台实际承担优惠金额") AS platform_amount, money("商家实际承担优惠金额") AS merchant_amount,
    money("达人实际承担优惠金额") AS influencer_amount,
    CASE "订单状态" WHEN '待支付' THEN 'pending_payment' WHEN '待发货' THEN 'paid' WHEN '已发货' THEN 'shipped'
        WHEN '已完成' THEN 'completed'
        WHEN '已关闭' THEN CASE "取消原因" WHEN '超时未支付' THEN 'expired' ELSE 'cancelled' END
        ELSE 'unmapped' END AS status,
    concat_ws(' / ', "订单状态", nullif("售后状态", '-')) AS raw_status, "取消原因" AS close_reason,
    TRY_CAST("订单提交时间" AS TIMESTAMPTZ) AS created_at, CAST(nullif("支付完成时间", '-') AS TIMESTAMPTZ) AS paid_at,
    CAST(nullif("发货时间", '-') AS TIMESTAMPTZ) AS shipped_at, CAST(nullif("订单完成时间", '-') AS TIMESTAMPTZ) AS completed_at,
    CAST("承诺发货时间" AS TIMESTAMPTZ) AS promised_ship_at, "省" AS province, "市" AS city, "区" AS district,
    nullif("买家留言", '-') AS buyer_note
FROM {douyin_orders};
DELETE FROM douyin WHERE order_guid IN (
    SELECT order_guid FROM douyin WHERE payable_amount IS NULL OR created_at IS NULL);

INSERT INTO seen BY NAME
SELECT exported_at, order_guid, 'douyin' AS channel, 'main' AS shop_id, any_value(channel_order_id) AS channel_order_id,
    'normal' AS order_type, any_value(status) AS status, arg_min(raw_status, sub_order_id) AS raw_status, 'CNY' AS currency,
    money(sum(unit_price * quantity)) AS list_amount, money(sum(merchant_amount)) AS merchant_discount_amount,
    money(sum(platform_amount)) AS platform_discount_amount, money(sum(freight_amount)) AS freight_amount,
    money(sum(payable_amount)) AS payable_amount, min(created_at) AS created_at, min(paid_at) AS paid_at,
    max(shipped_at) AS shipped_at, max(completed_at) AS completed_at, min(promised_ship_at) AS promised_ship_at,
    any_value(close_reason) AS close_reason, any_value(province) AS province, any_value(city) AS city,
    any_value(district) AS district, any_value(buyer_note) AS buyer_note
FROM douyin GROUP BY exported_at, order_guid;

-- The order's own columns are filled on its first row only; its lines are numbered as the file has them.

SET preserve_insertion_order = true;

CREATE TEMP TABLE shopify AS
SELECT guid('shopify', 'us', "Name") AS order_guid, "Name", "Id", "Payment ID", "Financial Status", "Fulfillment Status",
    "Currency", "Subtotal", "Discount Code", "Discount Amount", "Shipping", "Total", "Refunded Amount", "Created at", "Paid at",
    "Fulfilled at", "Cancelled at", "Shipping Phone", "Shipping Province", "Shipping City", "Lineitem sku", "Lineitem name",
    "Lineitem quantity", "Lineitem price", "Lineitem discount", "Lineitem fulfillment status"
FROM {shopify_orders};
SET preserve_insertion_order = false;

INSERT INTO seen BY NAME
SELECT (SELECT utc(max(greatest("Created at", "Paid at", "Fulfilled at", "Cancelled at"))) FROM shopify) AS exported_at,
    order_guid, 'shopify' AS channel, 'us' AS shop_id, "Name" AS channel_order_id, "Payment ID" AS platform_txn_id,
    "Id" AS internal_order_id, 'normal' AS order_type,
    CASE WHEN "Cancelled at" IS NOT NULL OR "Financial Status" = 'voided' THEN 'cancelled'
        WHEN "Fulfillment Status" = 'fulfilled' THEN 'shipped' WHEN "Financial Status" = 'refunded' THEN 'cancelled'
        WHEN "Financial Status" IN ('paid', 'partially_refunded') THEN 'paid' ELSE 'pending_payment' END AS status,
    "Financial Status" || ' / ' || "Fulfillment Status" AS raw_status, "Currency" AS currency,
    money("Subtotal") + money("Discount Amount") AS list_amount, money("Discount Amount") AS merchant_discount_amount,
    money("Shipping") AS freight_amount, money("Total") AS payable_amount, money("Refunded Amount") AS refunded_amount,
    utc("Created at") AS created_at, utc("Paid at") AS paid_at, utc("Fulfilled at") AS shipped_at,
    utc("Cancelled at") AS cancelled_at, person('phone', regexp_replace("Shipping Phone", '\D', '', 'g')) AS customer_id,
    "Shipping Province" AS province, "Shipping City" AS city
FROM shopify WHERE "Financial Status" IS NOT NULL;

INSERT INTO seen BY NAME
SELECT CAST(exported_at AS TIMESTAMPTZ) AS exported_at, guid(channel, shop_id, channel_order_id) AS order_guid, channel,
    shop_id, channel_order_id, platform_txn_id, internal_order_id, order_type, status, status AS raw_status, currency,
    money(list_amount) AS list_amount, money(merchant_discount_amount) AS merchant_discount_amount,
    money(platform_discount_amount) AS platform_discount_amount, money(freight_amount) AS freight_amount,
    money(payable_amount) AS payable_amount, money(paid_amount) AS paid_amount, money(refunded_amount) AS refunded_amount,
    money(deposit_amount) AS deposit_amount, CAST(created_at AS TIMESTAMPTZ) AS created_at,
    CAST(paid_at AS TIMESTAMPTZ) AS paid_at, CAST(shipped_at AS TIMESTAMPTZ) AS shipped_at,
    CAST(completed_at AS TIMESTAMPTZ) AS completed_at, CAST(cancelled_at AS TIMESTAMPTZ) AS cancelled_at,
    person('phone', buyer_phone) AS customer_id, province, city, district
FROM {standard_orders};

-- A further export that shows nothing new makes no version; most orders are seen once and pass by the window.

CREATE TEMP TABLE several AS SELECT order_guid FROM seen GROUP BY order_guid HAVING count(*) > 1;

CREATE TABLE orders.order_versions AS
WITH read AS (SELECT *, hash(*COLUMNS(* EXCLUDE (exported_at))) AS content FROM seen SEMI JOIN several USING (order_guid)),
changed AS (
    SELECT * EXCLUDE (content) FROM read
    QUALIFY content IS DISTINCT FROM lag(content) OVER (PARTITION BY order_guid ORDER BY exported_at)
)
SELECT 1 AS version_number, exported_at AS valid_from_at, CAST(NULL AS TIMESTAMPTZ) AS valid_to_at, * EXCLUDE (exported_at)
FROM seen ANTI JOIN several USING (order_guid)
UNION ALL
SELECT row_number() OVER in_time, exported_at, lead(exported_at) OVER in_time, * EXCLUDE (exported_at)
FROM changed WINDOW in_time AS (PARTITION BY order_guid ORDER BY exported_at);
