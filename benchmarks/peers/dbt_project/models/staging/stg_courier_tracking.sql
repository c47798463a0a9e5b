SELECT DISTINCT filename, courier("快递公司") AS courier_code, "运单号" AS waybill_id, "描述" AS description,
    CASE "状态码" WHEN '0' THEN 'in_transit' WHEN '1' THEN 'collected' WHEN '5' THEN 'out_for_delivery' WHEN '3' THEN 'delivered'
        ELSE 'unmapped' END AS status,
    CAST("时间" AS TIMESTAMPTZ) AS occurred_at
FROM {{ files('courier_tracking') }}
WHERE {{ only_new_files() }}
