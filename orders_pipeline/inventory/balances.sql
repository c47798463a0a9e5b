-- grain: sku_guid, owner, warehouse_id
-- refresh: sku by sku_guid
-- lookup: inventory.nodes, ref.channels
-- What can be promised of each SKU in each warehouse now, with everything it is made of: sellable less reserved, held and safety
-- stock, signed. Supply and age are added where they are shown. Stock of a closed warehouse is there and cannot be promised.
WITH claimed AS (
    SELECT
        sku_guid,
        owner,
        warehouse_id,
        min(sku) AS sku,
        sum(CASE WHEN component = 'reserved' THEN quantity ELSE 0 END) AS reserved_qty,
        sum(CASE WHEN component = 'held' THEN quantity ELSE 0 END) AS held_qty
    FROM inventory.reservations
    GROUP BY sku_guid, owner, warehouse_id
),

expected AS (
    SELECT
        sku_guid,
        owner,
        warehouse_id,
        min(sku) AS sku,
        sum(CASE WHEN status = 'in_transit' THEN quantity ELSE 0 END) AS in_transit_qty,
        sum(CASE WHEN counted_on IS NOT NULL THEN promised_qty ELSE 0 END) AS incoming_qty,
        sum(CASE WHEN timing = 'undated' THEN quantity ELSE 0 END) AS undated_supply_qty,
        sum(CASE WHEN timing = 'stale' THEN quantity ELSE 0 END) AS stale_supply_qty
    FROM inventory.supply
    GROUP BY sku_guid, owner, warehouse_id
),

places AS (
    SELECT sku_guid, owner, warehouse_id, sku FROM inventory.positions

    UNION ALL

    SELECT sku_guid, owner, warehouse_id, sku FROM claimed

    UNION ALL

    SELECT sku_guid, owner, warehouse_id, sku FROM expected
),

one_each AS (
    SELECT
        sku_guid,
        owner,
        warehouse_id,
        min(sku) AS sku
    FROM places
    GROUP BY sku_guid, owner, warehouse_id
),

states AS (
    SELECT
        e.sku_guid,
        e.owner,
        e.sku,
        e.warehouse_id,
        CASE
            WHEN p.counted_at IS NOT NULL THEN 'counted'
            WHEN p.sku_guid IS NOT NULL THEN 'movements_only'
            ELSE 'no_stock_record'
        END AS stock_record,
        coalesce(n.is_active, TRUE) AS is_active,
        coalesce(n.timezone, d.timezone) AS timezone,
        p.counted_at AS snapshot_at,
        greatest(p.counted_at, p.last_moved_at) AS last_event_at,
        coalesce(p.on_hand_qty, 0) AS on_hand_qty,
        coalesce(p.quality_control_qty, 0) AS quality_control_qty,
        coalesce(p.frozen_qty, 0) AS frozen_qty,
        coalesce(p.damaged_qty, 0) AS damaged_qty,
        coalesce(p.sellable_qty, 0) AS sellable_qty,
        CASE WHEN coalesce(n.is_active, TRUE) THEN coalesce(p.sellable_qty, 0) ELSE 0 END AS available_qty,
        coalesce(c.reserved_qty, 0) AS reserved_qty,
        coalesce(c.held_qty, 0) AS held_qty,
        coalesce(x.in_transit_qty, 0) AS in_transit_qty,
        coalesce(x.incoming_qty, 0) AS incoming_qty,
        coalesce(x.undated_supply_qty, 0) AS undated_supply_qty,
        coalesce(x.stale_supply_qty, 0) AS stale_supply_qty,
        coalesce(p.safety_stock_qty, 0) AS safety_stock_qty,
        CASE WHEN coalesce(n.is_active, TRUE) THEN coalesce(p.safety_stock_qty, 0) ELSE 0 END AS kept_back_qty
    FROM one_each AS e
    LEFT JOIN inventory.positions AS p
        ON e.sku_guid = p.sku_guid AND e.owner = p.owner AND e.warehouse_id = p.warehouse_id
    LEFT JOIN claimed AS c ON e.sku_guid = c.sku_guid AND e.owner = c.owner AND e.warehouse_id = c.warehouse_id
    LEFT JOIN expected AS x ON e.sku_guid = x.sku_guid AND e.owner = x.owner AND e.warehouse_id = x.warehouse_id
    LEFT JOIN inventory.nodes AS n ON e.warehouse_id = n.warehouse_id
    CROSS JOIN ref.channels AS d
    WHERE d.channel = 'default'
)

SELECT
    sku_guid,
    owner,
    sku,
    warehouse_id,
    stock_record,
    is_active,
    timezone,
    snapshot_at,
    last_event_at,
    CAST(on_hand_qty AS DECIMAL(18, 3)) AS on_hand_qty,
    CAST(quality_control_qty AS DECIMAL(18, 3)) AS quality_control_qty,
    CAST(frozen_qty AS DECIMAL(18, 3)) AS frozen_qty,
    CAST(damaged_qty AS DECIMAL(18, 3)) AS damaged_qty,
    CAST(sellable_qty AS DECIMAL(18, 3)) AS sellable_qty,
    CAST(reserved_qty AS DECIMAL(18, 3)) AS reserved_qty,
    CAST(held_qty AS DECIMAL(18, 3)) AS held_qty,
    CAST(in_transit_qty AS DECIMAL(18, 3)) AS in_transit_qty,
    CAST(incoming_qty AS DECIMAL(18, 3)) AS incoming_qty,
    CAST(undated_supply_qty AS DECIMAL(18, 3)) AS undated_supply_qty,
    CAST(stale_supply_qty AS DECIMAL(18, 3)) AS stale_supply_qty,
    CAST(safety_stock_qty AS DECIMAL(18, 3)) AS safety_stock_qty,
    CAST(kept_back_qty AS DECIMAL(18, 3)) AS kept_back_qty,
    CAST(available_qty AS DECIMAL(18, 3)) AS available_qty,
    CAST(available_qty - reserved_qty - held_qty - kept_back_qty AS DECIMAL(18, 3)) AS atp_signed_qty,
    CAST(greatest(0, CAST(floor(available_qty - reserved_qty - held_qty - kept_back_qty) AS BIGINT)) AS DECIMAL(18, 3)) AS atp_qty,
    CAST(greatest(0, reserved_qty + held_qty - available_qty) AS DECIMAL(18, 3)) AS oversold_qty,
    CAST(
        greatest(0, least(kept_back_qty, kept_back_qty - (available_qty - reserved_qty - held_qty))) AS DECIMAL(18, 3)
    ) AS safety_breach_qty
FROM states
