-- grain: promotion_id
-- refresh: whole
-- pace: later
-- On which days each promotion runs, as its newest file says: an end at midnight is that of the day before.
WITH ranked AS (
    SELECT
        promotion_id,
        name,
        kind,
        starts_at,
        ends_at,
        timezone,
        file_id,
        row_number,
        row_number() OVER (
            PARTITION BY promotion_id
            ORDER BY exported_at DESC NULLS LAST, file_id DESC NULLS LAST, row_number DESC NULLS LAST
        ) AS newest_first
    FROM raw.promotions
)

SELECT
    promotion_id,
    name,
    kind,
    local_date(starts_at, timezone) AS starts_on,
    greatest(local_date(add_minutes(ends_at, -1), timezone), local_date(starts_at, timezone)) AS ends_on,
    file_id,
    row_number
FROM ranked
WHERE newest_first = 1
