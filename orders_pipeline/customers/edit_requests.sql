-- grain: request_id
-- refresh: whole
-- Each change a buyer or an agent asked for, as its newest export shows it: who, what became of it, and whether it came in time. Old and new
-- values are personal and stay out.
WITH ranked AS (
    SELECT
        request_id,
        order_guid,
        channel,
        shop_id,
        channel_order_id,
        field,
        requested_at,
        role,
        coalesce(outcome, 'open') AS outcome,
        completed_at,
        timezone,
        file_id,
        row_number,
        row_number() OVER (
            PARTITION BY channel, shop_id, request_id
            ORDER BY exported_at DESC NULLS LAST, file_id DESC NULLS LAST, row_number DESC NULLS LAST
        ) AS newest_first
    FROM raw.order_edits
),

numbered AS (
    SELECT
        request_id,
        count(*) AS same_count
    FROM ranked
    WHERE newest_first = 1
    GROUP BY request_id
)

SELECT
    CASE WHEN n.same_count > 1 THEN r.channel || '/' || r.shop_id || '/' || r.request_id ELSE r.request_id END AS request_id,
    r.order_guid,
    r.channel,
    r.channel_order_id,
    r.field,
    r.role,
    r.requested_at,
    local_date(r.requested_at, coalesce(o.timezone, r.timezone, c.timezone, 'UTC')) AS day,
    r.outcome,
    r.completed_at,
    e.edit_until_at,
    r.requested_at <= e.edit_until_at AS is_in_time,
    r.file_id,
    r.row_number
FROM ranked AS r
INNER JOIN numbered AS n ON r.request_id = n.request_id
LEFT JOIN orders.orders AS o ON r.order_guid = o.order_guid
LEFT JOIN ref.channels AS c ON r.channel = c.channel
LEFT JOIN customers.edit_windows AS e ON r.order_guid = e.order_guid
WHERE r.newest_first = 1
