-- grain: return_guid
-- refresh: order by order_guid
-- touches: return by return_guid
-- Which part of each case's money has left the accounts: refunds of the order and its cases, each laid end to end in the order of their
-- time; where the two lines overlap, that refund paid that case.
WITH wanted AS (
    SELECT
        i.return_guid,
        i.order_guid,
        min(coalesce(i.refunded_at, i.requested_at)) AS happened_at,
        min(i.return_id) AS return_id,
        coalesce(sum(i.refund_amount), max(r.refund_due_amount)) AS amount
    FROM aftersales.return_items AS i
    LEFT JOIN aftersales.refunds AS r ON i.return_guid = r.return_guid
    WHERE i.kind <> 'exchange' AND i.status <> 'rejected' AND (i.status <> 'closed' OR i.refunded_at IS NOT NULL)
    GROUP BY i.return_guid, i.order_guid
),

wanted_line AS (
    SELECT
        return_guid,
        order_guid,
        amount,
        sum(amount) OVER (
            PARTITION BY order_guid
            ORDER BY happened_at ASC NULLS LAST, return_id ASC NULLS LAST, return_guid ASC NULLS LAST
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS until_amount
    FROM wanted
    WHERE amount > 0
),

paid AS (
    SELECT
        order_guid,
        payment_guid,
        occurred_at,
        -amount AS amount
    FROM payments.allocations
    WHERE kind = 'refund' AND is_linked AND amount < 0
),

paid_line AS (
    SELECT
        order_guid,
        occurred_at,
        amount,
        sum(amount) OVER (
            PARTITION BY order_guid
            ORDER BY occurred_at ASC NULLS LAST, payment_guid ASC NULLS LAST
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS until_amount
    FROM paid
)

SELECT
    w.return_guid,
    w.order_guid,
    CAST(w.amount AS DECIMAL(18, 2)) AS wanted_amount,
    CAST(
        sum(least(w.until_amount, p.until_amount) - greatest(w.until_amount - w.amount, p.until_amount - p.amount)) AS DECIMAL(18, 2)
    ) AS paid_out_amount,
    max(p.occurred_at) AS last_paid_at
FROM wanted_line AS w
INNER JOIN paid_line AS p
    ON
        w.order_guid = p.order_guid
        AND w.until_amount - w.amount < p.until_amount
        AND p.until_amount - p.amount < w.until_amount
GROUP BY w.return_guid, w.order_guid, w.amount
