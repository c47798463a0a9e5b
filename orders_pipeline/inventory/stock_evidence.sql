-- grain: owner, sku, warehouse_id, component, reference_id
-- refresh: stock by sku_guid
-- touches: document by document_guid
-- The rows behind the stock of a SKU itself: the last figure and what moved after it, safety stock, and what is in transit.
WITH documents AS (
    SELECT
        sku_guid,
        owner,
        sku,
        warehouse_id,
        'in_transit' AS component,
        inbound_id AS document_id,
        kind,
        quantity,
        expected_at AS occurred_at,
        file_id,
        row_number,
        lpad(CAST(supply_number AS VARCHAR), 6, '0') AS tie
    FROM inventory.supply
    WHERE status = 'in_transit' AND quantity > 0

    UNION ALL

    SELECT
        sku_guid,
        owner,
        sku,
        warehouse_id,
        'on_hand' AS component,
        document_id,
        kind,
        on_hand_qty AS quantity,
        occurred_at,
        file_id,
        row_number,
        movement_id AS tie
    FROM inventory.movements
    WHERE source_kind = 'shipment' AND is_counted
),

-- One document may be behind several rows (lines, parcels): these are numbered.
numbered AS (
    SELECT
        sku_guid,
        owner,
        sku,
        warehouse_id,
        component,
        document_id,
        kind,
        quantity,
        occurred_at,
        file_id,
        row_number,
        count(*) OVER (PARTITION BY sku_guid, owner, warehouse_id, component, document_id) AS twins,
        row_number() OVER (
            PARTITION BY sku_guid, owner, warehouse_id, component, document_id
            ORDER BY tie ASC NULLS FIRST
        ) AS number
    FROM documents
),

states AS (
    SELECT 'on_hand' AS component

    UNION ALL

    SELECT 'quality_control' AS component

    UNION ALL

    SELECT 'frozen' AS component

    UNION ALL

    SELECT 'damaged' AS component

    UNION ALL

    SELECT 'safety_stock' AS component
),

plans AS (
    SELECT
        s.sku_guid,
        s.owner,
        s.sku,
        s.warehouse_id,
        s.starts_on,
        s.safety_stock_qty,
        s.file_id,
        s.row_number
    FROM inventory.safety_plans AS s
    INNER JOIN inventory.positions AS p
        ON s.sku_guid = p.sku_guid AND s.owner = p.owner AND s.warehouse_id = p.warehouse_id
    WHERE s.is_in_force
),

rows_behind AS (
    SELECT
        sku_guid,
        owner,
        sku,
        warehouse_id,
        component,
        coalesce(document_id, '?') || CASE WHEN twins > 1 THEN ' #' || CAST(number AS VARCHAR) ELSE '' END AS reference_id,
        kind,
        quantity,
        occurred_at,
        file_id,
        row_number
    FROM numbered

    UNION ALL

    SELECT
        c.sku_guid,
        c.owner,
        c.sku,
        c.warehouse_id,
        s.component,
        'count ' || utc_text(CASE WHEN s.component = 'safety_stock' THEN c.safety_at ELSE c.counted_at END) AS reference_id,
        'count' AS kind,
        CASE s.component
            WHEN 'on_hand' THEN c.on_hand_qty
            WHEN 'quality_control' THEN c.quality_control_qty
            WHEN 'frozen' THEN c.frozen_qty
            WHEN 'damaged' THEN c.damaged_qty
            ELSE c.safety_stock_qty
        END AS quantity,
        CASE WHEN s.component = 'safety_stock' THEN c.safety_at ELSE c.counted_at END AS occurred_at,
        CASE WHEN s.component = 'safety_stock' THEN c.safety_file_id ELSE c.file_id END AS file_id,
        CASE WHEN s.component = 'safety_stock' THEN c.safety_row_number ELSE c.row_number END AS row_number
    FROM inventory.counts AS c
    CROSS JOIN states AS s
    LEFT JOIN plans AS p ON c.sku_guid = p.sku_guid AND c.owner = p.owner AND c.warehouse_id = p.warehouse_id
    WHERE c.counted_at IS NOT NULL AND (s.component <> 'safety_stock' OR p.sku_guid IS NULL)

    UNION ALL

    SELECT
        sku_guid,
        owner,
        sku,
        warehouse_id,
        'safety_stock' AS component,
        'from ' || CAST(starts_on AS VARCHAR) AS reference_id,
        'plan' AS kind,
        safety_stock_qty AS quantity,
        CAST(NULL AS TIMESTAMPTZ) AS occurred_at,
        file_id,
        row_number
    FROM plans

    UNION ALL

    SELECT
        m.sku_guid,
        m.owner,
        m.sku,
        m.warehouse_id,
        s.component,
        m.movement_id AS reference_id,
        m.kind,
        CASE s.component
            WHEN 'on_hand' THEN m.on_hand_qty
            WHEN 'quality_control' THEN m.quality_control_qty
            WHEN 'frozen' THEN m.frozen_qty
            ELSE m.damaged_qty
        END AS quantity,
        m.occurred_at,
        m.file_id,
        m.row_number
    FROM inventory.movements AS m
    CROSS JOIN states AS s
    WHERE m.source_kind = 'movement' AND m.is_counted AND s.component <> 'safety_stock'
)

SELECT
    sku_guid,
    owner,
    sku,
    warehouse_id,
    component,
    reference_id,
    kind,
    CAST(quantity AS DECIMAL(18, 3)) AS quantity,
    occurred_at,
    sku_guid AS document_guid,
    file_id,
    row_number
FROM rows_behind
WHERE quantity <> 0 OR (kind = 'count' AND component = 'on_hand')
