-- grain: sku_guid, owner, warehouse_id
-- refresh: stock by sku_guid
-- lookup: inventory.nodes, ref.channels
-- What lies where, by state: the last stock figure and what moved after it. Signed: stock that went below zero is shown as it is.
WITH moved AS (
    SELECT
        sku_guid,
        owner,
        warehouse_id,
        min(sku) AS sku,
        sum(CASE WHEN is_counted THEN on_hand_qty ELSE 0 END) AS on_hand_qty,
        sum(CASE WHEN is_counted THEN quality_control_qty ELSE 0 END) AS quality_control_qty,
        sum(CASE WHEN is_counted THEN frozen_qty ELSE 0 END) AS frozen_qty,
        sum(CASE WHEN is_counted THEN damaged_qty ELSE 0 END) AS damaged_qty,
        max(CASE WHEN is_counted THEN occurred_at END) AS last_moved_at
    FROM inventory.movements
    GROUP BY sku_guid, owner, warehouse_id
),

added AS (
    SELECT
        coalesce(c.sku_guid, m.sku_guid) AS sku_guid,
        coalesce(c.owner, m.owner) AS owner,
        coalesce(c.sku, m.sku) AS sku,
        coalesce(c.warehouse_id, m.warehouse_id) AS warehouse_id,
        c.counted_at,
        m.last_moved_at,
        coalesce(c.on_hand_qty, 0) + coalesce(m.on_hand_qty, 0) AS on_hand_qty,
        coalesce(c.quality_control_qty, 0) + coalesce(m.quality_control_qty, 0) AS quality_control_qty,
        coalesce(c.frozen_qty, 0) + coalesce(m.frozen_qty, 0) AS frozen_qty,
        coalesce(c.damaged_qty, 0) + coalesce(m.damaged_qty, 0) AS damaged_qty,
        c.safety_stock_qty
    FROM inventory.counts AS c
    FULL OUTER JOIN moved AS m
        ON c.sku_guid = m.sku_guid AND c.owner = m.owner AND c.warehouse_id = m.warehouse_id
    WHERE c.counted_at IS NOT NULL OR m.last_moved_at IS NOT NULL
)

SELECT
    a.sku_guid,
    a.owner,
    a.sku,
    a.warehouse_id,
    a.counted_at,
    a.last_moved_at,
    CAST(a.on_hand_qty AS DECIMAL(18, 3)) AS on_hand_qty,
    CAST(a.quality_control_qty AS DECIMAL(18, 3)) AS quality_control_qty,
    CAST(a.frozen_qty AS DECIMAL(18, 3)) AS frozen_qty,
    CAST(a.damaged_qty AS DECIMAL(18, 3)) AS damaged_qty,
    CAST(a.on_hand_qty - a.quality_control_qty - a.frozen_qty - a.damaged_qty AS DECIMAL(18, 3)) AS sellable_qty,
    CAST(coalesce(s.safety_stock_qty, a.safety_stock_qty, 0) AS DECIMAL(18, 3)) AS safety_stock_qty,
    coalesce(n.kind, 'warehouse') AS node_kind,
    coalesce(n.is_active, TRUE) AS is_active,
    coalesce(n.timezone, d.timezone) AS timezone
FROM added AS a
LEFT JOIN inventory.safety_plans AS s
    ON a.sku_guid = s.sku_guid AND a.owner = s.owner AND a.warehouse_id = s.warehouse_id AND s.is_in_force
LEFT JOIN inventory.nodes AS n ON a.warehouse_id = n.warehouse_id
CROSS JOIN ref.channels AS d
WHERE d.channel = 'default'
