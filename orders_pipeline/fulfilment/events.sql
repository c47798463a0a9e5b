-- grain: order_guid, axis, unit_guid, stage, event_at
-- refresh: order by order_guid
-- lookup: ref.stage_words, raw.tracking
-- Everything any source says happened to an order, each once: order exports (all of them), warehouse, courier, bills, after-sales.
-- A unit is what moves on an axis: the order, one parcel, one case. A status that comes without its time is dated by the export that
-- shows it (is_observed): it happened then or before.
WITH known AS (
    SELECT
        order_guid,
        status,
        order_type,
        order_type NOT IN ('test', 'credit_note', 'adjustment') AS is_live,
        order_type IN ('cod', 'exchange', 'resend') AS is_unpaid,
        is_pickup OR order_type = 'pickup' AS is_pickup,
        payable_amount,
        platform_discount_amount,
        deposit_amount,
        balance_paid_at,
        line_count,
        ordered_qty,
        cancelled_qty,
        created_at,
        paid_at,
        shipped_at,
        completed_at,
        cancelled_at,
        file_id,
        row_number
    FROM orders.orders
),

versions AS (
    SELECT
        order_guid,
        version_number,
        status,
        lower(trim(raw_status)) AS raw_status,
        coalesce(valid_from_at, created_at) AS seen_at,
        file_id,
        row_number
    FROM orders.order_versions
),

-- What a version shows, in words of the stages; a word of the file itself outweighs the standard word.
stood AS (
    SELECT
        v.order_guid,
        coalesce(r.stage, w.stage) AS stage,
        v.seen_at,
        v.file_id,
        v.row_number,
        lag(v.status) OVER in_time AS status_before,
        lag(coalesce(r.stage, w.stage)) OVER in_time AS stage_before
    FROM versions AS v
    LEFT JOIN ref.stage_words AS w ON w.vocabulary = 'order_status' AND v.status = w.word
    LEFT JOIN ref.stage_words AS r ON r.vocabulary = 'raw' AND v.status = 'on_hold' AND v.raw_status = r.word
    WINDOW in_time AS (PARTITION BY v.order_guid ORDER BY v.version_number ASC NULLS FIRST)
),

shown AS (
    SELECT *
    FROM stood
    WHERE stage IS DISTINCT FROM stage_before
),

-- ---- money

movements AS (
    SELECT
        a.order_guid,
        a.payment_guid,
        a.kind,
        a.occurred_at,
        a.file_id,
        a.row_number,
        k.payable_amount,
        coalesce(k.platform_discount_amount, 0) AS discount_amount,
        sum(CASE WHEN a.kind = 'refund' THEN 0 ELSE a.amount END) OVER so_far AS paid_amount,
        sum(CASE WHEN a.kind = 'refund' THEN -a.amount ELSE 0 END) OVER so_far AS refunded_amount,
        sum(CASE WHEN a.kind IN ('receipt', 'balance') THEN 1 ELSE 0 END) OVER so_far AS receipt_count
    FROM payments.allocations AS a
    INNER JOIN known AS k ON a.order_guid = k.order_guid
    WHERE a.kind IN ('receipt', 'deposit', 'balance', 'refund') AND a.occurred_at IS NOT NULL
    WINDOW so_far AS (
        PARTITION BY a.order_guid
        ORDER BY a.occurred_at ASC NULLS FIRST, a.payment_guid ASC NULLS FIRST
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    )
),

money AS (
    SELECT
        order_guid,
        occurred_at,
        file_id,
        row_number,
        CASE
            WHEN kind = 'refund' AND refunded_amount >= paid_amount - threshold('match_tolerance_amount') THEN 'fully_refunded'
            WHEN kind = 'refund' THEN 'partially_refunded'
            WHEN paid_amount > payable_amount + discount_amount + threshold('match_tolerance_amount') THEN 'overpaid'
            WHEN paid_amount >= payable_amount - threshold('match_tolerance_amount') THEN 'fully_paid'
            WHEN receipt_count = 0 THEN 'deposit_paid'
            ELSE 'partially_paid'
        END AS stage
    FROM movements
),

paid AS (
    SELECT
        order_guid,
        min(CASE WHEN stage IN ('fully_paid', 'overpaid') THEN occurred_at END) AS paid_at
    FROM money
    GROUP BY order_guid
),

-- ---- parcels

-- A parcel is known by its waybill; before it has one, by its outbound document.
lines AS (
    SELECT
        s.order_guid,
        coalesce(s.parcel_guid, guid_of('outbound|' || s.warehouse_id || '|' || s.outbound_id)) AS unit_guid,
        s.released_at,
        s.picked_at,
        s.label_printed_at,
        s.packed_at,
        s.shipped_at,
        s.file_id,
        s.row_number,
        row_number() OVER (
            PARTITION BY s.order_guid, coalesce(s.parcel_guid, guid_of('outbound|' || s.warehouse_id || '|' || s.outbound_id))
            ORDER BY s.file_id ASC NULLS FIRST, s.row_number ASC NULLS FIRST, s.shipment_line_guid ASC NULLS FIRST
        ) AS line_number
    FROM fulfilment.shipment_lines AS s
    INNER JOIN known AS k ON s.order_guid = k.order_guid
),

handed_out AS (
    SELECT
        order_guid,
        unit_guid,
        min(released_at) AS released_at,
        min(picked_at) AS picked_at,
        min(label_printed_at) AS label_printed_at,
        min(packed_at) AS packed_at,
        min(shipped_at) AS shipped_at,
        min(CASE WHEN line_number = 1 THEN file_id END) AS file_id,
        min(CASE WHEN line_number = 1 THEN row_number END) AS row_number
    FROM lines
    GROUP BY order_guid, unit_guid
),

carried AS (
    SELECT order_guid, unit_guid AS parcel_guid
    FROM handed_out

    UNION

    SELECT k.order_guid, p.parcel_guid
    FROM known AS k
    INNER JOIN fulfilment.parcels AS p ON k.order_guid = p.claimed_guid
),

scans AS (
    SELECT
        c.order_guid,
        c.parcel_guid AS unit_guid,
        CASE
            WHEN w.stage = 'in_transit' AND regexp_matches(t.description, '转运|中转|分拨|分拣|集散|[Tt]ransfer|[Ss]orting')
                THEN 'transfer_centre'
            ELSE w.stage
        END AS stage,
        t.occurred_at,
        t.file_id,
        t.row_number
    FROM carried AS c
    INNER JOIN raw.tracking AS t ON c.parcel_guid = t.parcel_guid
    INNER JOIN ref.stage_words AS w ON w.vocabulary = 'parcel_status' AND t.parcel_status = w.word
),

moved AS (
    SELECT order_guid, unit_guid, 'allocated' AS stage, released_at AS event_at, file_id, row_number FROM handed_out
    UNION ALL
    SELECT order_guid, unit_guid, 'picking' AS stage, picked_at AS event_at, file_id, row_number FROM handed_out
    UNION ALL
    SELECT order_guid, unit_guid, 'label_printed' AS stage, label_printed_at AS event_at, file_id, row_number FROM handed_out
    UNION ALL
    SELECT order_guid, unit_guid, 'packed' AS stage, packed_at AS event_at, file_id, row_number FROM handed_out
    UNION ALL
    SELECT order_guid, unit_guid, 'shipped' AS stage, shipped_at AS event_at, file_id, row_number FROM handed_out
),

-- Where neither a warehouse nor a courier speaks of the order, the channel's word is all there is.
claimed AS (
    SELECT
        k.order_guid,
        guid_of('claimed|' || CAST(k.order_guid AS VARCHAR)) AS unit_guid,
        k.shipped_at,
        k.file_id,
        k.row_number
    FROM known AS k
    LEFT JOIN carried AS c ON k.order_guid = c.order_guid
    WHERE c.order_guid IS NULL
),

claims AS (
    SELECT order_guid, unit_guid, 'shipped' AS stage, shipped_at AS event_at, FALSE AS is_observed, file_id, row_number
    FROM claimed

    UNION ALL

    SELECT c.order_guid, c.unit_guid, s.stage, s.seen_at AS event_at, TRUE AS is_observed, s.file_id, s.row_number
    FROM claimed AS c
    INNER JOIN shown AS s ON c.order_guid = s.order_guid
    WHERE s.stage = 'delivered' OR (s.stage = 'shipped' AND c.shipped_at IS NULL)
),

-- The order as a whole has left when its last parcel has, and has arrived when its last one has.
units AS (
    SELECT
        order_guid,
        unit_guid,
        coalesce(
            min(CASE WHEN stage = 'shipped' THEN event_at END),
            min(CASE WHEN stage = 'collected' THEN event_at END),
            min(CASE WHEN stage NOT IN ('allocated', 'picking', 'label_printed', 'packed') THEN event_at END)
        ) AS shipped_at,
        min(CASE WHEN stage = 'delivered' THEN event_at END) AS delivered_at
    FROM (
        SELECT order_guid, unit_guid, stage, event_at FROM moved
        UNION ALL
        SELECT order_guid, unit_guid, stage, occurred_at AS event_at FROM scans
        UNION ALL
        SELECT order_guid, unit_guid, stage, event_at FROM claims
    ) AS seen
    GROUP BY order_guid, unit_guid
),

-- A parcel that no document announces yet is missing all the same: fewer pieces have left than were ordered, and the channel shows the
-- order as not shipped.
complete AS (
    SELECT
        k.order_guid,
        h.order_guid IS NULL
        OR coalesce(k.line_count, 0) = 0
        OR k.status IN ('shipped', 'delivered', 'completed')
        OR coalesce(h.shipped_qty >= k.ordered_qty - coalesce(k.cancelled_qty, 0), TRUE) AS is_complete
    FROM known AS k
    LEFT JOIN (
        SELECT
            order_guid,
            sum(CASE WHEN shipped_at IS NULL THEN 0 ELSE quantity END) AS shipped_qty
        FROM fulfilment.shipment_lines
        GROUP BY order_guid
    ) AS h ON k.order_guid = h.order_guid
),

wholes AS (
    SELECT
        u.order_guid,
        CASE WHEN count(*) = count(u.shipped_at) THEN max(u.shipped_at) END AS dispatched_at,
        CASE WHEN count(*) = count(u.delivered_at) THEN max(u.delivered_at) END AS delivered_at
    FROM units AS u
    INNER JOIN complete AS c ON u.order_guid = c.order_guid
    WHERE c.is_complete
    GROUP BY u.order_guid
),

releases AS (
    SELECT
        order_guid,
        least(released_at, picked_at, label_printed_at, packed_at, shipped_at) AS released_at,
        file_id,
        row_number,
        row_number() OVER (
            PARTITION BY order_guid
            ORDER BY
                least(released_at, picked_at, label_printed_at, packed_at, shipped_at) ASC NULLS LAST,
                unit_guid ASC NULLS LAST
        ) AS unit_number
    FROM handed_out
),

-- ---- after-sales

cases AS (
    SELECT
        r.order_guid,
        guid_of('case|' || r.return_id) AS unit_guid,
        r.status,
        r.disposition,
        r.requested_at,
        r.approved_at,
        r.received_at,
        r.inspected_at,
        r.refunded_at,
        r.exported_at,
        r.file_id,
        r.row_number,
        row_number() OVER (
            PARTITION BY r.order_guid, r.return_id, r.sku
            ORDER BY r.exported_at DESC NULLS LAST, r.file_id DESC NULLS LAST, r.row_number DESC NULLS LAST
        ) AS newest_first
    FROM raw.returns AS r
    INNER JOIN known AS k ON r.order_guid = k.order_guid
),

case_times AS (
    SELECT order_guid, unit_guid, 'return_requested' AS stage, requested_at AS event_at, FALSE AS is_observed, file_id, row_number
    FROM cases WHERE newest_first = 1
    UNION ALL
    SELECT order_guid, unit_guid, 'return_approved' AS stage, approved_at AS event_at, FALSE AS is_observed, file_id, row_number
    FROM cases WHERE newest_first = 1
    UNION ALL
    SELECT order_guid, unit_guid, 'return_received' AS stage, received_at AS event_at, FALSE AS is_observed, file_id, row_number
    FROM cases WHERE newest_first = 1
    UNION ALL
    SELECT
        c.order_guid, c.unit_guid, coalesce(w.stage, 'return_inspecting') AS stage, c.inspected_at AS event_at, FALSE AS is_observed,
        c.file_id, c.row_number
    FROM cases AS c
    LEFT JOIN ref.stage_words AS w ON w.vocabulary = 'disposition' AND c.disposition = w.word
    WHERE c.newest_first = 1
    UNION ALL
    SELECT order_guid, unit_guid, 'after_sale_refunded' AS stage, refunded_at AS event_at, FALSE AS is_observed, file_id, row_number
    FROM cases WHERE newest_first = 1
    UNION ALL
    -- Every export of a case counts: what it showed then is part of its history.
    SELECT c.order_guid, c.unit_guid, w.stage, coalesce(c.exported_at, c.requested_at) AS event_at, TRUE AS is_observed, c.file_id, c.row_number
    FROM cases AS c
    INNER JOIN ref.stage_words AS w ON w.vocabulary = 'return_status' AND c.status = w.word
),

-- ---- all of it

told AS (
    SELECT order_guid, 'order' AS axis, order_guid AS unit_guid, 'created' AS stage, created_at AS event_at, FALSE AS is_observed, 1 AS source_rank, file_id, row_number
    FROM known
    UNION ALL
    SELECT s.order_guid, 'order' AS axis, s.order_guid AS unit_guid, 'pending_payment' AS stage, k.created_at AS event_at, FALSE AS is_observed, 1 AS source_rank, s.file_id, s.row_number
    FROM shown AS s
    INNER JOIN known AS k ON s.order_guid = k.order_guid
    WHERE s.stage = 'pending_payment' AND s.status_before IS NULL
    UNION ALL
    SELECT k.order_guid, 'order' AS axis, k.order_guid AS unit_guid, 'paid' AS stage, coalesce(k.paid_at, p.paid_at) AS event_at, FALSE AS is_observed, 1 AS source_rank, k.file_id, k.row_number
    FROM known AS k
    LEFT JOIN paid AS p ON k.order_guid = p.order_guid
    UNION ALL
    SELECT order_guid, 'order' AS axis, order_guid AS unit_guid, 'released' AS stage, released_at AS event_at, FALSE AS is_observed, 2 AS source_rank, file_id, row_number
    FROM releases
    WHERE unit_number = 1
    UNION ALL
    -- Without a warehouse's documents: released when it was handed over at the latest.
    SELECT k.order_guid, 'order' AS axis, k.order_guid AS unit_guid, 'released' AS stage, min(u.shipped_at) AS event_at, FALSE AS is_observed, 2 AS source_rank, k.file_id, k.row_number
    FROM units AS u
    INNER JOIN known AS k ON u.order_guid = k.order_guid
    LEFT JOIN releases AS r ON u.order_guid = r.order_guid AND r.unit_number = 1
    WHERE r.order_guid IS NULL
    GROUP BY k.order_guid, k.file_id, k.row_number
    UNION ALL
    SELECT order_guid, 'order' AS axis, order_guid AS unit_guid, 'completed' AS stage, completed_at AS event_at, FALSE AS is_observed, 1 AS source_rank, file_id, row_number
    FROM known
    UNION ALL
    SELECT
        order_guid, 'order' AS axis, order_guid AS unit_guid, CASE WHEN status = 'expired' THEN 'expired' ELSE 'cancelled' END AS stage,
        cancelled_at AS event_at, FALSE AS is_observed, 1 AS source_rank, file_id, row_number
    FROM known
    UNION ALL
    -- A status that has a time of its own is not dated by the export.
    SELECT s.order_guid, 'order' AS axis, s.order_guid AS unit_guid, s.stage, s.seen_at AS event_at, TRUE AS is_observed, 1 AS source_rank, s.file_id, s.row_number
    FROM shown AS s
    INNER JOIN known AS k ON s.order_guid = k.order_guid
    LEFT JOIN paid AS p ON s.order_guid = p.order_guid
    WHERE
        s.stage IN ('risk_review', 'on_hold', 'released')
        OR (s.stage = 'paid' AND (coalesce(k.paid_at, p.paid_at) IS NULL OR s.status_before = 'on_hold'))
        OR (s.stage = 'pending_payment' AND s.status_before = 'on_hold')
        OR (s.stage = 'completed' AND k.completed_at IS NULL)
        OR (s.stage IN ('cancelled', 'expired') AND k.cancelled_at IS NULL)

    UNION ALL
    SELECT order_guid, 'payment' AS axis, order_guid AS unit_guid, 'unpaid' AS stage, created_at AS event_at, FALSE AS is_observed, 1 AS source_rank, file_id, row_number
    FROM known
    WHERE is_live
    UNION ALL
    SELECT order_guid, 'payment' AS axis, order_guid AS unit_guid, stage, occurred_at AS event_at, FALSE AS is_observed, 4 AS source_rank, file_id, row_number
    FROM money
    UNION ALL
    -- Without a bill the channel's word is all there is.
    SELECT
        k.order_guid, 'payment' AS axis, k.order_guid AS unit_guid,
        CASE WHEN coalesce(k.deposit_amount, 0) > 0 THEN 'deposit_paid' ELSE 'fully_paid' END AS stage,
        k.paid_at AS event_at, FALSE AS is_observed, 1 AS source_rank, k.file_id, k.row_number
    FROM known AS k
    LEFT JOIN paid AS p ON k.order_guid = p.order_guid
    WHERE p.order_guid IS NULL
    UNION ALL
    SELECT k.order_guid, 'payment' AS axis, k.order_guid AS unit_guid, 'fully_paid' AS stage, k.balance_paid_at AS event_at, FALSE AS is_observed, 1 AS source_rank, k.file_id, k.row_number
    FROM known AS k
    LEFT JOIN paid AS p ON k.order_guid = p.order_guid
    WHERE p.order_guid IS NULL

    UNION ALL
    SELECT
        k.order_guid, 'fulfilment' AS axis, k.order_guid AS unit_guid, 'unallocated' AS stage,
        CASE WHEN k.is_unpaid THEN k.created_at ELSE coalesce(k.balance_paid_at, k.paid_at, p.paid_at) END AS event_at,
        FALSE AS is_observed, 1 AS source_rank, k.file_id, k.row_number
    FROM known AS k
    LEFT JOIN paid AS p ON k.order_guid = p.order_guid
    WHERE k.is_live AND NOT k.is_pickup
    UNION ALL
    SELECT w.order_guid, 'fulfilment' AS axis, w.order_guid AS unit_guid, 'dispatched' AS stage, w.dispatched_at AS event_at, FALSE AS is_observed, 2 AS source_rank, k.file_id, k.row_number
    FROM wholes AS w
    INNER JOIN known AS k ON w.order_guid = k.order_guid
    UNION ALL
    SELECT w.order_guid, 'fulfilment' AS axis, w.order_guid AS unit_guid, 'all_delivered' AS stage, w.delivered_at AS event_at, FALSE AS is_observed, 3 AS source_rank, k.file_id, k.row_number
    FROM wholes AS w
    INNER JOIN known AS k ON w.order_guid = k.order_guid
    UNION ALL
    SELECT order_guid, 'fulfilment' AS axis, unit_guid, stage, event_at, FALSE AS is_observed, 2 AS source_rank, file_id, row_number FROM moved
    UNION ALL
    SELECT order_guid, 'fulfilment' AS axis, unit_guid, stage, event_at, is_observed, 1 AS source_rank, file_id, row_number FROM claims
    UNION ALL
    SELECT order_guid, 'fulfilment' AS axis, unit_guid, stage, occurred_at AS event_at, FALSE AS is_observed, 3 AS source_rank, file_id, row_number FROM scans

    UNION ALL
    SELECT order_guid, 'after_sale' AS axis, unit_guid, stage, event_at, is_observed, 5 AS source_rank, file_id, row_number FROM case_times
),

ranked AS (
    SELECT
        order_guid,
        axis,
        unit_guid,
        stage,
        event_at,
        source_rank,
        is_observed,
        file_id,
        row_number,
        row_number() OVER (
            PARTITION BY order_guid, axis, unit_guid, stage, event_at
            ORDER BY is_observed ASC NULLS FIRST, source_rank ASC NULLS FIRST, file_id ASC NULLS FIRST, row_number ASC NULLS FIRST
        ) AS said
    FROM told
    WHERE event_at IS NOT NULL AND stage IS NOT NULL
)

SELECT
    order_guid,
    axis,
    unit_guid,
    stage,
    event_at,
    CASE source_rank
        WHEN 1 THEN 'order_export' WHEN 2 THEN 'warehouse' WHEN 3 THEN 'courier' WHEN 4 THEN 'payment' ELSE 'after_sale'
    END AS evidence,
    source_rank,
    is_observed,
    file_id,
    row_number
FROM ranked
WHERE said = 1
