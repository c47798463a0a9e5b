-- grain: promotion_id
-- refresh: whole
-- What each declared promotion is: its kind, threshold and discount as declared, else as its name says.
SELECT
    r.promotion_id,
    coalesce(
        min(CASE WHEN r.kind <> 'unmapped' THEN r.kind END),
        min(CASE WHEN w.kind <> 'unmapped' THEN w.kind END),
        'unmapped'
    ) AS kind,
    coalesce(min(r.threshold_amount), min(w.threshold_amount)) AS threshold_amount,
    min(w.threshold_qty) AS threshold_qty,
    coalesce(min(r.discount_amount), min(w.discount_amount)) AS discount_amount,
    coalesce(min(r.discount_ratio), min(w.discount_ratio)) AS discount_ratio,
    coalesce(min(CASE WHEN r.funder <> 'unmapped' THEN r.funder END), min(w.funder)) AS funder
FROM raw.promotions AS r
LEFT JOIN cleaning.promotion_wordings AS w ON r.wording_guid = w.wording_guid
GROUP BY r.promotion_id
