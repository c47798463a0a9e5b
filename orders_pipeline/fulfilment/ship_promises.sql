-- grain: order_guid
-- refresh: clock by order_guid
-- changes at: next_change_at
-- By when each order has to leave, when all of it has left, and how its clock came out: that of the stage `unallocated`, from payment until
-- the last parcel. Where no such clock runs (the time of payment is not known, it is fetched from a store) the usual limit stands in, and
-- nothing is scored.
WITH line_promises AS (
    SELECT
        order_guid,
        min(promised_ship_at) AS promised_ship_at
    FROM orders.order_lines
    GROUP BY order_guid
),

places AS (
    SELECT
        order_guid,
        min(warehouse_id) AS warehouse_id
    FROM fulfilment.shipment_lines
    GROUP BY order_guid
),

clocks AS (
    SELECT
        order_guid,
        entered_at,
        due_at,
        clock_status
    FROM fulfilment.order_stages
    WHERE stage = 'unallocated' AND due_at IS NOT NULL
),

dispatches AS (
    SELECT
        order_guid,
        min(entered_at) AS dispatched_at
    FROM fulfilment.order_stages
    WHERE stage = 'dispatched'
    GROUP BY order_guid
),

promises AS (
    SELECT
        o.order_guid,
        o.channel,
        coalesce(o.province, 'unknown') AS province,
        coalesce(p.warehouse_id, 'unassigned') AS warehouse_id,
        o.status,
        o.timezone,
        coalesce(c.entered_at, o.paid_at, o.created_at) AS starts_at,
        coalesce(
            c.due_at,
            least(o.promised_ship_at, l.promised_ship_at),
            o.promised_ship_at,
            l.promised_ship_at,
            add_hours(coalesce(o.paid_at, o.created_at), threshold('ship_sla_hours'))
        ) AS due_at,
        coalesce(d.dispatched_at, CASE WHEN p.order_guid IS NULL THEN o.shipped_at END) AS shipped_at,
        c.clock_status
    FROM orders.orders AS o
    LEFT JOIN line_promises AS l ON o.order_guid = l.order_guid
    LEFT JOIN places AS p ON o.order_guid = p.order_guid
    LEFT JOIN clocks AS c ON o.order_guid = c.order_guid
    LEFT JOIN dispatches AS d ON o.order_guid = d.order_guid
    WHERE
        o.order_type NOT IN ('test', 'credit_note', 'adjustment')
        AND (
            o.paid_at IS NOT NULL OR o.order_type IN ('cod', 'exchange', 'resend') OR c.order_guid IS NOT NULL
            OR o.status NOT IN ('pending_payment', 'cancelled', 'expired')
        )
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
    clock_status,
    coalesce(due_at <= as_of() AND clock_status IN ('met', 'met_late', 'breached'), FALSE) AS is_scored,
    coalesce(clock_status = 'met', FALSE) AS is_on_time,
    CASE WHEN shipped_at <= as_of() THEN greatest(0, seconds_between(shipped_at, starts_at)) END AS ship_seconds,
    CASE
        WHEN due_at > as_of() AND shipped_at > as_of() THEN least(due_at, shipped_at)
        WHEN due_at > as_of() THEN due_at
        WHEN shipped_at > as_of() THEN shipped_at
    END AS next_change_at
FROM promises
