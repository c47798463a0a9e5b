-- grain: order_guid, duplicate_of_guid
-- refresh: customer by customer_key
-- Orders that look like one order created twice: same buyer, same goods, seconds apart. Shown, never merged.
WITH baskets AS (
    SELECT
        o.order_guid,
        o.customer_key,
        o.created_at,
        count(*) AS line_count,
        sum(l.quantity) AS quantity,
        min(l.sku) AS first_sku,
        max(l.sku) AS last_sku
    FROM orders.orders AS o
    INNER JOIN orders.order_lines AS l ON o.order_guid = l.order_guid
    WHERE o.customer_key IS NOT NULL
    GROUP BY o.order_guid, o.customer_key, o.created_at
),

paired AS (
    SELECT
        order_guid,
        customer_key,
        created_at,
        lag(order_guid) OVER in_time AS previous_guid,
        lag(created_at) OVER in_time AS previous_at
    FROM baskets
    WINDOW in_time AS (
        PARTITION BY customer_key, line_count, quantity, first_sku, last_sku
        ORDER BY created_at ASC NULLS FIRST, order_guid ASC NULLS FIRST
    )
)

SELECT
    order_guid,
    previous_guid AS duplicate_of_guid,
    customer_key,
    'same_buyer_same_goods_within_seconds' AS reason,
    seconds_between(created_at, previous_at) AS seconds_apart,
    TRUE AS same_buyer,
    TRUE AS same_lines
FROM paired
WHERE previous_guid IS NOT NULL AND seconds_between(created_at, previous_at) <= threshold('duplicate_order_window_seconds')
