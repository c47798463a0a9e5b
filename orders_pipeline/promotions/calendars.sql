-- grain: promotion_id
-- refresh: whole
-- pace: later
-- Promotions as days of their shops: first and last day, when buyers were told, and whether the days are over. The end is exclusive.
-- Where no promotion of the book says when buyers were told, each may have been announced the usual days before it.
WITH newest AS (
    SELECT
        promotion_id,
        file_id,
        row_number() OVER (
            PARTITION BY promotion_id
            ORDER BY max(exported_at) DESC NULLS LAST, file_id DESC NULLS LAST
        ) AS newest_first
    FROM raw.promotions
    GROUP BY promotion_id, file_id
),

days AS (
    SELECT
        r.promotion_id,
        r.kind,
        local_date(r.starts_at, coalesce(r.timezone, 'Asia/Shanghai')) AS starts_on,
        local_date(add_minutes(r.ends_at, -1), coalesce(r.timezone, 'Asia/Shanghai')) AS ends_on,
        local_date(r.announced_at, coalesce(r.timezone, 'Asia/Shanghai')) AS announced_on,
        local_date(as_of(), coalesce(r.timezone, 'Asia/Shanghai')) AS today_on,
        r.file_id,
        r.row_number
    FROM raw.promotions AS r
    INNER JOIN newest AS n ON r.promotion_id = n.promotion_id AND r.file_id = n.file_id
    WHERE n.newest_first = 1
),

told AS (
    SELECT count(announced_on) AS told_count
    FROM days
)

SELECT
    d.promotion_id,
    min(d.kind) AS kind,
    min(d.starts_on) AS starts_on,
    greatest(max(d.ends_on), min(d.starts_on)) AS ends_on,
    coalesce(
        min(d.announced_on),
        CASE WHEN max(t.told_count) = 0 THEN add_days(min(d.starts_on), -threshold('promotion_notice_days')) END
    ) AS announced_on,
    min(d.today_on) AS today_on,
    min(d.file_id) AS file_id,
    min(d.row_number) AS row_number
FROM days AS d
CROSS JOIN told AS t
GROUP BY d.promotion_id
