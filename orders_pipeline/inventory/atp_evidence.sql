-- grain: owner, sku, warehouse_id, component, reference_id
-- refresh: document by document_guid
-- The rows behind every number of the ATP: per component they add up to it. On-hand stock and its states are the last figure and what
-- moved after it; what is reserved, held and in transit are documents.
WITH numbered AS (
    SELECT
        sku_guid,
        owner,
        sku,
        warehouse_id,
        component,
        document_id,
        kind,
        quantity,
        reserved_at AS occurred_at,
        order_guid,
        document_guid,
        file_id,
        row_number,
        -- One document may be behind several rows (lines, parcels): these are numbered.
        count(*) OVER (PARTITION BY sku_guid, owner, warehouse_id, component, document_id) AS twins,
        row_number() OVER (
            PARTITION BY sku_guid, owner, warehouse_id, component, document_id
            ORDER BY claim_id ASC NULLS FIRST
        ) AS number
    FROM inventory.reservations
)

SELECT
    sku_guid,
    owner,
    sku,
    warehouse_id,
    component,
    coalesce(document_id, '?') || CASE WHEN twins > 1 THEN ' #' || CAST(number AS VARCHAR) ELSE '' END AS reference_id,
    kind,
    quantity,
    occurred_at,
    order_guid,
    document_guid,
    file_id,
    row_number
FROM numbered
WHERE quantity <> 0

UNION ALL

SELECT
    sku_guid,
    owner,
    sku,
    warehouse_id,
    component,
    reference_id,
    kind,
    quantity,
    occurred_at,
    CAST(NULL AS UUID) AS order_guid,
    document_guid,
    file_id,
    row_number
FROM inventory.stock_evidence
