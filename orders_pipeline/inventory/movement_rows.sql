-- grain: sku_guid, warehouse_id, movement_id
-- refresh: stock by sku_guid
-- Every movement once, as its newest row states it, in the base unit of its SKU. One in a unit nobody has declared is not here: it
-- stands in `stock_units`, waiting for its factor.
WITH ranked AS (
    SELECT
        sku_guid,
        owner,
        sku,
        warehouse_id,
        movement_id,
        kind,
        quantity,
        quantity_unit,
        occurred_at,
        reference_id,
        file_id,
        row_number,
        row_number() OVER (
            PARTITION BY sku_guid, warehouse_id, movement_id
            ORDER BY exported_at DESC NULLS LAST, file_id DESC NULLS LAST, row_number DESC NULLS LAST
        ) AS newest_first
    FROM raw.inventory_movements
)

SELECT
    r.sku_guid,
    r.owner,
    r.sku,
    r.warehouse_id,
    r.movement_id,
    r.kind,
    CAST(CASE WHEN r.quantity_unit IS NULL THEN r.quantity ELSE r.quantity * u.base_qty END AS DECIMAL(18, 3)) AS quantity,
    r.occurred_at,
    r.reference_id,
    r.file_id,
    r.row_number
FROM ranked AS r
LEFT JOIN inventory.stock_units AS u ON r.sku_guid = u.sku_guid AND r.quantity_unit = u.unit
WHERE r.newest_first = 1 AND (r.quantity_unit IS NULL OR u.base_qty IS NOT NULL)
