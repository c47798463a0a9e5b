-- grain: order_guid, line_no
-- refresh: order by order_guid
-- lookup: orders.products, cleaning.product_names
-- The lines of an order as its newest export shows them.
-- A source that numbers its lines (sub-orders) is merged line by line, newest wins; one that does not replaces the whole set.
WITH files AS (
    SELECT
        order_guid,
        min(file_id) AS first_file_id,
        max(file_id) AS last_file_id,
        max(exported_at) AS last_exported_at
    FROM raw.order_lines
    GROUP BY order_guid
),

-- Lines of orders that stand in one file only need no comparison.
single AS (
    SELECT r.order_guid, r.line_key, r.file_id, r.row_number
    FROM raw.order_lines AS r
    INNER JOIN files AS f ON r.order_guid = f.order_guid
    WHERE f.first_file_id = f.last_file_id
),

ranked AS (
    SELECT
        r.order_guid,
        r.line_key,
        r.file_id,
        r.row_number,
        r.sub_order_id,
        row_number() OVER (
            PARTITION BY r.order_guid, r.line_key
            ORDER BY r.exported_at DESC NULLS LAST, r.file_id DESC NULLS LAST, r.row_number DESC NULLS LAST
        ) AS newest_first,
        dense_rank() OVER (
            PARTITION BY r.order_guid
            ORDER BY r.exported_at DESC NULLS LAST, r.file_id DESC NULLS LAST
        ) AS file_rank
    FROM raw.order_lines AS r
    INNER JOIN files AS f ON r.order_guid = f.order_guid
    WHERE f.first_file_id <> f.last_file_id
),

kept AS (
    SELECT order_guid, line_key, file_id, row_number FROM single

    UNION ALL

    SELECT order_guid, line_key, file_id, row_number
    FROM ranked
    WHERE newest_first = 1 AND (sub_order_id IS NOT NULL OR file_rank = 1)
),

numbered AS (
    SELECT
        order_guid,
        line_key,
        file_id,
        row_number,
        row_number() OVER (
            PARTITION BY order_guid
            ORDER BY line_key ASC NULLS LAST, file_id ASC NULLS LAST, row_number ASC NULLS LAST
        ) AS line_no
    FROM kept
)

SELECT
    r.order_guid,
    o.line_no,
    r.sub_order_id,
    r.sku,
    r.product_title,
    -- What a person has decided about the title goes before the merchant's own list, the list before what tidying makes of the title.
    CASE
        WHEN n.name_source = 'synonym' THEN n.product_name
        ELSE coalesce(m.product_name, p.title, n.product_name, r.product_title)
    END AS product_name,
    CASE
        WHEN n.name_source = 'synonym' THEN n.name_source
        WHEN p.title IS NOT NULL THEN coalesce(m.name_source, 'catalogue')
        ELSE n.name_source
    END AS name_source,
    coalesce(r.category, p.category) AS category,
    r.quantity,
    r.unit_price,
    r.list_amount,
    r.merchant_discount_amount,
    r.platform_discount_amount,
    r.payable_amount,
    r.freight_amount,
    r.refunded_amount,
    coalesce(r.is_gift, FALSE) AS is_gift,
    r.line_status,
    r.promised_ship_at,
    r.warehouse_id,
    coalesce(r.is_repeated_row, FALSE) AS is_repeated_row,
    r.source,
    r.file_id,
    r.row_number
FROM numbered AS o
INNER JOIN raw.order_lines AS r
    ON
        o.order_guid = r.order_guid
        AND o.line_key = r.line_key
        AND o.file_id = r.file_id
        AND o.row_number = r.row_number
LEFT JOIN orders.products AS p ON r.sku = p.sku
LEFT JOIN cleaning.product_names AS n ON r.title_guid = n.title_guid
LEFT JOIN cleaning.product_names AS m ON p.title_guid = m.title_guid
