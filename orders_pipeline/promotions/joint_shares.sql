-- grain: promotion_id
-- refresh: whole
-- What of a joint each of its promotions added, where they ran alone for long enough, on some days or some goods, to be told apart.
-- Effects are taken to add up; where all are told apart, the increments of the members add up to that of the joint to the cent.
SELECT
    member_id AS promotion_id,
    joint_guid,
    status,
    reason,
    alone_gmv_amount,
    shared_gmv_amount,
    gross_lift_amount,
    gross_low_amount,
    gross_high_amount,
    incremental_amount,
    incremental_low_amount,
    incremental_high_amount,
    verdict
FROM promotions.attribution_fits
WHERE part = 'member'
