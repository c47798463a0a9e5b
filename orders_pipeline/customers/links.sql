-- grain: customer_id, linked_customer_id
-- refresh: whole
-- What people have declared about pairs of accounts: one person's or not, the newest decision of a pair.
WITH ranked AS (
    SELECT
        least(customer_id, linked_customer_id) AS customer_id,
        greatest(customer_id, linked_customer_id) AS linked_customer_id,
        coalesce(action, 'link') AS action,
        decided_by,
        decided_at,
        why,
        file_id,
        row_number,
        row_number() OVER (
            PARTITION BY least(customer_id, linked_customer_id), greatest(customer_id, linked_customer_id)
            ORDER BY decided_at DESC NULLS LAST, file_id DESC NULLS LAST, row_number DESC NULLS LAST
        ) AS newest_first
    FROM raw.customer_links
    WHERE customer_id <> linked_customer_id
)

SELECT
    customer_id,
    linked_customer_id,
    action = 'link' AS is_linked,
    decided_by,
    decided_at,
    why,
    file_id,
    row_number
FROM ranked
WHERE newest_first = 1
