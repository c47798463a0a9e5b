-- The fund bill restates the trade bill and adds the payouts.
WITH wechat AS (
SELECT account, CASE state WHEN 'REFUND' THEN refund_no ELSE txn END AS payment_id,
    CASE state WHEN 'REFUND' THEN 'refund' ELSE 'receipt' END AS kind,
    CASE state WHEN 'REFUND' THEN -refund ELSE settled END AS amount, occurred_at, business_on, channel_order_id,
    txn AS platform_txn_id, trade_type AS description
FROM {{ ref('stg_wechat_trades') }}
UNION ALL
SELECT account, CASE state WHEN 'REFUND' THEN refund_no ELSE txn END, 'fee', -fee, occurred_at, business_on, channel_order_id,
    txn, rate
FROM {{ ref('stg_wechat_trades') }} WHERE fee <> 0
)
SELECT * EXCLUDE (filename) FROM {{ ref('stg_alipay') }}
UNION ALL BY NAME
SELECT *, 'CNY' AS currency, 'main' AS shop_id FROM wechat
UNION ALL BY NAME
SELECT * EXCLUDE (filename, trade_id), 'CNY' AS currency, 'main' AS shop_id
FROM {{ ref('stg_wechat_funds') }} AS f ANTI JOIN wechat AS w ON w.payment_id = f.trade_id AND w.kind = f.kind
UNION ALL BY NAME
SELECT * EXCLUDE (filename) FROM {{ ref('stg_standard_payments') }}
