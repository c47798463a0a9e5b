WITH lines AS (
    SELECT order_guid, count(*) AS line_count, sum(quantity) AS ordered_qty, money(sum(list_amount)) AS list_amount,
        sum(quantity) FILTER (line_status IN ('cancelled', 'expired')) AS cancelled_qty
    FROM {{ ref('order_lines') }} GROUP BY order_guid
)
SELECT v.* EXCLUDE (valid_from_at, valid_to_at, list_amount, item_quantity),
    CASE v.channel WHEN 'shopify' THEN 'America/New_York' ELSE 'Asia/Shanghai' END AS timezone,
    coalesce(v.list_amount, l.list_amount) AS list_amount,
    CAST(CASE v.channel WHEN 'shopify' THEN timezone('America/New_York', v.created_at)
        ELSE CAST(v.created_at AS TIMESTAMP) END AS DATE) AS created_on,
    coalesce(l.line_count, 0) AS line_count, coalesce(l.ordered_qty, v.item_quantity) AS ordered_qty,
    coalesce(l.cancelled_qty, 0) AS cancelled_qty
FROM {{ ref('order_versions') }} AS v LEFT JOIN lines AS l USING (order_guid)
WHERE v.valid_to_at IS NULL
