-- grain: customer_id
-- refresh: customer by customer_key
-- One row per customer with a paid order, whatever channel he came by. What he paid and got back is counted in the currency of most of
-- his purchases (`currency`); the channel is that of most of them as well.
WITH sides AS (
    SELECT
        customer_key,
        channel,
        currency,
        count(*) AS purchase_count,
        max(paid_at) AS last_at
    FROM customers.purchases
    WHERE NOT is_credit_note
    GROUP BY customer_key, channel, currency
),

ranked AS (
    SELECT
        customer_key,
        channel,
        currency,
        row_number() OVER (
            PARTITION BY customer_key
            ORDER BY purchase_count DESC NULLS LAST, last_at DESC NULLS LAST, channel ASC NULLS LAST, currency ASC NULLS LAST
        ) AS most_first
    FROM sides
),

newest AS (
    SELECT
        customer_key,
        timezone,
        row_number() OVER (
            PARTITION BY customer_key ORDER BY paid_at DESC NULLS LAST, order_guid DESC NULLS LAST
        ) AS newest_first
    FROM customers.order_facts
    WHERE NOT is_credit_note
),

phones AS (
    SELECT
        customer_key,
        phone_masked,
        row_number() OVER (
            PARTITION BY customer_key ORDER BY paid_at DESC NULLS LAST, order_guid DESC NULLS LAST
        ) AS newest_first
    FROM customers.order_facts
    WHERE phone_masked IS NOT NULL
),

times AS (
    SELECT
        customer_key,
        count(*) AS order_count
    FROM customers.purchases
    WHERE NOT is_credit_note
    GROUP BY customer_key
)

SELECT
    f.customer_key,
    min(f.customer_id) AS customer_id,
    min(m.channel) AS channel,
    count(DISTINCT f.channel) AS channel_count,
    min(n.timezone) AS timezone,
    min(CASE WHEN NOT f.is_credit_note THEN f.paid_at END) AS first_order_at,
    max(CASE WHEN NOT f.is_credit_note THEN f.paid_at END) AS last_order_at,
    min(t.order_count) AS order_count,
    CAST(sum(CASE WHEN f.is_completed AND NOT f.is_credit_note THEN 1 ELSE 0 END) AS BIGINT) AS completed_count,
    min(m.currency) AS currency,
    CAST(sum(CASE WHEN f.currency = m.currency THEN f.paid_amount ELSE 0 END) AS DECIMAL(18, 2)) AS paid_amount,
    CAST(sum(CASE WHEN f.currency = m.currency THEN f.refunded_amount ELSE 0 END) AS DECIMAL(18, 2)) AS refunded_amount,
    CAST(sum(CASE WHEN f.currency <> m.currency THEN 1 ELSE 0 END) AS BIGINT) AS other_currency_count,
    min(p.phone_masked) AS phone_masked
FROM customers.order_facts AS f
INNER JOIN ranked AS m ON f.customer_key = m.customer_key AND m.most_first = 1
INNER JOIN newest AS n ON f.customer_key = n.customer_key AND n.newest_first = 1
INNER JOIN times AS t ON f.customer_key = t.customer_key
LEFT JOIN phones AS p ON f.customer_key = p.customer_key AND p.newest_first = 1
GROUP BY f.customer_key
