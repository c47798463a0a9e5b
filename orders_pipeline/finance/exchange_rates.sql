-- grain: currency, valid_from
-- refresh: whole
-- pace: later
-- What one unit of a foreign currency is worth in the book currency, from a day on; of two rates of one day the newer export's.
WITH ranked AS (
    SELECT
        currency,
        rate_on,
        exchange_rate,
        row_number() OVER (
            PARTITION BY currency, rate_on
            ORDER BY exported_at DESC NULLS LAST, file_id DESC NULLS LAST, row_number DESC NULLS LAST
        ) AS newest_first
    FROM raw.exchange_rates
)

SELECT
    currency,
    rate_on AS valid_from,
    coalesce(
        lead(rate_on) OVER (PARTITION BY currency ORDER BY rate_on ASC NULLS LAST), CAST('9999-12-31' AS DATE)
    ) AS valid_to,
    exchange_rate
FROM ranked
WHERE newest_first = 1
