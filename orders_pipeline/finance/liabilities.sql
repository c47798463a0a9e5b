-- grain: month, channel, kind
-- refresh: whole
-- changes at: always
-- Roll-forward by month and channel: what buyers have paid for and not yet received (contract), what they are expected to send
-- back (refund). A closed month shows what it was closed with; what came later for it stands in the first open month.
WITH bounds AS (
    SELECT
        CAST(date_trunc('month', local_date(as_of(), d.timezone)) AS DATE) AS this_month,
        max(c.month) AS last_closed_month
    FROM ref.channels AS d
    LEFT JOIN finance.closed_sets AS c ON c.month IS NOT NULL
    WHERE d.channel = 'default'
    GROUP BY d.timezone
),

-- Days are few, entries many: they are added up once.
days AS (
    SELECT
        recognised_on,
        channel,
        entry_kind,
        currency,
        book_currency,
        sum(CASE WHEN amount > 0 THEN amount ELSE 0 END) AS added_amount,
        sum(CASE WHEN amount < 0 THEN -amount ELSE 0 END) AS taken_amount,
        sum(CASE WHEN book_amount > 0 THEN book_amount ELSE 0 END) AS added_book_amount,
        sum(CASE WHEN book_amount < 0 THEN -book_amount ELSE 0 END) AS taken_book_amount
    FROM finance.revenue
    WHERE entry_kind IN ('contract_liability', 'expected_return', 'material_right')
    GROUP BY recognised_on, channel, entry_kind, currency, book_currency
),

-- A channel that sells in one currency is shown in it, one that sells in several in that of the books.
currencies AS (
    SELECT
        channel,
        min(currency) = max(currency) AS is_single,
        CASE WHEN min(currency) = max(currency) THEN min(currency) ELSE min(book_currency) END AS currency
    FROM days
    GROUP BY channel
),

moved AS (
    SELECT
        CAST(date_trunc('month', r.recognised_on) AS DATE) AS month,
        r.channel,
        CASE WHEN r.entry_kind = 'expected_return' THEN 'refund' ELSE 'contract' END AS kind,
        r.entry_kind = 'contract_liability' AS is_liability,
        c.currency,
        CASE WHEN c.is_single THEN r.added_amount ELSE r.added_book_amount END AS added_amount,
        CASE WHEN c.is_single THEN r.taken_amount ELSE r.taken_book_amount END AS taken_amount
    FROM days AS r
    INNER JOIN currencies AS c ON r.channel = c.channel
),

known AS (
    SELECT
        month,
        channel,
        kind,
        min(currency) AS currency,
        -- The other kinds are booked against revenue: what takes from it adds to what is owed.
        sum(CASE WHEN is_liability THEN added_amount ELSE taken_amount END) AS increase_amount,
        sum(CASE WHEN is_liability THEN taken_amount ELSE added_amount END) AS decrease_amount
    FROM moved
    GROUP BY month, channel, kind
),

frozen AS (
    SELECT
        month, channel, item AS kind, currency, opening_amount, increase_amount, decrease_amount, closing_amount,
        prior_period_amount
    FROM finance.frozen_rows
    WHERE section = 'liabilities'
),

-- What is known now of the closed months, less what they were closed with.
late AS (
    SELECT
        channel,
        kind,
        sum(amount) AS amount
    FROM (
        SELECT k.channel, k.kind, k.increase_amount - k.decrease_amount AS amount
        FROM known AS k
        CROSS JOIN bounds AS b
        WHERE k.month <= b.last_closed_month

        UNION ALL

        SELECT f.channel, f.kind, -f.closing_amount AS amount
        FROM frozen AS f
        CROSS JOIN bounds AS b
        WHERE f.month = b.last_closed_month
    ) AS both_sides
    GROUP BY channel, kind
),

opened AS (
    SELECT
        channel,
        kind,
        max(currency) AS currency,
        min(month) AS first_month
    FROM (
        SELECT channel, kind, currency, month FROM known
        UNION ALL
        SELECT channel, kind, currency, month FROM frozen
    ) AS both_sides
    GROUP BY channel, kind
),

-- Every open month since there is anything to carry, also those in which nothing moved.
months AS (
    SELECT
        o.channel,
        o.kind,
        o.currency,
        add_calendar_months(
            CASE
                WHEN b.last_closed_month >= o.first_month THEN add_calendar_months(b.last_closed_month, 1)
                ELSE o.first_month
            END, n.day_number
        ) AS month,
        n.day_number = 0 AND b.last_closed_month >= o.first_month AS takes_late,
        b.this_month
    FROM opened AS o
    CROSS JOIN bounds AS b
    CROSS JOIN ref.days AS n
),

stepped AS (
    SELECT
        m.month,
        m.channel,
        m.kind,
        m.currency,
        CASE WHEN m.takes_late THEN coalesce(f.closing_amount, 0) ELSE 0 END AS brought_amount,
        coalesce(k.increase_amount, 0) + CASE WHEN m.takes_late AND l.amount > 0 THEN l.amount ELSE 0 END AS increase_amount,
        coalesce(k.decrease_amount, 0) + CASE WHEN m.takes_late AND l.amount < 0 THEN -l.amount ELSE 0 END AS decrease_amount,
        CASE WHEN m.takes_late THEN coalesce(l.amount, 0) ELSE 0 END AS prior_period_amount
    FROM months AS m
    LEFT JOIN known AS k
        ON m.month = k.month AND m.channel = k.channel AND m.kind = k.kind
    LEFT JOIN late AS l ON m.channel = l.channel AND m.kind = l.kind
    LEFT JOIN frozen AS f
        ON
            add_calendar_months(m.month, -1) = f.month AND m.channel = f.channel AND m.kind = f.kind
    WHERE m.month <= m.this_month
),

balanced AS (
    SELECT
        *,
        sum(brought_amount + increase_amount - decrease_amount) OVER (
            PARTITION BY channel, kind ORDER BY month ASC NULLS LAST
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS closing_amount
    FROM stepped
)

SELECT
    month,
    channel,
    kind,
    currency,
    CAST(closing_amount - increase_amount + decrease_amount AS DECIMAL(18, 2)) AS opening_amount,
    CAST(increase_amount AS DECIMAL(18, 2)) AS increase_amount,
    CAST(decrease_amount AS DECIMAL(18, 2)) AS decrease_amount,
    CAST(closing_amount AS DECIMAL(18, 2)) AS closing_amount,
    CAST(prior_period_amount AS DECIMAL(18, 2)) AS prior_period_amount,
    FALSE AS is_closed
FROM balanced

UNION ALL

SELECT
    month, channel, kind, currency, opening_amount, increase_amount, decrease_amount, closing_amount, prior_period_amount,
    TRUE AS is_closed
FROM frozen
