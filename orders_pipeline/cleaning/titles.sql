-- grain: title_guid
-- refresh: title by title_guid
-- through: texts.titles
-- returns: title_guid UUID, title VARCHAR, tidy_title VARCHAR, name_guid UUID, reference_name VARCHAR
-- Every product title that a file holds, tidied, with the key that variants of writing share.
WITH told AS (
    SELECT title_guid, product_title AS title FROM raw.order_lines

    UNION ALL

    SELECT title_guid, title FROM raw.products
)

SELECT
    title_guid,
    min(title) AS title
FROM told
WHERE title_guid IS NOT NULL
GROUP BY title_guid
