-- grain: promotion_id
-- refresh: whole
-- The kind of each declared promotion.
SELECT
    promotion_id,
    min(kind) AS kind
FROM raw.promotions
GROUP BY promotion_id
