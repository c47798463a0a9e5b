-- grain: sku_guid, owner, warehouse_id, source_kind, movement_id
-- refresh: stock by sku_guid
-- lookup: inventory.kit_components
-- changes at: next_change_at
-- What moved after the last stock figure of its SKU and warehouse, each movement once, with its effect on on-hand stock and on the
-- states within it. Effects never depend on the order of arrival, and not on stock figures in between. An outbound line counts
-- where the movement file has no sale for it: of one issue the warehouse's own ledger has the word.
-- Whose goods they are where a row does not say: the merchant's own, or the one owner the stock figures name.
WITH owners AS (
    SELECT
        sku_guid,
        warehouse_id,
        coalesce(min(CASE WHEN owner = 'own' THEN owner END), min(owner)) AS owner
    FROM inventory.counts
    GROUP BY sku_guid, warehouse_id
),

booked AS (
    SELECT
        r.sku_guid,
        coalesce(r.owner, o.owner, 'own') AS owner,
        r.sku,
        r.warehouse_id,
        r.movement_id,
        r.kind,
        r.quantity,
        r.occurred_at,
        r.reference_id,
        r.file_id,
        r.row_number
    FROM inventory.movement_rows AS r
    LEFT JOIN owners AS o ON r.sku_guid = o.sku_guid AND r.warehouse_id = o.warehouse_id
),

-- Goods that came back wait for inspection; what is restocked, found damaged or written off is taken from them first, in the
-- order of events. `level` would be the number waiting if more could leave than is there; what is short of it was on the shelf.
waiting AS (
    SELECT
        sku_guid,
        owner,
        warehouse_id,
        movement_id,
        occurred_at,
        CASE
            WHEN kind = 'return_received' THEN quantity
            WHEN kind = 'restock' THEN -quantity
            WHEN quantity < 0 THEN quantity
            ELSE 0
        END AS flow
    FROM booked
    WHERE kind IN ('return_received', 'restock', 'damage', 'write_off')
),

waiting_levels AS (
    SELECT
        sku_guid,
        owner,
        warehouse_id,
        movement_id,
        occurred_at,
        flow,
        sum(flow) OVER (
            PARTITION BY sku_guid, owner, warehouse_id
            ORDER BY occurred_at ASC NULLS FIRST, flow DESC NULLS LAST, movement_id ASC NULLS FIRST
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS level
    FROM waiting
),

waiting_short AS (
    SELECT
        sku_guid,
        owner,
        warehouse_id,
        movement_id,
        occurred_at,
        flow,
        greatest(0, -min(level) OVER (
            PARTITION BY sku_guid, owner, warehouse_id
            ORDER BY occurred_at ASC NULLS FIRST, flow DESC NULLS LAST, movement_id ASC NULLS FIRST
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS short_so_far
    FROM waiting_levels
),

inspected AS (
    SELECT
        sku_guid,
        owner,
        warehouse_id,
        movement_id,
        flow + short_so_far - coalesce(lag(short_so_far) OVER (
            PARTITION BY sku_guid, owner, warehouse_id
            ORDER BY occurred_at ASC NULLS FIRST, flow DESC NULLS LAST, movement_id ASC NULLS FIRST
        ), 0) AS quality_control_qty
    FROM waiting_short
),

after_count AS (
    SELECT
        b.sku_guid,
        b.owner,
        b.sku,
        b.warehouse_id,
        b.movement_id,
        b.kind,
        b.quantity,
        b.occurred_at,
        b.reference_id,
        coalesce(i.quality_control_qty, 0) AS quality_control_qty,
        greatest(0, coalesce(c.damaged_qty, 0)) AS counted_damaged_qty,
        c.next_change_at,
        b.file_id,
        b.row_number
    FROM booked AS b
    LEFT JOIN inventory.counts AS c ON b.sku_guid = c.sku_guid AND b.owner = c.owner AND b.warehouse_id = c.warehouse_id
    LEFT JOIN inspected AS i
        ON
            b.sku_guid = i.sku_guid
            AND b.owner = i.owner
            AND b.warehouse_id = i.warehouse_id
            AND b.movement_id = i.movement_id
    WHERE c.counted_at IS NULL OR b.occurred_at > c.counted_at
),

-- What is written off and did not wait for inspection is what is known as damaged, as long as that lasts; then it was on the shelf.
-- Damage that adds goods adds damaged ones: it never makes anything sellable.
damaged AS (
    SELECT
        sku_guid,
        owner,
        warehouse_id,
        movement_id,
        occurred_at,
        quantity - quality_control_qty AS flow,
        counted_damaged_qty
    FROM after_count
    WHERE (kind = 'write_off' AND quantity < 0) OR (kind = 'damage' AND quantity > 0)
),

damaged_levels AS (
    SELECT
        sku_guid,
        owner,
        warehouse_id,
        movement_id,
        occurred_at,
        flow,
        counted_damaged_qty + sum(flow) OVER (
            PARTITION BY sku_guid, owner, warehouse_id
            ORDER BY occurred_at ASC NULLS FIRST, flow DESC NULLS LAST, movement_id ASC NULLS FIRST
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS level
    FROM damaged
),

damaged_short AS (
    SELECT
        sku_guid,
        owner,
        warehouse_id,
        movement_id,
        occurred_at,
        flow,
        greatest(0, -min(level) OVER (
            PARTITION BY sku_guid, owner, warehouse_id
            ORDER BY occurred_at ASC NULLS FIRST, flow DESC NULLS LAST, movement_id ASC NULLS FIRST
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )) AS short_so_far
    FROM damaged_levels
),

disposed AS (
    SELECT
        sku_guid,
        owner,
        warehouse_id,
        movement_id,
        flow + short_so_far - coalesce(lag(short_so_far) OVER (
            PARTITION BY sku_guid, owner, warehouse_id
            ORDER BY occurred_at ASC NULLS FIRST, flow DESC NULLS LAST, movement_id ASC NULLS FIRST
        ), 0) AS damaged_qty
    FROM damaged_short
),

-- Outbound lines after the figure, or after the first movement where there was never a figure.
issues AS (
    SELECT
        CAST(s.shipment_line_guid AS VARCHAR) AS movement_id,
        s.sku_guid,
        s.sku,
        s.quantity,
        s.warehouse_id,
        s.outbound_id,
        s.waybill_id,
        s.channel_order_id,
        s.sub_order_id,
        s.shipped_at,
        s.file_id,
        s.row_number
    FROM fulfilment.shipment_lines AS s
    LEFT JOIN inventory.kit_components AS k ON s.sku = k.kit_sku
    WHERE s.shipped_at IS NOT NULL AND k.kit_sku IS NULL

    UNION ALL

    SELECT
        CAST(s.shipment_line_guid AS VARCHAR) AS movement_id,
        s.sku_guid,
        s.sku,
        s.quantity,
        s.warehouse_id,
        s.outbound_id,
        s.waybill_id,
        s.channel_order_id,
        s.sub_order_id,
        s.shipped_at,
        s.file_id,
        s.row_number
    FROM inventory.kit_issues AS s
),

ledgers AS (
    SELECT
        sku_guid,
        owner,
        warehouse_id,
        min(occurred_at) AS first_at
    FROM booked
    GROUP BY sku_guid, owner, warehouse_id
),

ledger_owners AS (
    SELECT
        sku_guid,
        warehouse_id,
        coalesce(min(CASE WHEN owner = 'own' THEN owner END), min(owner)) AS owner,
        min(first_at) AS first_at
    FROM ledgers
    GROUP BY sku_guid, warehouse_id
),

issues_after AS (
    SELECT
        i.movement_id,
        i.sku_guid,
        coalesce(o.owner, l.owner) AS owner,
        i.sku,
        i.quantity,
        i.warehouse_id,
        i.outbound_id,
        i.waybill_id,
        i.channel_order_id,
        i.sub_order_id,
        i.shipped_at,
        c.next_change_at,
        i.file_id,
        i.row_number
    FROM issues AS i
    LEFT JOIN owners AS o ON i.sku_guid = o.sku_guid AND i.warehouse_id = o.warehouse_id
    LEFT JOIN ledger_owners AS l ON i.sku_guid = l.sku_guid AND i.warehouse_id = l.warehouse_id
    LEFT JOIN inventory.counts AS c
        ON i.sku_guid = c.sku_guid AND i.warehouse_id = c.warehouse_id AND o.owner = c.owner
    WHERE i.shipped_at > c.counted_at OR (c.counted_at IS NULL AND i.shipped_at >= l.first_at)
),

issue_numbers AS (
    SELECT movement_id, sku_guid, warehouse_id, outbound_id AS reference_id FROM issues_after

    UNION ALL

    SELECT movement_id, sku_guid, warehouse_id, waybill_id AS reference_id FROM issues_after

    UNION ALL

    SELECT movement_id, sku_guid, warehouse_id, channel_order_id AS reference_id FROM issues_after

    UNION ALL

    SELECT movement_id, sku_guid, warehouse_id, sub_order_id AS reference_id FROM issues_after
),

-- Sales of the movement file by each number they are known by; one that names nothing stands for any issue of its SKU there.
sales AS (
    SELECT sku_guid, warehouse_id, reference_id
    FROM booked
    WHERE kind = 'sale' AND reference_id IS NOT NULL

    UNION ALL

    SELECT sku_guid, warehouse_id, movement_id AS reference_id
    FROM booked
    WHERE kind = 'sale'
),

nameless_sales AS (
    SELECT sku_guid, warehouse_id
    FROM booked
    WHERE kind = 'sale' AND reference_id IS NULL
    GROUP BY sku_guid, warehouse_id
),

booked_issues AS (
    SELECT n.movement_id, n.sku_guid
    FROM issue_numbers AS n
    INNER JOIN sales AS s
        ON n.sku_guid = s.sku_guid AND n.warehouse_id = s.warehouse_id AND n.reference_id = s.reference_id
    GROUP BY n.movement_id, n.sku_guid

    UNION

    SELECT i.movement_id, i.sku_guid
    FROM issues_after AS i
    INNER JOIN nameless_sales AS s ON i.sku_guid = s.sku_guid AND i.warehouse_id = s.warehouse_id
)

SELECT
    a.sku_guid,
    a.owner,
    a.sku,
    a.warehouse_id,
    'movement' AS source_kind,
    a.movement_id,
    a.kind,
    a.movement_id AS document_id,
    a.reference_id,
    a.quantity,
    a.occurred_at,
    a.occurred_at <= as_of() AS is_counted,
    -- Freezing and restocking move goods between states.
    CAST(CASE
        WHEN a.kind IN ('freeze', 'unfreeze') THEN 0
        WHEN a.kind = 'restock' THEN a.quantity + a.quality_control_qty
        ELSE a.quantity
    END AS DECIMAL(18, 3)) AS on_hand_qty,
    CAST(a.quality_control_qty AS DECIMAL(18, 3)) AS quality_control_qty,
    CAST(CASE WHEN a.kind IN ('freeze', 'unfreeze') THEN a.quantity ELSE 0 END AS DECIMAL(18, 3)) AS frozen_qty,
    CAST(coalesce(d.damaged_qty, 0) AS DECIMAL(18, 3)) AS damaged_qty,
    CASE WHEN a.occurred_at > as_of() THEN least(a.occurred_at, coalesce(a.next_change_at, a.occurred_at)) ELSE a.next_change_at END
        AS next_change_at,
    a.file_id,
    a.row_number
FROM after_count AS a
LEFT JOIN disposed AS d
    ON
        a.sku_guid = d.sku_guid
        AND a.owner = d.owner
        AND a.warehouse_id = d.warehouse_id
        AND a.movement_id = d.movement_id

UNION ALL

SELECT
    i.sku_guid,
    i.owner,
    i.sku,
    i.warehouse_id,
    'shipment' AS source_kind,
    i.movement_id,
    'sale' AS kind,
    i.outbound_id AS document_id,
    i.channel_order_id AS reference_id,
    -i.quantity AS quantity,
    i.shipped_at AS occurred_at,
    i.shipped_at <= as_of() AS is_counted,
    CAST(-i.quantity AS DECIMAL(18, 3)) AS on_hand_qty,
    CAST(0 AS DECIMAL(18, 3)) AS quality_control_qty,
    CAST(0 AS DECIMAL(18, 3)) AS frozen_qty,
    CAST(0 AS DECIMAL(18, 3)) AS damaged_qty,
    CASE WHEN i.shipped_at > as_of() THEN least(i.shipped_at, coalesce(i.next_change_at, i.shipped_at)) ELSE i.next_change_at END
        AS next_change_at,
    i.file_id,
    i.row_number
FROM issues_after AS i
LEFT JOIN booked_issues AS b ON i.movement_id = b.movement_id AND i.sku_guid = b.sku_guid
WHERE b.movement_id IS NULL
