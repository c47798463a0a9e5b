SELECT filename, account, payment_id, kind, money(amount) AS amount, currency, CAST(occurred_at AS TIMESTAMPTZ) AS occurred_at,
    CAST(business_on AS DATE) AS business_on, channel, shop_id, channel_order_id, platform_txn_id, merged_payment_id,
    payout_id, description
FROM {{ files('standard_payments') }}
WHERE {{ only_new_files() }}
