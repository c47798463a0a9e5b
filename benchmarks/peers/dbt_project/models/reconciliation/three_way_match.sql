WITH pay AS (
    SELECT order_guid, min(channel) AS channel, min(shop_id) AS shop_id, min(channel_order_id) AS channel_order_id,
        min(currency) AS currency, min(business_on) AS paid_on, max(pass) AS pass,
        coalesce(sum(amount) FILTER (kind IN ('receipt', 'deposit', 'balance')), 0) AS paid,
        coalesce(-sum(amount) FILTER (kind = 'refund'), 0) AS refunded,
        sum(amount) FILTER (kind = 'subsidy') AS subsidy, bool_or(kind IN ('subsidy', 'payout')) AS is_settled,
        bool_or(is_duplicate_key) AS is_duplicate, min(occurred_at) FILTER (kind = 'refund') AS first_refund_at
    FROM {{ ref('allocations') }} GROUP BY order_guid
),
log AS (
    SELECT s.order_guid, min(s.channel) AS channel, min(s.shop_id) AS shop_id, min(s.channel_order_id) AS channel_order_id,
        sum(s.quantity) AS shipped, coalesce(sum(s.quantity) FILTER (p.event_count > 0), 0) AS tracked,
        coalesce(sum(s.quantity) FILTER (p.is_delivered), 0) AS delivered, min(s.shipped_at) AS first_shipped_at,
        max(s.shipped_at) AS last_shipped_at, max(p.delivered_at) AS last_delivered_at
    FROM {{ ref('shipment_lines') }} AS s LEFT JOIN {{ ref('parcels') }} AS p USING (courier_code, waybill_id) GROUP BY s.order_guid
),
ret AS (
    SELECT order_guid, coalesce(sum(coalesce(quantity, 1)) FILTER (received_at IS NOT NULL), 0) AS returned,
        sum(refund_amount) FILTER (refunded_at IS NOT NULL OR status = 'refunded') AS refund_due,
        count(*) FILTER (kind = 'refund_only') AS refund_only,
        bool_or(kind = 'return_refund' AND status = 'return_in_transit' AND received_at IS NULL) AS is_open, min(requested_at) AS requested_at, max(received_at) AS received_at
    FROM {{ ref('stg_returns') }} GROUP BY order_guid
),
legs AS (
    SELECT coalesce(o.order_guid, p.order_guid, g.order_guid) AS order_guid, o.order_guid IS NOT NULL AS has_order,
        p.order_guid IS NOT NULL AS has_movement, g.order_guid IS NOT NULL AS has_shipment,
        coalesce(o.channel, p.channel, g.channel, 'unknown') AS channel, coalesce(o.shop_id, p.shop_id, g.shop_id) AS shop_id,
        coalesce(o.channel_order_id, p.channel_order_id, g.channel_order_id) AS channel_order_id,
        coalesce(o.created_on, p.paid_on, CAST(g.first_shipped_at AS DATE)) AS created_on,
        CASE WHEN o.timezone IS NOT NULL THEN o.timezone WHEN g.order_guid IS NULL AND p.channel = 'shopify' THEN 'America/New_York'
            ELSE 'Asia/Shanghai' END AS zone,
        coalesce(o.currency, p.currency) AS currency, o.order_type, o.status AS order_status,
        o.status IN ('cancelled', 'expired') AS is_closed,
        o.status IN ('paid', 'shipped', 'completed') OR o.paid_at IS NOT NULL AS says_paid,
        o.status = 'completed' OR o.completed_at IS NOT NULL AS says_delivered, o.payable_amount AS due,
        coalesce(o.platform_discount_amount, 0) AS platform_discount, o.created_at, coalesce(o.paid_at, o.created_at) AS paid_at,
        o.promised_ship_at, o.cancelled_at, coalesce(o.ordered_qty, 0) AS ordered, coalesce(o.cancelled_qty, 0) AS cancelled,
        p.paid AS paid_amount, p.refunded AS refunded_amount, coalesce(p.paid, 0) AS paid, coalesce(p.refunded, 0) AS refunded,
        CASE WHEN p.is_settled THEN coalesce(p.subsidy, 0) - platform_discount END AS subsidy_diff,
        coalesce(p.is_duplicate, false) AS is_duplicate, coalesce(p.pass, CASE WHEN has_shipment THEN 'M1' ELSE 'none' END) AS pass,
        p.paid_on, p.first_refund_at, coalesce(g.shipped, 0) AS shipped, coalesce(g.delivered, 0) AS delivered,
        coalesce(g.tracked, 0) AS tracked, coalesce(g.first_shipped_at, o.shipped_at) AS first_shipped_at,
        coalesce(g.last_shipped_at, o.shipped_at) AS last_shipped_at,
        coalesce(g.last_delivered_at, o.completed_at) AS last_delivered_at, coalesce(r.returned, 0) AS returned, r.refund_due,
        coalesce(r.refund_only, 0) AS refund_only, r.is_open, coalesce(r.requested_at, p.first_refund_at) AS return_began_at, r.received_at,
        CASE WHEN is_closed THEN 0 ELSE coalesce(o.ordered_qty - o.cancelled_qty, 0) END AS net,
        CASE WHEN NOT has_order THEN p.paid WHEN p.paid IS NULL AND NOT is_closed AND (says_paid OR g.shipped > 0) THEN -o.payable_amount
            ELSE p.paid - o.payable_amount END AS amount_diff, 0.05 AS tolerance,
        o.created_at + INTERVAL 24 HOUR AS unpaid_until,
        timezone(zone, CAST(CAST(timezone(zone, coalesce(o.paid_at, o.created_at)) AS DATE) + 3 AS TIMESTAMP)) AS bill_due,
        coalesce(o.promised_ship_at, coalesce(o.paid_at, o.created_at) + INTERVAL 48 HOUR) AS ship_due,
        coalesce(g.last_shipped_at, o.shipped_at) + INTERVAL 360 HOUR AS transit_until,
        coalesce(g.last_delivered_at, o.completed_at) + INTERVAL 168 HOUR AS remitted_until,
        return_began_at + INTERVAL 360 HOUR AS return_until, r.received_at + INTERVAL 48 HOUR AS refund_until,
        coalesce(o.cancelled_at, p.first_refund_at) AS closed_at, closed_at + INTERVAL 48 HOUR AS cancel_until,
        timezone(zone, CAST(p.paid_on + 3 AS TIMESTAMP)) AS order_due
    FROM {{ ref('orders') }} AS o FULL JOIN pay AS p USING (order_guid) FULL JOIN log AS g USING (order_guid) LEFT JOIN ret AS r USING (order_guid)
),
judged AS (
    SELECT *, CASE
        WHEN is_duplicate THEN 'DUPLICATE_KEY|duplicate_payment_key'
        WHEN NOT has_order AND has_movement THEN 'UNMATCHED_PAY|single_sided_long'
        WHEN NOT has_order THEN 'UNMATCHED_LOG|shipped_without_order'
        WHEN is_closed AND shipped > returned AND (closed_at IS NULL OR first_shipped_at >= closed_at) THEN 'MISMATCH|shipped_after_cancel'
        WHEN is_closed AND paid - refunded > tolerance AND {{ as_of() }} < cancel_until THEN 'TIMING|refund_in_progress'
        WHEN is_closed AND paid - refunded > tolerance THEN 'MISMATCH|cancelled_not_refunded'
        WHEN is_closed AND refunded - paid > tolerance THEN 'MISMATCH|refund_diff'
        WHEN is_closed AND shipped > returned AND refund_only > 0 THEN 'MATCHED|refund_only_price_concession'
        WHEN is_closed AND shipped > returned AND {{ as_of() }} < return_until THEN 'TIMING|return_in_progress'
        WHEN is_closed AND shipped > returned THEN 'MISMATCH|refunded_not_returned'
        WHEN is_closed AND returned > 0 THEN 'MATCHED|returned_refunded'
        WHEN is_closed AND paid = 0 THEN 'MATCHED|cancelled_unpaid'
        WHEN is_closed THEN 'MATCHED|cancelled_refunded'
        WHEN NOT says_paid AND paid = 0 AND shipped = 0 AND order_type <> 'cod' THEN 'TIMING|payment_pending'
        WHEN order_type = 'presale' AND paid > 0 AND due - paid > tolerance AND shipped = 0 AND refunded = 0 THEN 'TIMING|presale_balance_open'
        WHEN order_type = 'cod' AND paid = 0 AND shipped > 0 AND (delivered >= shipped OR says_delivered)
            THEN CASE WHEN {{ as_of() }} < remitted_until THEN 'TIMING|cod_in_remittance' ELSE 'MISMATCH|cod_not_remitted' END
        WHEN order_type <> 'cod' AND paid = 0 AND {{ as_of() }} < bill_due THEN 'TIMING|payment_file_pending'
        WHEN order_type <> 'cod' AND paid = 0 AND NOT has_shipment THEN 'UNMATCHED_SO|single_sided_short'
        WHEN order_type <> 'cod' AND paid = 0 THEN 'MISMATCH|shipped_not_paid'
        WHEN shipped > net AND shipped <= net + cancelled THEN 'MISMATCH|shipped_after_cancel'
        WHEN shipped > net THEN 'MISMATCH|quantity_over'
        WHEN refunded >= paid AND refunded > 0 AND shipped = 0 AND paid > 0 THEN 'MATCHED|cancelled_refunded'
        WHEN shipped = 0 AND net > 0 AND {{ as_of() }} >= ship_due THEN 'MISMATCH|paid_not_shipped'
        WHEN shipped < net AND ({{ as_of() }} >= ship_due OR says_delivered) THEN 'MISMATCH|quantity_short'
        WHEN returned > 0 AND refunded = 0 AND {{ as_of() }} < refund_until THEN 'TIMING|return_in_progress'
        WHEN returned > 0 AND refunded = 0 THEN 'MISMATCH|returned_not_refunded'
        WHEN refunded > tolerance AND abs(refunded - coalesce(refund_due, refunded)) > tolerance THEN 'MISMATCH|refund_diff'
        WHEN refunded - paid > tolerance THEN 'MISMATCH|refund_diff'
        WHEN refunded > tolerance AND returned = 0 AND refund_only = 0 AND cancelled = 0 AND abs(paid - refunded - due) > tolerance
            THEN CASE WHEN {{ as_of() }} < return_until THEN 'TIMING|return_in_progress' ELSE 'MISMATCH|refunded_not_returned' END
        WHEN amount_diff > tolerance AND abs(amount_diff - refunded) > tolerance THEN 'MISMATCH|over_paid'
        WHEN order_type = 'cod' AND paid = 0 AND shipped < net THEN 'TIMING|awaiting_shipment'
        WHEN order_type = 'cod' AND paid = 0 THEN 'TIMING|in_transit'
        WHEN amount_diff < -tolerance AND {{ as_of() }} < bill_due THEN 'TIMING|payment_file_pending'
        WHEN amount_diff < -tolerance THEN 'MISMATCH|under_paid'
        WHEN abs(coalesce(subsidy_diff, 0)) > tolerance THEN 'MISMATCH|subsidy_diff'
        WHEN shipped < net THEN 'TIMING|awaiting_shipment'
        WHEN delivered < shipped - returned AND NOT says_delivered AND {{ as_of() }} < transit_until THEN 'TIMING|in_transit'
        WHEN delivered < tracked - returned AND NOT says_delivered THEN 'MISMATCH|not_delivered'
        WHEN is_open AND {{ as_of() }} < return_until THEN 'TIMING|return_in_progress'
        WHEN refunded > tolerance AND returned > 0 THEN 'MATCHED|returned_refunded'
        WHEN refunded > tolerance AND refund_only > 0 THEN 'MATCHED|refund_only_price_concession'
        WHEN amount_diff <> 0 AND abs(amount_diff) <= tolerance THEN 'MATCHED_WITHIN_TOLERANCE|tolerance'
        ELSE 'MATCHED|three_way_equal' END AS verdict
    FROM legs
)
SELECT order_guid, has_order, channel, shop_id, channel_order_id, created_on, zone AS timezone, currency,
    split_part(verdict, '|', 1) AS status, split_part(verdict, '|', 2) AS reason,
    pass || CASE WHEN status = 'TIMING' THEN ' clock-and-state v1' ELSE ' three-way v1' END AS rule, order_status,
    due AS due_amount, money(paid_amount) AS paid_amount, money(refunded_amount) AS refunded_amount, money(amount_diff) AS amount_diff,
    CAST(amount_diff AS DOUBLE) / nullif(CAST(due AS DOUBLE), 0) AS amount_diff_ratio, CAST(ordered AS DECIMAL(18, 3)) AS ordered_qty,
    CAST(shipped AS DECIMAL(18, 3)) AS shipped_qty, CAST(delivered AS DECIMAL(18, 3)) AS delivered_qty,
    CAST(returned AS DECIMAL(18, 3)) AS returned_qty,
    CAST(CASE WHEN has_order THEN shipped - net ELSE shipped END AS DECIMAL(18, 3)) AS qty_diff, money(subsidy_diff) AS subsidy_diff_amount,
    CASE reason WHEN 'payment_pending' THEN unpaid_until WHEN 'payment_file_pending' THEN bill_due
        WHEN 'single_sided_short' THEN bill_due WHEN 'single_sided_long' THEN order_due WHEN 'awaiting_shipment' THEN ship_due
        WHEN 'in_transit' THEN transit_until WHEN 'cod_in_remittance' THEN remitted_until WHEN 'refund_in_progress' THEN cancel_until
        WHEN 'return_in_progress' THEN CASE WHEN returned > 0 THEN refund_until ELSE return_until END END AS expected_clear_at,
    CAST(timezone(zone, expected_clear_at) AS DATE) - CASE WHEN reason IN ('payment_file_pending', 'single_sided_short',
        'single_sided_long') THEN 1 ELSE 0 END AS expected_clear_on,
    status NOT IN ('MATCHED', 'MATCHED_WITHIN_TOLERANCE', 'TIMING') AND (due IS NULL
        OR abs(coalesce(amount_diff, due)) > 0.005 * abs(due) OR abs(shipped - net) >= 1) AS is_alert
FROM judged
