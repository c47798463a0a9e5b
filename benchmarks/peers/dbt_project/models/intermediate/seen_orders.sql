-- Every export's view of every order.
SELECT * EXCLUDE (filename) FROM {{ ref('stg_taobao_orders') }}
UNION ALL BY NAME
SELECT exported_at, order_guid, 'douyin' AS channel, 'main' AS shop_id, any_value(channel_order_id) AS channel_order_id,
    'normal' AS order_type, any_value(status) AS status, arg_min(raw_status, sub_order_id) AS raw_status, 'CNY' AS currency,
    money(sum(unit_price * quantity)) AS list_amount, money(sum(merchant_amount)) AS merchant_discount_amount,
    money(sum(platform_amount)) AS platform_discount_amount, money(sum(freight_amount)) AS freight_amount,
    money(sum(payable_amount)) AS payable_amount, min(created_at) AS created_at, min(paid_at) AS paid_at,
    max(shipped_at) AS shipped_at, max(completed_at) AS completed_at, min(promised_ship_at) AS promised_ship_at,
    any_value(close_reason) AS close_reason, any_value(province) AS province, any_value(city) AS city,
    any_value(district) AS district, any_value(buyer_note) AS buyer_note
FROM {{ ref('douyin') }} GROUP BY exported_at, order_guid
UNION ALL BY NAME
SELECT (SELECT utc(max(greatest("Created at", "Paid at", "Fulfilled at", "Cancelled at"))) FROM {{ ref('stg_shopify') }}) AS exported_at,
    order_guid, 'shopify' AS channel, 'us' AS shop_id, "Name" AS channel_order_id, "Payment ID" AS platform_txn_id,
    "Id" AS internal_order_id, 'normal' AS order_type,
    CASE WHEN "Cancelled at" IS NOT NULL OR "Financial Status" = 'voided' THEN 'cancelled'
        WHEN "Fulfillment Status" = 'fulfilled' THEN 'shipped' WHEN "Financial Status" = 'refunded' THEN 'cancelled'
        WHEN "Financial Status" IN ('paid', 'partially_refunded') THEN 'paid' ELSE 'pending_payment' END AS status,
    "Financial Status" || ' / ' || "Fulfillment Status" AS raw_status, "Currency" AS currency,
    money("Subtotal") + money("Discount Amount") AS list_amount, money("Discount Amount") AS merchant_discount_amount,
    money("Shipping") AS freight_amount, money("Total") AS payable_amount, money("Refunded Amount") AS refunded_amount,
    utc("Created at") AS created_at, utc("Paid at") AS paid_at, utc("Fulfilled at") AS shipped_at,
    utc("Cancelled at") AS cancelled_at, person('phone', regexp_replace("Shipping Phone", '\D', '', 'g')) AS customer_id,
    "Shipping Province" AS province, "Shipping City" AS city
FROM {{ ref('stg_shopify') }} WHERE "Financial Status" IS NOT NULL
UNION ALL BY NAME
SELECT * EXCLUDE (filename) FROM {{ ref('stg_standard_orders') }}
