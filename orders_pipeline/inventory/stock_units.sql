-- grain: sku_guid, unit
-- refresh: stock by sku_guid
-- touches: stock by sku_guid
-- lookup: orders.products, ref.piece_words
-- The units in which files count each SKU, and what one of it is in the SKU's base unit: as the newest list of units declares
-- it, or 1 where it is the base unit itself or the single piece. Blank: nobody has said, and rows in it are not counted.
WITH stated AS (
    SELECT sku_guid, sku, quantity_unit AS unit, 'inventory_snapshots' AS entity, file_id, row_number
    FROM raw.inventory_snapshots
    WHERE quantity_unit IS NOT NULL

    UNION ALL

    SELECT sku_guid, sku, quantity_unit AS unit, 'inventory_movements' AS entity, file_id, row_number
    FROM raw.inventory_movements
    WHERE quantity_unit IS NOT NULL

    UNION ALL

    SELECT sku_guid, sku, quantity_unit AS unit, 'inbound' AS entity, file_id, row_number
    FROM raw.inbound
    WHERE quantity_unit IS NOT NULL

    UNION ALL

    SELECT sku_guid, sku, quantity_unit AS unit, 'shipments' AS entity, file_id, row_number
    FROM raw.shipments
    WHERE quantity_unit IS NOT NULL

    UNION ALL

    SELECT sku_guid, sku, quantity_unit AS unit, 'holds' AS entity, file_id, row_number
    FROM raw.holds
    WHERE quantity_unit IS NOT NULL

    UNION ALL

    SELECT sku_guid, sku, quantity_unit AS unit, 'channel_stock' AS entity, file_id, row_number
    FROM raw.channel_stock
    WHERE quantity_unit IS NOT NULL
),

numbered AS (
    SELECT
        sku_guid,
        sku,
        unit,
        entity,
        file_id,
        row_number,
        row_number() OVER (
            PARTITION BY sku_guid, unit
            ORDER BY file_id ASC NULLS FIRST, row_number ASC NULLS FIRST, entity ASC NULLS FIRST
        ) AS first_row,
        count(*) OVER (PARTITION BY sku_guid, unit) AS row_count
    FROM stated
),

declared AS (
    SELECT
        sku_guid,
        unit,
        base_qty,
        row_number() OVER (
            PARTITION BY sku_guid, unit
            ORDER BY exported_at DESC NULLS LAST, file_id DESC NULLS LAST, row_number DESC NULLS LAST
        ) AS newest_first
    FROM raw.product_units
),

bases AS (
    SELECT
        p.sku,
        upper(p.unit) AS unit,
        w.word IS NOT NULL AS is_piece
    FROM orders.products AS p
    LEFT JOIN ref.piece_words AS w ON upper(p.unit) = w.word
)

SELECT
    n.sku_guid,
    n.sku,
    n.unit,
    CAST(CASE
        WHEN d.base_qty IS NOT NULL THEN d.base_qty
        WHEN n.unit = b.unit THEN 1
        -- A product list that names another base unit (a case, say) makes a piece something to be declared.
        WHEN w.word IS NOT NULL AND (b.unit IS NULL OR b.is_piece) THEN 1
    END AS DECIMAL(18, 3)) AS base_qty,
    n.row_count,
    n.file_id,
    n.row_number
FROM numbered AS n
LEFT JOIN declared AS d ON n.sku_guid = d.sku_guid AND n.unit = d.unit AND d.newest_first = 1
LEFT JOIN bases AS b ON n.sku = b.sku
LEFT JOIN ref.piece_words AS w ON n.unit = w.word
WHERE n.first_row = 1
