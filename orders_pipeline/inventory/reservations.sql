-- grain: sku_guid, claim_id, warehouse_id
-- refresh: sku by sku_guid
-- replaces: document by document_guid
-- lookup: inventory.nodes, ref.channels
-- Who has a claim on which goods, and where: open paid lines and outgoing transfers reserve, unpaid lines and explicit holds hold. A
-- claim that names no warehouse falls on the only one that has the goods; of several, on the one with most to spare first (warehouses
-- before stores, one order after the other); what no warehouse has stands under `unassigned`.
WITH own_claims AS (
    SELECT
        sku_guid,
        order_guid,
        sum(quantity) AS quantity
    FROM inventory.demand
    WHERE is_counted AND component = 'held'
    GROUP BY sku_guid, order_guid
),

hold_rows AS (
    SELECT
        h.sku_guid,
        'hold|' || CAST(h.hold_guid AS VARCHAR) AS claim_id,
        h.sku,
        h.hold_id,
        h.warehouse_id,
        h.order_guid,
        h.quantity,
        h.reserved_at,
        h.reserved_until,
        h.file_id,
        h.row_number,
        -- A hold for an order whose unpaid lines hold the goods as well keeps only what goes beyond them.
        coalesce(o.quantity, 0) AS own_qty,
        sum(h.quantity) OVER (
            PARTITION BY h.sku_guid, h.order_guid
            ORDER BY h.hold_id ASC NULLS FIRST, h.hold_guid ASC NULLS FIRST
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS quantity_so_far
    FROM inventory.holds AS h
    LEFT JOIN own_claims AS o ON h.sku_guid = o.sku_guid AND h.order_guid = o.order_guid
    WHERE h.is_counted
),

claims AS (
    SELECT
        sku_guid,
        'order|' || CAST(order_guid AS VARCHAR) || '|' || lpad(CAST(line_no AS VARCHAR), 6, '0') AS claim_id,
        sku,
        component,
        'order' AS kind,
        channel_order_id AS document_id,
        document_guid,
        order_guid,
        warehouse_id,
        quantity,
        due_at,
        reserved_at,
        reserved_until,
        claimed_shipped_at,
        file_id,
        row_number
    FROM inventory.demand
    WHERE is_counted

    UNION ALL

    SELECT
        sku_guid,
        claim_id,
        sku,
        'held' AS component,
        'hold' AS kind,
        hold_id AS document_id,
        guid_of(coalesce(hold_id, '?')) AS document_guid,
        order_guid,
        warehouse_id,
        greatest(0, least(quantity, quantity_so_far - own_qty)) AS quantity,
        CAST(NULL AS TIMESTAMPTZ) AS due_at,
        reserved_at,
        reserved_until,
        CAST(NULL AS TIMESTAMPTZ) AS claimed_shipped_at,
        file_id,
        row_number
    FROM hold_rows
    WHERE quantity_so_far > own_qty

    UNION ALL

    SELECT
        sku_guid,
        'transfer|' || inbound_id || '|' || CAST(supply_number AS VARCHAR) AS claim_id,
        sku,
        'reserved' AS component,
        'transfer' AS kind,
        inbound_id AS document_id,
        guid_of(inbound_id) AS document_guid,
        CAST(NULL AS UUID) AS order_guid,
        source_warehouse_id AS warehouse_id,
        to_send_qty AS quantity,
        expected_at AS due_at,
        expected_at AS reserved_at,
        CAST(NULL AS TIMESTAMPTZ) AS reserved_until,
        CAST(NULL AS TIMESTAMPTZ) AS claimed_shipped_at,
        file_id,
        row_number
    FROM inventory.supply
    WHERE to_send_qty > 0
),

owners AS (
    SELECT
        sku_guid,
        warehouse_id,
        coalesce(min(CASE WHEN owner = 'own' THEN owner END), min(owner)) AS owner
    FROM inventory.positions
    GROUP BY sku_guid, warehouse_id
),

positions_of_owner AS (
    SELECT
        p.sku_guid,
        p.warehouse_id,
        p.owner,
        p.counted_at,
        p.sellable_qty,
        p.node_kind,
        p.is_active
    FROM inventory.positions AS p
    INNER JOIN owners AS o ON p.sku_guid = o.sku_guid AND p.warehouse_id = o.warehouse_id AND p.owner = o.owner
),

-- The warehouses a claim may fall on.
places AS (
    SELECT
        p.sku_guid,
        p.warehouse_id,
        p.owner,
        p.counted_at,
        p.sellable_qty,
        p.node_kind
    FROM positions_of_owner AS p
    WHERE p.is_active
),

only_places AS (
    SELECT
        sku_guid,
        min(warehouse_id) AS warehouse_id,
        min(counted_at) AS counted_at,
        count(*) AS place_count
    FROM places
    GROUP BY sku_guid
),

placed AS (
    SELECT
        c.sku_guid,
        c.claim_id,
        c.sku,
        c.component,
        c.kind,
        c.document_id,
        c.document_guid,
        c.order_guid,
        coalesce(c.warehouse_id, CASE WHEN y.place_count = 1 THEN y.warehouse_id END) AS warehouse_id,
        c.warehouse_id IS NOT NULL AS is_named,
        c.quantity,
        c.due_at,
        c.reserved_at,
        c.reserved_until,
        c.claimed_shipped_at,
        coalesce(p.counted_at, y.counted_at) AS counted_at,
        c.file_id,
        c.row_number
    FROM claims AS c
    LEFT JOIN only_places AS y ON c.sku_guid = y.sku_guid
    LEFT JOIN positions_of_owner AS p ON c.sku_guid = p.sku_guid AND c.warehouse_id = p.warehouse_id
),

open_claims AS (
    SELECT
        sku_guid,
        claim_id,
        sku,
        component,
        kind,
        document_id,
        document_guid,
        order_guid,
        warehouse_id,
        is_named,
        quantity,
        due_at,
        reserved_at,
        reserved_until,
        file_id,
        row_number
    FROM placed
    WHERE claimed_shipped_at IS NULL OR coalesce(claimed_shipped_at > counted_at, FALSE)
),

taken AS (
    SELECT
        sku_guid,
        warehouse_id,
        sum(quantity) AS quantity
    FROM open_claims
    WHERE warehouse_id IS NOT NULL
    GROUP BY sku_guid, warehouse_id
),

spare AS (
    SELECT
        p.sku_guid,
        p.warehouse_id,
        p.node_kind,
        greatest(0, p.sellable_qty - coalesce(t.quantity, 0)) AS quantity
    FROM places AS p
    LEFT JOIN taken AS t ON p.sku_guid = t.sku_guid AND p.warehouse_id = t.warehouse_id
),

-- Spare goods and floating claims, each laid end to end: where the two lines overlap, the claim takes the goods.
spare_line AS (
    SELECT
        sku_guid,
        warehouse_id,
        quantity,
        sum(quantity) OVER (
            PARTITION BY sku_guid
            ORDER BY
                CASE WHEN node_kind = 'store' THEN 1 ELSE 0 END ASC NULLS FIRST,
                quantity DESC NULLS LAST,
                warehouse_id ASC NULLS FIRST
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS until_qty
    FROM spare
),

claim_line AS (
    SELECT
        sku_guid,
        claim_id,
        quantity,
        sum(quantity) OVER (
            PARTITION BY sku_guid
            ORDER BY
                CASE WHEN component = 'reserved' THEN 0 ELSE 1 END ASC NULLS FIRST,
                due_at ASC NULLS FIRST,
                reserved_at ASC NULLS FIRST,
                claim_id ASC NULLS FIRST
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS until_qty
    FROM open_claims
    WHERE warehouse_id IS NULL
),

overlaps AS (
    SELECT
        c.sku_guid,
        c.claim_id,
        s.warehouse_id,
        least(c.until_qty, s.until_qty) - greatest(c.until_qty - c.quantity, s.until_qty - s.quantity) AS quantity
    FROM claim_line AS c
    INNER JOIN spare_line AS s
        ON
            c.sku_guid = s.sku_guid
            AND c.until_qty - c.quantity < s.until_qty
            AND s.until_qty - s.quantity < c.until_qty
    WHERE s.quantity > 0
),

covered AS (
    SELECT
        sku_guid,
        claim_id,
        sum(quantity) AS quantity
    FROM overlaps
    GROUP BY sku_guid, claim_id
),

shares AS (
    SELECT sku_guid, claim_id, warehouse_id, quantity
    FROM open_claims
    WHERE warehouse_id IS NOT NULL

    UNION ALL

    SELECT sku_guid, claim_id, warehouse_id, quantity
    FROM overlaps

    UNION ALL

    SELECT
        c.sku_guid,
        c.claim_id,
        'unassigned' AS warehouse_id,
        c.quantity - coalesce(v.quantity, 0) AS quantity
    FROM claim_line AS c
    LEFT JOIN covered AS v ON c.sku_guid = v.sku_guid AND c.claim_id = v.claim_id
    WHERE c.quantity > coalesce(v.quantity, 0)
)

SELECT
    c.sku_guid,
    c.claim_id,
    coalesce(o.owner, 'own') AS owner,
    c.sku,
    h.warehouse_id,
    c.component,
    c.kind,
    c.document_id,
    c.order_guid,
    c.document_guid,
    c.is_named,
    CAST(h.quantity AS DECIMAL(18, 3)) AS quantity,
    c.due_at,
    local_date(c.due_at, coalesce(n.timezone, d.timezone)) AS due_on,
    c.reserved_at,
    c.reserved_until,
    c.file_id,
    c.row_number
FROM shares AS h
INNER JOIN open_claims AS c ON h.sku_guid = c.sku_guid AND h.claim_id = c.claim_id
LEFT JOIN owners AS o ON h.sku_guid = o.sku_guid AND h.warehouse_id = o.warehouse_id
LEFT JOIN inventory.nodes AS n ON h.warehouse_id = n.warehouse_id
CROSS JOIN ref.channels AS d
WHERE d.channel = 'default'
