-- grain: customer_key
-- refresh: whole
-- changes at: always
-- Who had bought by the time of the run, since when and when last; `as_on` is the day of the run in the customer's zone.
WITH bought AS (
    SELECT
        p.customer_key,
        p.paid_on,
        local_date(as_of(), c.timezone) AS as_on
    FROM customers.purchases AS p
    INNER JOIN customers.customers AS c ON p.customer_key = c.customer_key
    WHERE p.paid_at <= as_of() AND NOT p.is_credit_note
),

lives AS (
    SELECT
        customer_key,
        min(as_on) AS as_on,
        -- Zones may differ between orders of one customer: none is of tomorrow.
        min(least(paid_on, as_on)) AS first_on,
        max(least(paid_on, as_on)) AS last_on
    FROM bought
    GROUP BY customer_key
)

SELECT
    l.customer_key,
    c.customer_id,
    c.channel,
    c.currency,
    l.as_on,
    l.first_on,
    l.last_on
FROM lives AS l
INNER JOIN customers.customers AS c ON l.customer_key = c.customer_key
