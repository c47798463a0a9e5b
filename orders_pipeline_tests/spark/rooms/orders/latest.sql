-- grain: order_guid
-- refresh: order by order_guid
-- The export of each order that was made last.
SELECT
    guid_of(o.channel || '|' || o.order_id) AS order_guid,
    o.channel,
    o.order_id,
    o.status,
    o.amount,
    o.created_at,
    local_date(o.created_at, setting('zone')) AS created_on,
    strftime(o.created_at, '%Y-%m-%d %H:%M:%S') AS created_text,
    o.batch_guid,
    o.is_test,
    o.row_number
FROM raw.orders AS o
WHERE NOT coalesce(o.is_test, FALSE)
QUALIFY row_number() OVER (PARTITION BY o.channel, o.order_id ORDER BY o.exported_at DESC, o.row_number) = 1
