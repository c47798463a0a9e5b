-- grain: month, channel, entry_kind, currency
-- refresh: whole
-- changes at: always
-- Revenue entries by month, channel and kind. A closed month shows what it was closed with; what came later for it stands in the
-- first open month, and apart as the prior-period amount.
WITH bounds AS (
    SELECT
        CAST(date_trunc('month', local_date(as_of(), d.timezone)) AS DATE) AS this_month,
        max(c.month) AS last_closed_month
    FROM ref.channels AS d
    LEFT JOIN finance.closed_sets AS c ON c.month IS NOT NULL
    WHERE d.channel = 'default'
    GROUP BY d.timezone
),

moved AS (
    SELECT
        CAST(date_trunc('month', recognised_on) AS DATE) AS month,
        channel,
        entry_kind,
        currency,
        amount
    FROM finance.revenue
),

frozen AS (
    SELECT month, channel, item AS entry_kind, currency, increase_amount AS amount, prior_period_amount
    FROM finance.frozen_rows
    WHERE section = 'revenue'
),

-- What is known now of the closed months, less what they were closed with, falls into the first open one.
posted AS (
    SELECT
        CASE WHEN m.month <= b.last_closed_month THEN add_calendar_months(b.last_closed_month, 1) ELSE m.month END AS month,
        m.channel,
        m.entry_kind,
        m.currency,
        m.amount,
        CASE WHEN m.month <= b.last_closed_month THEN m.amount ELSE 0 END AS prior_period_amount
    FROM moved AS m
    CROSS JOIN bounds AS b

    UNION ALL

    SELECT
        add_calendar_months(b.last_closed_month, 1) AS month,
        f.channel,
        f.entry_kind,
        f.currency,
        -f.amount AS amount,
        -f.amount AS prior_period_amount
    FROM frozen AS f
    CROSS JOIN bounds AS b
),

summed AS (
    SELECT
        month,
        channel,
        entry_kind,
        currency,
        CAST(sum(amount) AS DECIMAL(18, 2)) AS amount,
        CAST(sum(prior_period_amount) AS DECIMAL(18, 2)) AS prior_period_amount
    FROM posted
    GROUP BY month, channel, entry_kind, currency
)

SELECT month, channel, entry_kind, currency, amount, prior_period_amount, FALSE AS is_closed
FROM summed
WHERE amount <> 0 OR prior_period_amount <> 0

UNION ALL

SELECT month, channel, entry_kind, currency, amount, prior_period_amount, TRUE AS is_closed
FROM frozen
