-- grain: order_guid
-- refresh: whole
-- Each order beside its neighbours in the channel: windows, text and rounding.
SELECT
    o.order_guid,
    row_number() OVER w AS position,
    rank() OVER (PARTITION BY o.channel ORDER BY o.status NULLS FIRST) AS status_rank,
    lag(o.amount) OVER w AS amount_before,
    lead(o.status, 2, 'none') OVER w AS status_after_next,
    CAST(sum(o.amount) OVER w AS DECIMAL(18, 2)) AS running_amount,
    last_value(o.status IGNORE NULLS) OVER (
        PARTITION BY o.channel ORDER BY o.row_number, o.order_guid ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS known_status,
    CASE
        WHEN o.status LIKE '%!_%' ESCAPE '!' THEN upper(split_part(o.status, '_', 1))
        ELSE trim(o.order_id)
    END AS word,
    regexp_replace(o.order_id, '[^0-9]', '', 'g') AS digits,
    round_half_up(o.amount * 0.0675) AS fee_amount
FROM orders.latest AS o
WINDOW w AS (PARTITION BY o.channel ORDER BY o.row_number, o.order_guid)
