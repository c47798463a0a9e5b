-- grain: exception_guid
-- refresh: whole
-- replaces: exception by exception_guid
-- Receipts that came on another day than their order's window allows: of the sum an order lacks, without a number, and neither
-- could be another's.
WITH fitting AS (
    SELECT
        d.exception_guid,
        d.amount_diff,
        s.payment_guid,
        s.business_on,
        count(*) OVER (PARTITION BY d.exception_guid) AS fitting_count,
        count(*) OVER (PARTITION BY s.payment_guid) AS claiming_count
    FROM reconciliation.differences AS d
    INNER JOIN reconciliation.stray_receipts AS s
        ON d.channel = s.channel AND d.shop_id = s.shop_id AND d.currency = s.currency AND s.amount = -d.amount_diff
    WHERE d.has_order AND abs(days_between(s.business_on, d.opened_on)) <= threshold('capture_window_days')
)

SELECT
    exception_guid,
    payment_guid,
    amount_diff,
    business_on
FROM fitting
WHERE fitting_count = 1 AND claiming_count = 1
