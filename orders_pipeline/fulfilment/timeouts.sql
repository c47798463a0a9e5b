-- grain: order_guid, stage
-- refresh: whole
-- pace: later
-- changes at: always
-- What is late, or about to be, now: a reminder shortly before a clock is due, overdue after it, suspended when it is overdue because the
-- goods are out. Also where two sides disagree: one has moved on and a newer file of the other one still shows the order unchanged.
WITH stocked AS (
    SELECT sku
    FROM inventory.atp
    WHERE snapshot_at IS NOT NULL
    GROUP BY sku
),

-- Goods that are counted somewhere and that no warehouse has for this order, or its warehouse has promised more often than it has them.
out_of_stock AS (
    SELECT r.order_guid
    FROM inventory.reservations AS r
    INNER JOIN stocked AS s ON r.sku = s.sku
    LEFT JOIN inventory.atp AS a ON r.sku = a.sku AND r.warehouse_id = a.warehouse_id AND r.owner = a.owner
    WHERE r.order_guid IS NOT NULL AND (r.warehouse_id = 'unassigned' OR a.oversold_qty > 0)
    GROUP BY r.order_guid
),

late AS (
    SELECT
        c.order_guid,
        c.stage,
        c.owner_role,
        CASE
            WHEN as_of() <= c.due_at THEN 1
            WHEN x.order_guid IS NOT NULL AND c.axis IN ('order', 'fulfilment') THEN 3
            ELSE 2
        END AS grade,
        CASE
            WHEN as_of() <= c.due_at THEN 'due_soon'
            WHEN x.order_guid IS NOT NULL AND c.axis IN ('order', 'fulfilment') THEN 'out_of_stock'
            ELSE 'late'
        END AS reason,
        c.due_at
    FROM fulfilment.order_stages AS c
    LEFT JOIN out_of_stock AS x ON c.order_guid = x.order_guid
    WHERE
        c.clock_status IN ('running', 'at_risk', 'breached')
        AND coalesce(c.stopped_at > as_of(), TRUE)
        AND add_minutes(c.due_at, -threshold('timeout_reminder_minutes')) <= as_of()
),

-- What a file does not show had not happened when it was written.
shown AS (
    SELECT
        order_guid,
        max(exported_at) AS shown_at
    FROM raw.orders
    GROUP BY order_guid
),

handed_out AS (
    SELECT
        s.order_guid,
        max(s.shipped_at) AS shipped_at,
        count(*) AS line_count,
        count(s.shipped_at) AS shipped_count,
        max(f.exported_at) AS shown_at
    FROM fulfilment.shipment_lines AS s
    LEFT JOIN raw.files AS f ON s.file_id = f.file_id
    GROUP BY s.order_guid
),

apart AS (
    SELECT
        o.order_guid,
        'dispatched' AS stage,
        'operations' AS owner_role,
        'channel_behind' AS reason,
        add_minutes(h.shipped_at, threshold('sync_lag_minutes')) AS due_at
    FROM orders.orders AS o
    INNER JOIN handed_out AS h ON o.order_guid = h.order_guid
    INNER JOIN shown AS s ON o.order_guid = s.order_guid
    WHERE
        h.line_count = h.shipped_count
        AND o.status IN ('pending_payment', 'paid', 'on_hold', 'released')
        AND add_minutes(h.shipped_at, threshold('sync_lag_minutes')) < s.shown_at

    UNION ALL

    SELECT
        o.order_guid,
        'shipped' AS stage,
        'warehouse' AS owner_role,
        'warehouse_behind' AS reason,
        add_minutes(o.shipped_at, threshold('sync_lag_minutes')) AS due_at
    FROM orders.orders AS o
    INNER JOIN handed_out AS h ON o.order_guid = h.order_guid
    WHERE
        h.shipped_count = 0
        AND o.status IN ('shipped', 'delivered', 'completed')
        AND add_minutes(o.shipped_at, threshold('sync_lag_minutes')) < h.shown_at
),

found AS (
    SELECT order_guid, stage, owner_role, grade, reason, due_at
    FROM late

    UNION ALL

    SELECT order_guid, stage, owner_role, 0 AS grade, reason, due_at
    FROM apart
    WHERE due_at < as_of()
),

-- Several parcels of an order late in one stage are one time-out, the worst of them.
ranked AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY order_guid, stage
            ORDER BY grade DESC NULLS LAST, due_at ASC NULLS LAST, reason ASC NULLS LAST
        ) AS worst_first,
        count(*) OVER (PARTITION BY order_guid, stage) AS open_count
    FROM found
)

SELECT
    r.order_guid,
    r.stage,
    o.channel,
    o.shop_id,
    o.channel_order_id,
    r.owner_role,
    CASE WHEN r.grade = 3 THEN 'suspended' WHEN r.grade = 2 THEN 'overdue' ELSE 'reminder' END AS level,
    r.due_at,
    greatest(0, seconds_between(as_of(), r.due_at)) AS overdue_seconds,
    r.reason,
    r.open_count
FROM ranked AS r
INNER JOIN orders.orders AS o ON r.order_guid = o.order_guid
WHERE r.worst_first = 1
