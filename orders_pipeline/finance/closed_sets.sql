-- grain: month
-- refresh: whole
-- pace: later
-- The frozen set that counts for each month that was closed: of one month the highest number, of one number the first decision.
-- A set whose rows are not all there does not count. A closed month stays closed: whatever is decided about the same number later
-- does not count either.
WITH taken AS (
    SELECT
        CAST(date_trunc('month', closed_month) AS DATE) AS month,
        set_number,
        content_sha256,
        count(*) AS row_count
    FROM raw.month_close_rows
    GROUP BY CAST(date_trunc('month', closed_month) AS DATE), set_number, content_sha256
),

complete AS (
    SELECT d.*
    FROM raw.month_closes AS d
    LEFT JOIN taken AS t
        ON
            CAST(date_trunc('month', d.month) AS DATE) = t.month AND d.set_number = t.set_number
            AND d.content_sha256 = t.content_sha256
    WHERE d.state = 'closed' AND d.row_count = coalesce(t.row_count, 0)
),

decided AS (
    SELECT
        CAST(date_trunc('month', month) AS DATE) AS month,
        set_number,
        decided_at,
        decided_by,
        reason,
        content_sha256,
        rule_versions,
        files_sha256,
        file_count,
        row_count,
        order_count,
        difference_count,
        file_id,
        row_number() OVER (
            PARTITION BY CAST(date_trunc('month', month) AS DATE), set_number
            ORDER BY
                -- Nothing at all is frozen by a decision without rows while another one has some.
                CASE WHEN row_count > 0 THEN 0 ELSE 1 END ASC NULLS LAST, decided_at ASC NULLS LAST, file_id ASC NULLS LAST, row_number ASC NULLS LAST
        ) AS first_first
    FROM complete
),

numbered AS (
    SELECT
        *,
        row_number() OVER (PARTITION BY month ORDER BY set_number DESC NULLS LAST) AS newest_first
    FROM decided
    WHERE first_first = 1
)

SELECT
    month,
    set_number,
    decided_at AS closed_at,
    decided_by,
    reason,
    content_sha256,
    rule_versions,
    files_sha256,
    file_count,
    row_count,
    order_count,
    difference_count,
    file_id
FROM numbered
WHERE newest_first = 1
