-- grain: order_guid
-- refresh: whole
-- A table without rows still has its columns.
SELECT o.order_guid, o.amount, o.created_at, CAST(NULL AS DATE) AS day
FROM orders.latest AS o
WHERE o.status = 'none such'
