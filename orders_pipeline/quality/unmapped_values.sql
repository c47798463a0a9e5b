-- grain: source, field, raw_value
-- refresh: whole
-- pace: later
-- Words of the sources that no vocabulary knows: how often, and where the first one stands. Each wants a line in the source's value
-- map, the vocabulary or the word lists.
WITH found AS (
    SELECT source, 'orders.status' AS field, raw_status AS raw_value, file_id, row_number
    FROM orders.orders
    WHERE status = 'unmapped'

    UNION ALL

    SELECT source, 'shipments.courier_code' AS field, courier_name AS raw_value, file_id, row_number
    FROM raw.shipments
    WHERE courier_code = 'unmapped'

    UNION ALL

    SELECT source, 'tracking.status_code' AS field, raw_status AS raw_value, file_id, row_number
    FROM raw.tracking
    WHERE parcel_status = 'unmapped'

    UNION ALL

    SELECT r.source, 'discounts.description' AS field, r.description AS raw_value, r.file_id, r.row_number
    FROM raw.discounts AS r
    INNER JOIN cleaning.promotion_wordings AS w ON r.wording_guid = w.wording_guid
    WHERE w.kind = 'unmapped'

    UNION ALL

    SELECT r.source, 'discounts.funder' AS field, r.funder AS raw_value, r.file_id, r.row_number
    FROM raw.discounts AS r
    WHERE r.funder = 'unmapped'

    UNION ALL

    SELECT source, 'returns.reason' AS field, reason AS raw_value, file_id, row_number
    FROM aftersales.return_items
    WHERE class = 'unmapped'
),

numbered AS (
    SELECT
        source,
        field,
        coalesce(raw_value, '') AS raw_value,
        file_id,
        row_number,
        row_number() OVER (
            PARTITION BY source, field, coalesce(raw_value, '')
            ORDER BY file_id ASC NULLS LAST, row_number ASC NULLS LAST
        ) AS place
    FROM found
)

SELECT
    source,
    field,
    raw_value,
    count(*) AS value_count,
    min(CASE WHEN place = 1 THEN file_id END) AS file_id,
    min(CASE WHEN place = 1 THEN row_number END) AS row_number
FROM numbered
GROUP BY source, field, raw_value
