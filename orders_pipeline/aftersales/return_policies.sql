-- grain: promotion_id
-- refresh: whole
-- Promotions whose discount is taken back when the rest of the order falls below the minimum. Of contradicting rows: the buyer's favour.
SELECT
    promotion_id,
    max(threshold_amount) AS threshold_amount
FROM raw.promotions
WHERE partial_return_policy IS NOT NULL
GROUP BY promotion_id
HAVING min(CASE WHEN partial_return_policy = 'claw_back' THEN 1 ELSE 0 END) = 1
