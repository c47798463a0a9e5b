-- grain: customer_key
-- refresh: whole
-- changes at: always
-- How long a customer has to stay away before it is unusual for him: a multiple of the median gap between his orders of the last
-- year, or their third quartile, whichever is longer.
WITH bought AS (
    SELECT
        b.customer_key,
        b.purchase_guid,
        b.channel,
        b.shop_id,
        b.paid_at,
        p.as_on,
        least(b.paid_on, p.as_on) AS day
    FROM customers.purchases AS b
    INNER JOIN customers.people AS p ON b.customer_key = p.customer_key
    WHERE b.paid_at <= as_of() AND NOT b.is_credit_note
),

gaps AS (
    SELECT
        b.customer_key,
        days_between(
            b.day,
            lag(b.day) OVER (PARTITION BY b.customer_key ORDER BY b.paid_at ASC NULLS LAST, b.purchase_guid ASC NULLS LAST)
        ) AS gap_days
    FROM bought AS b
    CROSS JOIN customers.tag_rules AS r
    WHERE r.tag = 'at_risk_high_value' AND b.day > add_days(b.as_on, -r.window_days)
),

ordered_gaps AS (
    SELECT
        customer_key,
        gap_days,
        row_number() OVER (PARTITION BY customer_key ORDER BY gap_days ASC NULLS LAST) AS gap_rank,
        count(*) OVER (PARTITION BY customer_key) AS gap_count
    FROM gaps
    WHERE gap_days IS NOT NULL
),

habits AS (
    SELECT
        customer_key,
        -- Twice the median (its two middle values added), and the third quartile.
        sum(CASE WHEN gap_rank = (gap_count + 1) // 2 THEN gap_days ELSE 0 END)
        + sum(CASE WHEN gap_rank = (gap_count + 2) // 2 THEN gap_days ELSE 0 END) AS double_median_days,
        min(CASE WHEN gap_rank * 4 >= gap_count * 3 THEN gap_days END) AS upper_days
    FROM ordered_gaps
    GROUP BY customer_key
)

SELECT
    h.customer_key,
    CAST(floor(greatest(h.double_median_days * ratio(r.factor, 2), h.upper_days)) AS INTEGER) AS away_days
FROM habits AS h
CROSS JOIN customers.tag_rules AS r
WHERE r.tag = 'at_risk_high_value'
