WITH repeated AS (SELECT account, payment_id, kind FROM {{ ref('bills') }} GROUP BY ALL HAVING count(*) > 1)
SELECT b.*, r.payment_id IS NOT NULL AS is_duplicate_key
FROM {{ ref('bills') }} AS b LEFT JOIN repeated AS r ON b.account = r.account AND b.payment_id = r.payment_id AND b.kind = r.kind
