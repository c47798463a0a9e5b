-- grain: sku, warehouse_id
-- refresh: whole
-- How many of a bundle can be promised in a warehouse, from its components there: a bundle is complete in one warehouse or it is none.
-- Every measure is the least of its components' own. The bundle without a stocked component has no limit: NULL.
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

-- Whoever owns the goods: a bundle is sold by one merchant.
there AS (
    SELECT
        b.sku_guid,
        b.warehouse_id,
        sum(b.on_hand_qty) AS on_hand_qty,
        sum(b.available_qty) AS available_qty,
        sum(b.incoming_qty) AS incoming_qty,
        sum(b.atp_signed_qty) AS atp_signed_qty
    FROM inventory.balances AS b
    INNER JOIN (SELECT sku_guid FROM stocked GROUP BY sku_guid) AS k ON b.sku_guid = k.sku_guid
    GROUP BY b.sku_guid, b.warehouse_id
),

places AS (
    SELECT s.kit_sku, t.warehouse_id
    FROM stocked AS s
    INNER JOIN there AS t ON s.sku_guid = t.sku_guid
    WHERE t.warehouse_id <> 'unassigned'
    GROUP BY s.kit_sku, t.warehouse_id
),

parts AS (
    SELECT
        s.kit_sku,
        w.warehouse_id,
        s.component_sku,
        CAST(round(s.component_quantity * 1000) AS BIGINT) AS each,
        CAST(round(coalesce(t.on_hand_qty, 0) * 1000) AS BIGINT) AS on_hand,
        CAST(round(coalesce(t.available_qty, 0) * 1000) AS BIGINT) AS available,
        CAST(round(coalesce(t.incoming_qty, 0) * 1000) AS BIGINT) AS incoming,
        CAST(round(coalesce(t.atp_signed_qty, 0) * 1000) AS BIGINT) AS atp
    FROM places AS w
    INNER JOIN stocked AS s ON w.kit_sku = s.kit_sku
    LEFT JOIN there AS t ON s.sku_guid = t.sku_guid AND w.warehouse_id = t.warehouse_id
),

-- Thousandths of a piece as whole numbers, so that the division is exact; a shortage is rounded away from zero.
kits AS (
    SELECT
        kit_sku,
        warehouse_id,
        component_sku,
        CASE WHEN on_hand >= 0 THEN on_hand // each ELSE -((each - 1 - on_hand) // each) END AS on_hand_kits,
        CASE WHEN available >= 0 THEN available // each ELSE -((each - 1 - available) // each) END AS available_kits,
        CASE WHEN incoming >= 0 THEN incoming // each ELSE -((each - 1 - incoming) // each) END AS incoming_kits,
        CASE WHEN atp >= 0 THEN atp // each ELSE -((each - 1 - atp) // each) END AS atp_kits
    FROM parts
),

ranked AS (
    SELECT
        kit_sku,
        warehouse_id,
        component_sku,
        on_hand_kits,
        available_kits,
        incoming_kits,
        atp_kits,
        row_number() OVER (
            PARTITION BY kit_sku, warehouse_id
            ORDER BY atp_kits ASC NULLS LAST, component_sku ASC NULLS LAST
        ) AS shortest_first
    FROM kits
)

SELECT
    kit_sku AS sku,
    warehouse_id,
    CAST(min(on_hand_kits) AS DECIMAL(18, 3)) AS on_hand_qty,
    CAST(min(available_kits) AS DECIMAL(18, 3)) AS sellable_qty,
    CAST(min(incoming_kits) AS DECIMAL(18, 3)) AS incoming_qty,
    CAST(min(atp_kits) AS DECIMAL(18, 3)) AS atp_signed_qty,
    CAST(greatest(0, min(atp_kits)) AS DECIMAL(18, 3)) AS atp_qty,
    min(CASE WHEN shortest_first = 1 THEN component_sku END) AS limiting_sku
FROM ranked
GROUP BY kit_sku, warehouse_id

UNION ALL

SELECT
    k.kit_sku AS sku,
    n.warehouse_id,
    CAST(NULL AS DECIMAL(18, 3)) AS on_hand_qty,
    CAST(NULL AS DECIMAL(18, 3)) AS sellable_qty,
    CAST(NULL AS DECIMAL(18, 3)) AS incoming_qty,
    CAST(NULL AS DECIMAL(18, 3)) AS atp_signed_qty,
    CAST(NULL AS DECIMAL(18, 3)) AS atp_qty,
    CAST(NULL AS VARCHAR) AS limiting_sku
FROM inventory.kit_components AS k
LEFT JOIN stocked AS s ON k.kit_sku = s.kit_sku
CROSS JOIN inventory.nodes AS n
WHERE s.kit_sku IS NULL AND n.is_active
GROUP BY k.kit_sku, n.warehouse_id
