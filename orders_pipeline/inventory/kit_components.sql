-- grain: kit_sku, component_sku
-- refresh: whole
-- What a bundle is made of, down to goods that are no bundles themselves (bundles inside bundles three levels deep). The newest
-- list of a bundle replaces the older; a component named twice adds up; one of quantity 0 does not limit the bundle.
WITH newest_files AS (
    SELECT
        kit_sku,
        file_id,
        row_number() OVER (
            PARTITION BY kit_sku
            ORDER BY exported_at DESC NULLS LAST, file_id DESC NULLS LAST
        ) AS newest_first
    FROM raw.kits
    GROUP BY kit_sku, file_id, exported_at
),

listed AS (
    SELECT
        k.kit_sku,
        k.component_sku,
        sum(k.component_quantity) AS component_quantity
    FROM raw.kits AS k
    INNER JOIN newest_files AS n ON k.kit_sku = n.kit_sku AND k.file_id = n.file_id AND n.newest_first = 1
    WHERE k.component_sku <> k.kit_sku
    GROUP BY k.kit_sku, k.component_sku
),

second AS (
    SELECT
        a.kit_sku,
        coalesce(b.component_sku, a.component_sku) AS component_sku,
        a.component_quantity * coalesce(b.component_quantity, 1) AS component_quantity
    FROM listed AS a
    LEFT JOIN listed AS b ON a.component_sku = b.kit_sku
),

third AS (
    SELECT
        a.kit_sku,
        coalesce(b.component_sku, a.component_sku) AS component_sku,
        a.component_quantity * coalesce(b.component_quantity, 1) AS component_quantity
    FROM second AS a
    LEFT JOIN listed AS b ON a.component_sku = b.kit_sku
)

SELECT
    t.kit_sku,
    t.component_sku,
    guid_of(t.component_sku) AS sku_guid,
    CAST(sum(t.component_quantity) AS DECIMAL(18, 3)) AS component_quantity
FROM third AS t
WHERE t.component_quantity > 0
GROUP BY t.kit_sku, t.component_sku
