-- grain: month
-- refresh: whole
-- changes at: always
-- Each month there are orders of: open, on hold or closed, and what it was closed with. Months before the first close are held by
-- its set.
WITH bounds AS (
    SELECT CAST(date_trunc('month', local_date(as_of(), d.timezone)) AS DATE) AS this_month
    FROM ref.channels AS d
    WHERE d.channel = 'default'
),

ordered AS (
    SELECT
        CAST(date_trunc('month', created_on) AS DATE) AS month,
        count(*) AS order_count
    FROM orders.orders
    GROUP BY CAST(date_trunc('month', created_on) AS DATE)
),

differing AS (
    SELECT
        month,
        sum(CASE WHEN is_closing THEN 1 ELSE 0 END) AS difference_count
    FROM finance.month_end_orders
    GROUP BY month
),

held AS (
    SELECT
        CAST(date_trunc('month', month) AS DATE) AS month,
        state,
        row_number() OVER (
            PARTITION BY CAST(date_trunc('month', month) AS DATE)
            ORDER BY decided_at DESC NULLS LAST, file_id DESC NULLS LAST, row_number DESC NULLS LAST
        ) AS newest_first
    FROM raw.month_closes
    WHERE state IN ('open', 'hold')
),

months AS (
    SELECT month FROM ordered
    UNION
    SELECT month FROM differing
    UNION
    SELECT month FROM finance.closed_sets
),

firsts AS (
    SELECT min(month) AS first_closed_month
    FROM finance.closed_sets
),

stated AS (
    SELECT
        m.month,
        c.month AS closed_month,
        coalesce(c.order_count, o.order_count, 0) AS order_count,
        coalesce(c.difference_count, d.difference_count, 0) AS difference_count,
        CASE
            WHEN c.month IS NOT NULL OR m.month < f.first_closed_month THEN 'closed'
            WHEN h.state = 'hold' THEN 'hold'
            ELSE 'open'
        END AS state,
        coalesce(c.closed_at, g.closed_at) AS closed_at,
        coalesce(c.set_number, g.set_number) AS set_number,
        coalesce(c.decided_by, g.decided_by) AS closed_by,
        coalesce(c.reason, g.reason) AS reason,
        coalesce(c.content_sha256, g.content_sha256) AS content_sha256,
        coalesce(c.rule_versions, g.rule_versions) AS rule_versions,
        coalesce(c.files_sha256, g.files_sha256) AS files_sha256,
        coalesce(c.file_count, g.file_count) AS file_count,
        coalesce(c.row_count, g.row_count) AS row_count
    FROM months AS m
    CROSS JOIN bounds AS b
    CROSS JOIN firsts AS f
    LEFT JOIN ordered AS o ON m.month = o.month
    LEFT JOIN differing AS d ON m.month = d.month
    LEFT JOIN held AS h ON m.month = h.month AND h.newest_first = 1
    LEFT JOIN finance.closed_sets AS c ON m.month = c.month
    LEFT JOIN finance.closed_sets AS g ON m.month < f.first_closed_month AND g.month = f.first_closed_month
    WHERE m.month <= b.this_month OR c.month IS NOT NULL
)

SELECT
    month,
    state,
    closed_at,
    set_number,
    closed_by,
    reason,
    order_count,
    difference_count,
    ratio(difference_count, order_count) AS difference_ratio,
    coalesce(
        ratio(difference_count, order_count) > threshold('month_difference_max_ratio'), difference_count > 0
    ) AS is_above_limit,
    content_sha256,
    rule_versions,
    files_sha256,
    file_count,
    row_count
FROM stated
