-- grain: category
-- refresh: whole
-- changes at: always
-- What share of the pieces of a category comes back: what a customer's returns are held against.
WITH units AS (
    SELECT
        u.customer_key,
        p.as_on,
        u.category,
        least(u.paid_on, p.as_on) AS day,
        u.delivered_qty,
        u.returned_qty
    FROM customers.category_units AS u
    INNER JOIN customers.people AS p ON u.customer_key = p.customer_key
    WHERE u.paid_at <= as_of()
)

SELECT
    u.category,
    CAST(ratio(sum(u.returned_qty), sum(u.delivered_qty)) AS DECIMAL(9, 6)) AS return_ratio
FROM units AS u
CROSS JOIN customers.tag_rules AS r
WHERE r.tag = 'high_returner' AND u.day > add_days(u.as_on, -r.window_days)
GROUP BY u.category
HAVING sum(u.returned_qty) <= sum(u.delivered_qty) AND sum(u.delivered_qty) > 0
