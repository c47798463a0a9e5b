-- grain: title_guid
-- refresh: whole
-- The standard name of every product title: decided by a person, from the product list, from the reference list, or only tidied.
WITH catalogue AS (
    SELECT
        t.name_guid,
        min(p.title) AS product_name
    FROM orders.products AS p
    INNER JOIN cleaning.titles AS t ON guid_of(p.title) = t.title_guid
    GROUP BY t.name_guid
)

SELECT
    t.title_guid,
    t.title,
    t.name_guid,
    coalesce(s.product_name, c.product_name, t.reference_name, t.tidy_title) AS product_name,
    CASE
        WHEN s.product_name IS NOT NULL THEN 'synonym'
        WHEN c.product_name IS NOT NULL THEN 'catalogue'
        WHEN t.reference_name IS NOT NULL THEN 'reference'
        ELSE 'tidied'
    END AS name_source
FROM cleaning.titles AS t
LEFT JOIN cleaning.synonyms AS s ON t.name_guid = s.name_guid
LEFT JOIN catalogue AS c ON t.name_guid = c.name_guid
