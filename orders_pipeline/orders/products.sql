-- grain: sku
-- refresh: whole
-- What is known of a SKU: the newest row any file gives.
WITH ranked AS (
    SELECT
        r.sku,
        r.title,
        r.category,
        r.is_fresh,
        r.is_special,
        r.unit,
        r.list_price,
        r.cost,
        r.weight_grams,
        r.is_stocked,
        r.is_replenishable,
        r.lead_time_days,
        r.min_order_qty,
        r.order_multiple_qty,
        r.file_id,
        r.row_number,
        row_number() OVER (
            PARTITION BY r.sku
            ORDER BY r.exported_at DESC NULLS LAST, r.file_id DESC NULLS LAST, r.row_number DESC NULLS LAST
        ) AS newest_first
    FROM raw.products AS r
)

SELECT
    k.sku,
    k.title,
    guid_of(k.title) AS title_guid,
    coalesce(c.label_en, k.category) AS category,
    coalesce(k.is_fresh, FALSE) AS is_fresh,
    coalesce(k.is_special, FALSE) AS is_special,
    k.unit,
    k.list_price,
    k.cost,
    k.weight_grams,
    coalesce(k.is_stocked, TRUE) AS is_stocked,
    coalesce(k.is_replenishable, FALSE) AS is_replenishable,
    k.lead_time_days,
    k.min_order_qty,
    k.order_multiple_qty,
    k.file_id,
    k.row_number
FROM ranked AS k
LEFT JOIN orders.category_names AS c ON k.category = c.category
WHERE k.newest_first = 1
