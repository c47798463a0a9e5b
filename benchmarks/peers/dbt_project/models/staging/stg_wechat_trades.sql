SELECT filename, "商户号"[2:] AS account, "微信订单号"[2:] AS txn, "商户订单号"[2:] AS channel_order_id, "微信退款单号"[2:] AS refund_no,
    "交易状态"[2:] AS state, money("应结订单金额"[2:]) AS settled, money("退款金额"[2:]) AS refund, money("手续费"[2:]) AS fee,
    CAST("交易时间"[2:] AS TIMESTAMPTZ) AS occurred_at, CAST("交易时间"[2:11] AS DATE) AS business_on, "费率"[2:] AS rate,
    "交易类型"[2:] AS trade_type
FROM {{ files('wechat_trades') }}
WHERE "交易状态" IS NOT NULL
    AND {{ only_new_files() }}
