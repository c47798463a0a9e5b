"""The floor: what a competent engineer would write by hand, in bare DuckDB, for exactly the simulated files.

No dictionary, no recognition of files, no quarantine, no provenance, no history of changes, no checks, no increments:
every format's traps are hard-coded, rows that cannot be read are dropped, and any second run starts from nothing. The
same result tables as the pipeline's come out, under the same names, so that the two can be compared before they are timed.

    python -m benchmarks.floor LANDING OUT.duckdb 2026-02-21T12:00:00+08:00
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb

GBK_FILES = ("taobao/*.csv", "zz_late/taobao/*.csv", "alipay/*.csv")

# Session zone Asia/Shanghai: a time without offset is Beijing time. Chinese exports quote with ="…", so no quote character.
PREPARE = """
SET TimeZone = 'Asia/Shanghai';
SET preserve_insertion_order = false;
CREATE SCHEMA orders; CREATE SCHEMA payments; CREATE SCHEMA fulfilment; CREATE SCHEMA reconciliation;
CREATE MACRO guid(channel, shop, number) AS CAST(md5(concat(channel, '|', shop, '|', number)) AS UUID);
CREATE MACRO money(x) AS CAST(x AS DECIMAL(18, 2));
CREATE MACRO bare(x) AS trim(x, '="');
CREATE MACRO utc(x) AS CAST(left(x, 19) || 'Z' AS TIMESTAMPTZ);
CREATE MACRO person(kind, value) AS sha256('a key of this machine|' || kind || '|' || value);
CREATE MACRO courier(name) AS CASE name WHEN '顺丰速运' THEN 'sf' WHEN '中通快递' THEN 'zto' WHEN '圆通速递' THEN 'yto'
    WHEN '韵达快递' THEN 'yunda' WHEN '京东快递' THEN 'jd' ELSE 'unmapped' END;
"""

# --- orders: every export's view of every order -------------------------------------------------------------------------

TAOBAO_ORDERS = """
CREATE TEMP TABLE seen AS
SELECT strptime(regexp_extract(filename, 'List(\\d{{12}})', 1) || '+08', '%Y%m%d%H%M%z') AS exported_at,
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
    money(nullif(regexp_extract("分阶段订单信息", '定金(\\d+\\.\\d+)', 1), '')) AS deposit_amount,
    CAST("订单创建时间" AS TIMESTAMPTZ) AS created_at, CAST("订单付款时间 " AS TIMESTAMPTZ) AS paid_at,
    CAST(NULL AS TIMESTAMPTZ) AS shipped_at, CAST("确认收货时间" AS TIMESTAMPTZ) AS completed_at,
    CAST(NULL AS TIMESTAMPTZ) AS cancelled_at, CAST(NULL AS TIMESTAMPTZ) AS promised_ship_at,
    nullif("订单关闭原因", '订单未关闭') AS close_reason, CAST("宝贝总数量" AS DECIMAL(18, 3)) AS item_quantity,
    person('phone', trim("联系手机", '''')) AS customer_id, split_part("收货地址 ", ' ', 1) AS province,
    split_part("收货地址 ", ' ', 2) AS city, split_part("收货地址 ", ' ', 3) AS district, "买家留言" AS buyer_note
FROM read_csv([{utf8}/ExportOrderList*.csv], all_varchar = true, delim = ',', quote = '', filename = true)
WHERE "订单编号" LIKE '="%'
"""

# One row per sub-order; an order with an unreadable row is left out whole, a row that stands twice counts once.
DOUYIN = """
CREATE TEMP TABLE douyin AS
SELECT DISTINCT to_timestamp(CAST(regexp_extract(filename, '(\\d{{10}})_', 1) AS BIGINT)) AS exported_at,
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
FROM read_csv(['{landing}/douyin/*.csv', '{landing}/zz_late/douyin/*.csv'], all_varchar = true, delim = ',', quote = '"',
    filename = true);
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
FROM douyin GROUP BY exported_at, order_guid
"""

# The order's own columns are filled on its first row only.
SHOPIFY_AND_YOUZAN = """
CREATE TEMP TABLE shopify AS
SELECT *, guid('shopify', 'us', "Name") AS order_guid
FROM read_csv('{landing}/shop=us/*.csv', all_varchar = true, delim = ',', quote = '"', hive_partitioning = false);
INSERT INTO seen BY NAME
SELECT (SELECT max(utc(greatest("Created at", "Paid at", "Fulfilled at", "Cancelled at"))) FROM shopify) AS exported_at,
    order_guid, 'shopify' AS channel, 'us' AS shop_id, "Name" AS channel_order_id, "Payment ID" AS platform_txn_id,
    "Id" AS internal_order_id, 'normal' AS order_type,
    CASE WHEN "Cancelled at" IS NOT NULL OR "Financial Status" = 'voided' THEN 'cancelled'
        WHEN "Fulfillment Status" = 'fulfilled' THEN 'shipped' WHEN "Financial Status" = 'refunded' THEN 'cancelled'
        WHEN "Financial Status" IN ('paid', 'partially_refunded') THEN 'paid' ELSE 'pending_payment' END AS status,
    "Financial Status" || ' / ' || "Fulfillment Status" AS raw_status, "Currency" AS currency,
    money("Subtotal") + money("Discount Amount") AS list_amount, money("Discount Amount") AS merchant_discount_amount,
    money("Shipping") AS freight_amount, money("Total") AS payable_amount, money("Refunded Amount") AS refunded_amount,
    utc("Created at") AS created_at, utc("Paid at") AS paid_at, utc("Fulfilled at") AS shipped_at,
    utc("Cancelled at") AS cancelled_at, person('phone', regexp_replace("Shipping Phone", '\\D', '', 'g')) AS customer_id,
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
FROM read_csv('{landing}/standard/standard_orders_*.csv', all_varchar = true, delim = ',', quote = '"')
"""

# A further export that shows nothing new makes no version; most orders are seen once and pass by the window.
VERSIONS = """
CREATE TEMP TABLE several AS SELECT order_guid FROM seen GROUP BY order_guid HAVING count(*) > 1;
CREATE TABLE orders.order_versions AS
WITH changed AS (
    SELECT s.* FROM seen AS s SEMI JOIN several USING (order_guid)
    QUALIFY hash(COLUMNS(* EXCLUDE (exported_at))) IS DISTINCT FROM
        lag(hash(COLUMNS(* EXCLUDE (exported_at)))) OVER (PARTITION BY order_guid ORDER BY exported_at)
)
SELECT 1 AS version_number, exported_at AS valid_from_at, CAST(NULL AS TIMESTAMPTZ) AS valid_to_at, * EXCLUDE (exported_at)
FROM seen ANTI JOIN several USING (order_guid)
UNION ALL
SELECT row_number() OVER in_time, exported_at, lead(exported_at) OVER in_time, * EXCLUDE (exported_at)
FROM changed WINDOW in_time AS (PARTITION BY order_guid ORDER BY exported_at)
"""

LINES = """
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
FROM read_csv([{utf8}/ExportOrderDetailList*.csv], all_varchar = true, delim = ',', quote = '')
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
    "Financial Status" IS NULL || "Lineitem sku" AS line_key
FROM shopify;
INSERT INTO shown BY NAME
SELECT guid(channel, shop_id, channel_order_id) AS order_guid, sku, product_title,
    CAST(quantity AS DECIMAL(18, 3)) AS quantity, CAST(unit_price AS DECIMAL(18, 4)) AS unit_price,
    money(list_amount) AS list_amount, money(merchant_discount_amount) AS merchant_discount_amount,
    money(platform_discount_amount) AS platform_discount_amount, money(payable_amount) AS payable_amount,
    CAST(is_gift AS BOOLEAN) AS is_gift, category, lpad(line_no, 6, '0') AS line_key
FROM read_csv('{landing}/standard/standard_order_lines_*.csv', all_varchar = true, delim = ',', quote = '"');
CREATE TABLE orders.products AS
SELECT sku, title, category, CAST(is_fresh AS BOOLEAN) AS is_fresh, CAST(is_special AS BOOLEAN) AS is_special, unit,
    CAST(list_price AS DECIMAL(18, 4)) AS list_price, CAST(cost AS DECIMAL(18, 4)) AS cost,
    CAST(weight_grams AS BIGINT) AS weight_grams
FROM read_csv('{landing}/standard/standard_products.csv', all_varchar = true, delim = ',', quote = '"');
CREATE TABLE orders.order_lines AS
SELECT s.order_guid, row_number() OVER (PARTITION BY s.order_guid ORDER BY s.line_key) AS line_no, s.sub_order_id, s.sku,
    s.product_title, coalesce(p.title, s.product_title) AS product_name, coalesce(s.category, p.category) AS category,
    s.quantity, s.unit_price, s.list_amount, s.merchant_discount_amount, s.platform_discount_amount, s.payable_amount,
    s.freight_amount, s.refunded_amount, s.is_gift, s.line_status, s.promised_ship_at
FROM shown AS s LEFT JOIN orders.products AS p ON s.sku = p.sku
"""

ORDERS = """
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
FROM ledger WHERE amount <> 0
"""

# --- money --------------------------------------------------------------------------------------------------------------

PAYMENTS = """
CREATE TEMP TABLE bills AS
SELECT regexp_extract(filename, '(\\d{{16}})_', 1) AS account, trim("账务流水号", chr(9)) AS payment_id,
    CASE "业务类型" WHEN '退款（交易退款）' THEN 'refund' WHEN '收费' THEN 'fee' WHEN '提现' THEN 'payout' ELSE 'receipt' END AS kind,
    abs(money("收入金额（+元）")) - abs(money("支出金额（-元）")) AS amount, 'CNY' AS currency,
    CAST("发生时间" AS TIMESTAMPTZ) AS occurred_at, CAST("发生时间"[:10] AS DATE) AS business_on,
    CASE WHEN "商户订单号" LIKE 'T200P%' THEN 'taobao' END AS channel, 'main' AS shop_id,
    regexp_extract(trim("商户订单号", chr(9)), '^(?:T\\d+P)?(.+)$', 1) AS channel_order_id,
    trim("业务流水号", chr(9)) AS platform_txn_id, CAST(NULL AS VARCHAR) AS merged_payment_id, CAST(NULL AS VARCHAR) AS payout_id,
    "业务类型" AS description
FROM read_csv([{utf8}/*账务明细.csv], all_varchar = true, delim = ',', quote = '', skip = 4, header = true, filename = true)
WHERE "发生时间" IS NOT NULL;
CREATE TEMP TABLE trades AS
SELECT "商户号"[2:] AS account, "微信订单号"[2:] AS txn, "商户订单号"[2:] AS channel_order_id, "微信退款单号"[2:] AS refund_no,
    "交易状态"[2:] AS state, money("应结订单金额"[2:]) AS settled, money("退款金额"[2:]) AS refund, money("手续费"[2:]) AS fee,
    CAST("交易时间"[2:] AS TIMESTAMPTZ) AS occurred_at, CAST("交易时间"[2:11] AS DATE) AS business_on, "费率"[2:] AS rate,
    "交易类型"[2:] AS trade_type
FROM read_csv('{landing}/wechatpay/*/*_trade.csv', all_varchar = true, delim = ',', quote = '', null_padding = true,
    hive_partitioning = false)
WHERE "交易状态" IS NOT NULL;
CREATE TEMP TABLE wechat AS
SELECT account, CASE state WHEN 'REFUND' THEN refund_no ELSE txn END AS payment_id,
    CASE state WHEN 'REFUND' THEN 'refund' ELSE 'receipt' END AS kind,
    CASE state WHEN 'REFUND' THEN -refund ELSE settled END AS amount, occurred_at, business_on, channel_order_id,
    txn AS platform_txn_id, trade_type AS description
FROM trades
UNION ALL
SELECT account, CASE state WHEN 'REFUND' THEN refund_no ELSE txn END, 'fee', -fee, occurred_at, business_on, channel_order_id,
    txn, rate
FROM trades WHERE fee <> 0;
INSERT INTO wechat BY NAME
SELECT regexp_extract(filename, '(\\d+)_\\d+_fund', 1) AS account,
    CASE "业务类型" WHEN '`提现' THEN "资金流水单号"[2:] ELSE "微信支付业务单号"[2:] END AS payment_id,
    CASE "业务类型" WHEN '`交易' THEN 'receipt' WHEN '`退款' THEN 'refund' WHEN '`提现' THEN 'payout' ELSE 'fee' END AS kind,
    CASE "收支类型" WHEN '`支出' THEN -money("收支金额(元)"[2:]) ELSE money("收支金额(元)"[2:]) END AS amount,
    CAST("记账时间"[2:] AS TIMESTAMPTZ) AS occurred_at, CAST("记账时间"[2:11] AS DATE) AS business_on,
    payment_id AS platform_txn_id, "业务名称"[2:] AS description
FROM read_csv('{landing}/wechatpay/*/*_fund.csv', all_varchar = true, delim = ',', quote = '', null_padding = true,
    filename = true, hive_partitioning = false) AS f
WHERE "收支类型" IS NOT NULL AND NOT EXISTS (SELECT 1 FROM wechat AS w WHERE w.payment_id = f."微信支付业务单号"[2:]
    AND w.kind = CASE f."业务类型" WHEN '`交易' THEN 'receipt' WHEN '`退款' THEN 'refund' WHEN '`提现' THEN 'payout' ELSE 'fee' END);
INSERT INTO bills BY NAME SELECT *, 'CNY' AS currency, 'main' AS shop_id FROM wechat;
INSERT INTO bills BY NAME
SELECT account, payment_id, kind, money(amount) AS amount, currency, CAST(occurred_at AS TIMESTAMPTZ) AS occurred_at,
    CAST(business_on AS DATE) AS business_on, channel, shop_id, channel_order_id, platform_txn_id, merged_payment_id,
    payout_id, description
FROM read_csv('{landing}/standard/standard_payments_*.csv', all_varchar = true, delim = ',', quote = '"');
CREATE TABLE payments.transactions AS
WITH repeated AS (SELECT account, payment_id, kind FROM bills GROUP BY ALL HAVING count(*) > 1)
SELECT b.*, r.payment_id IS NOT NULL AS is_duplicate_key
FROM bills AS b LEFT JOIN repeated AS r ON b.account = r.account AND b.payment_id = r.payment_id AND b.kind = r.kind
"""

ORDER_IDS = """
CREATE TABLE orders.id_map AS
SELECT DISTINCT id_type, id_value, order_guid FROM (
    SELECT 'channel_order_id' AS id_type, channel_order_id AS id_value, order_guid FROM orders.order_versions
    UNION ALL SELECT 'platform_txn_id', platform_txn_id, order_guid FROM orders.order_versions
    UNION ALL SELECT 'internal_order_id', internal_order_id, order_guid FROM orders.order_versions
    UNION ALL SELECT 'sub_order_id', sub_order_id, order_guid FROM orders.order_lines
    UNION ALL SELECT 'waybill_id', waybill_id, order_guid FROM fulfilment.shipment_lines
) WHERE id_value IS NOT NULL
"""

# By the order's own number, else by the transaction's; a payment for two orders is split by what each owes, to the cent.
ALLOCATIONS = """
CREATE TABLE payments.allocations AS
WITH numbered AS (SELECT *, row_number() OVER () AS id FROM payments.transactions),
own AS (
    SELECT n.id, o.order_guid, o.payable_amount, 'M1' AS pass FROM numbered AS n
    JOIN orders.orders AS o ON n.channel_order_id = o.channel_order_id AND coalesce(n.channel, o.channel) = o.channel
),
found AS (
    FROM own UNION ALL
    SELECT n.id, o.order_guid, o.payable_amount, 'M2'
    FROM (FROM numbered ANTI JOIN own USING (id)) AS n
    JOIN orders.orders AS o ON n.platform_txn_id = o.platform_txn_id AND coalesce(n.channel, o.channel) = o.channel
),
weighed AS (
    SELECT *, count(*) OVER (PARTITION BY id) AS order_count, sum(payable_amount) OVER (PARTITION BY id) AS together FROM found
),
shares AS (
    SELECT w.id, w.order_guid, CAST(abs(n.amount) * 100 AS BIGINT) AS cents,
        CAST(payable_amount * 100 AS BIGINT) AS weight, CAST(together * 100 AS BIGINT) AS weights,
        cents * weight // weights AS whole, cents * weight % weights AS remainder,
        money((whole + CASE WHEN row_number() OVER (PARTITION BY w.id ORDER BY remainder DESC, weight DESC, w.order_guid)
            <= cents - sum(whole) OVER (PARTITION BY w.id) THEN 1 ELSE 0 END) * sign(n.amount) / 100) AS amount
    FROM weighed AS w JOIN numbered AS n USING (id) WHERE w.order_count > 1
)
SELECT coalesce(w.order_guid, guid('payment', n.account, coalesce(n.channel_order_id, n.platform_txn_id, n.payment_id))) AS order_guid,
    w.order_guid IS NOT NULL AS is_linked,
    CASE WHEN w.order_count > 1 THEN 'M3' ELSE coalesce(w.pass, 'none') END AS pass,
    coalesce(s.amount, n.amount) AS amount, n.* EXCLUDE (id, amount)
FROM numbered AS n LEFT JOIN weighed AS w USING (id) LEFT JOIN shares AS s ON w.id = s.id AND w.order_guid = s.order_guid
WHERE w.order_guid IS NOT NULL OR n.channel_order_id IS NOT NULL OR n.kind IN ('receipt', 'deposit', 'balance', 'refund', 'subsidy')
"""

# --- goods --------------------------------------------------------------------------------------------------------------

GOODS = """
CREATE TABLE fulfilment.shipment_lines AS
WITH shops AS (FROM (VALUES ('淘宝旗舰店', 'taobao', 'main'), ('抖音旗舰店', 'douyin', 'main'), ('Shopify US', 'shopify', 'us'))
    AS t(name, channel, shop_id))
SELECT DISTINCT 'main' AS warehouse_id, w."出库单编号" AS outbound_id, guid(s.channel, s.shop_id, bare(w."子单原始单号")) AS order_guid,
    s.channel, s.shop_id, bare(w."子单原始单号") AS channel_order_id, bare(w."原始子订单号") AS sub_order_id,
    w."货品编号" AS sku, CAST(w."货品数量" AS DECIMAL(18, 3)) AS quantity, bare(w."物流单号") AS waybill_id,
    courier(w."物流公司") AS courier_code, CAST(bare(w."发货时间") AS TIMESTAMPTZ) AS shipped_at
FROM read_csv('{landing}/wms/wms_stockout_*.csv', all_varchar = true, delim = ',', quote = '') AS w
JOIN shops AS s ON w."店铺" = s.name;
INSERT INTO fulfilment.shipment_lines BY NAME
SELECT DISTINCT warehouse_id, outbound_id, guid(channel, shop_id, channel_order_id) AS order_guid, channel, shop_id, channel_order_id,
    sku, CAST(quantity AS DECIMAL(18, 3)) AS quantity, waybill_id, courier_code, CAST(shipped_at AS TIMESTAMPTZ) AS shipped_at
FROM read_csv('{landing}/standard/standard_shipments_*.csv', all_varchar = true, delim = ',', quote = '"');
CREATE TABLE fulfilment.parcels AS
WITH events AS (
    SELECT DISTINCT courier("快递公司") AS courier_code, "运单号" AS waybill_id, "描述" AS description,
        CASE "状态码" WHEN '0' THEN 'in_transit' WHEN '1' THEN 'collected' WHEN '5' THEN 'out_for_delivery' WHEN '3' THEN 'delivered'
            ELSE 'unmapped' END AS status,
        CAST("时间" AS TIMESTAMPTZ) AS occurred_at
    FROM read_csv('{landing}/courier/*.csv', all_varchar = true, delim = ',', quote = '')
    UNION ALL
    SELECT DISTINCT courier_code, waybill_id, description, status_code, CAST(occurred_at AS TIMESTAMPTZ)
    FROM read_csv('{landing}/standard/standard_tracking_*.csv', all_varchar = true, delim = ',', quote = '"')
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
FROM followed AS f FULL JOIN carried AS c USING (courier_code, waybill_id)
"""
