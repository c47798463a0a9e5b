SELECT filename, guid(channel, shop_id, channel_order_id) AS order_guid, sku, product_title,
    CAST(quantity AS DECIMAL(18, 3)) AS quantity, CAST(unit_price AS DECIMAL(18, 4)) AS unit_price,
    money(list_amount) AS list_amount, money(merchant_discount_amount) AS merchant_discount_amount,
    money(platform_discount_amount) AS platform_discount_amount, money(payable_amount) AS payable_amount,
    CAST(is_gift AS BOOLEAN) AS is_gift, category, lpad(line_no, 6, '0') AS line_key
FROM {{ files('standard_lines') }}
WHERE {{ only_new_files() }}
