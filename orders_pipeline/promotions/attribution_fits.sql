-- grain: promotion_id, row_no
-- refresh: whole
-- through: attribution.attribute
-- returns: promotion_id VARCHAR, row_no INTEGER, status VARCHAR, reason VARCHAR, warning VARCHAR, tier VARCHAR, method_version VARCHAR,
-- returns: observed_gmv_amount DECIMAL(18, 2), natural_amount DECIMAL(18, 2), repurchase_amount DECIMAL(18, 2),
-- returns: competitor_amount DECIMAL(18, 2), competitor_status VARCHAR, cannibalised_amount DECIMAL(18, 2),
-- returns: pulled_forward_amount DECIMAL(18, 2), incremental_amount DECIMAL(18, 2), incremental_low_amount DECIMAL(18, 2),
-- returns: incremental_high_amount DECIMAL(18, 2), verdict VARCHAR, gross_lift_amount DECIMAL(18, 2), gross_low_amount DECIMAL(18, 2),
-- returns: gross_high_amount DECIMAL(18, 2), discount_cost_amount DECIMAL(18, 2), roi_ratio DOUBLE, pretrend_z DOUBLE,
-- returns: placebo_count BIGINT, placebo_coverage_ratio DOUBLE, interval_factor DOUBLE, direct_check_z DOUBLE, day DATE,
-- returns: observed_amount DECIMAL(18, 2), counterfactual_amount DECIMAL(18, 2), standard_error_amount DECIMAL(18, 2),
-- returns: masked_reason VARCHAR, part VARCHAR, joint_guid UUID, member_id VARCHAR, alone_gmv_amount DECIMAL(18, 2),
-- returns: shared_gmv_amount DECIMAL(18, 2)
-- The attribution of every promotion (row 0) and the days behind it (row 1 on): observed, expected without it, standard error. Then,
-- under its guid, that of each joint of overlapping promotions (row 0) and of its members (row 1 on).
SELECT
    promotion_id,
    role,
    channel,
    shop_id,
    category,
    day_on,
    until_on,
    other_on,
    sold_qty,
    observed_amount,
    list_amount,
    clean_amount,
    clean_observed_amount,
    existing_amount,
    identified_amount,
    lost_amount,
    shared_amount,
    out_amount,
    base_amount,
    threshold('promotion_aftermath_days') AS aftermath_days,
    threshold('promotion_notice_days') AS notice_days
FROM promotions.panels
