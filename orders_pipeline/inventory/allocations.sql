-- grain: order_guid, line_no, warehouse_id
-- refresh: whole
-- pace: later
-- changes at: always
-- through: allocation.allocate
-- returns: order_guid UUID, line_no BIGINT, warehouse_id VARCHAR, sku VARCHAR, quantity DECIMAL(18, 3), needed_qty DECIMAL(18, 3),
-- returns: reason VARCHAR, gap_ratio DECIMAL(18, 6), courier_code VARCHAR, cost_amount DECIMAL(18, 2), transit_days BIGINT
-- Where each open paid line should be sent from: of the ways to serve the orders in their order of demand the cheapest, by couriers'
-- charges, days under way and parcels. Nothing on an open pick list is moved. `unassigned`: what cannot be served, and why.
WITH lines AS (
    SELECT
        'order|' || CAST(d.order_guid AS VARCHAR) || '|' || lpad(CAST(d.line_no AS VARCHAR), 6, '0') AS claim_id,
        d.order_guid,
        d.line_no,
        d.sku,
        d.sku_guid,
        l.sku AS sold_sku,
        d.warehouse_id,
        d.quantity,
        coalesce(k.component_quantity, 1) AS each_qty,
        p.weight_grams AS grams,
        o.province,
        o.city,
        CASE WHEN o.is_pickup OR o.order_type = 'pickup' THEN o.pickup_store_id END AS store_id,
        -- No time is promised: the platforms' common one counts.
        utc_text(coalesce(d.due_at, add_hours(d.reserved_at, threshold('ship_sla_hours')))) AS due_at,
        utc_text(d.reserved_at) AS reserved_at,
        d.channel_order_id
    FROM inventory.demand AS d
    INNER JOIN orders.order_lines AS l ON d.order_guid = l.order_guid AND d.line_no = l.line_no
    INNER JOIN orders.orders AS o ON d.order_guid = o.order_guid
    LEFT JOIN inventory.kit_components AS k ON l.sku = k.kit_sku AND d.sku = k.component_sku
    LEFT JOIN orders.products AS p ON d.sku = p.sku
    WHERE d.is_counted AND d.component = 'reserved' AND d.claimed_shipped_at IS NULL AND coalesce(p.is_stocked, TRUE)
),

wanted AS (
    SELECT sku, sku_guid
    FROM lines
    GROUP BY sku, sku_guid
),

owners AS (
    SELECT
        b.sku_guid,
        b.warehouse_id,
        coalesce(min(CASE WHEN b.owner = 'own' THEN b.owner END), min(b.owner)) AS owner
    FROM inventory.balances AS b
    INNER JOIN wanted AS w ON b.sku_guid = w.sku_guid
    WHERE b.is_active AND b.warehouse_id <> 'unassigned'
    GROUP BY b.sku_guid, b.warehouse_id
),

-- Who else has a claim: holds, unpaid orders, transfers.
others AS (
    SELECT
        r.sku_guid,
        r.owner,
        r.warehouse_id,
        sum(r.quantity) AS quantity,
        sum(CASE WHEN r.component = 'held' THEN 0 ELSE r.quantity END) AS hard_qty
    FROM inventory.reservations AS r
    LEFT JOIN lines AS l ON r.sku_guid = l.sku_guid AND r.claim_id = l.claim_id
    WHERE l.claim_id IS NULL
    GROUP BY r.sku_guid, r.owner, r.warehouse_id
),

stock AS (
    SELECT
        w.sku,
        b.warehouse_id,
        b.available_qty - greatest(0, b.kept_back_qty) - coalesce(x.quantity, 0) AS quantity,
        b.available_qty - coalesce(x.hard_qty, 0) AS before_holds_qty
    FROM owners AS n
    INNER JOIN inventory.balances AS b ON n.sku_guid = b.sku_guid AND n.warehouse_id = b.warehouse_id AND n.owner = b.owner
    INNER JOIN wanted AS w ON n.sku_guid = w.sku_guid
    INNER JOIN inventory.positions AS p ON b.sku_guid = p.sku_guid AND b.owner = p.owner AND b.warehouse_id = p.warehouse_id
    LEFT JOIN others AS x ON b.sku_guid = x.sku_guid AND b.owner = x.owner AND b.warehouse_id = x.warehouse_id
),

-- A document of the warehouse that has not left yet is an open pick list.
picked AS (
    SELECT
        s.order_guid,
        s.sku,
        s.warehouse_id,
        sum(s.quantity) AS quantity
    FROM fulfilment.shipment_lines AS s
    INNER JOIN (SELECT order_guid FROM lines GROUP BY order_guid) AS l ON s.order_guid = l.order_guid
    WHERE coalesce(s.shipped_at > as_of(), TRUE)
    GROUP BY s.order_guid, s.sku, s.warehouse_id
),

rates AS (
    SELECT
        warehouse_id,
        province,
        courier_code,
        base_amount,
        per_kg_amount,
        transit_days,
        row_number() OVER (
            PARTITION BY warehouse_id, province, courier_code
            ORDER BY exported_at DESC NULLS LAST, file_id DESC NULLS LAST, row_number DESC NULLS LAST
        ) AS newest_first
    FROM raw.courier_rates
),

rules AS (
    SELECT 'extra_parcel_amount' AS name, CAST(threshold('extra_parcel_amount') AS DECIMAL(18, 3)) AS number

    UNION ALL

    SELECT 'transit_day_amount' AS name, CAST(threshold('transit_day_amount') AS DECIMAL(18, 3)) AS number

    UNION ALL

    SELECT 'unrated_parcel_amount' AS name, CAST(threshold('unrated_parcel_amount') AS DECIMAL(18, 3)) AS number

    UNION ALL

    SELECT 'store_parcel_amount' AS name, CAST(threshold('store_parcel_amount') AS DECIMAL(18, 3)) AS number

    UNION ALL

    SELECT 'allocation_max_seconds' AS name, CAST(threshold('allocation_max_seconds') AS DECIMAL(18, 3)) AS number

    UNION ALL

    SELECT 'allocation_max_count' AS name, CAST(threshold('allocation_max_count') AS DECIMAL(18, 3)) AS number

    UNION ALL

    SELECT 'shipments_max_count' AS name, CAST(threshold('shipments_max_count') AS DECIMAL(18, 3)) AS number

    UNION ALL

    SELECT 'pickup_sources_max_count' AS name, CAST(threshold('pickup_sources_max_count') AS DECIMAL(18, 3)) AS number
)

SELECT
    'line' AS record,
    order_guid,
    line_no,
    sku,
    sold_sku,
    warehouse_id,
    quantity,
    CAST(each_qty AS DECIMAL(18, 3)) AS each_qty,
    CAST(grams AS DECIMAL(18, 3)) AS grams,
    province,
    city,
    store_id,
    due_at,
    reserved_at,
    channel_order_id,
    CAST(NULL AS VARCHAR) AS courier_code,
    CAST(NULL AS DECIMAL(18, 2)) AS base_amount,
    CAST(NULL AS DECIMAL(18, 2)) AS per_kg_amount,
    CAST(NULL AS BIGINT) AS transit_days,
    CAST(NULL AS BIGINT) AS number
FROM lines

UNION ALL

SELECT
    'stock' AS record,
    CAST(NULL AS UUID) AS order_guid,
    CAST(NULL AS BIGINT) AS line_no,
    sku,
    CAST(NULL AS VARCHAR) AS sold_sku,
    warehouse_id,
    CAST(quantity AS DECIMAL(18, 3)) AS quantity,
    CAST(before_holds_qty AS DECIMAL(18, 3)) AS each_qty,
    CAST(NULL AS DECIMAL(18, 3)) AS grams,
    CAST(NULL AS VARCHAR) AS province,
    CAST(NULL AS VARCHAR) AS city,
    CAST(NULL AS VARCHAR) AS store_id,
    CAST(NULL AS VARCHAR) AS due_at,
    CAST(NULL AS VARCHAR) AS reserved_at,
    CAST(NULL AS VARCHAR) AS channel_order_id,
    CAST(NULL AS VARCHAR) AS courier_code,
    CAST(NULL AS DECIMAL(18, 2)) AS base_amount,
    CAST(NULL AS DECIMAL(18, 2)) AS per_kg_amount,
    CAST(NULL AS BIGINT) AS transit_days,
    CAST(NULL AS BIGINT) AS number
FROM stock

UNION ALL

SELECT
    'picked' AS record,
    order_guid,
    CAST(NULL AS BIGINT) AS line_no,
    sku,
    CAST(NULL AS VARCHAR) AS sold_sku,
    warehouse_id,
    CAST(quantity AS DECIMAL(18, 3)) AS quantity,
    CAST(NULL AS DECIMAL(18, 3)) AS each_qty,
    CAST(NULL AS DECIMAL(18, 3)) AS grams,
    CAST(NULL AS VARCHAR) AS province,
    CAST(NULL AS VARCHAR) AS city,
    CAST(NULL AS VARCHAR) AS store_id,
    CAST(NULL AS VARCHAR) AS due_at,
    CAST(NULL AS VARCHAR) AS reserved_at,
    CAST(NULL AS VARCHAR) AS channel_order_id,
    CAST(NULL AS VARCHAR) AS courier_code,
    CAST(NULL AS DECIMAL(18, 2)) AS base_amount,
    CAST(NULL AS DECIMAL(18, 2)) AS per_kg_amount,
    CAST(NULL AS BIGINT) AS transit_days,
    CAST(NULL AS BIGINT) AS number
FROM picked

UNION ALL

SELECT
    'node' AS record,
    CAST(NULL AS UUID) AS order_guid,
    CAST(NULL AS BIGINT) AS line_no,
    kind AS sku,
    CAST(NULL AS VARCHAR) AS sold_sku,
    warehouse_id,
    CAST(NULL AS DECIMAL(18, 3)) AS quantity,
    CAST(NULL AS DECIMAL(18, 3)) AS each_qty,
    CAST(NULL AS DECIMAL(18, 3)) AS grams,
    province,
    city,
    CAST(NULL AS VARCHAR) AS store_id,
    CAST(NULL AS VARCHAR) AS due_at,
    CAST(NULL AS VARCHAR) AS reserved_at,
    CAST(NULL AS VARCHAR) AS channel_order_id,
    CAST(NULL AS VARCHAR) AS courier_code,
    CAST(NULL AS DECIMAL(18, 2)) AS base_amount,
    CAST(NULL AS DECIMAL(18, 2)) AS per_kg_amount,
    CAST(NULL AS BIGINT) AS transit_days,
    priority AS number
FROM inventory.nodes

UNION ALL

SELECT
    'rate' AS record,
    CAST(NULL AS UUID) AS order_guid,
    CAST(NULL AS BIGINT) AS line_no,
    CAST(NULL AS VARCHAR) AS sku,
    CAST(NULL AS VARCHAR) AS sold_sku,
    warehouse_id,
    CAST(NULL AS DECIMAL(18, 3)) AS quantity,
    CAST(NULL AS DECIMAL(18, 3)) AS each_qty,
    CAST(NULL AS DECIMAL(18, 3)) AS grams,
    province,
    CAST(NULL AS VARCHAR) AS city,
    CAST(NULL AS VARCHAR) AS store_id,
    CAST(NULL AS VARCHAR) AS due_at,
    CAST(NULL AS VARCHAR) AS reserved_at,
    CAST(NULL AS VARCHAR) AS channel_order_id,
    courier_code,
    CAST(base_amount AS DECIMAL(18, 2)) AS base_amount,
    CAST(per_kg_amount AS DECIMAL(18, 2)) AS per_kg_amount,
    transit_days,
    CAST(NULL AS BIGINT) AS number
FROM rates
WHERE newest_first = 1

UNION ALL

SELECT
    'rule' AS record,
    CAST(NULL AS UUID) AS order_guid,
    CAST(NULL AS BIGINT) AS line_no,
    name AS sku,
    CAST(NULL AS VARCHAR) AS sold_sku,
    CAST(NULL AS VARCHAR) AS warehouse_id,
    number AS quantity,
    CAST(NULL AS DECIMAL(18, 3)) AS each_qty,
    CAST(NULL AS DECIMAL(18, 3)) AS grams,
    CAST(NULL AS VARCHAR) AS province,
    CAST(NULL AS VARCHAR) AS city,
    CAST(NULL AS VARCHAR) AS store_id,
    CAST(NULL AS VARCHAR) AS due_at,
    CAST(NULL AS VARCHAR) AS reserved_at,
    CAST(NULL AS VARCHAR) AS channel_order_id,
    CAST(NULL AS VARCHAR) AS courier_code,
    CAST(NULL AS DECIMAL(18, 2)) AS base_amount,
    CAST(NULL AS DECIMAL(18, 2)) AS per_kg_amount,
    CAST(NULL AS BIGINT) AS transit_days,
    CAST(NULL AS BIGINT) AS number
FROM rules

UNION ALL

SELECT
    'strategy' AS record,
    CAST(NULL AS UUID) AS order_guid,
    CAST(NULL AS BIGINT) AS line_no,
    strategy AS sku,
    CAST(NULL AS VARCHAR) AS sold_sku,
    CAST(NULL AS VARCHAR) AS warehouse_id,
    CAST(NULL AS DECIMAL(18, 3)) AS quantity,
    CAST(NULL AS DECIMAL(18, 3)) AS each_qty,
    CAST(NULL AS DECIMAL(18, 3)) AS grams,
    CAST(NULL AS VARCHAR) AS province,
    CAST(NULL AS VARCHAR) AS city,
    CAST(NULL AS VARCHAR) AS store_id,
    CAST(NULL AS VARCHAR) AS due_at,
    CAST(NULL AS VARCHAR) AS reserved_at,
    CAST(NULL AS VARCHAR) AS channel_order_id,
    CAST(NULL AS VARCHAR) AS courier_code,
    CAST(NULL AS DECIMAL(18, 2)) AS base_amount,
    CAST(NULL AS DECIMAL(18, 2)) AS per_kg_amount,
    CAST(NULL AS BIGINT) AS transit_days,
    CAST(NULL AS BIGINT) AS number
FROM ref.allocation
