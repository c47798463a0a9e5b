-- Lines of the newest export.
SELECT * EXCLUDE (filename) FROM {{ ref('stg_taobao_lines') }}
UNION ALL BY NAME
(SELECT order_guid, sub_order_id, sku, product_title, quantity, unit_price, money(unit_price * quantity) AS list_amount,
    merchant_amount AS merchant_discount_amount, platform_amount AS platform_discount_amount, payable_amount,
    freight_amount, status AS line_status, promised_ship_at, false AS is_gift, sub_order_id AS line_key
FROM {{ ref('douyin') }} QUALIFY row_number() OVER (PARTITION BY sub_order_id ORDER BY exported_at DESC) = 1)
UNION ALL BY NAME
SELECT order_guid, "Lineitem sku" AS sku, "Lineitem name" AS product_title,
    CAST("Lineitem quantity" AS DECIMAL(18, 3)) AS quantity, CAST("Lineitem price" AS DECIMAL(18, 4)) AS unit_price,
    money(CAST("Lineitem price" AS DECIMAL(12, 4)) * CAST("Lineitem quantity" AS DECIMAL(12, 4))) AS list_amount,
    money("Lineitem discount") AS merchant_discount_amount,
    CASE "Lineitem fulfillment status" WHEN 'fulfilled' THEN 'shipped' ELSE 'paid' END AS line_status, false AS is_gift,
    lpad(CAST(row_no AS VARCHAR), 9, '0') AS line_key
FROM {{ ref('stg_shopify') }}
UNION ALL BY NAME
SELECT * EXCLUDE (filename) FROM {{ ref('stg_standard_lines') }}
