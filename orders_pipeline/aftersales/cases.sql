-- grain: return_id
-- refresh: case by return_guid
-- changes at: next_change_at
-- ages at: next_reading_at
-- After-sales cases: what each is about, which way it goes, who owes the next step until when, and what it is due. A thin layer: the steps
-- change with what is touched, what is overdue with every look, ages when everything is made.
WITH judged AS (
    SELECT
        p.return_guid,
        coalesce(p.refund_amount, p.refund_due_amount) AS amount,
        CASE
            WHEN p.stage <> 'decision' THEN 'decided'
            WHEN NOT p.has_order THEN 'order_unknown'
            WHEN p.kind = 'exchange' THEN 'exchange'
            WHEN coalesce(p.refund_amount, p.refund_due_amount) IS NULL THEN 'amount_unknown'
            -- More than was paid for the goods and their freight is nobody's to give without a look.
            WHEN p.refund_amount > p.refund_due_amount + coalesce(p.freight_amount, 0) THEN 'above_due'
            WHEN p.shipped_at IS NULL AND p.order_status IN ('paid', 'on_hold', 'released') THEN 'not_shipped'
            WHEN p.is_special THEN 'special_goods'
            WHEN coalesce(p.refund_amount, p.refund_due_amount) <= threshold('refund_auto_max_amount') THEN 'small_ordinary'
            ELSE 'amount_above_limit'
        END AS auto_reason
    FROM aftersales.progress AS p
)

SELECT
    CASE
        WHEN n.return_guid IS NOT NULL THEN p.channel || '/' || p.shop_id || '/' || p.channel_order_id || '/' || p.return_id
        ELSE p.return_id
    END AS return_id,
    p.return_guid,
    p.order_guid,
    p.channel,
    p.shop_id,
    p.channel_order_id,
    p.sku,
    p.item_count,
    p.quantity,
    p.kind,
    p.reason,
    p.class,
    CASE
        WHEN j.auto_reason IN ('not_shipped', 'small_ordinary') THEN 'auto'
        WHEN p.kind = 'exchange' THEN 'exchange'
        WHEN j.auto_reason = 'above_due' THEN 'supervisor'
        WHEN p.kind = 'refund_only' AND p.class_route = 'return_for_refund' THEN 'refund'
        ELSE p.class_route
    END AS route,
    p.owner_role,
    p.status,
    p.stage,
    p.requested_at,
    p.entered_at,
    p.due_at,
    coalesce(p.due_at < as_of(), FALSE) AS is_overdue,
    round_half_up(ratio(seconds_between(CASE WHEN p.stage IN ('done', 'closed') THEN p.entered_at ELSE as_of() END, p.requested_at), 3600))
        AS age_hours,
    p.currency,
    p.refund_amount,
    p.refund_due_amount,
    CAST(p.refund_amount - p.refund_due_amount AS DECIMAL(18, 2)) AS refund_diff_amount,
    p.clawed_amount,
    CAST(p.paid_out_amount AS DECIMAL(18, 2)) AS paid_out_amount,
    p.money_out_at,
    p.arrived_at,
    p.stock_back_at,
    j.auto_reason IN ('not_shipped', 'small_ordinary') AS is_auto_approvable,
    j.auto_reason,
    p.source,
    p.file_id,
    p.row_number,
    CASE WHEN p.due_at >= as_of() THEN add_seconds(p.due_at, 0.000001) END AS next_change_at,
    -- A case that goes on is older at every look.
    CASE WHEN p.stage NOT IN ('done', 'closed') THEN add_seconds(greatest(as_of(), p.requested_at), 0.000001) END AS next_reading_at
FROM aftersales.progress AS p
INNER JOIN judged AS j ON p.return_guid = j.return_guid
LEFT JOIN aftersales.shared_numbers AS n ON p.return_guid = n.return_guid
