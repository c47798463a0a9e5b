SELECT filename, strptime(regexp_extract(filename, 'List(\d{12})', 1) || '+08', '%Y%m%d%H%M%z') AS exported_at,
    guid('taobao', 'main', bare("订单编号")) AS order_guid, 'taobao' AS channel, 'main' AS shop_id,
    bare("订单编号") AS channel_order_id, CAST(NULL AS VARCHAR) AS platform_txn_id, CAST(NULL AS VARCHAR) AS internal_order_id,
    CASE WHEN "分阶段订单信息" IS NULL THEN 'normal' ELSE 'presale' END AS order_type,
    CASE "订单状态" WHEN '等待买家付款' THEN 'pending_payment' WHEN '买家已付款，等待卖家发货' THEN 'paid'
        WHEN '卖家已发货，等待买家确认' THEN 'shipped' WHEN '交易成功' THEN 'completed'
        WHEN '交易关闭' THEN CASE "订单关闭原因" WHEN '买家未付款' THEN 'expired' ELSE 'cancelled' END
        ELSE 'unmapped' END AS status,
    "订单状态" AS raw_status, 'CNY' AS currency, CAST(NULL AS DECIMAL(18, 2)) AS list_amount,
    CAST(NULL AS DECIMAL(18, 2)) AS merchant_discount_amount, CAST(NULL AS DECIMAL(18, 2)) AS platform_discount_amount,
    money("买家应付邮费") AS freight_amount, money("买家应付货款") + money("买家应付邮费") AS payable_amount,
    money("买家实际支付金额") AS paid_amount, money("退款金额") AS refunded_amount,
    money(nullif(regexp_extract("分阶段订单信息", '定金(\d+\.\d+)', 1), '')) AS deposit_amount,
    CAST("订单创建时间" AS TIMESTAMPTZ) AS created_at, CAST("订单付款时间" AS TIMESTAMPTZ) AS paid_at,
    CAST(NULL AS TIMESTAMPTZ) AS shipped_at, CAST("确认收货时间" AS TIMESTAMPTZ) AS completed_at,
    CAST(NULL AS TIMESTAMPTZ) AS cancelled_at, CAST(NULL AS TIMESTAMPTZ) AS promised_ship_at,
    nullif("订单关闭原因", '订单未关闭') AS close_reason, CAST("宝贝总数量" AS DECIMAL(18, 3)) AS item_quantity,
    person('phone', trim("联系手机", '''')) AS customer_id, split_part("收货地址", ' ', 1) AS province,
    split_part("收货地址", ' ', 2) AS city, split_part("收货地址", ' ', 3) AS district, "买家留言" AS buyer_note
FROM {{ files('taobao_orders') }}
WHERE "订单编号" LIKE '="%'
    AND {{ only_new_files() }}
