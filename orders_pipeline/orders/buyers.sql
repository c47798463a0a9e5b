-- grain: channel, buyer_ref
-- refresh: whole
-- The buyers file of a channel that keeps one: from the channel's buyer key to the person's keyed hash and region.
WITH ranked AS (
    SELECT
        r.channel,
        r.buyer_ref,
        r.customer_id,
        r.phone_masked,
        r.province,
        r.city,
        row_number() OVER (
            PARTITION BY r.channel, r.buyer_ref
            ORDER BY r.exported_at DESC NULLS LAST, r.file_id DESC NULLS LAST, r.row_number DESC NULLS LAST
        ) AS newest_first
    FROM raw.buyers AS r
)

SELECT
    channel,
    buyer_ref,
    customer_id,
    phone_masked,
    province,
    city
FROM ranked
WHERE newest_first = 1
