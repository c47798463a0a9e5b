-- grain: day, channel, field
-- refresh: whole
-- What became of the changes asked for on a day: success is what was applied of what has been decided.
SELECT
    day,
    channel,
    field,
    count(*) AS request_count,
    CAST(sum(CASE WHEN outcome = 'applied' THEN 1 ELSE 0 END) AS BIGINT) AS applied_count,
    CAST(sum(CASE WHEN outcome = 'failed' THEN 1 ELSE 0 END) AS BIGINT) AS failed_count,
    CAST(sum(CASE WHEN outcome = 'refused' THEN 1 ELSE 0 END) AS BIGINT) AS refused_count,
    CAST(sum(CASE WHEN outcome IN ('open', 'unmapped') THEN 1 ELSE 0 END) AS BIGINT) AS open_count,
    CAST(sum(CASE WHEN NOT is_in_time THEN 1 ELSE 0 END) AS BIGINT) AS too_late_count,
    ratio(
        sum(CASE WHEN outcome = 'applied' THEN 1 ELSE 0 END),
        sum(CASE WHEN outcome IN ('applied', 'failed', 'refused') THEN 1 ELSE 0 END)
    ) AS success_ratio
FROM customers.edit_requests
GROUP BY day, channel, field
