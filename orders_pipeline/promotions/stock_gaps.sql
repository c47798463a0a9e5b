-- grain: sku, starts_on
-- refresh: whole
-- Days on which a SKU was counted empty in every warehouse that has counted it, from the count that found it so to the day before the next.
WITH counted AS (
    SELECT
        sku,
        warehouse_id,
        counted_at,
        sum(on_hand_qty) AS on_hand_qty
    FROM raw.inventory_snapshots
    WHERE counted_at IS NOT NULL
    GROUP BY sku, warehouse_id, counted_at
),

changes AS (
    SELECT
        sku,
        counted_at,
        CASE WHEN on_hand_qty > 0 THEN 1 ELSE 0 END
        - coalesce(lag(CASE WHEN on_hand_qty > 0 THEN 1 ELSE 0 END) OVER (
            PARTITION BY sku, warehouse_id ORDER BY counted_at ASC NULLS LAST
        ), 0) AS stocked_change
    FROM counted
),

instants AS (
    SELECT
        sku,
        counted_at,
        sum(stocked_change) AS stocked_change
    FROM changes
    GROUP BY sku, counted_at
),

states AS (
    SELECT
        sku,
        counted_at,
        lead(counted_at) OVER (PARTITION BY sku ORDER BY counted_at ASC NULLS LAST) AS next_at,
        sum(stocked_change) OVER (
            PARTITION BY sku ORDER BY counted_at ASC NULLS LAST
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS stocked_count
    FROM instants
)

SELECT
    sku,
    local_date(counted_at, 'Asia/Shanghai') AS starts_on,
    max(coalesce(add_days(local_date(next_at, 'Asia/Shanghai'), -1), local_date(as_of(), 'Asia/Shanghai'))) AS ends_on
FROM states
WHERE stocked_count = 0
GROUP BY sku, local_date(counted_at, 'Asia/Shanghai')
