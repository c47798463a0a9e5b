-- grain: exception_guid
-- refresh: order by order_guid
-- touches: exception by exception_guid
-- What somebody has to look at: every order whose legs disagree, and every delay that has outlived its time.
-- The match touches an order when a delay of its is over: no clock of its own is needed here.
SELECT
    guid_of(CAST(order_guid AS VARCHAR) || '|' || reason) AS exception_guid,
    order_guid,
    has_order,
    channel,
    shop_id,
    channel_order_id,
    currency,
    status,
    reason,
    -- Without one leg, all of the other is the difference.
    coalesce(amount_diff, -due_amount, paid_amount) AS amount_diff,
    due_amount,
    paid_amount,
    refunded_amount,
    subsidy_diff_amount,
    qty_diff,
    timezone,
    is_alert,
    created_on AS opened_on
FROM reconciliation.three_way_match
WHERE
    status IN ('MISMATCH', 'AMBIGUOUS', 'DUPLICATE_KEY', 'UNMATCHED_SO', 'UNMATCHED_LOG')
    OR (status IN ('TIMING', 'UNMATCHED_PAY') AND coalesce(as_of() >= expected_clear_at, status = 'UNMATCHED_PAY'))
