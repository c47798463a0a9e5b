-- grain: order_guid, category
-- refresh: order by order_guid
-- Pieces of each category that an order of a known customer brought him, and how many of them came back.
WITH placed AS (
    SELECT
        l.order_guid,
        l.sku,
        max(coalesce(l.category, '')) AS category,
        sum(l.quantity) AS quantity
    FROM orders.order_lines AS l
    WHERE NOT l.is_gift AND coalesce(l.line_status, '') NOT IN ('cancelled', 'expired')
    GROUP BY l.order_guid, l.sku
),

came AS (
    SELECT
        order_guid,
        category,
        sum(quantity) AS quantity
    FROM placed
    GROUP BY order_guid, category
),

went AS (
    SELECT
        i.order_guid,
        coalesce(p.category, '') AS category,
        sum(coalesce(i.quantity, 1)) AS quantity
    FROM aftersales.return_items AS i
    LEFT JOIN placed AS p ON i.order_guid = p.order_guid AND i.sku = p.sku
    WHERE i.kind = 'return_refund' AND i.status NOT IN ('rejected', 'closed')
    GROUP BY i.order_guid, coalesce(p.category, '')
),

cells AS (
    SELECT order_guid, category FROM came

    UNION

    SELECT order_guid, category FROM went
)

SELECT
    f.order_guid,
    c.category,
    f.customer_key,
    f.paid_at,
    f.paid_on,
    CAST(CASE WHEN f.delivered_qty > 0 THEN coalesce(a.quantity, 0) ELSE 0 END AS DECIMAL(18, 3)) AS delivered_qty,
    -- A credit note's own lines are what came back.
    CAST(CASE WHEN f.is_credit_note THEN -coalesce(a.quantity, 0) ELSE coalesce(w.quantity, 0) END AS DECIMAL(18, 3)) AS returned_qty
FROM customers.order_facts AS f
INNER JOIN cells AS c ON f.order_guid = c.order_guid
LEFT JOIN came AS a ON c.order_guid = a.order_guid AND c.category = a.category
LEFT JOIN went AS w ON c.order_guid = w.order_guid AND c.category = w.category
WHERE f.delivered_qty > 0 OR f.returned_qty > 0
