-- Movements on the payment accounts: the fund bill restates the trade bill and adds the payouts.

CREATE TEMP TABLE bills AS
SELECT regexp_extract(filename, '(\d{16})_', 1) AS account, trim("账务流水号", chr(9)) AS payment_id,
    CASE "业务类型" WHEN '退款（交易退款）' THEN 'refund' WHEN '收费' THEN 'fee' WHEN '提现' THEN 'payout' ELSE 'receipt' END AS kind,
    abs(money("收入")) - abs(money("支出")) AS amount, 'CNY' AS currency,
    CAST("发生时间" AS TIMESTAMPTZ) AS occurred_at, CAST("发生时间"[:10] AS DATE) AS business_on,
    CASE WHEN "商户订单号" LIKE 'T200P%' THEN 'taobao' END AS channel, 'main' AS shop_id,
    nullif(regexp_extract(trim("商户订单号", chr(9)), '^(?:T\d+P)?(.+)$', 1), '') AS channel_order_id,
    trim("业务流水号", chr(9)) AS platform_txn_id, CAST(NULL AS VARCHAR) AS merged_payment_id, CAST(NULL AS VARCHAR) AS payout_id,
    "业务类型" AS description
FROM {alipay_bills}
WHERE "发生时间" IS NOT NULL;

CREATE TEMP TABLE trades AS
SELECT "商户号"[2:] AS account, "微信订单号"[2:] AS txn, "商户订单号"[2:] AS channel_order_id, "微信退款单号"[2:] AS refund_no,
    "交易状态"[2:] AS state, money("应结订单金额"[2:]) AS settled, money("退款金额"[2:]) AS refund, money("手续费"[2:]) AS fee,
    CAST("交易时间"[2:] AS TIMESTAMPTZ) AS occurred_at, CAST("交易时间"[2:11] AS DATE) AS business_on, "费率"[2:] AS rate,
    "交易类型"[2:] AS trade_type
FROM {wechat_trades}
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
SELECT regexp_extract(filename, '(\d+)_\d+_fund', 1) AS account,
    CASE "业务类型" WHEN '`提现' THEN "资金流水单号"[2:] ELSE "微信支付业务单号"[2:] END AS payment_id,
    CASE "业务类型" WHEN '`交易' THEN 'receipt' WHEN '`退款' THEN 'refund' WHEN '`提现' THEN 'payout' ELSE 'fee' END AS kind,
    CASE "收支类型" WHEN '`支出' THEN -money("收支金额(元)"[2:]) ELSE money("收支金额(元)"[2:]) END AS amount,
    CAST("记账时间"[2:] AS TIMESTAMPTZ) AS occurred_at, CAST("记账时间"[2:11] AS DATE) AS business_on,
    payment_id AS platform_txn_id, "业务名称"[2:] AS description
FROM {wechat_funds} AS f
WHERE "收支类型" IS NOT NULL AND NOT EXISTS (SELECT 1 FROM wechat AS w WHERE w.payment_id = f."微信支付业务单号"[2:]
    AND w.kind = CASE f."业务类型" WHEN '`交易' THEN 'receipt' WHEN '`退款' THEN 'refund' WHEN '`提现' THEN 'payout' ELSE 'fee' END);

INSERT INTO bills BY NAME SELECT *, 'CNY' AS currency, 'main' AS shop_id FROM wechat;

INSERT INTO bills BY NAME
SELECT account, payment_id, kind, money(amount) AS amount, currency, CAST(occurred_at AS TIMESTAMPTZ) AS occurred_at,
    CAST(business_on AS DATE) AS business_on, channel, shop_id, channel_order_id, platform_txn_id, merged_payment_id,
    payout_id, description
FROM {standard_payments};

CREATE TABLE payments.transactions AS
WITH repeated AS (SELECT account, payment_id, kind FROM bills GROUP BY ALL HAVING count(*) > 1)
SELECT b.*, r.payment_id IS NOT NULL AS is_duplicate_key
FROM bills AS b LEFT JOIN repeated AS r ON b.account = r.account AND b.payment_id = r.payment_id AND b.kind = r.kind;

-- By the order's own number, else by the transaction's; a payment for two orders is split by what each owes, to the cent.

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
WHERE w.order_guid IS NOT NULL OR n.channel_order_id IS NOT NULL OR n.kind IN ('receipt', 'deposit', 'balance', 'refund');
