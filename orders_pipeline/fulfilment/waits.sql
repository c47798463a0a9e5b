-- grain: order_guid, stage, entered_at
-- refresh: clock by order_guid
-- lookup: ref.stages
-- Where each order waits until the courier has it, from when until when, and when that is due: the stages of the order and of its parcels, with
-- their clocks. Several parcels of an order that stand in one stage at a time are one wait. A stage without a clock of its own is waited for by
-- the clock that runs on from an earlier stage (a label is printed within the time for picking), else by the order's time to leave.
WITH visits AS (
    SELECT
        s.order_guid,
        s.axis,
        s.unit_guid,
        s.stage,
        s.stage_number,
        s.owner_role,
        s.entered_at,
        s.left_at,
        s.due_at,
        r.is_pause,
        last_value(CASE WHEN s.due_at IS NOT NULL AND NOT r.is_pause THEN s.due_at END IGNORE NULLS) OVER so_far AS running_due_at,
        last_value(
            CASE
                WHEN s.due_at IS NOT NULL AND NOT r.is_pause
                    THEN coalesce(s.stopped_at, CAST('9999-01-01 00:00:00+00' AS TIMESTAMPTZ))
            END IGNORE NULLS
        ) OVER so_far AS running_until_at
    FROM fulfilment.order_stages AS s
    INNER JOIN ref.stages AS r ON s.stage = r.stage
    WHERE s.axis IN ('order', 'fulfilment')
    WINDOW so_far AS (
        PARTITION BY s.order_guid, s.axis, s.unit_guid
        ORDER BY s.stage_number ASC NULLS FIRST
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    )
),

-- What ends every wait: the order is closed, or the channel says that it is with the buyer.
ends AS (
    SELECT
        o.order_guid,
        o.order_type,
        p.channel,
        p.warehouse_id,
        p.due_at,
        min(CASE WHEN v.axis = 'fulfilment' AND (v.unit_guid <> v.order_guid OR v.stage = 'dispatched') THEN v.entered_at END) AS parcel_at,
        least(
            min(CASE WHEN v.stage IN ('completed', 'cancelled', 'expired') THEN v.entered_at END),
            min(CASE WHEN o.status IN ('delivered', 'completed') THEN coalesce(o.shipped_at, o.completed_at, o.paid_at, o.created_at) END)
        ) AS ended_at
    FROM orders.orders AS o
    INNER JOIN fulfilment.ship_promises AS p ON o.order_guid = p.order_guid
    INNER JOIN visits AS v ON o.order_guid = v.order_guid
    GROUP BY o.order_guid, o.order_type, p.channel, p.warehouse_id, p.due_at
),

-- Only what has a waybill can be scanned.
waybills AS (
    SELECT
        order_guid,
        parcel_guid
    FROM fulfilment.shipment_lines
    WHERE parcel_guid IS NOT NULL
    GROUP BY order_guid, parcel_guid
),

waiting AS (
    SELECT
        v.order_guid,
        v.stage,
        v.stage_number,
        v.owner_role,
        e.channel,
        e.warehouse_id,
        v.entered_at,
        least(v.left_at, e.ended_at, CASE WHEN v.stage = 'released' THEN e.parcel_at END) AS left_at,
        -- A hold stops the clocks of the house; the time to leave that the buyer was promised goes on.
        CASE
            WHEN v.is_pause THEN least(coalesce(v.due_at, v.running_due_at), e.due_at)
            ELSE coalesce(v.due_at, CASE WHEN v.running_until_at > v.entered_at THEN v.running_due_at END, e.due_at)
        END AS due_at
    FROM visits AS v
    INNER JOIN ends AS e ON v.order_guid = e.order_guid
    LEFT JOIN waybills AS w ON v.order_guid = w.order_guid AND v.unit_guid = w.parcel_guid
    WHERE
        v.stage IN ('paid', 'risk_review', 'on_hold', 'released', 'allocated', 'picking', 'label_printed', 'packed')
        OR (v.stage IN ('created', 'pending_payment') AND e.order_type IN ('cod', 'exchange', 'resend'))
        OR (v.stage = 'shipped' AND w.parcel_guid IS NOT NULL)
),

begun AS (
    SELECT
        *,
        CASE
            WHEN entered_at <= max(coalesce(left_at, CAST('9999-01-01 00:00:00+00' AS TIMESTAMPTZ))) OVER (
                PARTITION BY order_guid, stage
                ORDER BY entered_at ASC NULLS FIRST, stage_number ASC NULLS FIRST
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) THEN 0
            ELSE 1
        END AS begins
    FROM waiting
    WHERE coalesce(left_at > entered_at, TRUE)
),

numbered AS (
    SELECT
        *,
        sum(begins) OVER (
            PARTITION BY order_guid, stage
            ORDER BY entered_at ASC NULLS FIRST, stage_number ASC NULLS FIRST
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS wait_number
    FROM begun
)

SELECT
    order_guid,
    stage,
    min(owner_role) AS owner_role,
    min(channel) AS channel,
    min(warehouse_id) AS warehouse_id,
    min(entered_at) AS entered_at,
    CASE WHEN count(*) = count(left_at) THEN max(left_at) END AS left_at,
    -- Of several parcels the first that was, or may yet be, late.
    coalesce(min(CASE WHEN coalesce(left_at > due_at, TRUE) THEN due_at END), max(due_at)) AS due_at
FROM numbered
GROUP BY order_guid, stage, wait_number
