-- Orders with a product that a later file describes, or with a title whose name a later product list or decision changes.
WITH renamed AS (
    SELECT t.name_guid
    FROM raw.products AS p
    INNER JOIN touched.product_keys AS k ON p.product_key = k.key
    INNER JOIN cleaning.titles AS t ON p.title_guid = t.title_guid

    UNION ALL

    -- Decisions are rare: all names that were ever decided are looked at again.
    SELECT s.name_guid
    FROM cleaning.synonyms AS s
    WHERE EXISTS (SELECT 1 FROM touched.product_synonym_keys AS k)
),

titles AS (
    SELECT DISTINCT t.title_guid
    FROM cleaning.titles AS t
    INNER JOIN renamed AS r ON t.name_guid = r.name_guid
)

SELECT l.order_guid
FROM raw.order_lines AS l
INNER JOIN raw.products AS p ON l.sku = p.sku
INNER JOIN touched.product_keys AS t ON p.product_key = t.key

UNION

SELECT l.order_guid
FROM raw.order_lines AS l
INNER JOIN titles AS t ON l.title_guid = t.title_guid

UNION

SELECT l.order_guid
FROM raw.order_lines AS l
INNER JOIN raw.products AS p ON l.sku = p.sku
INNER JOIN titles AS t ON p.title_guid = t.title_guid
