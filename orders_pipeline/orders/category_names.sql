-- grain: category
-- refresh: whole
-- What a channel's category code is called.
SELECT
    category,
    min(label_en) AS label_en
FROM raw.categories
GROUP BY category
