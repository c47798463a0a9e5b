-- grain: exception_guid
-- refresh: whole
-- replaces: exception by exception_guid
-- Exceptions about which something is known beside the difference: the last decision, a decision on what the difference was
-- before, or that the money is a payout that has reached the bank.
-- Decisions about an order whose difference has got another reason since do not hold for the new one.
WITH decided_otherwise AS (
    SELECT
        order_guid,
        max(reason) AS reason
    FROM reconciliation.exception_decisions
    WHERE is_last AND action NOT IN ('assign', 'reopen') AND order_guid IS NOT NULL
    GROUP BY order_guid
),

-- A payout that has reached the bank looks like money nobody has ordered anything for.
payouts_at_bank AS (
    SELECT a.order_guid
    FROM payments.allocations AS a
    INNER JOIN reconciliation.differences AS d ON a.order_guid = d.order_guid
    LEFT JOIN reconciliation.payout_arrivals AS p ON a.payment_guid = p.payment_guid
    WHERE NOT a.is_linked AND NOT d.has_order
    GROUP BY a.order_guid
    HAVING count(*) = count(p.payment_guid)
)

SELECT
    d.exception_guid,
    s.action,
    s.decided_by,
    s.decided_at,
    s.why,
    s.assignee,
    s.second_person,
    s.reason AS decided_reason,
    s.amount AS decided_amount,
    s.quantity AS decided_qty,
    o.order_guid IS NOT NULL AND s.exception_guid IS NULL AS is_decided_otherwise,
    b.order_guid IS NOT NULL AS is_payout
FROM reconciliation.differences AS d
LEFT JOIN reconciliation.exception_decisions AS s ON CAST(d.exception_guid AS VARCHAR) = s.exception_guid AND s.is_last
LEFT JOIN decided_otherwise AS o ON CAST(d.order_guid AS VARCHAR) = o.order_guid AND d.reason <> o.reason
LEFT JOIN payouts_at_bank AS b ON d.order_guid = b.order_guid AND NOT d.has_order
WHERE s.exception_guid IS NOT NULL OR o.order_guid IS NOT NULL OR b.order_guid IS NOT NULL
