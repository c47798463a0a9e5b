SELECT filename, CAST(exported_at AS TIMESTAMPTZ) AS exported_at, guid(channel, shop_id, channel_order_id) AS order_guid, channel,
    shop_id, channel_order_id, platform_txn_id, internal_order_id, order_type, status, status AS raw_status, currency,
    money(list_amount) AS list_amount, money(merchant_discount_amount) AS merchant_discount_amount,
    money(platform_discount_amount) AS platform_discount_amount, money(freight_amount) AS freight_amount,
    money(payable_amount) AS payable_amount, money(paid_amount) AS paid_amount, money(refunded_amount) AS refunded_amount,
    money(deposit_amount) AS deposit_amount, CAST(created_at AS TIMESTAMPTZ) AS created_at,
    CAST(paid_at AS TIMESTAMPTZ) AS paid_at, CAST(shipped_at AS TIMESTAMPTZ) AS shipped_at,
    CAST(completed_at AS TIMESTAMPTZ) AS completed_at, CAST(cancelled_at AS TIMESTAMPTZ) AS cancelled_at,
    person('phone', buyer_phone) AS customer_id, province, city, district
FROM {{ files('standard_orders') }}
WHERE {{ only_new_files() }}
