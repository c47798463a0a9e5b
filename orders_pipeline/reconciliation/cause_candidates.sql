-- grain: exception_guid, cause, amount, is_fact, evidence
-- refresh: order by order_guid
-- touches: exception by exception_guid
-- What may explain each difference: amounts that stand somewhere in the rows of its order, none larger than it or going the
-- other way. A fact is what happened, whatever the rest is (a correction, no payment at all).
WITH receipts AS (
    SELECT
        a.order_guid,
        a.amount,
        a.kind,
        count(*) AS receipt_count
    FROM payments.allocations AS a
    INNER JOIN reconciliation.differences AS d ON a.order_guid = d.order_guid
    WHERE a.kind IN ('receipt', 'deposit', 'balance')
    GROUP BY a.order_guid, a.amount, a.kind
),

movements AS (
    SELECT
        a.order_guid,
        sum(CASE WHEN a.kind IN ('receipt', 'deposit', 'balance') THEN 1 ELSE 0 END) AS receipt_count,
        sum(CASE WHEN a.kind = 'deposit' THEN 1 ELSE 0 END) AS deposit_count,
        sum(CASE WHEN a.kind = 'balance' THEN 1 ELSE 0 END) AS balance_count,
        sum(CASE WHEN a.kind = 'adjustment' THEN a.amount ELSE 0 END) AS adjustment_amount,
        sum(CASE WHEN a.kind = 'subsidy' THEN a.amount ELSE 0 END) AS subsidy_amount
    FROM payments.allocations AS a
    INNER JOIN reconciliation.differences AS d ON a.order_guid = d.order_guid
    GROUP BY a.order_guid
),

discounts AS (
    SELECT
        c.order_guid,
        c.funder,
        c.amount,
        max(c.promotion_id) AS promotion_id
    FROM orders.order_discounts AS c
    INNER JOIN reconciliation.differences AS d ON c.order_guid = d.order_guid
    GROUP BY c.order_guid, c.funder, c.amount
),

funded AS (
    SELECT
        order_guid,
        funder,
        sum(amount) AS amount
    FROM discounts
    GROUP BY order_guid, funder
),

cancelled_lines AS (
    SELECT
        l.order_guid,
        sum(l.payable_amount) AS amount
    FROM orders.order_lines AS l
    INNER JOIN reconciliation.differences AS d ON l.order_guid = d.order_guid
    WHERE l.line_status = 'cancelled'
    GROUP BY l.order_guid
),

case_rows AS (
    SELECT
        r.order_guid,
        r.return_id,
        r.refund_amount,
        r.status,
        row_number() OVER (
            PARTITION BY r.order_guid, r.return_id, r.sku
            ORDER BY r.exported_at DESC NULLS LAST, r.file_id DESC NULLS LAST, r.row_number DESC NULLS LAST
        ) AS newest_first
    FROM raw.returns AS r
    INNER JOIN reconciliation.differences AS d ON r.order_guid = d.order_guid
),

cases AS (
    SELECT
        order_guid,
        sum(refund_amount) AS amount
    FROM case_rows
    WHERE newest_first = 1 AND status <> 'rejected'
    GROUP BY order_guid
),

candidates AS (
    SELECT
        exception_guid,
        'original_payment' AS cause,
        amount_diff AS amount,
        TRUE AS is_fact,
        CASE WHEN has_order THEN 'no statement holds a payment of the order' ELSE 'no export holds the order it names' END AS evidence
    FROM reconciliation.differences
    WHERE reason IN ('single_sided_short', 'single_sided_long', 'shipped_not_paid', 'cod_not_remitted')

    UNION ALL

    SELECT d.exception_guid, 'original_payment' AS cause, m.adjustment_amount AS amount, TRUE AS is_fact,
        'adjustments that name the order' AS evidence
    FROM reconciliation.differences AS d
    INNER JOIN movements AS m ON d.order_guid = m.order_guid
    WHERE d.has_order AND m.adjustment_amount <> 0

    UNION ALL

    SELECT d.exception_guid, 'original_payment' AS cause, (r.receipt_count - 1) * r.amount AS amount, FALSE AS is_fact,
        CAST(r.receipt_count AS VARCHAR) || ' payments of ' || CAST(r.amount AS VARCHAR) AS evidence
    FROM reconciliation.differences AS d
    INNER JOIN receipts AS r ON d.order_guid = r.order_guid
    WHERE d.has_order AND r.receipt_count > 1

    UNION ALL

    -- One receipt too many: the others alone are what was due.
    SELECT d.exception_guid, 'original_payment' AS cause, r.amount, FALSE AS is_fact,
        'one of several payments, of ' || CAST(r.amount AS VARCHAR) AS evidence
    FROM reconciliation.differences AS d
    INNER JOIN receipts AS r ON d.order_guid = r.order_guid
    INNER JOIN movements AS m ON d.order_guid = m.order_guid
    WHERE d.has_order AND m.receipt_count > 1

    UNION ALL

    SELECT d.exception_guid, 'original_payment' AS cause, -o.deposit_amount AS amount, FALSE AS is_fact,
        'the deposit is in no statement' AS evidence
    FROM reconciliation.differences AS d
    INNER JOIN orders.orders AS o ON d.order_guid = o.order_guid
    LEFT JOIN movements AS m ON d.order_guid = m.order_guid
    WHERE o.deposit_amount > 0 AND coalesce(m.deposit_count, 0) = 0

    UNION ALL

    SELECT d.exception_guid, 'original_payment' AS cause, o.deposit_amount - o.payable_amount AS amount, FALSE AS is_fact,
        'the balance is in no statement' AS evidence
    FROM reconciliation.differences AS d
    INNER JOIN orders.orders AS o ON d.order_guid = o.order_guid
    LEFT JOIN movements AS m ON d.order_guid = m.order_guid
    WHERE o.deposit_amount > 0 AND coalesce(m.balance_count, 0) = 0

    UNION ALL

    SELECT d.exception_guid, 'original_payment' AS cause, o.paid_amount - o.payable_amount AS amount, FALSE AS is_fact,
        'the order export itself says ' || CAST(o.paid_amount AS VARCHAR) || ' was paid' AS evidence
    FROM reconciliation.differences AS d
    INNER JOIN orders.orders AS o ON d.order_guid = o.order_guid

    UNION ALL

    SELECT d.exception_guid, 'coupons_promotions' AS cause, c.amount, FALSE AS is_fact,
        concat_ws(' ', c.funder, 'discount', c.promotion_id, 'came with the payment') AS evidence
    FROM reconciliation.differences AS d
    INNER JOIN discounts AS c ON d.order_guid = c.order_guid

    UNION ALL

    SELECT d.exception_guid, 'coupons_promotions' AS cause, -c.amount AS amount, FALSE AS is_fact,
        concat_ws(' ', c.funder, 'discount', c.promotion_id, 'was taken off the payment') AS evidence
    FROM reconciliation.differences AS d
    INNER JOIN discounts AS c ON d.order_guid = c.order_guid

    UNION ALL

    SELECT d.exception_guid, 'coupons_promotions' AS cause, c.amount, FALSE AS is_fact,
        'all discounts of the ' || c.funder || ' came with the payment' AS evidence
    FROM reconciliation.differences AS d
    INNER JOIN funded AS c ON d.order_guid = c.order_guid

    UNION ALL

    SELECT d.exception_guid, 'coupons_promotions' AS cause, -c.amount AS amount, FALSE AS is_fact,
        'all discounts of the ' || c.funder || ' were taken off the payment' AS evidence
    FROM reconciliation.differences AS d
    INNER JOIN funded AS c ON d.order_guid = c.order_guid

    UNION ALL

    SELECT d.exception_guid, 'coupons_promotions' AS cause, -m.subsidy_amount AS amount, FALSE AS is_fact,
        'the platform paid it as a subsidy' AS evidence
    FROM reconciliation.differences AS d
    INNER JOIN movements AS m ON d.order_guid = m.order_guid

    UNION ALL

    SELECT exception_guid, 'coupons_promotions' AS cause, CAST(0 AS DECIMAL(18, 2)) AS amount, TRUE AS is_fact,
        'subsidy received minus due: ' || CAST(subsidy_diff_amount AS VARCHAR) AS evidence
    FROM reconciliation.differences
    WHERE reason = 'subsidy_diff'

    UNION ALL

    SELECT d.exception_guid, 'freight' AS cause, o.freight_amount AS amount, FALSE AS is_fact,
        'freight was paid and is not in the amount due' AS evidence
    FROM reconciliation.differences AS d
    INNER JOIN orders.orders AS o ON d.order_guid = o.order_guid

    UNION ALL

    SELECT d.exception_guid, 'freight' AS cause, -o.freight_amount AS amount, FALSE AS is_fact,
        'freight is due and was not paid' AS evidence
    FROM reconciliation.differences AS d
    INNER JOIN orders.orders AS o ON d.order_guid = o.order_guid

    UNION ALL

    SELECT exception_guid, 'refunds' AS cause, refunded_amount AS amount, FALSE AS is_fact,
        'what was paid too much has been refunded' AS evidence
    FROM reconciliation.differences
    WHERE has_order

    UNION ALL

    SELECT exception_guid, 'refunds' AS cause, -refunded_amount AS amount, FALSE AS is_fact,
        'the payment is booked net of the refund' AS evidence
    FROM reconciliation.differences
    WHERE has_order

    UNION ALL

    SELECT d.exception_guid, 'refunds' AS cause, -c.amount AS amount, FALSE AS is_fact,
        'after-sales cases refund it; the payment is booked net of them' AS evidence
    FROM reconciliation.differences AS d
    INNER JOIN cases AS c ON d.order_guid = c.order_guid

    UNION ALL

    SELECT d.exception_guid, 'refunds' AS cause, c.amount, FALSE AS is_fact,
        'paid for lines that were cancelled and are no longer due' AS evidence
    FROM reconciliation.differences AS d
    INNER JOIN cancelled_lines AS c ON d.order_guid = c.order_guid

    UNION ALL

    SELECT exception_guid, 'refunds' AS cause, CAST(0 AS DECIMAL(18, 2)) AS amount, TRUE AS is_fact,
        'refunded ' || CAST(coalesce(refunded_amount, 0) AS VARCHAR) || ' of ' || CAST(coalesce(paid_amount, 0) AS VARCHAR)
            || ' received' AS evidence
    FROM reconciliation.differences
    WHERE
        reason IN ('cancelled_not_refunded', 'refunded_not_returned', 'returned_not_refunded', 'refund_diff', 'refund_in_progress')

    UNION ALL

    SELECT exception_guid, 'capture_time' AS cause, amount_diff AS amount, FALSE AS is_fact,
        'the statement of the day is still to come' AS evidence
    FROM reconciliation.differences
    WHERE status = 'TIMING'
)

SELECT DISTINCT
    d.exception_guid,
    d.order_guid,
    c.cause,
    CAST(c.amount AS DECIMAL(18, 2)) AS amount,
    c.is_fact,
    c.evidence
FROM reconciliation.differences AS d
INNER JOIN candidates AS c ON d.exception_guid = c.exception_guid
-- What goes the other way or beyond the difference explains nothing: left out here, it need not be looked at one by one.
WHERE
    c.amount = 0 AND c.is_fact
    OR c.amount > 0 AND c.amount <= d.amount_diff + threshold('match_tolerance_amount')
    OR c.amount < 0 AND -c.amount <= -d.amount_diff + threshold('match_tolerance_amount')
