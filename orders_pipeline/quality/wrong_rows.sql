-- grain: metric, channel, day, place
-- refresh: whole
-- The first rows behind each rate of quality.metrics that are not right: five per metric, channel and day, by file and line.
WITH wrong AS (
    SELECT 'address_standardisation' AS metric, channel, day, file_id AS file_id, row_number AS row_number
    FROM quality.order_quality
    WHERE NOT is_address_standard

    UNION ALL

    SELECT 'completeness' AS metric, channel, day, file_id AS file_id, row_number AS row_number
    FROM quality.order_quality
    WHERE NOT is_complete

    UNION ALL

    SELECT 'validity' AS metric, channel, day, file_id AS file_id, row_number AS row_number
    FROM quality.order_quality
    WHERE NOT is_valid

    UNION ALL

    SELECT 'consistency' AS metric, channel, day, file_id AS file_id, row_number AS row_number
    FROM quality.order_quality
    WHERE NOT is_consistent

    UNION ALL

    SELECT 'timeliness' AS metric, channel, day, file_id AS file_id, row_number AS row_number
    FROM quality.order_quality
    WHERE NOT is_timely

    UNION ALL

    SELECT 'product_name_standardisation' AS metric, channel, day, title_file_id AS file_id, title_row_number AS row_number
    FROM quality.order_quality
    WHERE title_passed_count < title_checked_count

    UNION ALL

    SELECT 'promotion_standardisation' AS metric, channel, day, wording_file_id AS file_id, wording_row_number AS row_number
    FROM quality.order_quality
    WHERE wording_passed_count < wording_checked_count

    UNION ALL

    SELECT 'uniqueness' AS metric, o.channel, o.day, o.file_id, o.row_number
    FROM quality.order_quality AS o
    INNER JOIN orders.suspected_duplicates AS d ON o.order_guid = d.order_guid
    WHERE o.is_trade

    UNION ALL

    SELECT
        'row_acceptance' AS metric,
        coalesce(f.channel, 'mixed') AS channel,
        local_date(f.exported_at, coalesce(c.timezone, d.timezone)) AS day,
        q.file_id,
        q.row_number
    FROM ops.quarantine AS q
    INNER JOIN ops.files AS f ON q.file_id = f.file_id
    LEFT JOIN ref.channels AS c ON f.channel = c.channel
    CROSS JOIN ref.channels AS d
    WHERE q.released_at IS NULL AND f.status = 'loaded' AND d.channel = 'default'
)

SELECT
    metric,
    channel,
    day,
    place,
    file_id,
    row_number
FROM (
    SELECT
        metric,
        channel,
        day,
        file_id,
        row_number,
        row_number() OVER (
            PARTITION BY metric, channel, day
            ORDER BY file_id ASC NULLS LAST, row_number ASC NULLS LAST
        ) AS place
    FROM wrong
    WHERE day IS NOT NULL
) AS numbered
WHERE place <= 5
