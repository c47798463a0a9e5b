-- grain: order_guid
-- refresh: order by order_guid
-- pace: later
-- What can be said of the quality of each order as its exports tell it: what was looked at, what is right, and where a wrong one
-- stands. Sums of it by day and channel are quality.metrics. Empty: does not apply.
WITH titles AS (
    SELECT
        order_guid,
        file_id,
        row_number,
        name_source <> 'tidied' AS is_standard,
        row_number() OVER (
            PARTITION BY order_guid
            ORDER BY
                CASE WHEN name_source = 'tidied' THEN 0 ELSE 1 END ASC NULLS LAST, file_id ASC NULLS LAST, row_number ASC NULLS LAST,
                line_no ASC NULLS LAST
        ) AS place
    FROM orders.order_lines
    WHERE name_source IS NOT NULL
),

title_counts AS (
    SELECT
        order_guid,
        count(*) AS checked_count,
        count(CASE WHEN is_standard THEN 1 END) AS passed_count,
        min(CASE WHEN place = 1 AND NOT is_standard THEN file_id END) AS file_id,
        min(CASE WHEN place = 1 AND NOT is_standard THEN row_number END) AS row_number
    FROM titles
    GROUP BY order_guid
),

wordings AS (
    SELECT
        order_guid,
        file_id,
        row_number,
        promotion_kind <> 'unmapped' AS is_standard,
        row_number() OVER (
            PARTITION BY order_guid
            ORDER BY
                CASE WHEN promotion_kind = 'unmapped' THEN 0 ELSE 1 END ASC NULLS LAST, file_id ASC NULLS LAST,
                row_number ASC NULLS LAST, discount_no ASC NULLS LAST
        ) AS place
    FROM orders.order_discounts
    WHERE promotion_kind IS NOT NULL
),

wording_counts AS (
    SELECT
        order_guid,
        count(*) AS checked_count,
        count(CASE WHEN is_standard THEN 1 END) AS passed_count,
        min(CASE WHEN place = 1 AND NOT is_standard THEN file_id END) AS file_id,
        min(CASE WHEN place = 1 AND NOT is_standard THEN row_number END) AS row_number
    FROM wordings
    GROUP BY order_guid
),

lines AS (
    SELECT
        order_guid,
        count(*) AS line_count,
        count(payable_amount) AS stated_count,
        sum(payable_amount) AS payable_amount
    FROM orders.order_lines
    GROUP BY order_guid
),

first_told AS (
    SELECT
        order_guid,
        min(valid_from_at) AS told_at
    FROM orders.order_versions
    GROUP BY order_guid
),

trades AS (
    SELECT
        *,
        order_type NOT IN ('test', 'credit_note', 'adjustment') AS is_trade
    FROM orders.orders
)

SELECT
    o.order_guid,
    o.channel,
    o.created_on AS day,
    o.is_trade,
    CASE WHEN o.region_resolution IS NOT NULL THEN o.region_resolution <> 'unresolved' END AS is_address_standard,
    coalesce(t.checked_count, 0) AS title_checked_count,
    coalesce(t.passed_count, 0) AS title_passed_count,
    t.file_id AS title_file_id,
    t.row_number AS title_row_number,
    coalesce(w.checked_count, 0) AS wording_checked_count,
    coalesce(w.passed_count, 0) AS wording_passed_count,
    w.file_id AS wording_file_id,
    w.row_number AS wording_row_number,
    -- What no later step can do without.
    CASE WHEN o.is_trade THEN o.payable_amount IS NOT NULL AND o.currency IS NOT NULL AND coalesce(l.line_count, 0) > 0 END AS is_complete,
    -- Words that are in the dictionary, amounts and pieces that can be.
    CASE
        WHEN o.is_trade THEN o.status <> 'unmapped' AND coalesce(o.payable_amount >= 0, TRUE) AND coalesce(o.ordered_qty > 0, TRUE)
    END AS is_valid,
    -- Nothing happens before what it follows from, and the order owes what its lines owe, with or without freight.
    CASE
        WHEN o.is_trade
            THEN
                coalesce(o.paid_at >= o.created_at, TRUE)
                AND coalesce(o.shipped_at >= o.created_at, TRUE)
                AND coalesce(o.completed_at >= o.shipped_at, TRUE)
                AND (
                    coalesce(l.stated_count < l.line_count, TRUE)
                    OR o.payable_amount IS NULL
                    OR l.payable_amount = o.payable_amount
                    OR l.payable_amount + coalesce(o.freight_amount, 0) = o.payable_amount
                )
    END AS is_consistent,
    CASE
        WHEN o.is_trade AND f.told_at IS NOT NULL
            THEN seconds_between(f.told_at, o.created_at) <= 3600 * threshold('order_known_max_hours')
    END AS is_timely,
    o.file_id,
    o.row_number
FROM trades AS o
LEFT JOIN title_counts AS t ON o.order_guid = t.order_guid
LEFT JOIN wording_counts AS w ON o.order_guid = w.order_guid
LEFT JOIN lines AS l ON o.order_guid = l.order_guid
LEFT JOIN first_told AS f ON o.order_guid = f.order_guid
