-- grain: exception_guid
-- refresh: whole
-- changes at: always
-- What somebody has to look at: every order whose legs disagree, and every delay that has outlived its time, with its age.
WITH open AS (
    SELECT
        order_guid,
        channel,
        shop_id,
        channel_order_id,
        currency,
        status,
        reason,
        amount_diff,
        due_amount,
        paid_amount,
        qty_diff,
        timezone,
        is_alert,
        created_on AS opened_on
    FROM reconciliation.three_way_match
    WHERE
        status IN ('MISMATCH', 'AMBIGUOUS', 'DUPLICATE_KEY', 'UNMATCHED_SO', 'UNMATCHED_LOG')
        OR (status IN ('TIMING', 'UNMATCHED_PAY') AND coalesce(as_of() >= expected_clear_at, status = 'UNMATCHED_PAY'))
),

aged AS (
    SELECT
        guid_of(CAST(order_guid AS VARCHAR) || '|' || reason) AS exception_guid,
        order_guid,
        channel,
        shop_id,
        channel_order_id,
        currency,
        status,
        reason,
        -- Without one leg, all of the other is the difference.
        coalesce(amount_diff, -due_amount, paid_amount) AS amount_diff,
        qty_diff,
        is_alert,
        opened_on,
        days_between(local_date(as_of(), timezone), opened_on) AS age_days
    FROM open
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
    CAST(NULL AS VARCHAR) AS cause,
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
    'open' AS state
FROM aged
