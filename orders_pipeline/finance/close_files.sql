-- grain: month, set_number, closed_file_id
-- refresh: whole
-- The files that were loaded when a month was closed: what its set was made of.
SELECT
    c.month,
    c.set_number,
    r.closed_file_id,
    min(r.path) AS path
FROM raw.month_close_files AS r
INNER JOIN finance.closed_sets AS c
    ON CAST(date_trunc('month', r.closed_month) AS DATE) = c.month AND r.content_sha256 = c.content_sha256
GROUP BY c.month, c.set_number, r.closed_file_id
