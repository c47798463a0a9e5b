-- grain: ticket_id
-- refresh: whole
-- Tickets about quality under its target: opened by the first day under it, closed by the first later day that reaches it again, with
-- the first rows that were wrong. A function of the files: a correction that mends a day also takes its ticket back.
WITH judged AS (
    SELECT
        metric,
        channel,
        day,
        checked_count,
        passed_count,
        target_ratio,
        coalesce(ratio < target_ratio, FALSE) AS is_under,
        sum(CASE WHEN ratio < target_ratio THEN 0 ELSE 1 END) OVER (
            PARTITION BY metric, channel ORDER BY day ASC NULLS LAST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS good_count
    FROM quality.metrics
),

spells AS (
    SELECT
        metric,
        channel,
        good_count,
        min(day) AS opened_on,
        max(day) AS last_under_on,
        count(*) AS day_count,
        CAST(sum(checked_count) AS BIGINT) AS checked_count,
        CAST(sum(passed_count) AS BIGINT) AS passed_count,
        max(target_ratio) AS target_ratio
    FROM judged
    WHERE is_under
    GROUP BY metric, channel, good_count
),

examples AS (
    SELECT
        s.metric,
        s.channel,
        s.good_count,
        f.path || ' line ' || w.row_number AS example,
        row_number() OVER (
            PARTITION BY s.metric, s.channel, s.good_count
            ORDER BY w.day DESC NULLS LAST, w.place ASC NULLS LAST
        ) AS place
    FROM spells AS s
    INNER JOIN quality.wrong_rows AS w
        ON s.metric = w.metric AND s.channel = w.channel AND w.day >= s.opened_on AND w.day <= s.last_under_on
    INNER JOIN ops.files AS f ON w.file_id = f.file_id
),

shown AS (
    SELECT
        metric,
        channel,
        good_count,
        concat_ws(
            '; ',
            min(CASE WHEN place = 1 THEN example END),
            min(CASE WHEN place = 2 THEN example END),
            min(CASE WHEN place = 3 THEN example END),
            min(CASE WHEN place = 4 THEN example END),
            min(CASE WHEN place = 5 THEN example END)
        ) AS examples
    FROM examples
    WHERE place <= 5
    GROUP BY metric, channel, good_count
)

SELECT
    guid_of(s.metric || '|' || s.channel || '|' || CAST(s.opened_on AS VARCHAR)) AS ticket_id,
    s.metric,
    s.channel,
    s.opened_on,
    c.day AS closed_on,
    ratio(s.passed_count, s.checked_count) AS ratio,
    coalesce(x.examples, '') AS examples,
    s.target_ratio,
    s.last_under_on,
    s.day_count,
    s.checked_count,
    s.checked_count - s.passed_count AS failed_count
FROM spells AS s
LEFT JOIN judged AS c
    ON s.metric = c.metric AND s.channel = c.channel AND NOT c.is_under AND c.good_count = s.good_count + 1
LEFT JOIN shown AS x ON s.metric = x.metric AND s.channel = x.channel AND s.good_count = x.good_count
