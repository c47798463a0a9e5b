-- Orders of a month and channel whose expected returns are no longer those they were booked with.
WITH firsts AS (
    SELECT
        e.order_guid,
        min(CAST(date_trunc('month', e.recognised_on) AS DATE)) AS month
    FROM finance.earnings AS e
    WHERE e.event = 'control'
    GROUP BY e.order_guid
),

booked AS (
    -- Every entry of an order carries its one share.
    SELECT order_guid, return_ratio
    FROM finance.revenue
    WHERE entry_number = 1
)

SELECT c.order_guid
FROM finance.contracts AS c
INNER JOIN booked AS b ON c.order_guid = b.order_guid
INNER JOIN firsts AS f ON c.order_guid = f.order_guid
INNER JOIN finance.return_rates AS t ON c.channel = t.channel AND f.month = t.month
WHERE
    c.return_days > 0 AND c.return_ratio IS NULL
    AND b.return_ratio <> coalesce(
        t.return_ratio,
        CASE WHEN c.without_history = 'constrain' THEN CAST(1 AS DECIMAL(9, 6)) ELSE CAST(0 AS DECIMAL(9, 6)) END
    )
