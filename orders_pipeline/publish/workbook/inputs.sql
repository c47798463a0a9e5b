-- What several sheets read: the orders that straddle the end of the month, the rows behind an order as `file:line`, the last decision.
-- Of a closed month's differences only the files it was closed with and the decisions taken by then count: what came later is of the
-- month it came in.
CREATE TEMP TABLE evidence_files AS
SELECT f.file_id, f.path, $set_month IS NULL OR c.closed_file_id IS NOT NULL AS was_there
FROM ops.files AS f
LEFT JOIN finance.close_files AS c
    ON f.file_id = c.closed_file_id AND c.month = $set_month AND c.set_number = $set_number;

CREATE TEMP TABLE cut_off_orders AS
WITH shipped AS (
    SELECT l.order_guid, min(CAST(timezone(l.timezone, l.shipped_at) AS DATE)) AS shipped_on,
        max(CAST(timezone(l.timezone, p.delivered_at) AS DATE)) AS delivered_on,
        bool_or(p.delivered_at IS NULL) AS is_under_way
    FROM fulfilment.shipment_lines AS l
    LEFT JOIN fulfilment.parcels AS p ON l.parcel_guid = p.parcel_guid
    WHERE l.shipped_at IS NOT NULL GROUP BY l.order_guid
), moved AS (
    SELECT o.order_guid,
        coalesce(s.shipped_on, CAST(timezone(o.timezone, o.shipped_at) AS DATE)) AS shipped_on,
        CASE WHEN s.order_guid IS NULL THEN CAST(timezone(o.timezone, o.completed_at) AS DATE)
            WHEN NOT s.is_under_way THEN s.delivered_on END AS delivered_on
    FROM orders.orders AS o LEFT JOIN shipped AS s ON o.order_guid = s.order_guid
), earned AS (
    SELECT order_guid, min(recognised_on) AS recognised_on,
        sum(amount) FILTER (recognised_on < $next) AS recognised_amount, sum(amount) FILTER (recognised_on >= $next) AS later_amount
    FROM finance.revenue WHERE entry_kind = 'revenue' GROUP BY order_guid
), billed AS (
    SELECT a.order_guid, max(a.business_on) AS billed_on
    FROM payments.allocations AS a INNER JOIN orders.orders AS o ON a.order_guid = o.order_guid
    WHERE a.is_linked AND a.kind IN ('receipt', 'deposit', 'balance') AND a.business_on >= $next
        AND CAST(timezone(o.timezone, a.occurred_at) AS DATE) >= $month AND CAST(timezone(o.timezone, a.occurred_at) AS DATE) < $next
    GROUP BY a.order_guid
), found AS (
    SELECT o.order_guid, o.channel, o.channel_order_id, o.currency, o.payable_amount, m.shipped_on,
        m.delivered_on, e.recognised_on, e.recognised_amount, e.later_amount, b.billed_on,
        CASE
            WHEN e.recognised_on >= $month AND e.recognised_on < $next AND m.shipped_on >= $next THEN 'earned_before_shipping'
            -- Without a sign of delivery an order is listed in the month it was shipped in only.
            WHEN m.shipped_on < $next AND o.cancelled_at IS NULL
                AND (m.delivered_on >= $next OR (m.delivered_on IS NULL AND m.shipped_on >= $month)) THEN 'shipped_not_delivered'
            WHEN b.order_guid IS NOT NULL THEN 'billed_later'
        END AS cut_off
    FROM orders.orders AS o
    INNER JOIN moved AS m ON o.order_guid = m.order_guid
    LEFT JOIN earned AS e ON o.order_guid = e.order_guid
    LEFT JOIN billed AS b ON o.order_guid = b.order_guid
)
SELECT * FROM found WHERE cut_off IS NOT NULL;

CREATE TEMP TABLE wanted AS
SELECT order_guid, bool_or(is_listed) AS is_listed FROM (
    SELECT order_guid, TRUE AS is_listed FROM finance.month_end_orders WHERE month = $month
    UNION ALL
    SELECT order_guid, FALSE AS is_listed FROM cut_off_orders)
GROUP BY order_guid;

CREATE TEMP MACRO listed(places) AS
    array_to_string(places[1:5], chr(10)) || CASE WHEN len(places) > 5 THEN ' (+' || (len(places) - 5) || ')' ELSE '' END;

CREATE TEMP TABLE order_rows AS
SELECT order_guid, place AS order_evidence FROM (
    SELECT v.order_guid, f.path || ':' || v.row_number AS place,
        row_number() OVER (PARTITION BY v.order_guid ORDER BY v.version_number DESC) AS newest_first
    FROM orders.order_versions AS v
    INNER JOIN wanted AS w ON v.order_guid = w.order_guid
    INNER JOIN evidence_files AS f ON v.file_id = f.file_id AND (f.was_there OR NOT w.is_listed))
WHERE newest_first = 1;

CREATE TEMP TABLE payment_rows AS
SELECT order_guid, listed(list(path || ':' || row_number ORDER BY path, row_number)) AS payment_evidence
FROM (
    SELECT DISTINCT a.order_guid, f.path, a.row_number
    FROM payments.allocations AS a
    INNER JOIN wanted AS w ON a.order_guid = w.order_guid
    INNER JOIN evidence_files AS f ON a.file_id = f.file_id AND (f.was_there OR NOT w.is_listed))
GROUP BY order_guid;

CREATE TEMP TABLE shipment_rows AS
SELECT order_guid, listed(list(path || ':' || row_number ORDER BY path, row_number)) AS shipment_evidence
FROM (
    SELECT DISTINCT l.order_guid, f.path, l.row_number
    FROM fulfilment.shipment_lines AS l
    INNER JOIN wanted AS w ON l.order_guid = w.order_guid
    INNER JOIN evidence_files AS f ON l.file_id = f.file_id AND (f.was_there OR NOT w.is_listed))
GROUP BY order_guid;

CREATE TEMP TABLE return_rows AS
SELECT order_guid, listed(list(path || ':' || row_number ORDER BY path, row_number)) AS return_evidence
FROM (
    SELECT DISTINCT c.order_guid, f.path, c.row_number
    FROM aftersales.cases AS c
    INNER JOIN wanted AS w ON c.order_guid = w.order_guid
    INNER JOIN evidence_files AS f ON c.file_id = f.file_id AND (f.was_there OR NOT w.is_listed))
GROUP BY order_guid;

CREATE TEMP TABLE decisions AS
SELECT order_guid, reason, decided_by, why FROM (
    SELECT coalesce(e.order_guid, d.order_guid) AS order_guid, coalesce(e.reason, d.reason) AS reason, d.decided_by, d.why,
        row_number() OVER (
            PARTITION BY coalesce(e.order_guid, d.order_guid), coalesce(e.reason, d.reason)
            ORDER BY d.decision_number DESC, d.exception_guid) AS newest_first
    FROM reconciliation.exception_decisions AS d
    LEFT JOIN reconciliation.exceptions AS e ON d.exception_guid = e.exception_guid
    WHERE $closed_at IS NULL OR d.decided_at <= $closed_at)
WHERE newest_first = 1;
