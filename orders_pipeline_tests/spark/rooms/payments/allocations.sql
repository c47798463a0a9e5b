-- grain: order_guid, line_no
-- refresh: order by order_guid
-- The paid amount spread over the lines by weight, to the cent: the largest remainders get the cents left over.
WITH shares AS (
    SELECT
        p.order_guid,
        l.line_no,
        l.weight,
        CAST(round(p.paid_amount * 100) AS BIGINT) AS cents,
        CAST(round(sum(l.weight) OVER (PARTITION BY p.order_guid)) AS BIGINT) AS total_weight
    FROM payments.totals AS p
    JOIN raw.lines AS l ON guid_of(l.channel || '|' || l.order_id) = p.order_guid
    WHERE p.paid_amount > 0
),
floors AS (
    SELECT
        order_guid,
        line_no,
        cents,
        CAST(floor(CAST(cents * weight AS DOUBLE) / NULLIF(total_weight, 0)) AS BIGINT) AS part_cents,
        (cents * weight) % total_weight AS remainder
    FROM shares
),
ranked AS (
    SELECT
        order_guid,
        line_no,
        part_cents,
        cents - sum(part_cents) OVER (PARTITION BY order_guid) AS left_cents,
        row_number() OVER (PARTITION BY order_guid ORDER BY remainder DESC, line_no) AS position
    FROM floors
)
SELECT
    order_guid,
    line_no,
    CAST((part_cents + CASE WHEN position <= left_cents THEN 1 ELSE 0 END) * 0.01 AS DECIMAL(18, 2)) AS amount
FROM ranked
