-- grain: order_guid, stage
-- refresh: order by order_guid
-- lookup: fulfilment.parcels
-- Where each order waited before it left, from when until when, and until when it might: in review (paid, on hold), for picking
-- (allocated), for its label (picking), for the courier (label_printed), for the first scan (shipped).
WITH documents AS (
    SELECT
        order_guid,
        min(warehouse_id) AS warehouse_id,
        min(coalesce(released_at, created_at)) AS released_at,
        max(picked_at) AS picked_at,
        max(label_printed_at) AS label_at,
        max(shipped_at) AS shipped_at,
        sum(CASE WHEN picked_at IS NULL THEN 1 ELSE 0 END) AS unpicked_count,
        sum(CASE WHEN label_printed_at IS NULL THEN 1 ELSE 0 END) AS unlabelled_count,
        sum(CASE WHEN shipped_at IS NULL THEN 1 ELSE 0 END) AS unshipped_count
    FROM fulfilment.shipment_lines
    GROUP BY order_guid
),

orders_of AS (
    SELECT
        o.order_guid,
        o.channel,
        coalesce(d.warehouse_id, 'unassigned') AS warehouse_id,
        o.status,
        coalesce(o.paid_at, o.created_at) AS paid_at,
        d.released_at,
        -- A later step shows that the earlier one is done, whether or not its time was written down.
        CASE WHEN d.unpicked_count = 0 THEN d.picked_at END AS picked_at,
        CASE WHEN d.unlabelled_count = 0 THEN d.label_at END AS label_at,
        CASE WHEN d.order_guid IS NULL THEN o.shipped_at WHEN d.unshipped_count = 0 THEN d.shipped_at END AS shipped_at,
        -- What ends every wait: the order is closed, or the channel says that it is with the buyer.
        CASE
            WHEN o.status IN ('cancelled', 'expired') THEN coalesce(o.cancelled_at, o.paid_at, o.created_at)
            WHEN o.status IN ('delivered', 'completed') THEN coalesce(o.shipped_at, o.completed_at, o.paid_at, o.created_at)
            WHEN o.status = 'shipped' AND d.order_guid IS NULL THEN coalesce(o.shipped_at, o.paid_at, o.created_at)
        END AS ended_at
    FROM orders.orders AS o
    LEFT JOIN documents AS d ON o.order_guid = d.order_guid
    WHERE
        o.order_type NOT IN ('test', 'credit_note', 'adjustment')
        AND (o.paid_at IS NOT NULL OR o.order_type IN ('cod', 'exchange', 'resend') OR o.status NOT IN ('pending_payment', 'cancelled', 'expired'))
),

steps AS (
    SELECT
        order_guid, channel, warehouse_id, ended_at,
        CASE WHEN status = 'on_hold' THEN 'on_hold' ELSE 'paid' END AS stage,
        'review' AS step,
        paid_at AS entered_at,
        least(released_at, picked_at, label_at, shipped_at) AS left_at
    FROM orders_of

    UNION ALL

    SELECT
        order_guid, channel, warehouse_id, ended_at, 'allocated' AS stage, 'warehouse' AS step,
        released_at AS entered_at,
        least(picked_at, label_at, shipped_at) AS left_at
    FROM orders_of

    UNION ALL

    SELECT
        order_guid, channel, warehouse_id, ended_at, 'picking' AS stage, 'warehouse' AS step,
        picked_at AS entered_at,
        least(label_at, shipped_at) AS left_at
    FROM orders_of

    UNION ALL

    SELECT
        order_guid, channel, warehouse_id, ended_at, 'label_printed' AS stage, 'warehouse' AS step,
        label_at AS entered_at,
        shipped_at AS left_at
    FROM orders_of
),

collected AS (
    SELECT
        s.order_guid,
        min(s.warehouse_id) AS warehouse_id,
        min(s.shipped_at) AS shipped_at,
        sum(CASE WHEN s.shipped_at IS NULL THEN 1 ELSE 0 END) AS unshipped_count,
        max(p.collected_at) AS collected_at,
        sum(CASE WHEN p.collected_at IS NULL THEN 1 ELSE 0 END) AS uncollected_count
    FROM fulfilment.shipment_lines AS s
    LEFT JOIN fulfilment.parcels AS p ON s.parcel_guid = p.parcel_guid
    WHERE s.parcel_guid IS NOT NULL
    GROUP BY s.order_guid
),

all_steps AS (
    SELECT order_guid, channel, warehouse_id, ended_at, stage, step, entered_at, left_at
    FROM steps

    UNION ALL

    SELECT
        o.order_guid,
        o.channel,
        o.warehouse_id,
        o.ended_at,
        'shipped' AS stage,
        'courier' AS step,
        c.shipped_at AS entered_at,
        CASE WHEN c.uncollected_count = 0 THEN c.collected_at END AS left_at
    FROM orders_of AS o
    INNER JOIN collected AS c ON o.order_guid = c.order_guid
)

SELECT
    order_guid,
    stage,
    step,
    channel,
    warehouse_id,
    entered_at,
    coalesce(least(left_at, ended_at), left_at, ended_at) AS left_at,
    CASE step
        WHEN 'courier' THEN add_hours(entered_at, threshold('first_scan_limit_hours'))
        ELSE add_minutes(entered_at, threshold('stage_normal_minutes'))
    END AS due_at
FROM all_steps
WHERE entered_at IS NOT NULL AND coalesce(coalesce(least(left_at, ended_at), left_at, ended_at) >= entered_at, TRUE)
