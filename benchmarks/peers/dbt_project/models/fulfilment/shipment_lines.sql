-- Outbound lines, each once.
SELECT DISTINCT * EXCLUDE (filename) FROM {{ ref('stg_outbound') }}
UNION ALL BY NAME
SELECT DISTINCT * EXCLUDE (filename) FROM {{ ref('stg_standard_shipments') }}
