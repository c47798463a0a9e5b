-- grain: sku_guid, owner, warehouse_id, starts_on
-- refresh: stock by sku_guid
-- lookup: inventory.nodes, ref.channels
-- changes at: next_change_at
-- Safety stock by date, as the newest row of each day states it: a row holds from its day, in the zone of the warehouse, to the next
-- one's. While one holds, what stock figures state of safety stock does not count.
WITH ranked AS (
    SELECT
        s.sku_guid,
        coalesce(s.owner, 'own') AS owner,
        s.sku,
        s.warehouse_id,
        s.starts_on,
        s.safety_stock_qty,
        s.file_id,
        s.row_number,
        row_number() OVER (
            PARTITION BY s.sku_guid, coalesce(s.owner, 'own'), s.warehouse_id, s.starts_on
            ORDER BY s.exported_at DESC NULLS LAST, s.file_id DESC NULLS LAST, s.row_number DESC NULLS LAST
        ) AS newest_first
    FROM raw.safety_stocks AS s
),

steps AS (
    SELECT
        r.sku_guid,
        r.owner,
        r.sku,
        r.warehouse_id,
        r.starts_on,
        lead(r.starts_on) OVER (
            PARTITION BY r.sku_guid, r.owner, r.warehouse_id
            ORDER BY r.starts_on ASC NULLS FIRST
        ) AS next_starts_on,
        r.safety_stock_qty,
        coalesce(n.timezone, d.timezone) AS timezone,
        r.file_id,
        r.row_number
    FROM ranked AS r
    LEFT JOIN inventory.nodes AS n ON r.warehouse_id = n.warehouse_id
    CROSS JOIN ref.channels AS d
    WHERE r.newest_first = 1 AND d.channel = 'default'
)

SELECT
    sku_guid,
    owner,
    sku,
    warehouse_id,
    starts_on,
    CAST(safety_stock_qty AS DECIMAL(18, 3)) AS safety_stock_qty,
    starts_on <= local_date(as_of(), timezone) AND coalesce(next_starts_on > local_date(as_of(), timezone), TRUE) AS is_in_force,
    -- It begins, or ends, at a midnight of its warehouse.
    CASE
        WHEN starts_on > local_date(as_of(), timezone) THEN to_utc_timestamp(CAST(starts_on AS TIMESTAMP), timezone)
        WHEN next_starts_on > local_date(as_of(), timezone) THEN to_utc_timestamp(CAST(next_starts_on AS TIMESTAMP), timezone)
    END AS next_change_at,
    file_id,
    row_number
FROM steps
