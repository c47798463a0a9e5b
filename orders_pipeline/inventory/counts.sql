-- grain: sku_guid, owner, warehouse_id
-- refresh: stock by sku_guid
-- changes at: next_change_at
-- The last stock figure of each SKU in each warehouse: all locations counted at the newest instant up to now. That instant is the
-- watermark: what moved at or before it is in the figure already. A figure of which a part is in a unit nobody has declared is no
-- figure: the one before it stands.
WITH stated AS (
    SELECT
        s.sku_guid,
        coalesce(s.owner, 'own') AS owner,
        s.sku,
        s.warehouse_id,
        coalesce(s.location_id, '') AS location_id,
        s.counted_at,
        CASE WHEN s.quantity_unit IS NULL THEN CAST(1 AS DECIMAL(18, 3)) ELSE u.base_qty END AS base_qty,
        s.on_hand_qty,
        s.quality_control_qty,
        s.frozen_qty,
        s.damaged_qty,
        s.safety_stock_qty,
        s.exported_at,
        s.file_id,
        s.row_number
    FROM raw.inventory_snapshots AS s
    LEFT JOIN inventory.stock_units AS u ON s.sku_guid = u.sku_guid AND s.quantity_unit = u.unit
),

-- Figures that cannot be read: in part of an unknown unit, and no newer export of the same location and instant says better.
unreadable AS (
    SELECT
        s.sku_guid,
        s.owner,
        s.warehouse_id,
        s.counted_at
    FROM stated AS s
    LEFT JOIN stated AS n
        ON
            s.sku_guid = n.sku_guid
            AND s.owner = n.owner
            AND s.warehouse_id = n.warehouse_id
            AND s.counted_at = n.counted_at
            AND s.location_id = n.location_id
            AND n.base_qty IS NOT NULL
            AND (n.exported_at > s.exported_at OR (n.exported_at = s.exported_at AND n.file_id > s.file_id))
    WHERE s.base_qty IS NULL AND n.sku_guid IS NULL
    GROUP BY s.sku_guid, s.owner, s.warehouse_id, s.counted_at
),

readable AS (
    SELECT
        s.sku_guid,
        s.owner,
        s.sku,
        s.warehouse_id,
        s.location_id,
        s.counted_at,
        CAST(s.on_hand_qty * s.base_qty AS DECIMAL(18, 3)) AS on_hand_qty,
        CAST(s.quality_control_qty * s.base_qty AS DECIMAL(18, 3)) AS quality_control_qty,
        CAST(s.frozen_qty * s.base_qty AS DECIMAL(18, 3)) AS frozen_qty,
        CAST(s.damaged_qty * s.base_qty AS DECIMAL(18, 3)) AS damaged_qty,
        CAST(s.safety_stock_qty * s.base_qty AS DECIMAL(18, 3)) AS safety_stock_qty,
        s.exported_at,
        s.file_id,
        s.row_number
    FROM stated AS s
    LEFT JOIN unreadable AS x
        ON s.sku_guid = x.sku_guid AND s.owner = x.owner AND s.warehouse_id = x.warehouse_id AND s.counted_at = x.counted_at
    WHERE x.sku_guid IS NULL AND s.base_qty IS NOT NULL
),

known AS (
    SELECT
        sku_guid,
        owner,
        warehouse_id,
        min(sku) AS sku,
        max(CASE WHEN counted_at <= as_of() THEN counted_at END) AS counted_at,
        max(CASE WHEN counted_at <= as_of() AND safety_stock_qty IS NOT NULL THEN counted_at END) AS safety_at,
        min(CASE WHEN counted_at > as_of() THEN counted_at END) AS next_change_at
    FROM readable
    GROUP BY sku_guid, owner, warehouse_id
),

-- Two exports of one instant: of each location the newer one counts.
per_file AS (
    SELECT
        k.sku_guid,
        k.owner,
        k.warehouse_id,
        s.counted_at,
        s.location_id,
        s.file_id,
        max(s.exported_at) AS exported_at,
        sum(s.on_hand_qty) AS on_hand_qty,
        sum(coalesce(s.quality_control_qty, 0)) AS quality_control_qty,
        sum(coalesce(s.frozen_qty, 0)) AS frozen_qty,
        sum(coalesce(s.damaged_qty, 0)) AS damaged_qty,
        sum(s.safety_stock_qty) AS safety_stock_qty,
        min(s.row_number) AS row_number
    FROM known AS k
    INNER JOIN readable AS s
        ON
            k.sku_guid = s.sku_guid
            AND k.owner = s.owner
            AND k.warehouse_id = s.warehouse_id
            AND (k.counted_at = s.counted_at OR k.safety_at = s.counted_at)
    GROUP BY k.sku_guid, k.owner, k.warehouse_id, s.counted_at, s.location_id, s.file_id
),

ranked AS (
    SELECT
        sku_guid,
        owner,
        warehouse_id,
        counted_at,
        on_hand_qty,
        quality_control_qty,
        frozen_qty,
        damaged_qty,
        safety_stock_qty,
        file_id,
        row_number,
        row_number() OVER (
            PARTITION BY sku_guid, owner, warehouse_id, counted_at, location_id
            ORDER BY exported_at DESC NULLS LAST, file_id DESC NULLS LAST
        ) AS newest_first
    FROM per_file
),

kept AS (
    SELECT
        sku_guid,
        owner,
        warehouse_id,
        counted_at,
        on_hand_qty,
        quality_control_qty,
        frozen_qty,
        damaged_qty,
        safety_stock_qty,
        file_id,
        row_number,
        row_number() OVER (
            PARTITION BY sku_guid, owner, warehouse_id, counted_at
            ORDER BY file_id ASC NULLS FIRST, row_number ASC NULLS FIRST
        ) AS first_row
    FROM ranked
    WHERE newest_first = 1
),

figures AS (
    SELECT
        sku_guid,
        owner,
        warehouse_id,
        counted_at,
        sum(on_hand_qty) AS on_hand_qty,
        sum(quality_control_qty) AS quality_control_qty,
        sum(frozen_qty) AS frozen_qty,
        sum(damaged_qty) AS damaged_qty,
        sum(safety_stock_qty) AS safety_stock_qty,
        min(CASE WHEN first_row = 1 THEN file_id END) AS file_id,
        min(CASE WHEN first_row = 1 THEN row_number END) AS row_number
    FROM kept
    GROUP BY sku_guid, owner, warehouse_id, counted_at
)

SELECT
    k.sku_guid,
    k.owner,
    k.sku,
    k.warehouse_id,
    k.counted_at,
    CAST(coalesce(f.on_hand_qty, 0) AS DECIMAL(18, 3)) AS on_hand_qty,
    CAST(coalesce(f.quality_control_qty, 0) AS DECIMAL(18, 3)) AS quality_control_qty,
    CAST(coalesce(f.frozen_qty, 0) AS DECIMAL(18, 3)) AS frozen_qty,
    CAST(coalesce(f.damaged_qty, 0) AS DECIMAL(18, 3)) AS damaged_qty,
    -- A figure that says nothing of safety stock leaves the last one that did.
    CAST(coalesce(s.safety_stock_qty, 0) AS DECIMAL(18, 3)) AS safety_stock_qty,
    k.safety_at,
    k.next_change_at,
    f.file_id,
    f.row_number,
    s.file_id AS safety_file_id,
    s.row_number AS safety_row_number
FROM known AS k
LEFT JOIN figures AS f
    ON k.sku_guid = f.sku_guid AND k.owner = f.owner AND k.warehouse_id = f.warehouse_id AND k.counted_at = f.counted_at
LEFT JOIN figures AS s
    ON k.sku_guid = s.sku_guid AND k.owner = s.owner AND k.warehouse_id = s.warehouse_id AND k.safety_at = s.counted_at
