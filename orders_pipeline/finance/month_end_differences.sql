-- grain: month, channel, reason
-- refresh: whole
-- Roll-forward of the differences by month, channel and reason: opening + new - cleared - written off = closing.
SELECT
    month,
    channel,
    reason,
    -- Empty where the channel sells in several: then the sums are of unlike amounts, and the order list has to be read.
    CASE WHEN min(currency) = max(currency) THEN min(currency) END AS currency,
    sum(CASE WHEN is_opening THEN 1 ELSE 0 END) AS opening_count,
    CAST(sum(opening_amount) AS DECIMAL(18, 2)) AS opening_amount,
    sum(CASE WHEN is_opening THEN 0 ELSE 1 END) AS new_count,
    CAST(sum(new_amount) AS DECIMAL(18, 2)) AS new_amount,
    sum(CASE WHEN is_closing OR is_written_off THEN 0 ELSE 1 END) AS cleared_count,
    CAST(sum(cleared_amount) AS DECIMAL(18, 2)) AS cleared_amount,
    sum(CASE WHEN is_written_off THEN 1 ELSE 0 END) AS written_off_count,
    CAST(sum(written_off_amount) AS DECIMAL(18, 2)) AS written_off_amount,
    sum(CASE WHEN is_closing THEN 1 ELSE 0 END) AS closing_count,
    CAST(sum(closing_amount) AS DECIMAL(18, 2)) AS closing_amount
FROM finance.month_end_orders
GROUP BY month, channel, reason
