-- grain: order_guid, stage
-- refresh: whole
-- changes at: always
-- The orders behind a cell of the backlog, now, and why each waits: for a person's review, because a refund is asked for, for stock, to be
-- released, for the warehouse, for its label, to be handed over or for the courier. Their hours are counted until now.
WITH waiting AS (
    SELECT
        w.order_guid,
        w.stage,
        w.owner_role,
        w.channel,
        w.warehouse_id,
        w.entered_at,
        w.due_at
    FROM fulfilment.waits AS w
    WHERE w.entered_at <= as_of() AND coalesce(w.left_at > as_of(), TRUE)
),

refunds_asked AS (
    SELECT order_guid
    FROM aftersales.return_items
    WHERE kind <> 'exchange' AND status NOT IN ('closed', 'rejected')
    GROUP BY order_guid
),

-- Goods that no stock figure or movement speaks of are not short: nobody knows.
known_goods AS (
    SELECT sku
    FROM inventory.atp
    WHERE stock_record NOT IN ('no_stock_record', 'not_stocked')
    GROUP BY sku
),

-- Goods of which more is promised than there is, in the warehouse the order falls on.
short AS (
    SELECT
        r.order_guid,
        min(r.sku) AS sku
    FROM inventory.reservations AS r
    INNER JOIN known_goods AS k ON r.sku = k.sku
    LEFT JOIN inventory.atp AS a ON r.sku = a.sku AND r.warehouse_id = a.warehouse_id AND r.owner = a.owner
    WHERE
        r.kind = 'order'
        AND (r.warehouse_id = 'unassigned' OR a.oversold_qty > 0)
    GROUP BY r.order_guid
)

SELECT
    w.order_guid,
    w.stage,
    w.channel,
    w.warehouse_id,
    w.owner_role,
    o.channel_order_id,
    CAST(date_trunc('hour', as_of()) AS TIMESTAMPTZ) AS hour_at,
    w.entered_at,
    w.due_at,
    coalesce(w.due_at < as_of(), FALSE) AS is_overdue,
    round_half_up(ratio(seconds_between(as_of(), w.entered_at), 3600)) AS waiting_hours,
    CASE
        WHEN w.stage = 'shipped' THEN 'courier'
        WHEN w.stage IN ('on_hold', 'risk_review') THEN 'review'
        WHEN f.order_guid IS NOT NULL THEN 'refund_asked'
        WHEN s.order_guid IS NOT NULL AND w.stage IN ('created', 'pending_payment', 'paid', 'released', 'allocated') THEN 'stock'
        WHEN w.stage IN ('created', 'pending_payment', 'paid') AND v.route <> 'auto' THEN 'review'
        WHEN w.stage IN ('created', 'pending_payment', 'paid') THEN 'release'
        WHEN w.stage = 'picking' THEN 'label'
        WHEN w.stage IN ('label_printed', 'packed') THEN 'handover'
        ELSE 'warehouse'
    END AS wait_reason,
    s.sku AS short_sku,
    o.file_id,
    o.row_number
FROM waiting AS w
INNER JOIN orders.orders AS o ON w.order_guid = o.order_guid
LEFT JOIN short AS s ON w.order_guid = s.order_guid
LEFT JOIN refunds_asked AS f ON w.order_guid = f.order_guid
LEFT JOIN fulfilment.review_queue AS v ON w.order_guid = v.order_guid
