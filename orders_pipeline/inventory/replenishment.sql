-- grain: owner, sku, warehouse_id
-- refresh: sku by sku_guid
-- pace: later
-- lookup: inventory.kit_components, orders.products
-- changes at: next_change_at
-- through: replenishment.plan
-- returns: sku_guid UUID, owner VARCHAR, sku VARCHAR, warehouse_id VARCHAR, atp_qty DECIMAL(18, 3), position_qty DECIMAL(18, 3),
-- returns: daily_demand_qty DECIMAL(18, 3), demand_deviation_qty DECIMAL(18, 3), history_days BIGINT, lead_time_days BIGINT,
-- returns: safety_stock_qty DECIMAL(18, 3), is_safety_given BOOLEAN, reorder_point_qty DECIMAL(18, 3), target_qty DECIMAL(18, 3),
-- returns: suggested_qty DECIMAL(18, 3), reason VARCHAR, next_change_at TIMESTAMPTZ
-- When to buy again and how much, per SKU and warehouse in use: safety stock as stated, or from how much a day's demand varies over the
-- lead time; the reorder point; what is missing to cover the days after it. Demand is what left the warehouse for sales.
WITH places AS (
    SELECT
        b.sku_guid,
        b.warehouse_id,
        coalesce(min(CASE WHEN b.owner = 'own' THEN b.owner END), min(b.owner)) AS owner,
        min(b.timezone) AS timezone
    FROM inventory.balances AS b
    WHERE b.is_active AND b.warehouse_id <> 'unassigned'
    GROUP BY b.sku_guid, b.warehouse_id
),

moves AS (
    SELECT
        sku_guid,
        warehouse_id,
        -quantity AS quantity,
        occurred_at
    FROM inventory.movement_rows
    WHERE kind = 'sale'
),

issues AS (
    SELECT
        s.sku_guid,
        s.warehouse_id,
        s.shipped_at AS issued_at,
        s.quantity AS document_qty,
        CAST(0 AS DECIMAL(18, 3)) AS movement_qty
    FROM fulfilment.shipment_lines AS s
    LEFT JOIN (SELECT kit_sku FROM inventory.kit_components GROUP BY kit_sku) AS k ON s.sku = k.kit_sku
    WHERE s.shipped_at <= as_of() AND k.kit_sku IS NULL

    UNION ALL

    SELECT
        sku_guid,
        warehouse_id,
        shipped_at AS issued_at,
        quantity AS document_qty,
        CAST(0 AS DECIMAL(18, 3)) AS movement_qty
    FROM inventory.kit_issues
    WHERE shipped_at <= as_of()

    UNION ALL

    SELECT
        sku_guid,
        warehouse_id,
        occurred_at AS issued_at,
        CAST(0 AS DECIMAL(18, 3)) AS document_qty,
        quantity AS movement_qty
    FROM moves
    WHERE occurred_at <= as_of()
),

-- Documents and movements tell of the same goods: the one that knows of more counts, day by day.
days AS (
    SELECT
        p.sku_guid,
        p.warehouse_id,
        local_date(i.issued_at, p.timezone) AS day,
        CAST(greatest(0, sum(i.document_qty), sum(i.movement_qty)) AS DECIMAL(15, 3)) AS quantity,
        min(local_date(as_of(), p.timezone)) AS today
    FROM places AS p
    INNER JOIN issues AS i ON p.sku_guid = i.sku_guid AND p.warehouse_id = i.warehouse_id
    GROUP BY p.sku_guid, p.warehouse_id, local_date(i.issued_at, p.timezone)
),

-- Full days only: today is not over. Goods that are newer than the history have a shorter one.
demand AS (
    SELECT
        sku_guid,
        warehouse_id,
        least(threshold('demand_history_days'), days_between(min(today), min(day))) AS history_days,
        sum(CASE WHEN day < today AND day >= add_days(today, -threshold('demand_history_days')) THEN quantity ELSE 0 END) AS quantity,
        sum(
            CASE WHEN day < today AND day >= add_days(today, -threshold('demand_history_days')) THEN quantity * quantity ELSE 0 END
        ) AS squares
    FROM days
    GROUP BY sku_guid, warehouse_id
)

SELECT
    b.sku_guid,
    b.owner,
    b.sku,
    b.warehouse_id,
    b.atp_qty,
    -- Free goods, safety stock among them, and everything that is on order.
    b.available_qty - b.reserved_qty - b.held_qty + b.incoming_qty + b.undated_supply_qty AS position_qty,
    coalesce(d.history_days, 0) AS history_days,
    coalesce(d.quantity, 0) AS demand_qty,
    coalesce(d.squares, 0) AS demand_squares,
    coalesce(p.lead_time_days, threshold('lead_time_days')) AS lead_time_days,
    CASE WHEN s.sku_guid IS NOT NULL OR c.safety_at IS NOT NULL THEN b.safety_stock_qty END AS safety_stock_qty,
    p.min_order_qty,
    p.order_multiple_qty,
    threshold('service_level_ratio') AS service_level_ratio,
    threshold('reorder_cover_days') AS cover_days,
    -- The history moves on at midnight of the warehouse.
    CASE
        WHEN d.sku_guid IS NOT NULL
            THEN to_utc_timestamp(CAST(add_days(local_date(as_of(), b.timezone), 1) AS TIMESTAMP), b.timezone)
    END AS next_change_at
FROM inventory.balances AS b
LEFT JOIN places AS w ON b.sku_guid = w.sku_guid AND b.warehouse_id = w.warehouse_id AND b.owner = w.owner
LEFT JOIN demand AS d ON w.sku_guid = d.sku_guid AND w.warehouse_id = d.warehouse_id
LEFT JOIN inventory.counts AS c ON b.sku_guid = c.sku_guid AND b.owner = c.owner AND b.warehouse_id = c.warehouse_id
LEFT JOIN inventory.safety_plans AS s
    ON b.sku_guid = s.sku_guid AND b.owner = s.owner AND b.warehouse_id = s.warehouse_id AND s.is_in_force
LEFT JOIN orders.products AS p ON b.sku = p.sku
WHERE b.is_active AND b.warehouse_id <> 'unassigned' AND coalesce(p.is_stocked, TRUE)
