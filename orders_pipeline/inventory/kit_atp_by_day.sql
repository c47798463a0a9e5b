-- grain: sku, warehouse_id, day
-- refresh: whole
-- How many of a bundle can be promised on each day, from what can be promised of its components then. Where nothing happens to any of
-- them, today's row holds for every day and is the only one.
WITH stocked AS (
    SELECT
        k.kit_sku,
        k.component_sku,
        k.sku_guid,
        k.component_quantity
    FROM inventory.kit_components AS k
    LEFT JOIN orders.products AS p ON k.component_sku = p.sku
    WHERE coalesce(p.is_stocked, TRUE)
),

component_keys AS (
    SELECT sku_guid
    FROM stocked
    GROUP BY sku_guid
),

steps AS (
    SELECT
        p.sku_guid,
        p.owner,
        p.warehouse_id,
        p.day_number,
        p.next_day_number,
        p.today,
        p.receipts_qty,
        p.demand_qty,
        p.atp_signed_qty
    FROM inventory.projection AS p
    INNER JOIN component_keys AS k ON p.sku_guid = k.sku_guid
),

places AS (
    SELECT
        s.kit_sku,
        t.warehouse_id,
        min(t.today) AS today,
        CASE
            WHEN max(t.day_number) > 0 OR max(t.receipts_qty) > 0 OR max(t.demand_qty) > 0
                THEN threshold('promise_horizon_days')
            ELSE 0
        END AS last_number
    FROM stocked AS s
    INNER JOIN steps AS t ON s.sku_guid = t.sku_guid
    WHERE t.warehouse_id <> 'unassigned'
    GROUP BY s.kit_sku, t.warehouse_id
),

days AS (
    SELECT
        w.kit_sku,
        w.warehouse_id,
        add_days(w.today, n.day_number) AS day,
        n.day_number
    FROM places AS w
    INNER JOIN ref.days AS n ON w.last_number >= n.day_number
),

parts AS (
    SELECT
        d.kit_sku,
        d.warehouse_id,
        d.day,
        s.component_sku,
        CAST(round(s.component_quantity * 1000) AS BIGINT) AS each,
        CAST(round(sum(coalesce(t.atp_signed_qty, 0)) * 1000) AS BIGINT) AS atp
    FROM days AS d
    INNER JOIN stocked AS s ON d.kit_sku = s.kit_sku
    LEFT JOIN steps AS t
        ON
            s.sku_guid = t.sku_guid
            AND d.warehouse_id = t.warehouse_id
            AND t.day_number <= d.day_number
            AND coalesce(d.day_number < t.next_day_number, TRUE)
    GROUP BY d.kit_sku, d.warehouse_id, d.day, s.component_sku, s.component_quantity
),

ranked AS (
    SELECT
        kit_sku,
        warehouse_id,
        day,
        component_sku,
        CASE WHEN atp >= 0 THEN atp // each ELSE -((each - 1 - atp) // each) END AS atp_kits
    FROM parts
),

numbered AS (
    SELECT
        kit_sku,
        warehouse_id,
        day,
        component_sku,
        atp_kits,
        row_number() OVER (
            PARTITION BY kit_sku, warehouse_id, day
            ORDER BY atp_kits ASC NULLS LAST, component_sku ASC NULLS LAST
        ) AS shortest_first
    FROM ranked
)

SELECT
    kit_sku AS sku,
    warehouse_id,
    day,
    CAST(atp_kits AS DECIMAL(18, 3)) AS atp_signed_qty,
    CAST(greatest(0, atp_kits) AS DECIMAL(18, 3)) AS atp_qty,
    component_sku AS limiting_sku
FROM numbered
WHERE shortest_first = 1
