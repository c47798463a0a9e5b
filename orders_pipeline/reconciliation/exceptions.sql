-- grain: exception_guid
-- refresh: exception by exception_guid
-- ages at: next_reading_at
-- The queue of what somebody has to look at: each difference with its cause, its age, who is to act and where it stands.
-- The state follows from the last decision about it, and from whether the difference is still what was decided on.
WITH first_causes AS (
    SELECT exception_guid, cause
    FROM reconciliation.difference_causes
    WHERE cause_number = 1
),

weighed AS (
    SELECT
        d.exception_guid,
        d.order_guid,
        d.channel,
        d.shop_id,
        d.channel_order_id,
        d.currency,
        d.status,
        d.reason,
        c.cause,
        d.amount_diff,
        d.qty_diff,
        d.is_alert,
        d.opened_on,
        days_between(local_date(as_of(), d.timezone), d.opened_on) AS age_days,
        s.action,
        s.decided_by,
        s.decided_at,
        s.why,
        s.assignee,
        s.second_person,
        s.decided_amount,
        coalesce(s.decided_reason <> d.reason, FALSE)
        OR coalesce(s.decided_amount <> coalesce(d.amount_diff, 0), FALSE)
        OR coalesce(s.decided_qty <> coalesce(d.qty_diff, 0), FALSE) AS has_changed,
        coalesce(s.is_decided_otherwise, FALSE) AS is_decided_otherwise,
        coalesce(s.is_payout, FALSE) AS is_payout,
        -- Another day of its place makes it a day older.
        to_utc_timestamp(CAST(add_days(local_date(as_of(), d.timezone), 1) AS TIMESTAMP), d.timezone) AS next_reading_at
    FROM reconciliation.differences AS d
    LEFT JOIN first_causes AS c ON d.exception_guid = c.exception_guid
    LEFT JOIN reconciliation.settled_exceptions AS s ON d.exception_guid = s.exception_guid
),

stated AS (
    SELECT
        *,
        CASE
            WHEN action IS NULL AND is_payout THEN 'resolved_match|payout_arrived'
            WHEN action IS NULL AND is_decided_otherwise THEN 'open|reason_changed'
            WHEN action IS NULL THEN 'open|'
            WHEN action = 'assign' THEN 'assigned|'
            WHEN action = 'reopen' THEN 'open|reopened'
            WHEN has_changed THEN 'open|difference_changed'
            WHEN action = 'write_off' AND decided_amount IS NULL AND amount_diff <> 0 THEN 'assigned|amount_missing'
            WHEN
                action = 'write_off' AND abs(coalesce(amount_diff, 0)) > threshold('write_off_single_max_amount')
                AND second_person IS NULL
                THEN 'assigned|second_person_needed'
            WHEN action = 'write_off' THEN 'written_off|'
            WHEN action = 'carry_forward' THEN 'carried_forward|'
            WHEN action = 'resolve_match' THEN 'resolved_match|'
            WHEN action = 'resolve_adjustment' THEN 'resolved_adjustment|'
            WHEN action = 'close' THEN 'closed|'
            ELSE 'open|unknown_action'
        END AS standing
    FROM weighed
)

SELECT
    exception_guid,
    order_guid,
    channel,
    shop_id,
    channel_order_id,
    currency,
    status,
    reason,
    cause,
    amount_diff,
    qty_diff,
    is_alert,
    opened_on,
    age_days,
    CASE
        WHEN age_days <= 1 THEN '0-1'
        WHEN age_days <= 3 THEN '2-3'
        WHEN age_days <= 7 THEN '4-7'
        WHEN age_days <= 30 THEN '8-30'
        WHEN age_days <= 60 THEN '31-60'
        ELSE '60+'
    END AS age_bucket,
    split_part(standing, '|', 1) AS state,
    nullif(split_part(standing, '|', 2), '') AS state_reason,
    split_part(standing, '|', 2) IN ('difference_changed', 'reason_changed', 'reopened') AS is_reopened,
    CASE
        WHEN
            reason IN ('paid_not_shipped', 'quantity_over', 'quantity_short', 'shipped_after_cancel', 'shipped_without_order',
                'awaiting_shipment')
            THEN 'warehouse'
        WHEN reason IN ('in_transit', 'not_delivered', 'cod_in_remittance', 'cod_not_remitted') THEN 'logistics'
        WHEN
            reason IN ('refunded_not_returned', 'returned_not_refunded', 'return_in_progress', 'refund_in_progress',
                'cancelled_not_refunded')
            THEN 'service'
        ELSE 'finance'
    END AS owner_role,
    assignee,
    decided_by,
    decided_at,
    why,
    second_person,
    next_reading_at
FROM stated
