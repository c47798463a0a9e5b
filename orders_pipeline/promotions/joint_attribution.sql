-- grain: joint_guid
-- refresh: whole
-- What promotions of the same goods on the same days added together, as in `promotions.attribution`: each sale under any of them
-- counts once. Only where one of them cannot be told by itself because of the overlap.
WITH members AS (
    SELECT
        j.joint_guid,
        string_agg(j.promotion_id, ' + ' ORDER BY j.member_no) AS promotion_ids,
        min(c.starts_on) AS starts_on,
        max(c.ends_on) AS ends_on
    FROM promotions.joints AS j
    INNER JOIN promotions.calendars AS c ON j.promotion_id = c.promotion_id
    GROUP BY j.joint_guid
)

SELECT
    f.joint_guid,
    m.promotion_ids,
    m.starts_on,
    m.ends_on,
    f.status,
    f.reason,
    f.warning,
    f.tier,
    f.method_version,
    f.observed_gmv_amount,
    f.natural_amount,
    f.repurchase_amount,
    f.competitor_amount,
    f.competitor_status,
    f.cannibalised_amount,
    f.pulled_forward_amount,
    f.incremental_amount,
    f.incremental_low_amount,
    f.incremental_high_amount,
    f.verdict,
    f.gross_lift_amount,
    f.gross_low_amount,
    f.gross_high_amount,
    f.discount_cost_amount,
    f.roi_ratio,
    f.pretrend_z,
    f.placebo_count,
    f.placebo_coverage_ratio,
    f.interval_factor,
    f.direct_check_z
FROM promotions.attribution_fits AS f
INNER JOIN members AS m ON f.joint_guid = m.joint_guid
WHERE f.part = 'joint'
