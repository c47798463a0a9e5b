SELECT order_guid, channel, shop_id, channel_order_id, currency, status, reason,
    coalesce(amount_diff, -due_amount, paid_amount) AS amount_diff, qty_diff, is_alert, created_on AS opened_on,
    CAST(timezone(timezone, {{ as_of() }}) AS DATE) - created_on AS age_days,
    CASE WHEN age_days <= 1 THEN '0-1' WHEN age_days <= 3 THEN '2-3' WHEN age_days <= 7 THEN '4-7' WHEN age_days <= 30 THEN '8-30'
        WHEN age_days <= 60 THEN '31-60' ELSE '60+' END AS age_bucket, 'open' AS state
FROM {{ ref('three_way_match') }}
WHERE status IN ('MISMATCH', 'DUPLICATE_KEY', 'UNMATCHED_SO', 'UNMATCHED_LOG', 'UNMATCHED_PAY')
    OR (status = 'TIMING' AND {{ as_of() }} >= expected_clear_at)
