SELECT s.order_guid, row_number() OVER (PARTITION BY s.order_guid ORDER BY s.line_key) AS line_no, s.sub_order_id, s.sku,
    s.product_title, coalesce(p.title, s.product_title) AS product_name, coalesce(s.category, p.category) AS category,
    s.quantity, s.unit_price, s.list_amount, s.merchant_discount_amount, s.platform_discount_amount, s.payable_amount,
    s.freight_amount, s.refunded_amount, s.is_gift, s.line_status, s.promised_ship_at
FROM {{ ref('shown_lines') }} AS s LEFT JOIN {{ ref('products') }} AS p ON s.sku = p.sku
