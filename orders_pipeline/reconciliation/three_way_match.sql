-- grain: order_guid
-- refresh: order by order_guid
-- lookup: fulfilment.parcels
-- changes at: next_change_at
-- Order, logistics and payment of each order side by side: one status, one reason, signed differences (arrived minus due).
-- A payment or shipment without an order stands here under a synthetic guid. The first rule that applies decides.
WITH so AS (
    SELECT
        order_guid,
        channel,
        shop_id,
        channel_order_id,
        created_on,
        created_at,
        timezone,
        order_type,
        status,
        currency,
        payable_amount AS due_amount,
        platform_discount_amount,
        deposit_amount,
        paid_at,
        balance_paid_at,
        shipped_at,
        completed_at,
        cancelled_at,
        promised_ship_at,
        ordered_qty,
        cancelled_qty,
        -- What the buyer fetches leaves no outbound line.
        CASE WHEN is_pickup OR order_type = 'pickup' THEN 'order_export' ELSE logistics_leg END AS logistics_leg,
        payment_leg,
        paid_amount AS claimed_paid_amount,
        refunded_amount AS claimed_refunded_amount,
        status IN ('cancelled', 'expired') AS is_closed,
        status IN ('paid', 'on_hold', 'released', 'shipped', 'delivered', 'completed') OR paid_at IS NOT NULL AS says_paid,
        -- Shipping alone does not say that money is on its way.
        status IN ('paid', 'on_hold', 'released') OR paid_at IS NOT NULL OR coalesce(paid_amount, 0) > 0 AS claims_payment,
        status IN ('shipped', 'delivered', 'completed') OR shipped_at IS NOT NULL AS says_shipped,
        status IN ('delivered', 'completed') OR completed_at IS NOT NULL AS says_delivered
    FROM orders.orders
),

-- One order number with two contents in its newest export: nobody can say which of them is the order.
exports AS (
    SELECT
        order_guid,
        exported_at,
        file_id,
        coalesce(
            min(status) <> max(status) OR min(currency) <> max(currency) OR min(payable_amount) <> max(payable_amount)
            OR min(paid_amount) <> max(paid_amount) OR min(created_at) <> max(created_at), FALSE
        ) AS is_contradictory
    FROM raw.orders
    GROUP BY order_guid, exported_at, file_id
),

-- What an influencer gives off comes back through the settlement, as the platform's own discounts do.
influencer_discounts AS (
    SELECT order_guid, sum(amount) AS amount
    FROM orders.order_discounts
    WHERE funder = 'influencer'
    GROUP BY order_guid
),

contradictory AS (
    SELECT order_guid
    FROM exports
    WHERE is_contradictory
    GROUP BY order_guid
),

newest_exports AS (
    SELECT
        e.order_guid,
        e.is_contradictory,
        row_number() OVER (
            PARTITION BY e.order_guid
            ORDER BY e.exported_at DESC NULLS LAST, e.file_id DESC NULLS LAST
        ) AS newest_first
    FROM exports AS e
    INNER JOIN contradictory AS c ON e.order_guid = c.order_guid
),

pay AS (
    SELECT
        order_guid,
        min(channel) AS channel,
        min(shop_id) AS shop_id,
        min(channel_order_id) AS channel_order_id,
        min(currency) AS currency,
        max(currency) AS other_currency,
        min(business_on) AS first_on,
        -- An adjustment that names an order corrects what was paid for it: left out, the difference would vanish.
        sum(CASE WHEN kind IN ('receipt', 'deposit', 'balance', 'adjustment') THEN amount ELSE 0 END) AS paid_amount,
        sum(CASE WHEN kind = 'refund' THEN -amount ELSE 0 END) AS refunded_amount,
        sum(CASE WHEN kind = 'subsidy' THEN amount ELSE 0 END) AS subsidy_amount,
        sum(CASE WHEN kind IN ('receipt', 'deposit', 'balance', 'refund') THEN 1 ELSE 0 END) AS buyer_count,
        sum(CASE WHEN kind = 'deposit' THEN 1 ELSE 0 END) AS deposit_count,
        sum(CASE WHEN kind IN ('subsidy', 'payout') THEN 1 ELSE 0 END) AS settlement_count,
        sum(CASE WHEN is_duplicate_key THEN 1 ELSE 0 END) AS duplicate_count,
        sum(CASE WHEN is_ambiguous THEN 1 ELSE 0 END) AS ambiguous_count,
        max(pass) AS pass,
        min(CASE WHEN kind = 'refund' THEN occurred_at END) AS first_refund_at
    FROM payments.allocations
    GROUP BY order_guid
),

log AS (
    SELECT
        s.order_guid,
        min(s.channel) AS channel,
        min(s.shop_id) AS shop_id,
        min(s.channel_order_id) AS channel_order_id,
        min(s.timezone) AS timezone,
        sum(CASE WHEN s.shipped_at IS NOT NULL THEN s.quantity ELSE 0 END) AS shipped_qty,
        sum(CASE WHEN s.shipped_at IS NOT NULL AND p.event_count > 0 THEN s.quantity ELSE 0 END) AS tracked_qty,
        sum(CASE WHEN p.is_delivered THEN s.quantity ELSE 0 END) AS delivered_qty,
        sum(CASE WHEN p.status = 'returned_to_sender' THEN s.quantity ELSE 0 END) AS sent_back_qty,
        min(s.shipped_at) AS first_shipped_at,
        max(s.shipped_at) AS last_shipped_at,
        max(p.delivered_at) AS last_delivered_at,
        max(p.returned_at) AS last_sent_back_at,
        sum(CASE WHEN s.is_ambiguous THEN 1 ELSE 0 END) AS ambiguous_count
    FROM fulfilment.shipment_lines AS s
    LEFT JOIN fulfilment.parcels AS p ON s.parcel_guid = p.parcel_guid
    GROUP BY s.order_guid
),

case_rows AS (
    SELECT
        order_guid,
        return_id,
        kind,
        status,
        sku,
        quantity,
        refund_amount,
        requested_at,
        received_at IS NOT NULL
        OR status IN ('received', 'inspecting', 'restocked', 'scrapped', 'returned_to_vendor') AS is_received,
        coalesce(received_at, inspected_at, refunded_at, approved_at, requested_at) AS received_at,
        refunded_at IS NOT NULL OR status = 'refunded' AS is_refunded,
        coalesce(refunded_at, received_at, approved_at, requested_at) AS refunded_at,
        status = 'closed' AND refunded_at IS NULL AS is_without_effect,
        row_number() OVER (
            PARTITION BY order_guid, return_id, sku
            ORDER BY exported_at DESC NULLS LAST, file_id DESC NULLS LAST, row_number DESC NULLS LAST
        ) AS newest_first
    FROM raw.returns
),

ret AS (
    SELECT
        c.order_guid,
        -- A case that names neither goods nor pieces is about all that was shipped.
        sum(
            CASE
                WHEN c.is_received AND c.kind <> 'exchange'
                    THEN coalesce(c.quantity, CASE WHEN c.sku IS NULL AND g.shipped_qty > 0 THEN g.shipped_qty END, 1)
                ELSE 0
            END
        ) AS returned_qty,
        -- Pieces refunded before anything had left the warehouse are cancelled pieces.
        sum(
            CASE
                WHEN
                    c.kind = 'refund_only' AND NOT c.is_without_effect
                    AND (g.first_shipped_at IS NULL OR c.requested_at < g.first_shipped_at)
                    THEN coalesce(c.quantity, 0)
                ELSE 0
            END
        ) AS cancelled_qty,
        sum(CASE WHEN c.is_refunded THEN c.refund_amount END) AS refund_due_amount,
        sum(CASE WHEN c.kind = 'refund_only' THEN 1 ELSE 0 END) AS refund_only_count,
        sum(
            CASE
                WHEN
                    c.kind = 'return_refund' AND NOT c.is_refunded AND NOT c.is_received
                    AND c.status IN ('requested', 'approved', 'return_in_transit')
                    THEN 1
                ELSE 0
            END
        ) AS open_return_count,
        min(c.requested_at) AS first_requested_at,
        max(CASE WHEN c.is_received THEN c.received_at END) AS last_received_at,
        max(CASE WHEN c.is_refunded THEN c.refunded_at END) AS last_refund_said_at
    FROM case_rows AS c
    LEFT JOIN log AS g ON c.order_guid = g.order_guid
    WHERE c.newest_first = 1 AND c.status <> 'rejected'
    GROUP BY c.order_guid
),

-- Where the platform's part of a price comes inside the receipt and not under its own word, it is not paid too much.
subsidies AS (
    SELECT
        o.order_guid,
        coalesce(o.platform_discount_amount, 0) + coalesce(i.amount, 0) AS due_amount,
        CASE
            WHEN h.subsidy_leg = 'receipt' AND p.subsidy_amount = 0 AND p.paid_amount > o.due_amount
                THEN least(p.paid_amount - o.due_amount, coalesce(o.platform_discount_amount, 0))
            ELSE 0
        END AS included_amount
    FROM so AS o
    LEFT JOIN pay AS p ON o.order_guid = p.order_guid
    LEFT JOIN influencer_discounts AS i ON o.order_guid = i.order_guid
    LEFT JOIN ref.channels AS h ON o.channel = h.channel
),

legs AS (
    SELECT
        coalesce(o.order_guid, p.order_guid, g.order_guid) AS order_guid,
        o.order_guid IS NOT NULL AS has_order,
        coalesce(p.buyer_count, 0) > 0 AS has_payment,
        p.order_guid IS NOT NULL AS has_movement,
        g.order_guid IS NOT NULL AS has_shipment,
        coalesce(o.channel, p.channel, g.channel, 'unknown') AS channel,
        coalesce(o.shop_id, p.shop_id, g.shop_id) AS shop_id,
        coalesce(o.channel_order_id, p.channel_order_id, g.channel_order_id) AS channel_order_id,
        coalesce(o.created_on, p.first_on, local_date(g.first_shipped_at, g.timezone)) AS created_on,
        coalesce(o.timezone, g.timezone, c.timezone, d.timezone) AS timezone,
        coalesce(o.currency, p.currency) AS currency,
        p.currency <> p.other_currency OR o.currency <> p.currency AS is_mixed_currency,
        o.created_at,
        o.order_type,
        o.status AS order_status,
        o.is_closed,
        o.says_paid,
        o.claims_payment,
        o.says_delivered,
        o.due_amount,
        o.platform_discount_amount,
        coalesce(o.balance_paid_at, o.paid_at) AS paid_at,
        o.balance_paid_at IS NULL
        AND (o.order_type = 'presale' OR coalesce(o.deposit_amount, 0) > 0 OR coalesce(p.deposit_count, 0) > 0)
            AS is_balance_open,
        o.cancelled_at,
        o.promised_ship_at,
        o.logistics_leg,
        o.ordered_qty,
        greatest(o.cancelled_qty, coalesce(r.cancelled_qty, 0)) AS cancelled_qty,
        -- Null when no file says how many pieces were ordered: then nothing can be said about pieces.
        CASE
            WHEN o.is_closed THEN 0
            WHEN o.ordered_qty IS NOT NULL
                THEN greatest(o.ordered_qty - greatest(o.cancelled_qty, coalesce(r.cancelled_qty, 0)), least(o.ordered_qty, 0))
        END AS net_qty,
        CASE
            WHEN g.order_guid IS NOT NULL THEN g.shipped_qty > 0
            ELSE coalesce(o.logistics_leg = 'order_export' AND o.says_shipped, FALSE)
        END AS has_left,
        CASE
            WHEN p.order_guid IS NOT NULL THEN p.paid_amount
            WHEN o.payment_leg = 'order_export' THEN o.claimed_paid_amount
        END AS paid_amount,
        CASE
            WHEN p.order_guid IS NOT NULL THEN p.refunded_amount
            WHEN o.payment_leg = 'order_export' THEN o.claimed_refunded_amount
        END AS refunded_amount,
        CASE
            WHEN coalesce(p.settlement_count, 0) > 0 OR s.included_amount > 0
                THEN coalesce(p.subsidy_amount, 0) + s.included_amount - s.due_amount
        END AS subsidy_diff_amount,
        coalesce(s.included_amount, 0) AS included_amount,
        CASE
            WHEN g.order_guid IS NOT NULL THEN g.shipped_qty
            WHEN o.logistics_leg = 'order_export' AND o.says_shipped THEN coalesce(o.ordered_qty, 0) - o.cancelled_qty
            ELSE 0
        END AS shipped_qty,
        CASE
            WHEN g.order_guid IS NOT NULL THEN coalesce(g.delivered_qty, 0)
            WHEN o.logistics_leg = 'order_export' AND o.says_delivered THEN coalesce(o.ordered_qty, 0) - o.cancelled_qty
            ELSE 0
        END AS delivered_qty,
        coalesce(g.tracked_qty, 0) AS tracked_qty,
        coalesce(r.returned_qty, 0) AS case_returned_qty,
        coalesce(g.sent_back_qty, 0) AS sent_back_qty,
        r.refund_due_amount,
        coalesce(r.refund_only_count, 0) AS refund_only_count,
        coalesce(r.open_return_count, 0) AS open_return_count,
        coalesce(p.duplicate_count, 0) AS duplicate_count,
        coalesce(n.is_contradictory, FALSE) AS is_contradictory,
        coalesce(p.ambiguous_count, 0) + coalesce(g.ambiguous_count, 0) AS ambiguous_count,
        coalesce(p.pass, CASE WHEN g.order_guid IS NOT NULL THEN 'M1' ELSE 'none' END) AS pass,
        coalesce(g.first_shipped_at, o.shipped_at) AS first_shipped_at,
        coalesce(g.last_shipped_at, o.shipped_at) AS last_shipped_at,
        coalesce(g.last_delivered_at, o.completed_at) AS last_delivered_at,
        p.first_refund_at,
        coalesce(r.first_requested_at, p.first_refund_at) AS return_began_at,
        coalesce(r.last_received_at, g.last_sent_back_at) AS last_received_at,
        r.last_refund_said_at,
        p.first_on AS paid_on
    FROM so AS o
    FULL OUTER JOIN pay AS p ON o.order_guid = p.order_guid
    FULL OUTER JOIN log AS g ON coalesce(o.order_guid, p.order_guid) = g.order_guid
    LEFT JOIN ret AS r ON coalesce(o.order_guid, p.order_guid, g.order_guid) = r.order_guid
    LEFT JOIN subsidies AS s ON o.order_guid = s.order_guid
    LEFT JOIN newest_exports AS n ON o.order_guid = n.order_guid AND n.newest_first = 1
    LEFT JOIN ref.channels AS c ON coalesce(p.channel, g.channel) = c.channel
    CROSS JOIN ref.channels AS d
    WHERE d.channel = 'default'
),

measured AS (
    SELECT
        order_guid,
        has_order,
        has_payment,
        has_movement,
        has_shipment,
        has_left,
        l.channel,
        shop_id,
        channel_order_id,
        created_on,
        l.timezone,
        l.currency,
        is_mixed_currency,
        is_balance_open,
        is_contradictory,
        order_type,
        order_status,
        is_closed,
        says_paid,
        claims_payment,
        says_delivered,
        due_amount,
        paid_amount,
        refunded_amount,
        coalesce(paid_amount, 0) AS paid_known,
        coalesce(refunded_amount, 0) AS refunded_known,
        -- An order that should have been paid and is not is short by all of it.
        CASE
            WHEN NOT has_order THEN paid_amount
            WHEN paid_amount IS NULL AND NOT is_closed AND (says_paid OR shipped_qty > 0) THEN -due_amount
            ELSE paid_amount - included_amount - due_amount
        END AS amount_diff,
        subsidy_diff_amount,
        CASE WHEN has_order THEN ordered_qty ELSE 0 END AS ordered_qty,
        cancelled_qty,
        net_qty,
        shipped_qty,
        delivered_qty,
        tracked_qty,
        case_returned_qty + sent_back_qty AS returned_qty,
        refund_due_amount,
        refund_only_count,
        open_return_count,
        duplicate_count,
        ambiguous_count,
        pass,
        first_shipped_at,
        last_shipped_at,
        last_delivered_at,
        coalesce(cancelled_at, first_refund_at) AS closed_at,
        -- Inclusive; too much and too little may differ; a zero base leaves the absolute tolerance alone.
        greatest(
            coalesce(t.over_amount, threshold('match_tolerance_amount')),
            coalesce(t.over_ratio, threshold('match_tolerance_ratio')) * CAST(abs(coalesce(due_amount, 0)) AS DECIMAL(19, 2))
        ) AS over_tolerance,
        greatest(
            coalesce(t.under_amount, threshold('match_tolerance_amount')),
            coalesce(t.under_ratio, threshold('match_tolerance_ratio')) * CAST(abs(coalesce(due_amount, 0)) AS DECIMAL(19, 2))
        ) AS under_tolerance,
        coalesce(t.qty, threshold('match_tolerance_qty')) AS qty_tolerance,
        -- The moments at which the clock alone decides; a deadline is passed when as_of reaches it.
        add_minutes(created_at, threshold('payment_window_minutes')) AS unpaid_until_at,
        to_utc_timestamp(
            CAST(add_days(local_date(coalesce(paid_at, created_at), l.timezone), threshold('payment_file_hold_days') + 1)
                AS TIMESTAMP), l.timezone
        ) AS bill_due_at,
        add_hours(last_refund_said_at, threshold('payment_file_hold_days') * 24) AS refund_bill_due_at,
        coalesce(promised_ship_at, add_hours(coalesce(paid_at, created_at), threshold('ship_sla_hours'))) AS ship_due_at,
        add_hours(last_shipped_at, threshold('transit_max_days') * 24) AS transit_until_at,
        CASE
            WHEN order_type = 'cod'
                THEN add_hours(
                    coalesce(last_delivered_at, last_shipped_at, created_at), threshold('cod_remittance_days') * 24
                )
        END AS remittance_until_at,
        add_hours(return_began_at, threshold('return_window_days') * 24) AS return_until_at,
        add_hours(last_received_at, threshold('payment_file_hold_days') * 24) AS refund_until_at,
        add_hours(coalesce(cancelled_at, first_refund_at), threshold('payment_file_hold_days') * 24) AS cancel_refund_until_at,
        to_utc_timestamp(
            CAST(add_days(paid_on, threshold('payment_file_hold_days') + 1) AS TIMESTAMP), l.timezone
        ) AS order_due_at
    FROM legs AS l
    LEFT JOIN ref.channels AS h ON l.channel = h.channel
    LEFT JOIN ref.match_tolerances AS t ON coalesce(h.channel, 'default') = t.channel
),

payable AS (
    SELECT
        *,
        -- A coupon may have covered all of it: then no payment is missing.
        abs(coalesce(due_amount, 1)) > under_tolerance AS is_payable
    FROM measured
),

judged AS (
    SELECT
        *,
        CASE
            WHEN order_type = 'test' THEN 'EXCLUDED|test_order'
            WHEN order_type = 'resend' THEN 'EXCLUDED|resend'
            WHEN duplicate_count > 0 THEN 'DUPLICATE_KEY|duplicate_payment_key'
            WHEN is_contradictory THEN 'DUPLICATE_KEY|duplicate_order_key'
            WHEN ambiguous_count > 0 THEN 'AMBIGUOUS|several_orders_fit'
            WHEN NOT has_order AND has_movement THEN 'UNMATCHED_PAY|single_sided_long'
            WHEN NOT has_order THEN 'UNMATCHED_LOG|shipped_without_order'
            WHEN is_mixed_currency THEN 'MISMATCH|mixed_currency'

            -- A closed order: nothing may be shipped, nothing kept.
            WHEN is_closed AND shipped_qty > returned_qty AND (closed_at IS NULL OR first_shipped_at >= closed_at)
                THEN 'MISMATCH|shipped_after_cancel'
            WHEN is_closed AND paid_known - refunded_known > over_tolerance AND as_of() < cancel_refund_until_at
                THEN 'TIMING|refund_in_progress'
            WHEN is_closed AND paid_known - refunded_known > over_tolerance THEN 'MISMATCH|cancelled_not_refunded'
            WHEN is_closed AND refunded_known - paid_known > under_tolerance THEN 'MISMATCH|refund_diff'
            WHEN is_closed AND shipped_qty > returned_qty AND refund_only_count > 0
                THEN 'MATCHED|refund_only_price_concession'
            WHEN is_closed AND shipped_qty > returned_qty AND as_of() < return_until_at THEN 'TIMING|return_in_progress'
            WHEN is_closed AND shipped_qty > returned_qty THEN 'MISMATCH|refunded_not_returned'
            WHEN is_closed AND paid_known <> refunded_known THEN 'MATCHED_WITHIN_TOLERANCE|tolerance'
            WHEN is_closed AND returned_qty > 0 THEN 'MATCHED|returned_refunded'
            WHEN is_closed AND paid_known = 0 THEN 'MATCHED|cancelled_unpaid'
            WHEN is_closed THEN 'MATCHED|cancelled_refunded'

            -- Nothing has happened yet, or not all of it.
            WHEN NOT says_paid AND paid_known = 0 AND is_payable AND NOT has_left AND order_type <> 'cod'
                THEN 'TIMING|payment_pending'
            WHEN
                is_balance_open AND paid_known > 0 AND due_amount - paid_known > under_tolerance AND NOT has_left
                AND refunded_known = 0
                THEN 'TIMING|presale_balance_open'
            WHEN order_type = 'cod' AND paid_known = 0 AND has_left AND returned_qty >= shipped_qty
                THEN 'MATCHED|returned_refunded'
            WHEN
                order_type = 'cod' AND paid_known = 0 AND is_payable AND has_left
                AND (delivered_qty >= shipped_qty OR says_delivered)
                THEN
                    CASE
                        WHEN as_of() < remittance_until_at THEN 'TIMING|cod_in_remittance'
                        ELSE 'MISMATCH|cod_not_remitted'
                    END
            WHEN
                order_type <> 'cod' AND paid_known = 0 AND is_payable AND as_of() < bill_due_at
                AND (claims_payment OR NOT has_left)
                THEN 'TIMING|payment_file_pending'
            WHEN order_type <> 'cod' AND paid_known = 0 AND is_payable AND NOT has_left AND NOT has_shipment
                THEN 'UNMATCHED_SO|single_sided_short'
            WHEN order_type <> 'cod' AND paid_known = 0 AND is_payable THEN 'MISMATCH|shipped_not_paid'
            WHEN due_amount IS NULL THEN 'MISMATCH|due_unknown'

            -- A credit note or a bookkeeping entry sends out nothing: it is right when its money is.
            WHEN order_type IN ('credit_note', 'adjustment') AND amount_diff <= over_tolerance AND amount_diff >= -under_tolerance
                THEN 'MATCHED|three_way_equal'

            -- Goods first: a wrong piece is found before a wrong cent.
            WHEN shipped_qty - net_qty > qty_tolerance AND shipped_qty <= net_qty + cancelled_qty
                THEN 'MISMATCH|shipped_after_cancel'
            WHEN shipped_qty - net_qty > qty_tolerance THEN 'MISMATCH|quantity_over'
            WHEN refunded_known >= paid_known AND refunded_known > 0 AND NOT has_left AND paid_known > 0
                THEN 'MATCHED|cancelled_refunded'
            WHEN NOT has_left AND coalesce(net_qty, 1) > 0 AND as_of() >= ship_due_at THEN 'MISMATCH|paid_not_shipped'
            WHEN net_qty - shipped_qty > qty_tolerance AND (as_of() >= ship_due_at OR says_delivered) THEN 'MISMATCH|quantity_short'

            -- Goods that came back, money that went back.
            WHEN returned_qty > 0 AND refunded_known = 0 AND paid_known > 0 AND as_of() < refund_until_at
                THEN 'TIMING|return_in_progress'
            WHEN returned_qty > 0 AND refunded_known = 0 AND paid_known > 0 THEN 'MISMATCH|returned_not_refunded'
            WHEN refund_due_amount - refunded_known > over_tolerance AND as_of() < refund_bill_due_at
                THEN 'TIMING|refund_in_progress'
            WHEN
                refund_due_amount - refunded_known > over_tolerance OR refunded_known - refund_due_amount > under_tolerance
                THEN 'MISMATCH|refund_diff'
            WHEN refunded_known - paid_known > under_tolerance THEN 'MISMATCH|refund_diff'
            WHEN
                refunded_known > under_tolerance AND returned_qty = 0 AND refund_only_count = 0 AND cancelled_qty = 0
                AND (
                    paid_known - refunded_known - due_amount > over_tolerance
                    OR due_amount - paid_known + refunded_known > under_tolerance
                )
                THEN
                    CASE
                        WHEN as_of() < return_until_at THEN 'TIMING|return_in_progress'
                        ELSE 'MISMATCH|refunded_not_returned'
                    END

            WHEN
                amount_diff > over_tolerance
                AND (amount_diff - refunded_known > over_tolerance OR refunded_known - amount_diff > under_tolerance)
                THEN 'MISMATCH|over_paid'
            WHEN order_type = 'cod' AND paid_known = 0 AND is_payable
                THEN
                    CASE
                        WHEN shipped_qty < net_qty OR NOT has_left THEN 'TIMING|awaiting_shipment'
                        ELSE 'TIMING|in_transit'
                    END
            WHEN amount_diff < -under_tolerance AND as_of() < bill_due_at THEN 'TIMING|payment_file_pending'
            WHEN amount_diff < -under_tolerance THEN 'MISMATCH|under_paid'
            WHEN subsidy_diff_amount > over_tolerance OR subsidy_diff_amount < -under_tolerance THEN 'MISMATCH|subsidy_diff'

            WHEN
                net_qty - shipped_qty > qty_tolerance OR shipped_qty < net_qty AND as_of() < ship_due_at AND NOT says_delivered
                OR NOT has_left AND net_qty IS NULL
                THEN 'TIMING|awaiting_shipment'
            WHEN delivered_qty < shipped_qty - returned_qty AND NOT says_delivered AND as_of() < transit_until_at
                THEN 'TIMING|in_transit'
            WHEN delivered_qty < tracked_qty - returned_qty AND NOT says_delivered THEN 'MISMATCH|not_delivered'

            WHEN open_return_count > 0 AND as_of() < return_until_at THEN 'TIMING|return_in_progress'
            WHEN refunded_known > under_tolerance AND refund_due_amount <> refunded_known
                THEN 'MATCHED_WITHIN_TOLERANCE|tolerance'
            WHEN refunded_known > under_tolerance AND returned_qty > 0 THEN 'MATCHED|returned_refunded'
            WHEN refunded_known > under_tolerance AND refund_only_count > 0 THEN 'MATCHED|refund_only_price_concession'
            WHEN
                amount_diff <> 0 AND amount_diff <= over_tolerance AND amount_diff >= -under_tolerance
                OR refunded_known <= under_tolerance AND refunded_known <> coalesce(refund_due_amount, 0)
                OR subsidy_diff_amount <> 0 OR shipped_qty <> net_qty
                THEN 'MATCHED_WITHIN_TOLERANCE|tolerance'
            ELSE 'MATCHED|three_way_equal'
        END AS verdict
    FROM payable
),

named AS (
    SELECT
        *,
        split_part(verdict, '|', 1) AS match_status,
        split_part(verdict, '|', 2) AS reason
    FROM judged
),

timed AS (
    SELECT
        *,
        CASE
            WHEN reason = 'payment_pending' THEN unpaid_until_at
            WHEN reason IN ('payment_file_pending', 'single_sided_short') THEN bill_due_at
            WHEN reason = 'single_sided_long' THEN order_due_at
            WHEN reason = 'awaiting_shipment' THEN ship_due_at
            WHEN reason = 'in_transit' THEN transit_until_at
            WHEN reason = 'cod_in_remittance' THEN remittance_until_at
            WHEN reason = 'refund_in_progress' AND is_closed THEN cancel_refund_until_at
            WHEN reason = 'refund_in_progress' THEN refund_bill_due_at
            WHEN reason = 'return_in_progress' AND returned_qty > 0 THEN refund_until_at
            WHEN reason = 'return_in_progress' THEN return_until_at
        END AS expected_clear_at
    FROM named
)

SELECT
    order_guid,
    has_order,
    channel,
    shop_id,
    channel_order_id,
    created_on,
    timezone,
    currency,
    match_status AS status,
    reason,
    CASE
        WHEN match_status IN ('EXCLUDED', 'TIMING') THEN pass || ' clock-and-state v1'
        ELSE pass || ' three-way v1'
    END AS rule,
    order_status,
    due_amount,
    CAST(paid_amount AS DECIMAL(18, 2)) AS paid_amount,
    CAST(refunded_amount AS DECIMAL(18, 2)) AS refunded_amount,
    CAST(amount_diff AS DECIMAL(18, 2)) AS amount_diff,
    ratio(amount_diff, due_amount) AS amount_diff_ratio,
    CAST(ordered_qty AS DECIMAL(18, 3)) AS ordered_qty,
    CAST(shipped_qty AS DECIMAL(18, 3)) AS shipped_qty,
    CAST(delivered_qty AS DECIMAL(18, 3)) AS delivered_qty,
    CAST(returned_qty AS DECIMAL(18, 3)) AS returned_qty,
    CAST(CASE WHEN has_order THEN shipped_qty - net_qty ELSE shipped_qty END AS DECIMAL(18, 3)) AS qty_diff,
    CAST(subsidy_diff_amount AS DECIMAL(18, 2)) AS subsidy_diff_amount,
    -- A hold that ends at midnight clears on the day before.
    CASE
        WHEN reason IN ('payment_file_pending', 'single_sided_short', 'single_sided_long')
            THEN add_days(local_date(expected_clear_at, timezone), -1)
        ELSE local_date(expected_clear_at, timezone)
    END AS expected_clear_on,
    expected_clear_at,
    match_status IN ('MISMATCH', 'UNMATCHED_SO', 'UNMATCHED_PAY', 'UNMATCHED_LOG', 'DUPLICATE_KEY', 'AMBIGUOUS')
    AND (
        due_amount IS NULL
        OR abs(coalesce(amount_diff, due_amount)) > threshold('alert_difference_ratio') * abs(due_amount)
        OR abs(coalesce(shipped_qty - net_qty, 0)) >= threshold('alert_difference_qty')
    ) AS is_alert,
    least(
        CASE WHEN unpaid_until_at > as_of() THEN unpaid_until_at END,
        CASE WHEN bill_due_at > as_of() THEN bill_due_at END,
        CASE WHEN ship_due_at > as_of() THEN ship_due_at END,
        CASE WHEN transit_until_at > as_of() THEN transit_until_at END,
        CASE WHEN remittance_until_at > as_of() THEN remittance_until_at END,
        CASE WHEN return_until_at > as_of() THEN return_until_at END,
        CASE WHEN refund_until_at > as_of() THEN refund_until_at END,
        CASE WHEN refund_bill_due_at > as_of() THEN refund_bill_due_at END,
        CASE WHEN cancel_refund_until_at > as_of() THEN cancel_refund_until_at END,
        CASE WHEN order_due_at > as_of() THEN order_due_at END
    ) AS next_change_at
FROM timed
