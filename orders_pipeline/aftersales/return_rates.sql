-- grain: month, sku, reason
-- refresh: whole
-- pace: later
-- through: rates.with_intervals
-- returns: month DATE, sku VARCHAR, reason VARCHAR, returned_qty DECIMAL(18, 3), sold_qty DECIMAL(18, 3), return_ratio DOUBLE, interval_low DOUBLE, interval_high DOUBLE, previous_ratio DOUBLE, change_ratio DOUBLE, is_changed BOOLEAN
-- lookup: orders.order_lines
-- Pieces returned for each reason against pieces sold in the month, with a Wilson interval, and the change from the month before.
WITH returned AS (
    SELECT
        CAST(date_trunc('month', local_date(p.requested_at, p.timezone)) AS DATE) AS month,
        i.sku,
        p.class AS reason,
        sum(coalesce(i.quantity, 1)) AS returned_qty
    FROM aftersales.return_items AS i
    INNER JOIN aftersales.progress AS p ON i.return_guid = p.return_guid
    WHERE
        i.sku IS NOT NULL
        AND p.stage <> 'closed'
        -- Money back before anything left the warehouse is a cancellation.
        AND (p.kind <> 'refund_only' OR p.shipped_at <= p.requested_at)
    GROUP BY CAST(date_trunc('month', local_date(p.requested_at, p.timezone)) AS DATE), i.sku, p.class
),

sold AS (
    SELECT
        CAST(date_trunc('month', o.created_on) AS DATE) AS month,
        l.sku,
        sum(l.quantity) AS sold_qty
    FROM orders.order_lines AS l
    INNER JOIN orders.orders AS o ON l.order_guid = o.order_guid
    WHERE
        o.status NOT IN ('pending_payment', 'cancelled', 'expired')
        AND o.order_type NOT IN ('test', 'resend', 'exchange')
        AND coalesce(l.line_status NOT IN ('cancelled', 'expired'), TRUE)
    GROUP BY CAST(date_trunc('month', o.created_on) AS DATE), l.sku
),

-- A month after one with returns has a row too: none is a change.
cells AS (
    SELECT month, sku, reason FROM returned

    UNION

    SELECT add_calendar_months(r.month, 1) AS month, r.sku, r.reason
    FROM returned AS r
    INNER JOIN sold AS s ON add_calendar_months(r.month, 1) = s.month AND r.sku = s.sku
)

SELECT
    c.month,
    c.sku,
    c.reason,
    CAST(coalesce(r.returned_qty, 0) AS DECIMAL(18, 3)) AS returned_qty,
    CAST(coalesce(s.sold_qty, 0) AS DECIMAL(18, 3)) AS sold_qty,
    CAST(coalesce(b.returned_qty, 0) AS DECIMAL(18, 3)) AS previous_returned_qty,
    CAST(coalesce(q.sold_qty, 0) AS DECIMAL(18, 3)) AS previous_sold_qty
FROM cells AS c
LEFT JOIN returned AS r ON c.month = r.month AND c.sku = r.sku AND c.reason = r.reason
LEFT JOIN sold AS s ON c.month = s.month AND c.sku = s.sku
LEFT JOIN returned AS b ON add_calendar_months(c.month, -1) = b.month AND c.sku = b.sku AND c.reason = b.reason
LEFT JOIN sold AS q ON add_calendar_months(c.month, -1) = q.month AND c.sku = q.sku
