SELECT filename, regexp_extract(filename, '(\d+)_\d+_fund', 1) AS account,
    CASE "业务类型" WHEN '`提现' THEN "资金流水单号"[2:] ELSE "微信支付业务单号"[2:] END AS payment_id,
    CASE "业务类型" WHEN '`交易' THEN 'receipt' WHEN '`退款' THEN 'refund' WHEN '`提现' THEN 'payout' ELSE 'fee' END AS kind,
    CASE "收支类型" WHEN '`支出' THEN -money("收支金额(元)"[2:]) ELSE money("收支金额(元)"[2:]) END AS amount,
    CAST("记账时间"[2:] AS TIMESTAMPTZ) AS occurred_at, CAST("记账时间"[2:11] AS DATE) AS business_on,
    payment_id AS platform_txn_id, "业务名称"[2:] AS description,
    "微信支付业务单号"[2:] AS trade_id
FROM {{ files('wechat_funds') }}
WHERE "收支类型" IS NOT NULL
    AND {{ only_new_files() }}
