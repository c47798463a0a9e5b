-- grain: file_id
-- refresh: whole
-- Every file that was ever looked at: what it is, what became of its rows (read = accepted + quarantined + duplicate), and why not.
SELECT
    file_id,
    path,
    source,
    channel,
    shop_id,
    sha256,
    size_bytes,
    encoding,
    status,
    reason,
    rows_read,
    rows_accepted,
    rows_quarantined,
    rows_duplicate,
    exported_at,
    ingested_at
FROM raw.files
