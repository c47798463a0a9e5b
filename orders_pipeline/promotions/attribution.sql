-- grain: promotion_id
-- refresh: whole
-- What each promotion really added: observed GMV = natural + repurchase + competitor + cannibalised + pulled forward + incremental,
-- to the cent, with a 95 % interval; where the data cannot tell, the reason instead of a number.
-- Overlapping promotions have a joint beside it: what they added together.
SELECT
    promotion_id,
    status,
    reason,
    warning,
    tier,
    method_version,
    observed_gmv_amount,
    natural_amount,
    repurchase_amount,
    competitor_amount,
    competitor_status,
    cannibalised_amount,
    pulled_forward_amount,
    incremental_amount,
    incremental_low_amount,
    incremental_high_amount,
    verdict,
    gross_lift_amount,
    gross_low_amount,
    gross_high_amount,
    discount_cost_amount,
    roi_ratio,
    pretrend_z,
    placebo_count,
    placebo_coverage_ratio,
    interval_factor,
    direct_check_z,
    joint_guid
FROM promotions.attribution_fits
WHERE part = 'promotion'
