SELECT filename, regexp_extract(filename, '(\d{16})_', 1) AS account, trim("账务流水号", chr(9)) AS payment_id,
    CASE "业务类型" WHEN '退款（交易退款）' THEN 'refund' WHEN '收费' THEN 'fee' WHEN '提现' THEN 'payout' ELSE 'receipt' END AS kind,
    abs(money("收入")) - abs(money("支出")) AS amount, 'CNY' AS currency,
    CAST("发生时间" AS TIMESTAMPTZ) AS occurred_at, CAST("发生时间"[:10] AS DATE) AS business_on,
    CASE WHEN "商户订单号" LIKE 'T200P%' THEN 'taobao' END AS channel, 'main' AS shop_id,
    nullif(regexp_extract(trim("商户订单号", chr(9)), '^(?:T\d+P)?(.+)$', 1), '') AS channel_order_id,
    trim("业务流水号", chr(9)) AS platform_txn_id, CAST(NULL AS VARCHAR) AS merged_payment_id, CAST(NULL AS VARCHAR) AS payout_id,
    "业务类型" AS description
FROM {{ files('alipay_bills') }}
WHERE "发生时间" IS NOT NULL
    AND {{ only_new_files() }}
