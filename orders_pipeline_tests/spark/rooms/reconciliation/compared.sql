-- grain: order_guid
-- refresh: order by order_guid
-- Due against paid, within a tolerance.
WITH sides AS (
    SELECT
        coalesce(o.order_guid, p.order_guid) AS order_guid,
        o.amount AS due_amount,
        p.paid_amount,
        coalesce(o.amount, 0) - coalesce(p.paid_amount, 0) AS amount_diff
    FROM orders.latest AS o
    FULL JOIN payments.totals AS p ON p.order_guid = o.order_guid
)
SELECT
    order_guid,
    due_amount,
    paid_amount,
    CAST(amount_diff AS DECIMAL(18, 2)) AS amount_diff,
    ratio(amount_diff, due_amount) AS amount_diff_ratio,
    CASE
        WHEN due_amount IS NULL THEN 'unmatched_pay'
        WHEN paid_amount IS NULL THEN 'unmatched_so'
        WHEN amount_diff = 0 THEN 'matched'
        WHEN abs(amount_diff) <= threshold('tolerance_max_amount') THEN 'within'
        ELSE 'mismatch'
    END AS status,
    CAST(sum(CASE WHEN amount_diff <> 0 THEN 1 ELSE 0 END) OVER () AS BIGINT) AS different_count
FROM sides
