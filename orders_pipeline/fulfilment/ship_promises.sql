-- grain: order_guid
-- refresh: order by order_guid
-- lookup: inventory.nodes
-- changes at: next_change_at
-- By when each order had to leave, and when all of it had left: a promise made to the buyer comes before the usual limit, the shortest of
-- several counts, and the last parcel decides. Orders cancelled before they were due owe nothing; cancelled later they stay late.
WITH line_promises AS (
    SELECT
        order_guid,
        min(promised_ship_at) AS promised_ship_at
    FROM orders.order_lines
    GROUP BY order_guid
),

shipped AS (
    SELECT
        order_guid,
        min(warehouse_id) AS warehouse_id,
        max(shipped_at) AS shipped_at,
        sum(CASE WHEN shipped_at IS NULL THEN 1 ELSE 0 END) AS waiting_count,
        sum(CASE WHEN shipped_at IS NULL THEN 0 ELSE quantity END) AS shipped_qty
    FROM fulfilment.shipment_lines
    GROUP BY order_guid
),

promises AS (
    SELECT
        o.order_guid,
        o.channel,
        coalesce(o.province, 'unknown') AS province,
        coalesce(s.warehouse_id, 'unassigned') AS warehouse_id,
        o.status,
        o.timezone,
        coalesce(o.paid_at, o.created_at) AS starts_at,
        coalesce(least(o.promised_ship_at, l.promised_ship_at), o.promised_ship_at, l.promised_ship_at) AS promised_at,
        o.cancelled_at,
        o.status IN ('cancelled', 'expired') AS is_cancelled,
        -- The warehouse's documents have the word; without any, the channel's.
        CASE
            WHEN s.order_guid IS NULL THEN o.shipped_at
            WHEN s.waiting_count = 0 AND s.shipped_qty >= o.ordered_qty - o.cancelled_qty THEN s.shipped_at
            WHEN o.line_count = 0 AND s.waiting_count = 0 THEN s.shipped_at
        END AS shipped_at
    FROM orders.orders AS o
    LEFT JOIN line_promises AS l ON o.order_guid = l.order_guid
    LEFT JOIN shipped AS s ON o.order_guid = s.order_guid
    WHERE
        o.order_type NOT IN ('test', 'credit_note', 'adjustment')
        AND (o.paid_at IS NOT NULL OR o.order_type IN ('cod', 'exchange', 'resend') OR o.status NOT IN ('pending_payment', 'cancelled', 'expired'))
),

due AS (
    SELECT
        order_guid,
        channel,
        province,
        warehouse_id,
        status,
        timezone,
        starts_at,
        coalesce(promised_at, add_hours(starts_at, threshold('ship_sla_hours'))) AS due_at,
        is_cancelled,
        cancelled_at,
        shipped_at
    FROM promises
)

SELECT
    order_guid,
    channel,
    province,
    warehouse_id,
    status,
    timezone,
    starts_at,
    due_at,
    local_date(due_at, timezone) AS due_on,
    CASE WHEN shipped_at <= as_of() THEN shipped_at END AS shipped_at,
    due_at <= as_of() AS is_due,
    coalesce(shipped_at <= due_at, FALSE) AS is_on_time,
    CASE WHEN shipped_at <= as_of() THEN greatest(0, seconds_between(shipped_at, starts_at)) END AS ship_seconds,
    CASE
        WHEN due_at > as_of() AND shipped_at > as_of() THEN least(due_at, shipped_at)
        WHEN due_at > as_of() THEN due_at
        WHEN shipped_at > as_of() THEN shipped_at
    END AS next_change_at
FROM due
WHERE NOT (is_cancelled AND shipped_at IS NULL AND coalesce(cancelled_at <= due_at, TRUE))
