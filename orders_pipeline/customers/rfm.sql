-- grain: customer_id
-- refresh: whole
-- changes at: always
-- Recency, frequency and money of the last year with their scores 1 to 5 by fixed cut points (rfm_cut_points.yml): nobody's score moves
-- because others did. Who has bought nothing within the year is not listed.
WITH years AS (
    SELECT
        p.customer_key,
        p.customer_id,
        p.currency,
        p.as_on,
        p.last_on,
        days_between(p.as_on, p.last_on) AS recency_days,
        CAST(sum(CASE WHEN b.is_credit_note THEN 0 ELSE 1 END) AS BIGINT) AS order_count,
        CAST(sum(CASE WHEN b.currency = p.currency THEN b.net_amount ELSE 0 END) AS DECIMAL(18, 2)) AS net_amount
    FROM customers.people AS p
    INNER JOIN customers.purchases AS b ON p.customer_key = b.customer_key
    CROSS JOIN customers.tag_rules AS r
    WHERE r.tag = 'rfm_champion' AND b.paid_at <= as_of() AND b.paid_on > add_days(p.as_on, -r.window_days)
    GROUP BY p.customer_key, p.customer_id, p.currency, p.as_on, p.last_on
),

points AS (
    SELECT
        measure,
        currency,
        score,
        at_least,
        below,
        rule_version
    FROM ref.rfm_cut_points
    WHERE local_date(as_of(), 'UTC') >= valid_from AND local_date(as_of(), 'UTC') < valid_to
)

SELECT
    y.customer_id,
    y.as_on,
    y.recency_days,
    y.order_count,
    y.currency,
    y.net_amount,
    r.score AS recency_score,
    f.score AS frequency_score,
    m.score AS money_score,
    r.rule_version
FROM years AS y
INNER JOIN points AS r ON r.measure = 'recency' AND y.recency_days >= r.at_least AND y.recency_days < r.below
INNER JOIN points AS f ON f.measure = 'frequency' AND y.order_count >= f.at_least AND y.order_count < f.below
LEFT JOIN points AS m
    ON m.measure = 'money' AND y.currency = m.currency AND y.net_amount >= m.at_least AND y.net_amount < m.below
WHERE y.order_count > 0
