-- grain: exception_guid, cause_number
-- refresh: exception by exception_guid
-- through: causes.causes_of each exception_guid
-- returns: exception_guid UUID, cause_number INTEGER, cause VARCHAR, explained_amount DECIMAL(18, 2), evidence VARCHAR
-- Why each difference exists, tried in this order: the original payment, coupons and promotions, freight, refunds, time of
-- capture; with the amount each cause explains and, last, what none of them does. Together they are the difference.
-- A candidate that is a fact by itself explains its amount even where a rest remains, the others only where they make up the
-- difference exactly.
WITH candidates AS (
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
    FROM reconciliation.late_receipts
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
