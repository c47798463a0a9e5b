SELECT filename, guid('taobao', 'main', bare("主订单编号")) AS order_guid, bare("子订单编号") AS sub_order_id, "商家编码" AS sku,
    "标题" AS product_title, CAST("购买数量" AS DECIMAL(18, 3)) AS quantity, CAST("价格" AS DECIMAL(18, 4)) AS unit_price,
    money(CAST("价格" AS DECIMAL(12, 4)) * CAST("购买数量" AS DECIMAL(12, 4))) AS list_amount,
    CAST(NULL AS DECIMAL(18, 2)) AS merchant_discount_amount, CAST(NULL AS DECIMAL(18, 2)) AS platform_discount_amount,
    money("买家应付货款") AS payable_amount, CAST(NULL AS DECIMAL(18, 2)) AS freight_amount,
    money(nullif("退款金额", '无退款申请')) AS refunded_amount,
    CASE "订单状态" WHEN '等待买家付款' THEN 'pending_payment' WHEN '买家已付款，等待卖家发货' THEN 'paid'
        WHEN '卖家已发货，等待买家确认' THEN 'shipped' WHEN '交易成功' THEN 'completed' WHEN '交易关闭' THEN 'cancelled'
        ELSE 'unmapped' END AS line_status,
    CAST(NULL AS TIMESTAMPTZ) AS promised_ship_at, false AS is_gift, CAST(NULL AS VARCHAR) AS category,
    bare("子订单编号") AS line_key
FROM {{ files('taobao_lines') }}
WHERE "主订单编号" LIKE '="%'
    AND {{ only_new_files() }}
