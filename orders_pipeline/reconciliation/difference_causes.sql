-- grain: exception_guid, cause_number
-- refresh: whole
-- through: causes.causes_of each exception_guid
-- returns: exception_guid UUID, cause_number INTEGER, cause VARCHAR, explained_amount DECIMAL(18, 2), evidence VARCHAR
-- Why each difference exists, tried in this order: the original payment, coupons and promotions, freight, refunds, time of
-- capture; with the amount each cause explains and, last, what none of them does. Together they are the difference.
-- A candidate that is a fact by itself explains its amount even where a rest remains, the others only where they make up the
-- difference exactly.
WITH late AS (
    SELECT
        d.exception_guid,
        d.amount_diff,
        s.business_on,
        count(*) OVER (PARTITION BY d.exception_guid) AS fitting_count,
        count(*) OVER (PARTITION BY s.payment_guid) AS claiming_count
    FROM reconciliation.differences AS d
    INNER JOIN reconciliation.stray_receipts AS s
        ON d.channel = s.channel AND d.shop_id = s.shop_id AND d.currency = s.currency AND s.amount = -d.amount_diff
    WHERE d.has_order AND abs(days_between(s.business_on, d.opened_on)) <= threshold('capture_window_days')
),

candidates AS (
    SELECT
        exception_guid,
        cause,
        amount,
        is_fact,
        evidence
    FROM reconciliation.cause_candidates

    UNION ALL

    SELECT
        exception_guid,
        'capture_time' AS cause,
        amount_diff AS amount,
        FALSE AS is_fact,
        'the account books the same sum without a number on ' || CAST(business_on AS VARCHAR) AS evidence
    FROM late
    WHERE fitting_count = 1 AND claiming_count = 1
)

SELECT
    d.exception_guid,
    d.amount_diff,
    c.cause,
    CAST(c.amount AS DECIMAL(18, 2)) AS amount,
    c.is_fact,
    c.evidence,
    threshold('match_tolerance_amount') AS tolerance_amount
FROM reconciliation.differences AS d
LEFT JOIN candidates AS c ON d.exception_guid = c.exception_guid
