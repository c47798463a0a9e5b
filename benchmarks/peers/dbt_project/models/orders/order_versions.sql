-- A further export that shows nothing new makes no version; most orders are seen once and pass by the window.
WITH several AS (SELECT order_guid FROM {{ ref('seen_orders') }} GROUP BY order_guid HAVING count(*) > 1),
read AS (SELECT *, hash(*COLUMNS(* EXCLUDE (exported_at))) AS content FROM {{ ref('seen_orders') }} SEMI JOIN several USING (order_guid)),
changed AS (
    SELECT * EXCLUDE (content) FROM read
    QUALIFY content IS DISTINCT FROM lag(content) OVER (PARTITION BY order_guid ORDER BY exported_at)
)
SELECT 1 AS version_number, exported_at AS valid_from_at, CAST(NULL AS TIMESTAMPTZ) AS valid_to_at, * EXCLUDE (exported_at)
FROM {{ ref('seen_orders') }} ANTI JOIN several USING (order_guid)
UNION ALL
SELECT row_number() OVER in_time, exported_at, lead(exported_at) OVER in_time, * EXCLUDE (exported_at)
FROM changed WINDOW in_time AS (PARTITION BY order_guid ORDER BY exported_at)
