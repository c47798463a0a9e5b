SELECT DISTINCT filename, courier_code, waybill_id, description, status_code AS status, CAST(occurred_at AS TIMESTAMPTZ) AS occurred_at
FROM {{ files('standard_tracking') }}
WHERE {{ only_new_files() }}
