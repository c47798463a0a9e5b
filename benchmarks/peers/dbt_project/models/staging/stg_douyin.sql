SELECT DISTINCT filename, to_timestamp(CAST(regexp_extract(filename, '(\d{10})_', 1) AS BIGINT)) AS exported_at,
    guid('douyin', 'main', trim("主订单编号", chr(9))) AS order_guid, trim("主订单编号", chr(9)) AS channel_order_id,
    trim("子订单编号", chr(9)) AS sub_order_id, trim("商家编码", chr(9)) AS sku, trim("选购商品", chr(9)) AS product_title,
    CAST("商品数量" AS DECIMAL(18, 3)) AS quantity, CAST("商品单价" AS DECIMAL(18, 4)) AS unit_price,
    TRY_CAST("订单应付金额" AS DECIMAL(18, 2)) AS payable_amount, money("运费") AS freight_amount,
    money("平台实际承担优惠金额") AS platform_amount, money("商家实际承担优惠金额") AS merchant_amount,
    money("达人实际承担优惠金额") AS influencer_amount,
    CASE "订单状态" WHEN '待支付' THEN 'pending_payment' WHEN '待发货' THEN 'paid' WHEN '已发货' THEN 'shipped'
        WHEN '已完成' THEN 'completed'
        WHEN '已关闭' THEN CASE "取消原因" WHEN '超时未支付' THEN 'expired' ELSE 'cancelled' END
        ELSE 'unmapped' END AS status,
    concat_ws(' / ', "订单状态", nullif("售后状态", '-')) AS raw_status, "取消原因" AS close_reason,
    TRY_CAST("订单提交时间" AS TIMESTAMPTZ) AS created_at, CAST(nullif("支付完成时间", '-') AS TIMESTAMPTZ) AS paid_at,
    CAST(nullif("发货时间", '-') AS TIMESTAMPTZ) AS shipped_at, CAST(nullif("订单完成时间", '-') AS TIMESTAMPTZ) AS completed_at,
    CAST("承诺发货时间" AS TIMESTAMPTZ) AS promised_ship_at, "省" AS province, "市" AS city, "区" AS district,
    nullif("买家留言", '-') AS buyer_note
FROM {{ files('douyin_orders') }}
WHERE {{ only_new_files() }}
