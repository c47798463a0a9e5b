-- Lines of the newest export, the orders with what they add up to, and who gave which discount.

CREATE TEMP TABLE shown AS
SELECT guid('taobao', 'main', bare("主订单编号")) AS order_guid, bare("子订单编号") AS sub_order_id, "商家编码" AS sku,
    "标题" AS product_title, CAST("购买数量" AS DECIMAL(18, 3)) AS quantity, CAST("价格" AS DECIMAL(18, 4)) AS unit_price,
    money(CAST("价格" AS DECIMAL(12, 4)) * CAST("购买数量" AS DECIMAL(12, 4))) AS list_amount,
    CAST(NULL AS DECIMAL(18, 2)) AS merchant_discount_amount, CAST(NULL AS DECIMAL(18, 2)) AS platform_discount_amount,
    money("买家应付货款") AS payable_amount, CAST(NULL AS DECIMAL(18, 2)) AS freight_amount,
    money(nullif("退款金额", '无退款申请')) AS refunded_amount,
    CASE "订单状态" WHEN '等待买家付款' THEN 'pending_payment' WHEN '买家已付款，等待卖家发货' THEN 'paid'
        WHEN '卖家已发货，等待买家确认' THEN 'shipped' WHEN '交易成功' THEN 'completed' WHEN '交易关闭' THEN 'cancelled'
        ELSE 'unmapped' END AS line_status,
    CAST(NULL AS TIMESTAMPTZ) AS promised_ship_at, false AS is_gift, CAST(NULL AS VARCHAR) AS category,
    bare("子订单编号") AS line_key
FROM {taobao_lines}
WHERE "主订单编号" LIKE '="%';

INSERT INTO shown BY NAME
SELECT order_guid, sub_order_id, sku, product_title, quantity, unit_price, money(unit_price * quantity) AS list_amount,
    merchant_amount AS merchant_discount_amount, platform_amount AS platform_discount_amount, payable_amount,
    freight_amount, status AS line_status, promised_ship_at, false AS is_gift, sub_order_id AS line_key
FROM douyin QUALIFY row_number() OVER (PARTITION BY sub_order_id ORDER BY exported_at DESC) = 1;

INSERT INTO shown BY NAME
SELECT order_guid, "Lineitem sku" AS sku, "Lineitem name" AS product_title,
    CAST("Lineitem quantity" AS DECIMAL(18, 3)) AS quantity, CAST("Lineitem price" AS DECIMAL(18, 4)) AS unit_price,
    money(CAST("Lineitem price" AS DECIMAL(12, 4)) * CAST("Lineitem quantity" AS DECIMAL(12, 4))) AS list_amount,
    money("Lineitem discount") AS merchant_discount_amount,
    CASE "Lineitem fulfillment status" WHEN 'fulfilled' THEN 'shipped' ELSE 'paid' END AS line_status, false AS is_gift,
    lpad(CAST(rowid AS VARCHAR), 9, '0') AS line_key
FROM shopify;

INSERT INTO shown BY NAME
SELECT guid(channel, shop_id, channel_order_id) AS order_guid, sku, product_title,
    CAST(quantity AS DECIMAL(18, 3)) AS quantity, CAST(unit_price AS DECIMAL(18, 4)) AS unit_price,
    money(list_amount) AS list_amount, money(merchant_discount_amount) AS merchant_discount_amount,
    money(platform_discount_amount) AS platform_discount_amount, money(payable_amount) AS payable_amount,
    CAST(is_gift AS BOOLEAN) AS is_gift, category, lpad(line_no, 6, '0') AS line_key
FROM {standard_lines};

CREATE TABLE orders.products AS
SELECT sku, title, category, CAST(is_fresh AS BOOLEAN) AS is_fresh, CAST(is_special AS BOOLEAN) AS is_special, unit,
    CAST(list_price AS DECIMAL(18, 4)) AS list_price, CAST(cost AS DECIMAL(18, 4)) AS cost,
    CAST(weight_grams AS BIGINT) AS weight_grams
FROM {standard_products};

CREATE TABLE orders.order_lines AS
SELECT s.order_guid, row_number() OVER (PARTITION BY s.order_guid ORDER BY s.line_key) AS line_no, s.sub_order_id, s.sku,
    s.product_title, coalesce(p.title, s.product_title) AS product_name, coalesce(s.category, p.category) AS category,
    s.quantity, s.unit_price, s.list_amount, s.merchant_discount_amount, s.platform_discount_amount, s.payable_amount,
    s.freight_amount, s.refunded_amount, s.is_gift, s.line_status, s.promised_ship_at
FROM shown AS s LEFT JOIN orders.products AS p ON s.sku = p.sku;

CREATE TABLE orders.orders AS
WITH lines AS (
    SELECT order_guid, count(*) AS line_count, sum(quantity) AS ordered_qty, money(sum(list_amount)) AS list_amount,
        sum(quantity) FILTER (line_status IN ('cancelled', 'expired')) AS cancelled_qty
    FROM orders.order_lines GROUP BY order_guid
)
SELECT v.* EXCLUDE (valid_from_at, valid_to_at, list_amount, item_quantity),
    CASE v.channel WHEN 'shopify' THEN 'America/New_York' ELSE 'Asia/Shanghai' END AS timezone,
    coalesce(v.list_amount, l.list_amount) AS list_amount,
    CAST(CASE v.channel WHEN 'shopify' THEN timezone('America/New_York', v.created_at)
        ELSE CAST(v.created_at AS TIMESTAMP) END AS DATE) AS created_on,
    coalesce(l.line_count, 0) AS line_count, coalesce(l.ordered_qty, v.item_quantity) AS ordered_qty,
    coalesce(l.cancelled_qty, 0) AS cancelled_qty
FROM orders.order_versions AS v LEFT JOIN lines AS l USING (order_guid)
WHERE v.valid_to_at IS NULL;

CREATE TABLE orders.order_discounts AS
WITH newest AS (SELECT * FROM douyin QUALIFY exported_at = max(exported_at) OVER (PARTITION BY order_guid)),
ledger AS (
    SELECT order_guid, sub_order_id, NULL AS promotion_id, f.funder, 'line' AS scope, f.amount
    FROM newest, LATERAL (VALUES ('platform', platform_amount), ('merchant', merchant_amount),
        ('influencer', influencer_amount)) AS f(funder, amount)
    UNION ALL SELECT order_guid, NULL, "Discount Code", 'merchant', 'order', money("Discount Amount") FROM shopify
    UNION ALL SELECT order_guid, NULL, NULL, 'merchant', 'order', merchant_discount_amount FROM orders.orders WHERE channel = 'youzan'
    UNION ALL SELECT order_guid, NULL, NULL, 'platform', 'order', platform_discount_amount FROM orders.orders WHERE channel = 'youzan'
)
SELECT order_guid, row_number() OVER (PARTITION BY order_guid ORDER BY sub_order_id, funder) AS discount_no,
    * EXCLUDE (order_guid)
FROM ledger WHERE amount <> 0;
