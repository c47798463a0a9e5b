-- grain: order_guid, control_number
-- refresh: order by order_guid
-- lookup: fulfilment.parcels
-- When the buyer gets control of what part of an order, by the rule of the order: one row per instant, with the share of the
-- price that has passed by then. An instant in the future is when it will have, if nothing comes between.
WITH contracts AS (
    SELECT
        order_guid,
        control_point,
        hold_hours,
        auto_confirm_days,
        logistics_leg,
        status,
        created_at,
        paid_at,
        balance_paid_at,
        shipped_at,
        completed_at,
        cancelled_at,
        buyer_amount,
        ordered_qty
    FROM finance.contracts
),

-- The instant from which the money was all there.
receipts AS (
    SELECT
        order_guid,
        kind,
        occurred_at,
        sum(amount) OVER (
            PARTITION BY order_guid
            ORDER BY occurred_at ASC NULLS LAST, payment_guid ASC NULLS LAST
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS received_amount
    FROM payments.allocations
    WHERE is_linked AND NOT is_ambiguous AND kind IN ('receipt', 'deposit', 'balance', 'adjustment')
),

paid AS (
    SELECT
        c.order_guid,
        min(
            CASE WHEN r.received_amount >= c.buyer_amount - threshold('match_tolerance_amount') THEN r.occurred_at END
        ) AS fully_paid_at,
        max(CASE WHEN r.kind = 'balance' THEN r.occurred_at END) AS balance_received_at
    FROM contracts AS c
    INNER JOIN receipts AS r ON c.order_guid = r.order_guid
    GROUP BY c.order_guid
),

refunds AS (
    SELECT order_guid, min(occurred_at) AS first_refund_at
    FROM payments.allocations
    WHERE is_linked AND NOT is_ambiguous AND kind = 'refund'
    GROUP BY order_guid
),

-- An order that is closed without saying when: when it was given its money back, else when an export first showed it.
closed AS (
    SELECT order_guid, min(valid_from_at) AS closed_seen_at
    FROM orders.order_versions
    WHERE status IN ('cancelled', 'expired')
    GROUP BY order_guid
),

valued AS (
    SELECT
        order_guid,
        sku,
        sum(quantity) AS quantity,
        sum(coalesce(payable_amount, list_amount, unit_price * quantity)) AS amount
    FROM orders.order_lines
    GROUP BY order_guid, sku
),

worth AS (
    SELECT order_guid, sum(amount) AS amount
    FROM valued
    GROUP BY order_guid
),

moved AS (
    SELECT
        c.order_guid,
        s.quantity,
        CASE WHEN v.quantity > 0 THEN CAST(ratio(s.quantity * v.amount, v.quantity) AS DECIMAL(18, 6)) END AS worth_amount,
        CASE
            WHEN c.control_point = 'shipped' THEN s.shipped_at
            WHEN p.status IN ('returned_to_sender', 'returning', 'refused', 'lost') AND c.control_point <> 'collected'
                THEN CASE WHEN c.control_point = 'confirmed' THEN c.completed_at END
            WHEN c.control_point = 'collected'
                THEN coalesce(
                    p.collected_at,
                    CASE WHEN c.status = 'completed' THEN c.completed_at END,
                    CASE WHEN coalesce(p.event_count, 0) = 0 THEN add_hours(s.shipped_at, c.auto_confirm_days * 24) END
                )
            ELSE coalesce(
                CASE WHEN c.control_point = 'delivered' AND p.is_delivered THEN p.delivered_at END,
                CASE WHEN c.status IN ('delivered', 'completed') THEN c.completed_at END,
                CASE
                    WHEN coalesce(p.event_count, 0) = 0 OR c.control_point = 'confirmed'
                        THEN add_hours(s.shipped_at, c.auto_confirm_days * 24)
                END
            )
        END AS passed_at
    FROM contracts AS c
    INNER JOIN fulfilment.shipment_lines AS s ON c.order_guid = s.order_guid
    LEFT JOIN fulfilment.parcels AS p ON s.parcel_guid = p.parcel_guid
    LEFT JOIN valued AS v ON c.order_guid = v.order_guid AND s.sku = v.sku
    WHERE
        c.logistics_leg = 'wms' AND c.control_point IN ('shipped', 'collected', 'delivered', 'confirmed')
        AND s.shipped_at IS NOT NULL
),

-- All of it at once: where the order file is the proof, and where control does not follow the parcel.
at_once AS (
    SELECT
        c.order_guid,
        CASE
            WHEN c.control_point = 'ordered' THEN c.created_at
            WHEN c.control_point = 'balance_paid' THEN coalesce(c.balance_paid_at, d.balance_received_at, d.fully_paid_at)
            WHEN c.control_point IN ('shipped', 'collected') AND c.status IN ('shipped', 'delivered', 'completed')
                THEN coalesce(c.shipped_at, c.completed_at, c.paid_at, c.created_at)
            WHEN c.status IN ('delivered', 'completed')
                THEN coalesce(c.completed_at, c.shipped_at, c.paid_at, c.created_at)
            WHEN c.control_point IN ('shipped', 'collected') THEN c.shipped_at
            ELSE c.completed_at
        END AS passed_at
    FROM contracts AS c
    LEFT JOIN paid AS d ON c.order_guid = d.order_guid
    WHERE c.logistics_leg <> 'wms' OR c.control_point IN ('ordered', 'balance_paid')
),

portions AS (
    SELECT order_guid, quantity, worth_amount, passed_at
    FROM moved

    UNION ALL

    SELECT
        order_guid,
        CAST(NULL AS DECIMAL(18, 3)) AS quantity,
        CAST(NULL AS DECIMAL(18, 6)) AS worth_amount,
        passed_at
    FROM at_once
),

-- With a condition on payment and cancellation: so many hours after the last of payment and control.
held AS (
    SELECT
        n.order_guid,
        n.quantity,
        n.worth_amount,
        CASE
            WHEN c.hold_hours = 0 THEN n.passed_at
            WHEN n.passed_at >= coalesce(c.paid_at, d.fully_paid_at) THEN add_hours(n.passed_at, c.hold_hours)
            ELSE add_hours(coalesce(c.paid_at, d.fully_paid_at), c.hold_hours)
        END AS controlled_at,
        CASE
            WHEN c.cancelled_at IS NOT NULL THEN c.cancelled_at
            WHEN c.status IN ('cancelled', 'expired') THEN coalesce(f.first_refund_at, k.closed_seen_at)
        END AS closed_at
    FROM portions AS n
    INNER JOIN contracts AS c ON n.order_guid = c.order_guid
    LEFT JOIN paid AS d ON n.order_guid = d.order_guid
    LEFT JOIN refunds AS f ON n.order_guid = f.order_guid
    LEFT JOIN closed AS k ON n.order_guid = k.order_guid
    WHERE n.passed_at IS NOT NULL
),

-- By what the pieces sell for, where every SKU that left is one that was ordered; else by pieces.
together AS (
    SELECT
        h.order_guid,
        h.controlled_at,
        sum(h.quantity) AS quantity,
        sum(h.worth_amount) AS worth_amount,
        count(h.quantity) AS piece_rows,
        count(h.worth_amount) AS worth_rows
    FROM held AS h
    WHERE h.controlled_at IS NOT NULL AND (h.closed_at IS NULL OR h.closed_at > h.controlled_at)
    GROUP BY h.order_guid, h.controlled_at
),

summed AS (
    SELECT
        order_guid,
        controlled_at,
        row_number() OVER (PARTITION BY order_guid ORDER BY controlled_at ASC NULLS LAST) AS control_number,
        sum(quantity) OVER in_time AS quantity,
        sum(worth_amount) OVER in_time AS worth_amount,
        sum(piece_rows) OVER in_time AS piece_rows,
        sum(piece_rows - worth_rows) OVER (PARTITION BY order_guid) AS unvalued_rows,
        sum(quantity) OVER (PARTITION BY order_guid) AS all_quantity
    FROM together
    WINDOW in_time AS (
        PARTITION BY order_guid ORDER BY controlled_at ASC NULLS LAST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    )
)

SELECT
    s.order_guid,
    s.control_number,
    s.controlled_at,
    CASE
        WHEN s.piece_rows = 0 OR s.quantity >= coalesce(c.ordered_qty, s.all_quantity) THEN CAST(1 AS DECIMAL(18, 12))
        -- A thousandth of a cent: what dividing the worth of a SKU by its pieces may lose.
        WHEN s.unvalued_rows = 0 AND w.amount > 0 AND s.worth_amount + CAST(0.001 AS DECIMAL(4, 3)) >= w.amount
            THEN CAST(1 AS DECIMAL(18, 12))
        WHEN s.unvalued_rows = 0 AND w.amount > 0 THEN CAST(ratio(s.worth_amount, w.amount) AS DECIMAL(18, 12))
        ELSE CAST(ratio(s.quantity, coalesce(c.ordered_qty, s.all_quantity)) AS DECIMAL(18, 12))
    END AS passed_ratio
FROM summed AS s
INNER JOIN contracts AS c ON s.order_guid = c.order_guid
LEFT JOIN worth AS w ON s.order_guid = w.order_guid
