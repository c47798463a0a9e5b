-- grain: file_id, row_number
-- refresh: whole
-- Rows set aside: which file and line, which field, why, and what would mend it. `raw` shows the row without what is about a person.
SELECT
    file_id,
    row_number,
    entity,
    reason,
    field,
    detail,
    shown AS raw,
    quarantined_at,
    released_at
FROM raw.quarantine
