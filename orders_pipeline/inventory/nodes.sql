-- grain: warehouse_id
-- refresh: whole
-- The warehouses and stores that hold stock, as the newest list describes them. One that no list names counts as an active
-- warehouse in the zone of the default channel.
WITH ranked AS (
    SELECT
        warehouse_id,
        kind,
        province,
        city,
        timezone,
        is_active,
        priority,
        file_id,
        row_number,
        row_number() OVER (
            PARTITION BY warehouse_id
            ORDER BY exported_at DESC NULLS LAST, file_id DESC NULLS LAST, row_number DESC NULLS LAST
        ) AS newest_first
    FROM raw.warehouses
)

SELECT
    warehouse_id,
    kind,
    province,
    city,
    timezone,
    coalesce(is_active, TRUE) AS is_active,
    priority,
    file_id,
    row_number
FROM ranked
WHERE newest_first = 1
