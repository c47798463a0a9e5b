-- grain: component, channel, day
-- refresh: whole
-- changes at: always
-- How many orders (rows, names) each component of the health score looked at on a day, and how many of them failed. A channel of which
-- no file ever told what a component is about has no rows of it: nothing is known, not everything wrong.
WITH failed AS (
    SELECT problem, channel, counted_on AS day, count(*) AS failed_count
    FROM health.problems
    GROUP BY problem, channel, counted_on
),

-- What was looked at; `known` are those that show that the channel's files tell of it at all.
looked_at AS (
    SELECT 'late_shipping' AS component, channel, ship_due_on AS day, count(*) AS checked_count, count(shipped_at) AS known_count
    FROM health.order_facts
    WHERE ship_due_on IS NOT NULL
    GROUP BY channel, ship_due_on

    UNION ALL

    SELECT
        'late_first_scan' AS component,
        channel,
        scan_due_on AS day,
        count(*) AS checked_count,
        count(CASE WHEN is_scanned THEN 1 END) AS known_count
    FROM health.order_facts
    WHERE scan_due_on IS NOT NULL
    GROUP BY channel, scan_due_on

    UNION ALL

    SELECT
        'parcel_issue' AS component,
        channel,
        shipped_on AS day,
        count(*) AS checked_count,
        count(CASE WHEN is_scanned THEN 1 END) AS known_count
    FROM health.order_facts
    WHERE shipped_on IS NOT NULL
    GROUP BY channel, shipped_on

    UNION ALL

    SELECT 'difference' AS component, channel, created_on AS day, count(*) AS checked_count, count(*) AS known_count
    FROM health.order_facts
    WHERE is_judged
    GROUP BY channel, created_on

    UNION ALL

    SELECT
        'late_settlement' AS component,
        channel,
        settle_due_on AS day,
        count(*) AS checked_count,
        count(settled_at) AS known_count
    FROM health.order_facts
    WHERE settle_due_on IS NOT NULL
    GROUP BY channel, settle_due_on

    UNION ALL

    -- What the buyer took back is nobody's fault and nobody's merit.
    SELECT 'seller_cancelled' AS component, channel, created_on AS day, count(*) AS checked_count, count(*) AS known_count
    FROM health.order_facts
    WHERE cancelled_by <> 'buyer' AND is_sale
    GROUP BY channel, created_on

    UNION ALL

    -- Without any stock file nobody can tell what was there.
    SELECT
        'oversold' AS component,
        f.channel,
        f.created_on AS day,
        count(*) AS checked_count,
        CASE WHEN min(p.position_count) > 0 THEN count(*) ELSE 0 END AS known_count
    FROM health.order_facts AS f
    CROSS JOIN (SELECT count(*) AS position_count FROM inventory.positions) AS p
    WHERE f.is_sale
    GROUP BY f.channel, f.created_on

    UNION ALL

    SELECT 'refund' AS component, channel, created_on AS day, count(*) AS checked_count, count(*) AS known_count
    FROM health.order_facts
    WHERE is_kept
    GROUP BY channel, created_on

    UNION ALL

    SELECT 'late_service' AS component, channel, service_due_on AS day, count(*) AS checked_count, count(*) AS known_count
    FROM health.order_facts
    WHERE service_due_on IS NOT NULL
    GROUP BY channel, service_due_on

    UNION ALL

    SELECT 'order_defect' AS component, channel, created_on AS day, count(*) AS checked_count, count(*) AS known_count
    FROM health.order_facts
    WHERE is_paid
    GROUP BY channel, created_on
),

-- Here those that failed are no orders of ours, and come on top of those that are.
created AS (
    SELECT channel, created_on AS day, count(*) AS order_count, count(CASE WHEN is_paid THEN 1 END) AS paid_count
    FROM health.order_facts
    GROUP BY channel, created_on
),

not_created AS (
    SELECT
        coalesce(c.channel, f.channel) AS channel,
        coalesce(c.day, f.day) AS day,
        coalesce(c.order_count, 0) AS order_count,
        coalesce(c.paid_count, 0) AS paid_count,
        coalesce(f.unpaid, 0) AS set_aside_count,
        coalesce(f.paid, 0) AS missing_count
    FROM created AS c
    FULL OUTER JOIN (
        SELECT
            channel,
            day,
            sum(CASE WHEN problem = 'order_not_created' THEN failed_count ELSE 0 END) AS unpaid,
            sum(CASE WHEN problem = 'paid_not_created' THEN failed_count ELSE 0 END) AS paid
        FROM failed
        WHERE problem IN ('order_not_created', 'paid_not_created')
        GROUP BY channel, day
    ) AS f ON c.channel = f.channel AND c.day = f.day
),

files AS (
    SELECT
        f.channel,
        local_date(f.exported_at, coalesce(h.timezone, d.timezone)) AS day,
        sum(f.rows_accepted + f.rows_quarantined) AS checked_count,
        sum(f.rows_quarantined) AS failed_count
    FROM ops.files AS f
    LEFT JOIN ref.channels AS h ON f.channel = h.channel
    CROSS JOIN ref.channels AS d
    WHERE
        d.channel = 'default' AND f.status = 'loaded' AND f.channel IS NOT NULL AND f.exported_at IS NOT NULL
        AND f.rows_accepted + f.rows_quarantined > 0
    GROUP BY f.channel, local_date(f.exported_at, coalesce(h.timezone, d.timezone))
),

told AS (
    SELECT
        component,
        channel,
        sum(known_count) AS known_count
    FROM looked_at
    GROUP BY component, channel
),

counted AS (
    SELECT
        l.component,
        l.channel,
        l.day,
        l.checked_count,
        coalesce(f.failed_count, 0) AS failed_count
    FROM looked_at AS l
    INNER JOIN told AS t ON l.component = t.component AND l.channel = t.channel
    LEFT JOIN failed AS f ON l.component = f.problem AND l.channel = f.channel AND l.day = f.day
    WHERE t.known_count > 0

    UNION ALL

    SELECT 'order_not_created' AS component, channel, day, order_count + set_aside_count AS checked_count, set_aside_count AS failed_count
    FROM not_created

    UNION ALL

    SELECT 'paid_not_created' AS component, channel, day, paid_count + missing_count AS checked_count, missing_count AS failed_count
    FROM not_created

    UNION ALL

    SELECT 'rows_accepted' AS component, channel, day, checked_count, failed_count
    FROM files

    UNION ALL

    SELECT
        'status_mapped' AS component,
        channel,
        created_on AS day,
        count(*) AS checked_count,
        count(CASE WHEN status = 'unmapped' THEN 1 END) AS failed_count
    FROM health.order_facts
    GROUP BY channel, created_on

    UNION ALL

    SELECT metric AS component, channel, day, checked_count, checked_count - passed_count AS failed_count
    FROM quality.metrics
)

SELECT
    c.component,
    c.channel,
    c.day,
    CAST(c.checked_count AS BIGINT) AS checked_count,
    CAST(c.failed_count AS BIGINT) AS failed_count
FROM counted AS c
LEFT JOIN ref.channels AS h ON c.channel = h.channel
CROSS JOIN ref.channels AS d
WHERE
    d.channel = 'default' AND c.channel IS NOT NULL AND c.day <= local_date(as_of(), coalesce(h.timezone, d.timezone))
    AND c.checked_count > 0
