-- An order with an unreadable row is left out whole.
SELECT * EXCLUDE (filename) FROM {{ ref('stg_douyin') }} ANTI JOIN (
    SELECT order_guid FROM {{ ref('stg_douyin') }} WHERE payable_amount IS NULL OR created_at IS NULL) USING (order_guid)
