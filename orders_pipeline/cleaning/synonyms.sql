-- grain: name_guid
-- refresh: whole
-- through: texts.synonyms
-- returns: name_guid UUID, product_name VARCHAR
-- What people have decided a product title means, by the key that variants of writing share.
SELECT
    title,
    product_name,
    row_number() OVER (
        ORDER BY exported_at DESC NULLS LAST, file_id DESC NULLS LAST, row_number DESC NULLS LAST
    ) AS newest_first
FROM raw.product_synonyms
