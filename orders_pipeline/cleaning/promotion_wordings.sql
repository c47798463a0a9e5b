-- grain: wording_guid
-- refresh: wording by wording_guid
-- through: texts.wordings
-- returns: wording_guid UUID, wording VARCHAR, kind VARCHAR, threshold_amount DECIMAL(18, 2), threshold_qty DECIMAL(18, 3), discount_amount DECIMAL(18, 2), discount_ratio DOUBLE, funder VARCHAR
-- Every wording of a discount or promotion that a file holds, and what it says.
WITH told AS (
    SELECT wording_guid, description AS wording FROM raw.discounts

    UNION ALL

    SELECT wording_guid, name AS wording FROM raw.promotions
)

SELECT
    wording_guid,
    min(wording) AS wording
FROM told
WHERE wording_guid IS NOT NULL
GROUP BY wording_guid
