-- grain: promotion_id, day
-- refresh: whole
-- The days around each promotion: what its goods sold, what they would have sold without it, and why a day was kept out of learning.
SELECT
    promotion_id,
    day,
    observed_amount,
    counterfactual_amount,
    standard_error_amount,
    masked_reason
FROM promotions.attribution_fits
WHERE part = 'day'
