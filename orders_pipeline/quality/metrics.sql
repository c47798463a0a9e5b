-- grain: day, metric, channel
-- refresh: whole
-- Quality by day and channel: how many of what was looked at is right. Orders by the day they were created on: address, product names
-- and promotions standardised, completeness, validity, uniqueness, consistency, timeliness. Rows of files by the day of their export:
-- row_acceptance. What does not apply is not counted.
WITH doubles AS (
    SELECT order_guid
    FROM orders.suspected_duplicates
    GROUP BY order_guid
),

counted AS (
    SELECT
        day,
        'address_standardisation' AS metric,
        channel,
        count(is_address_standard) AS checked_count,
        count(CASE WHEN is_address_standard THEN 1 END) AS passed_count
    FROM quality.order_quality
    GROUP BY day, channel

    UNION ALL

    SELECT
        day,
        'completeness' AS metric,
        channel,
        count(is_complete) AS checked_count,
        count(CASE WHEN is_complete THEN 1 END) AS passed_count
    FROM quality.order_quality
    GROUP BY day, channel

    UNION ALL

    SELECT
        day,
        'validity' AS metric,
        channel,
        count(is_valid) AS checked_count,
        count(CASE WHEN is_valid THEN 1 END) AS passed_count
    FROM quality.order_quality
    GROUP BY day, channel

    UNION ALL

    SELECT
        day,
        'consistency' AS metric,
        channel,
        count(is_consistent) AS checked_count,
        count(CASE WHEN is_consistent THEN 1 END) AS passed_count
    FROM quality.order_quality
    GROUP BY day, channel

    UNION ALL

    SELECT
        day,
        'timeliness' AS metric,
        channel,
        count(is_timely) AS checked_count,
        count(CASE WHEN is_timely THEN 1 END) AS passed_count
    FROM quality.order_quality
    GROUP BY day, channel

    UNION ALL

    SELECT
        day,
        'product_name_standardisation' AS metric,
        channel,
        CAST(sum(title_checked_count) AS BIGINT) AS checked_count,
        CAST(sum(title_passed_count) AS BIGINT) AS passed_count
    FROM quality.order_quality
    GROUP BY day, channel

    UNION ALL

    SELECT
        day,
        'promotion_standardisation' AS metric,
        channel,
        CAST(sum(wording_checked_count) AS BIGINT) AS checked_count,
        CAST(sum(wording_passed_count) AS BIGINT) AS passed_count
    FROM quality.order_quality
    GROUP BY day, channel

    UNION ALL

    SELECT
        o.day,
        'uniqueness' AS metric,
        o.channel,
        count(*) AS checked_count,
        count(CASE WHEN d.order_guid IS NULL THEN 1 END) AS passed_count
    FROM quality.order_quality AS o
    LEFT JOIN doubles AS d ON o.order_guid = d.order_guid
    WHERE o.is_trade
    GROUP BY o.day, o.channel

    UNION ALL

    SELECT
        local_date(f.exported_at, coalesce(c.timezone, d.timezone)) AS day,
        'row_acceptance' AS metric,
        -- A file of several channels stands for none of them.
        coalesce(f.channel, 'mixed') AS channel,
        CAST(sum(f.rows_read) AS BIGINT) AS checked_count,
        CAST(sum(f.rows_read - f.rows_quarantined) AS BIGINT) AS passed_count
    FROM ops.files AS f
    LEFT JOIN ref.channels AS c ON f.channel = c.channel
    CROSS JOIN ref.channels AS d
    WHERE f.status = 'loaded' AND f.exported_at IS NOT NULL AND d.channel = 'default'
    GROUP BY local_date(f.exported_at, coalesce(c.timezone, d.timezone)), coalesce(f.channel, 'mixed')
)

SELECT
    day,
    metric,
    channel,
    checked_count,
    passed_count,
    ratio(passed_count, checked_count) AS ratio,
    CASE
        WHEN metric IN ('address_standardisation', 'product_name_standardisation', 'promotion_standardisation')
            THEN CAST(threshold('standardisation_min_ratio') AS DOUBLE)
        ELSE CAST(threshold('quality_min_ratio') AS DOUBLE)
    END AS target_ratio
FROM counted
WHERE checked_count > 0 AND day IS NOT NULL
