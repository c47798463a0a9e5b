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
SELECT strptime(regexp_extract(filename, 'List(\\d{12})', 1) || '+08', '%Y%m%d%H%M%z') AS exported_at,
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
    CAST("订单创建时间" AS TIMESTAMPTZ) AS created_at, CAST("订单付款时间" AS TIMESTAMPTZ) AS paid_at,
    CAST(NULL AS TIMESTAMPTZ) AS shipped_at, CAST("确认收货时间" AS TIMESTAMPTZ) AS completed_at,
    CAST(NULL AS TIMESTAMPTZ) AS cancelled_at, CAST(NULL AS TIMESTAMPTZ) AS promised_ship_at,
    nullif("订单关闭原因", '订单未关闭') AS close_reason, CAST("宝贝总数量" AS DECIMAL(18, 3)) AS item_quantity,
    person('phone', trim("联系手机", '''')) AS customer_id, split_part("收货地址", ' ', 1) AS province,
    split_part("收货地址", ' ', 2) AS city, split_part("收货地址", ' ', 3) AS district, "买家留言" AS buyer_note
FROM read_csv('{utf8}/ExportOrderList*.csv', all_varchar = true, delim = ',', quote = '', filename = true)
WHERE "订单编号" LIKE '="%'
"""

# One row per sub-order; an order with an unreadable row is left out whole, a row that stands twice counts once.
DOUYIN = """
CREATE TEMP TABLE douyin AS
SELECT DISTINCT to_timestamp(CAST(regexp_extract(filename, '(\\d{10})_', 1) AS BIGINT)) AS exported_at,
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

# The order's own columns are filled on its first row only; its lines are numbered as the file has them.
SHOPIFY_AND_YOUZAN = """
SET preserve_insertion_order = true;
CREATE TEMP TABLE shopify AS
SELECT guid('shopify', 'us', "Name") AS order_guid, "Name", "Id", "Payment ID", "Financial Status", "Fulfillment Status",
    "Currency", "Subtotal", "Discount Code", "Discount Amount", "Shipping", "Total", "Refunded Amount", "Created at", "Paid at",
    "Fulfilled at", "Cancelled at", "Shipping Phone", "Shipping Province", "Shipping City", "Lineitem sku", "Lineitem name",
    "Lineitem quantity", "Lineitem price", "Lineitem discount", "Lineitem fulfillment status"
FROM read_csv('{landing}/shop=us/*.csv', all_varchar = true, delim = ',', quote = '"', hive_partitioning = false);
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
    utc("Cancelled at") AS cancelled_at, person('phone', regexp_replace("Shipping Phone", '\\D', '', 'g')) AS customer_id,
    "Shipping Province" AS province, "Shipping City" AS city
FROM shopify WHERE "Financial Status" IS NOT NULL;
INSERT INTO seen BY NAME
SELECT CAST(exported_at AS TIMESTAMPTZ) AS exported_at, guid(channel, shop_id, channel_order_id) AS order_guid, channel,
    shop_id, channel_order_id, platform_txn_id, internal_order_id, order_type, status, currency,
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
WITH read AS (SELECT *, hash(*COLUMNS(* EXCLUDE (exported_at))) AS content FROM seen SEMI JOIN several USING (order_guid)),
changed AS (
    SELECT * EXCLUDE (content) FROM read
    QUALIFY content IS DISTINCT FROM lag(content) OVER (PARTITION BY order_guid ORDER BY exported_at)
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
FROM read_csv('{utf8}/ExportOrderDetailList*.csv', all_varchar = true, delim = ',', quote = '')
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
SELECT regexp_extract(filename, '(\\d{16})_', 1) AS account, trim("账务流水号", chr(9)) AS payment_id,
    CASE "业务类型" WHEN '退款（交易退款）' THEN 'refund' WHEN '收费' THEN 'fee' WHEN '提现' THEN 'payout' ELSE 'receipt' END AS kind,
    abs(money("收入")) - abs(money("支出")) AS amount, 'CNY' AS currency,
    CAST("发生时间" AS TIMESTAMPTZ) AS occurred_at, CAST("发生时间"[:10] AS DATE) AS business_on,
    CASE WHEN "商户订单号" LIKE 'T200P%' THEN 'taobao' END AS channel, 'main' AS shop_id,
    nullif(regexp_extract(trim("商户订单号", chr(9)), '^(?:T\\d+P)?(.+)$', 1), '') AS channel_order_id,
    trim("业务流水号", chr(9)) AS platform_txn_id, CAST(NULL AS VARCHAR) AS merged_payment_id, CAST(NULL AS VARCHAR) AS payout_id,
    "业务类型" AS description
FROM read_csv('{utf8}/*账务明细.csv', auto_detect = false, delim = ',', quote = '', skip = 5, header = false, filename = true,
    columns = {'账务流水号': 'VARCHAR', '业务流水号': 'VARCHAR', '商户订单号': 'VARCHAR', '商品名称': 'VARCHAR', '发生时间': 'VARCHAR', '对方账号': 'VARCHAR', '收入': 'VARCHAR', '支出': 'VARCHAR', '余额': 'VARCHAR', '交易渠道': 'VARCHAR', '业务类型': 'VARCHAR', '备注': 'VARCHAR'})
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
WHERE w.order_guid IS NOT NULL OR n.channel_order_id IS NOT NULL OR n.kind IN ('receipt', 'deposit', 'balance', 'refund')
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

# --- order, goods and money side by side --------------------------------------------------------------------------------

MATCH = """
CREATE TEMP TABLE cases AS
SELECT guid(channel, shop_id, channel_order_id) AS order_guid, kind, status, CAST(quantity AS DECIMAL(18, 3)) AS quantity,
    money(refund_amount) AS refund_amount, CAST(requested_at AS TIMESTAMPTZ) AS requested_at,
    CAST(received_at AS TIMESTAMPTZ) AS received_at, CAST(refunded_at AS TIMESTAMPTZ) AS refunded_at
FROM read_csv('{landing}/standard/standard_returns_*.csv', all_varchar = true, delim = ',', quote = '"');
CREATE TABLE reconciliation.three_way_match AS
WITH pay AS (
    SELECT order_guid, min(channel) AS channel, min(shop_id) AS shop_id, min(channel_order_id) AS channel_order_id,
        min(currency) AS currency, min(business_on) AS paid_on, max(pass) AS pass,
        coalesce(sum(amount) FILTER (kind IN ('receipt', 'deposit', 'balance')), 0) AS paid,
        coalesce(-sum(amount) FILTER (kind = 'refund'), 0) AS refunded,
        sum(amount) FILTER (kind = 'subsidy') AS subsidy, bool_or(kind IN ('subsidy', 'payout')) AS is_settled,
        bool_or(is_duplicate_key) AS is_duplicate, min(occurred_at) FILTER (kind = 'refund') AS first_refund_at
    FROM payments.allocations GROUP BY order_guid
),
log AS (
    SELECT s.order_guid, min(s.channel) AS channel, min(s.shop_id) AS shop_id, min(s.channel_order_id) AS channel_order_id,
        sum(s.quantity) AS shipped, coalesce(sum(s.quantity) FILTER (p.event_count > 0), 0) AS tracked,
        coalesce(sum(s.quantity) FILTER (p.is_delivered), 0) AS delivered, min(s.shipped_at) AS first_shipped_at,
        max(s.shipped_at) AS last_shipped_at, max(p.delivered_at) AS last_delivered_at
    FROM fulfilment.shipment_lines AS s LEFT JOIN fulfilment.parcels AS p USING (courier_code, waybill_id) GROUP BY s.order_guid
),
ret AS (
    SELECT order_guid, coalesce(sum(coalesce(quantity, 1)) FILTER (received_at IS NOT NULL), 0) AS returned,
        sum(refund_amount) FILTER (refunded_at IS NOT NULL OR status = 'refunded') AS refund_due,
        count(*) FILTER (kind = 'refund_only') AS refund_only,
        bool_or(kind = 'return_refund' AND status = 'return_in_transit' AND received_at IS NULL) AS is_open, min(requested_at) AS requested_at, max(received_at) AS received_at
    FROM cases GROUP BY order_guid
),
legs AS (
    SELECT coalesce(o.order_guid, p.order_guid, g.order_guid) AS order_guid, o.order_guid IS NOT NULL AS has_order,
        p.order_guid IS NOT NULL AS has_movement, g.order_guid IS NOT NULL AS has_shipment,
        coalesce(o.channel, p.channel, g.channel, 'unknown') AS channel, coalesce(o.shop_id, p.shop_id, g.shop_id) AS shop_id,
        coalesce(o.channel_order_id, p.channel_order_id, g.channel_order_id) AS channel_order_id,
        coalesce(o.created_on, p.paid_on, CAST(g.first_shipped_at AS DATE)) AS created_on,
        CASE WHEN o.timezone IS NOT NULL THEN o.timezone WHEN g.order_guid IS NULL AND p.channel = 'shopify' THEN 'America/New_York'
            ELSE 'Asia/Shanghai' END AS zone,
        coalesce(o.currency, p.currency) AS currency, o.order_type, o.status AS order_status,
        o.status IN ('cancelled', 'expired') AS is_closed,
        o.status IN ('paid', 'shipped', 'completed') OR o.paid_at IS NOT NULL AS says_paid,
        o.status = 'completed' OR o.completed_at IS NOT NULL AS says_delivered, o.payable_amount AS due,
        coalesce(o.platform_discount_amount, 0) AS platform_discount, o.created_at, coalesce(o.paid_at, o.created_at) AS paid_at,
        o.promised_ship_at, o.cancelled_at, coalesce(o.ordered_qty, 0) AS ordered, coalesce(o.cancelled_qty, 0) AS cancelled,
        p.paid AS paid_amount, p.refunded AS refunded_amount, coalesce(p.paid, 0) AS paid, coalesce(p.refunded, 0) AS refunded,
        CASE WHEN p.is_settled THEN coalesce(p.subsidy, 0) - platform_discount END AS subsidy_diff,
        coalesce(p.is_duplicate, false) AS is_duplicate, coalesce(p.pass, CASE WHEN has_shipment THEN 'M1' ELSE 'none' END) AS pass,
        p.paid_on, p.first_refund_at, coalesce(g.shipped, 0) AS shipped, coalesce(g.delivered, 0) AS delivered,
        coalesce(g.tracked, 0) AS tracked, coalesce(g.first_shipped_at, o.shipped_at) AS first_shipped_at,
        coalesce(g.last_shipped_at, o.shipped_at) AS last_shipped_at,
        coalesce(g.last_delivered_at, o.completed_at) AS last_delivered_at, coalesce(r.returned, 0) AS returned, r.refund_due,
        coalesce(r.refund_only, 0) AS refund_only, r.is_open, coalesce(r.requested_at, p.first_refund_at) AS return_began_at, r.received_at,
        CASE WHEN is_closed THEN 0 ELSE coalesce(o.ordered_qty - o.cancelled_qty, 0) END AS net,
        CASE WHEN NOT has_order THEN p.paid WHEN p.paid IS NULL AND NOT is_closed AND (says_paid OR g.shipped > 0) THEN -o.payable_amount
            ELSE p.paid - o.payable_amount END AS amount_diff, 0.05 AS tolerance,
        o.created_at + INTERVAL 24 HOUR AS unpaid_until,
        timezone(zone, CAST(CAST(timezone(zone, coalesce(o.paid_at, o.created_at)) AS DATE) + 3 AS TIMESTAMP)) AS bill_due,
        coalesce(o.promised_ship_at, coalesce(o.paid_at, o.created_at) + INTERVAL 48 HOUR) AS ship_due,
        coalesce(g.last_shipped_at, o.shipped_at) + INTERVAL 360 HOUR AS transit_until,
        coalesce(g.last_delivered_at, o.completed_at) + INTERVAL 168 HOUR AS remitted_until,
        return_began_at + INTERVAL 360 HOUR AS return_until, r.received_at + INTERVAL 48 HOUR AS refund_until,
        coalesce(o.cancelled_at, p.first_refund_at) AS closed_at, closed_at + INTERVAL 48 HOUR AS cancel_until,
        timezone(zone, CAST(p.paid_on + 3 AS TIMESTAMP)) AS order_due
    FROM orders.orders AS o FULL JOIN pay AS p USING (order_guid) FULL JOIN log AS g USING (order_guid) LEFT JOIN ret AS r USING (order_guid)
),
judged AS (
    SELECT *, CASE
        WHEN is_duplicate THEN 'DUPLICATE_KEY|duplicate_payment_key'
        WHEN NOT has_order AND has_movement THEN 'UNMATCHED_PAY|single_sided_long'
        WHEN NOT has_order THEN 'UNMATCHED_LOG|shipped_without_order'
        WHEN is_closed AND shipped > returned AND (closed_at IS NULL OR first_shipped_at >= closed_at) THEN 'MISMATCH|shipped_after_cancel'
        WHEN is_closed AND paid - refunded > tolerance AND {as_of} < cancel_until THEN 'TIMING|refund_in_progress'
        WHEN is_closed AND paid - refunded > tolerance THEN 'MISMATCH|cancelled_not_refunded'
        WHEN is_closed AND refunded - paid > tolerance THEN 'MISMATCH|refund_diff'
        WHEN is_closed AND shipped > returned AND refund_only > 0 THEN 'MATCHED|refund_only_price_concession'
        WHEN is_closed AND shipped > returned AND {as_of} < return_until THEN 'TIMING|return_in_progress'
        WHEN is_closed AND shipped > returned THEN 'MISMATCH|refunded_not_returned'
        WHEN is_closed AND returned > 0 THEN 'MATCHED|returned_refunded'
        WHEN is_closed AND paid = 0 THEN 'MATCHED|cancelled_unpaid'
        WHEN is_closed THEN 'MATCHED|cancelled_refunded'
        WHEN NOT says_paid AND paid = 0 AND shipped = 0 AND order_type <> 'cod' THEN 'TIMING|payment_pending'
        WHEN order_type = 'presale' AND paid > 0 AND due - paid > tolerance AND shipped = 0 AND refunded = 0 THEN 'TIMING|presale_balance_open'
        WHEN order_type = 'cod' AND paid = 0 AND shipped > 0 AND (delivered >= shipped OR says_delivered)
            THEN CASE WHEN {as_of} < remitted_until THEN 'TIMING|cod_in_remittance' ELSE 'MISMATCH|cod_not_remitted' END
        WHEN order_type <> 'cod' AND paid = 0 AND {as_of} < bill_due THEN 'TIMING|payment_file_pending'
        WHEN order_type <> 'cod' AND paid = 0 AND NOT has_shipment THEN 'UNMATCHED_SO|single_sided_short'
        WHEN order_type <> 'cod' AND paid = 0 THEN 'MISMATCH|shipped_not_paid'
        WHEN shipped > net AND shipped <= net + cancelled THEN 'MISMATCH|shipped_after_cancel'
        WHEN shipped > net THEN 'MISMATCH|quantity_over'
        WHEN refunded >= paid AND refunded > 0 AND shipped = 0 AND paid > 0 THEN 'MATCHED|cancelled_refunded'
        WHEN shipped = 0 AND net > 0 AND {as_of} >= ship_due THEN 'MISMATCH|paid_not_shipped'
        WHEN shipped < net AND ({as_of} >= ship_due OR says_delivered) THEN 'MISMATCH|quantity_short'
        WHEN returned > 0 AND refunded = 0 AND {as_of} < refund_until THEN 'TIMING|return_in_progress'
        WHEN returned > 0 AND refunded = 0 THEN 'MISMATCH|returned_not_refunded'
        WHEN refunded > tolerance AND abs(refunded - coalesce(refund_due, refunded)) > tolerance THEN 'MISMATCH|refund_diff'
        WHEN refunded - paid > tolerance THEN 'MISMATCH|refund_diff'
        WHEN refunded > tolerance AND returned = 0 AND refund_only = 0 AND cancelled = 0 AND abs(paid - refunded - due) > tolerance
            THEN CASE WHEN {as_of} < return_until THEN 'TIMING|return_in_progress' ELSE 'MISMATCH|refunded_not_returned' END
        WHEN amount_diff > tolerance AND abs(amount_diff - refunded) > tolerance THEN 'MISMATCH|over_paid'
        WHEN order_type = 'cod' AND paid = 0 AND shipped < net THEN 'TIMING|awaiting_shipment'
        WHEN order_type = 'cod' AND paid = 0 THEN 'TIMING|in_transit'
        WHEN amount_diff < -tolerance AND {as_of} < bill_due THEN 'TIMING|payment_file_pending'
        WHEN amount_diff < -tolerance THEN 'MISMATCH|under_paid'
        WHEN abs(coalesce(subsidy_diff, 0)) > tolerance THEN 'MISMATCH|subsidy_diff'
        WHEN shipped < net THEN 'TIMING|awaiting_shipment'
        WHEN delivered < shipped - returned AND NOT says_delivered AND {as_of} < transit_until THEN 'TIMING|in_transit'
        WHEN delivered < tracked - returned AND NOT says_delivered THEN 'MISMATCH|not_delivered'
        WHEN is_open AND {as_of} < return_until THEN 'TIMING|return_in_progress'
        WHEN refunded > tolerance AND returned > 0 THEN 'MATCHED|returned_refunded'
        WHEN refunded > tolerance AND refund_only > 0 THEN 'MATCHED|refund_only_price_concession'
        WHEN amount_diff <> 0 AND abs(amount_diff) <= tolerance THEN 'MATCHED_WITHIN_TOLERANCE|tolerance'
        ELSE 'MATCHED|three_way_equal' END AS verdict
    FROM legs
)
SELECT order_guid, has_order, channel, shop_id, channel_order_id, created_on, zone AS timezone, currency,
    split_part(verdict, '|', 1) AS status, split_part(verdict, '|', 2) AS reason,
    pass || CASE WHEN status = 'TIMING' THEN ' clock-and-state v1' ELSE ' three-way v1' END AS rule, order_status,
    due AS due_amount, money(paid_amount) AS paid_amount, money(refunded_amount) AS refunded_amount, money(amount_diff) AS amount_diff,
    CAST(amount_diff AS DOUBLE) / nullif(CAST(due AS DOUBLE), 0) AS amount_diff_ratio, CAST(ordered AS DECIMAL(18, 3)) AS ordered_qty,
    CAST(shipped AS DECIMAL(18, 3)) AS shipped_qty, CAST(delivered AS DECIMAL(18, 3)) AS delivered_qty,
    CAST(returned AS DECIMAL(18, 3)) AS returned_qty,
    CAST(CASE WHEN has_order THEN shipped - net ELSE shipped END AS DECIMAL(18, 3)) AS qty_diff, money(subsidy_diff) AS subsidy_diff_amount,
    CASE reason WHEN 'payment_pending' THEN unpaid_until WHEN 'payment_file_pending' THEN bill_due
        WHEN 'single_sided_short' THEN bill_due WHEN 'single_sided_long' THEN order_due WHEN 'awaiting_shipment' THEN ship_due
        WHEN 'in_transit' THEN transit_until WHEN 'cod_in_remittance' THEN remitted_until WHEN 'refund_in_progress' THEN cancel_until
        WHEN 'return_in_progress' THEN CASE WHEN returned > 0 THEN refund_until ELSE return_until END END AS expected_clear_at,
    CAST(timezone(zone, expected_clear_at) AS DATE) - CASE WHEN reason IN ('payment_file_pending', 'single_sided_short',
        'single_sided_long') THEN 1 ELSE 0 END AS expected_clear_on,
    status NOT IN ('MATCHED', 'MATCHED_WITHIN_TOLERANCE', 'TIMING') AND (due IS NULL
        OR abs(coalesce(amount_diff, due)) > 0.005 * abs(due) OR abs(shipped - net) >= 1) AS is_alert
FROM judged;
CREATE TABLE reconciliation.exceptions AS
SELECT order_guid, channel, shop_id, channel_order_id, currency, status, reason,
    coalesce(amount_diff, -due_amount, paid_amount) AS amount_diff, qty_diff, is_alert, created_on AS opened_on,
    CAST(timezone(timezone, {as_of}) AS DATE) - created_on AS age_days,
    CASE WHEN age_days <= 1 THEN '0-1' WHEN age_days <= 3 THEN '2-3' WHEN age_days <= 7 THEN '4-7' WHEN age_days <= 30 THEN '8-30'
        WHEN age_days <= 60 THEN '31-60' ELSE '60+' END AS age_bucket, 'open' AS state
FROM reconciliation.three_way_match
WHERE status IN ('MISMATCH', 'DUPLICATE_KEY', 'UNMATCHED_SO', 'UNMATCHED_LOG', 'UNMATCHED_PAY')
    OR (status = 'TIMING' AND {as_of} >= expected_clear_at)
"""

STEPS = (
    TAOBAO_ORDERS, DOUYIN, SHOPIFY_AND_YOUZAN, VERSIONS, LINES, ORDERS, PAYMENTS, ALLOCATIONS, GOODS, ORDER_IDS, MATCH,
)


def transcode(landing: Path, folder: Path) -> None:
    """Stream the GBK files as UTF-8 into `folder`, all at once, one iconv each: DuckDB alone cannot read them."""
    paths = [path for pattern in GBK_FILES for path in sorted(landing.glob(pattern))]
    if not shutil.which("iconv"):
        for path in paths:
            with path.open(encoding="gb18030", newline="") as source, (folder / path.name).open("w", encoding="utf-8", newline="") as out:
                shutil.copyfileobj(source, out, 1 << 20)
        return
    running = []
    for path in paths:
        with (folder / path.name).open("wb") as out:
            running.append(subprocess.Popen(["iconv", "-f", "gb18030", "-t", "utf-8", str(path)], stdout=out))
    for process in running:
        if process.wait():
            raise RuntimeError(f"iconv failed: {process.args}")


def build(landing: Path, target: Path, as_of: str) -> None:
    """Write every result table of the files below `landing` to the DuckDB file `target`."""
    with tempfile.TemporaryDirectory(dir=target.parent) as folder, duckdb.connect(str(target)) as connection:
        transcode(landing, Path(folder))
        connection.execute(PREPARE)
        for step in STEPS:
            filled = step.replace("{utf8}", folder).replace("{landing}", str(landing))
            connection.execute(filled.replace("{as_of}", f"TIMESTAMPTZ '{as_of}'"))
        connection.execute("CHECKPOINT")


if __name__ == "__main__":
    build(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
