-- grain: customer_key, purchase_guid
-- refresh: whole
-- Purchases with a line of a quantity that is unusual for its SKU.
WITH quantities AS (
    SELECT
        sku,
        quantity,
        count(*) AS line_count
    FROM orders.order_lines
    WHERE quantity > 0 AND NOT is_gift AND sku IS NOT NULL
    GROUP BY sku, quantity
),

cumulated AS (
    SELECT
        sku,
        quantity,
        sum(line_count) OVER (
            PARTITION BY sku ORDER BY quantity ASC NULLS LAST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS until_count,
        sum(line_count) OVER (PARTITION BY sku) AS line_count
    FROM quantities
),

usual AS (
    SELECT
        sku,
        min(quantity) AS quantity
    FROM cumulated
    WHERE until_count >= line_count * threshold('customer_large_line_min_ratio')
    GROUP BY sku
)

SELECT
    f.customer_key,
    f.purchase_guid
FROM orders.order_lines AS l
INNER JOIN usual AS u ON l.sku = u.sku
INNER JOIN customers.order_facts AS f ON l.order_guid = f.order_guid
WHERE l.quantity > u.quantity AND NOT l.is_gift
GROUP BY f.customer_key, f.purchase_guid
