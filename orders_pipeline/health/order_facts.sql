-- grain: order_guid
-- refresh: order by order_guid
-- pace: later
-- lookup: ref.cancel_words
-- changes at: next_change_at
-- What each order counts for in the health of its channel: the day it counts on and whether it failed. A day that is empty: it does not
-- count (yet). Only tables that are refreshed by order are read, so that what touches an order touches its facts.
WITH sold AS (
    SELECT
        order_guid,
        channel,
        channel_order_id,
        timezone,
        created_at,
        created_on,
        status,
        order_type,
        coalesce(balance_paid_at, paid_at) AS paid_at,
        cancelled_at,
        close_reason,
        payment_leg,
        coalesce(refunded_amount, 0) > 0 AS says_refunded,
        status IN ('cancelled', 'expired') AS is_closed,
        status IN ('paid', 'on_hold', 'released', 'shipped', 'delivered', 'completed') OR paid_at IS NOT NULL AS says_paid,
        status IN ('shipped', 'delivered', 'completed') OR shipped_at IS NOT NULL AS says_shipped,
        file_id,
        row_number
    FROM orders.orders
    WHERE order_type NOT IN ('test', 'credit_note', 'adjustment')
),

judged AS (
    SELECT
        order_guid,
        status AS match_status,
        reason AS match_reason,
        coalesce(paid_amount, 0) > 0 AS has_money,
        coalesce(shipped_qty, 0) > 0 AS has_shipped
    FROM reconciliation.three_way_match
    WHERE has_order
),

money AS (
    SELECT
        order_guid,
        max(CASE WHEN kind <> 'refund' THEN occurred_at END) AS settled_at,
        min(CASE WHEN kind = 'refund' THEN occurred_at END) AS refunded_at
    FROM payments.allocations
    WHERE is_linked AND NOT is_ambiguous AND kind IN ('receipt', 'deposit', 'balance', 'refund')
    GROUP BY order_guid
),

cases AS (
    SELECT
        order_guid,
        min(requested_at) AS case_at,
        min(CASE WHEN kind <> 'exchange' THEN requested_at END) AS refund_at,
        -- The seller's fault, and granted.
        min(
            CASE
                WHEN
                    class IN ('wrong_goods', 'damaged', 'missing_parts', 'quality', 'not_as_described', 'counterfeit', 'not_received')
                    AND status <> 'requested'
                    THEN requested_at
            END
        ) AS fault_at
    FROM aftersales.return_items
    WHERE status NOT IN ('rejected', 'closed')
    GROUP BY order_guid
),

bad_reviews AS (
    SELECT order_guid, min(created_at) AS reviewed_at
    FROM raw.reviews
    WHERE score <= threshold('bad_review_max_count')
    GROUP BY order_guid
),

-- Clocks that have come to an end; of several parcels or cases one that is late is enough.
clocks AS (
    SELECT
        order_guid,
        max(CASE WHEN axis = 'fulfilment' AND stage = 'shipped' THEN due_at END) AS scan_due_at,
        max(CASE WHEN axis = 'fulfilment' AND stage = 'shipped' AND clock_status <> 'met' THEN 1 ELSE 0 END) AS scan_late,
        max(CASE WHEN axis = 'fulfilment' AND stage = 'shipped' AND clock_status <> 'breached' THEN 1 ELSE 0 END) AS scan_seen,
        max(CASE WHEN axis = 'after_sale' THEN due_at END) AS service_due_at,
        max(CASE WHEN axis = 'after_sale' AND clock_status <> 'met' THEN 1 ELSE 0 END) AS service_late,
        max(CASE WHEN axis = 'order' AND stage = 'paid' AND stopped_at IS NOT NULL THEN greatest(0, seconds_between(stopped_at, entered_at)) END)
            AS accept_seconds,
        max(CASE WHEN axis = 'order' AND stage = 'paid' AND clock_status <> 'met' THEN 1 ELSE 0 END) AS accept_late
    FROM fulfilment.order_stages
    WHERE clock_status IN ('met', 'met_late', 'breached')
    GROUP BY order_guid
),

steps AS (
    SELECT
        order_guid,
        count(*) AS step_count,
        sum(CASE WHEN is_legal THEN 0 ELSE 1 END) AS illegal_count
    FROM fulfilment.order_stages
    WHERE axis = 'order'
    GROUP BY order_guid
),

-- Who a closing reason says has cancelled: of the words in it the longest, of equally long ones that of the first cause.
said AS (
    SELECT
        order_guid,
        CASE WHEN cause IN ('merchant', 'out_of_stock') THEN 'seller' ELSE 'buyer' END AS party
    FROM (
        SELECT
            s.order_guid,
            w.cause,
            row_number() OVER (
                PARTITION BY s.order_guid
                ORDER BY length(w.word) DESC NULLS LAST, w.place ASC NULLS LAST, w.word ASC NULLS LAST
            ) AS place
        FROM sold AS s
        INNER JOIN ref.cancel_words AS w ON contains(lower(s.close_reason), w.word)
        WHERE s.is_closed
    ) AS found
    WHERE place = 1
),

facts AS (
    SELECT
        s.order_guid,
        s.channel,
        s.channel_order_id,
        s.timezone,
        s.created_at,
        s.created_on,
        s.status,
        s.order_type NOT IN ('resend', 'exchange') AS is_sale,
        s.says_paid OR coalesce(j.has_money, FALSE) AS is_paid,
        (s.says_paid OR coalesce(j.has_money, FALSE)) AND (s.says_shipped OR coalesce(j.has_shipped, FALSE)) AS is_shipped,
        -- Late goods have components of their own.
        coalesce(j.match_status NOT IN ('TIMING', 'EXCLUDED'), FALSE) AS is_judged,
        coalesce(
            j.match_status NOT IN ('MATCHED', 'MATCHED_WITHIN_TOLERANCE', 'TIMING', 'EXCLUDED')
            AND j.match_reason NOT IN ('paid_not_shipped', 'not_delivered'), FALSE
        ) AS has_difference,
        j.match_reason AS difference_reason,
        CASE
            WHEN NOT s.is_closed THEN 'nobody'
            WHEN NOT (s.says_paid OR coalesce(j.has_money, FALSE)) THEN 'buyer'
            WHEN d.party IS NOT NULL THEN d.party
            WHEN c.case_at IS NOT NULL THEN 'buyer'
            ELSE 'seller'
        END AS cancelled_by,
        s.cancelled_at,
        NOT s.is_closed AND (s.says_paid OR coalesce(j.has_money, FALSE)) AS is_kept,
        coalesce(c.refund_at, m.refunded_at) AS refund_at,
        c.refund_at IS NOT NULL OR m.refunded_at IS NOT NULL OR s.says_refunded AS has_refund,
        coalesce(least(c.fault_at, b.reviewed_at), c.fault_at, b.reviewed_at) AS defect_at,
        p.due_at AS ship_due_at,
        p.due_on AS ship_due_on,
        p.is_scored AS is_ship_due,
        NOT p.is_on_time AS is_shipped_late,
        p.shipped_at,
        k.scan_due_at,
        coalesce(k.scan_late = 1, FALSE) AS is_scan_late,
        coalesce(k.scan_seen = 1, FALSE) AS is_scanned,
        k.service_due_at,
        coalesce(k.service_late = 1, FALSE) AS is_service_late,
        k.accept_seconds,
        coalesce(k.accept_late = 1, FALSE) AS is_accept_late,
        coalesce(t.step_count, 0) AS step_count,
        coalesce(t.illegal_count, 0) AS illegal_count,
        s.paid_at,
        m.settled_at,
        CASE
            WHEN s.payment_leg = 'bills' AND s.order_type NOT IN ('cod', 'resend', 'exchange') AND NOT s.is_closed
                THEN add_hours(s.paid_at, threshold('settlement_limit_hours'))
        END AS settle_due_at,
        s.file_id,
        s.row_number
    FROM sold AS s
    LEFT JOIN judged AS j ON s.order_guid = j.order_guid
    LEFT JOIN money AS m ON s.order_guid = m.order_guid
    LEFT JOIN cases AS c ON s.order_guid = c.order_guid
    LEFT JOIN bad_reviews AS b ON s.order_guid = b.order_guid
    LEFT JOIN fulfilment.ship_promises AS p ON s.order_guid = p.order_guid
    LEFT JOIN clocks AS k ON s.order_guid = k.order_guid
    LEFT JOIN steps AS t ON s.order_guid = t.order_guid
    LEFT JOIN said AS d ON s.order_guid = d.order_guid
)

SELECT
    order_guid,
    channel,
    channel_order_id,
    timezone,
    created_at,
    created_on,
    status,
    is_sale,
    is_paid,
    is_shipped,
    is_judged,
    has_difference,
    difference_reason,
    cancelled_by,
    cancelled_at,
    is_kept,
    is_kept AND has_refund AS is_refunded,
    refund_at,
    defect_at,
    CASE WHEN is_ship_due THEN ship_due_on END AS ship_due_on,
    ship_due_at,
    is_shipped_late,
    shipped_at,
    local_date(shipped_at, timezone) AS shipped_on,
    local_date(scan_due_at, timezone) AS scan_due_on,
    scan_due_at,
    is_scan_late,
    is_scanned,
    local_date(service_due_at, timezone) AS service_due_on,
    service_due_at,
    is_service_late,
    accept_seconds,
    is_accept_late,
    step_count,
    CAST(round(illegal_count) AS BIGINT) AS illegal_count,
    local_date(paid_at, timezone) AS paid_on,
    settled_at,
    -- In both engines the greater of 0 and nothing is 0.
    CASE WHEN settled_at IS NOT NULL AND paid_at IS NOT NULL THEN greatest(0, seconds_between(settled_at, paid_at)) END AS settlement_seconds,
    CASE WHEN settle_due_at <= as_of() THEN local_date(settle_due_at, timezone) END AS settle_due_on,
    settle_due_at,
    coalesce(settled_at > settle_due_at, settled_at IS NULL) AS is_settled_late,
    file_id,
    row_number,
    CASE WHEN settle_due_at > as_of() THEN settle_due_at END AS next_change_at
FROM facts
