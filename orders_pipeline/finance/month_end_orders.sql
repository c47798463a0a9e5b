-- grain: month, order_guid, reason
-- refresh: whole
-- changes at: always
-- The differences of each month, order by order: carried in from the month before, new, cleared, written off, and still open at its
-- end. A closed month shows what it was closed with; what came later for it stands in the first month that is open.
WITH bounds AS (
    SELECT
        CAST(date_trunc('month', local_date(as_of(), d.timezone)) AS DATE) AS this_month,
        add_calendar_months(max(c.month), 1) AS first_open_month,
        d.timezone
    FROM ref.channels AS d
    LEFT JOIN finance.closed_sets AS c ON c.month IS NOT NULL
    WHERE d.channel = 'default'
    GROUP BY d.timezone
),

carried AS (
    SELECT
        f.order_guid,
        f.item AS reason,
        f.channel,
        f.currency,
        f.opened_on,
        f.qty_diff,
        f.closing_amount AS amount
    FROM finance.frozen_rows AS f
    CROSS JOIN bounds AS b
    WHERE f.section = 'differences' AND f.is_closing AND add_calendar_months(f.month, 1) = b.first_open_month
),

known AS (
    SELECT
        order_guid,
        reason,
        min(coalesce(channel, 'unmapped')) AS channel,
        min(coalesce(currency, '')) AS currency,
        min(opened_on) AS opened_on,
        sum(qty_diff) AS qty_diff,
        sum(coalesce(amount_diff, 0)) AS amount,
        max(CASE WHEN lower(state) IN ('open', 'assigned', 'carried_forward') THEN 1 ELSE 0 END) AS is_open,
        max(CASE WHEN lower(state) = 'written_off' THEN 1 ELSE 0 END) AS is_written_off,
        max(decided_at) AS decided_at
    FROM reconciliation.exceptions
    WHERE order_guid IS NOT NULL
    GROUP BY order_guid, reason
),

items AS (
    SELECT
        coalesce(k.order_guid, c.order_guid) AS order_guid,
        coalesce(k.reason, c.reason) AS reason,
        coalesce(k.channel, c.channel) AS channel,
        coalesce(k.currency, c.currency) AS currency,
        coalesce(c.opened_on, k.opened_on) AS opened_on,
        coalesce(k.qty_diff, c.qty_diff) AS qty_diff,
        c.order_guid IS NOT NULL AS is_carried,
        c.amount AS carried_amount,
        coalesce(k.amount, c.amount) AS amount,
        coalesce(k.is_open, 0) = 1 AS is_still_open,
        -- The month somebody settled it in; what has gone by itself goes with the first open month.
        CASE WHEN k.is_open = 0 THEN CAST(date_trunc('month', local_date(k.decided_at, b.timezone)) AS DATE) END AS settled_month,
        coalesce(k.is_written_off, 0) = 1 AND coalesce(k.is_open, 0) = 0 AS is_settled_by_write_off,
        CASE
            WHEN c.order_guid IS NOT NULL THEN b.first_open_month
            WHEN b.first_open_month > CAST(date_trunc('month', k.opened_on) AS DATE) THEN b.first_open_month
            ELSE CAST(date_trunc('month', k.opened_on) AS DATE)
        END AS start_month,
        b.this_month
    FROM known AS k
    FULL OUTER JOIN carried AS c ON k.order_guid = c.order_guid AND k.reason = c.reason
    CROSS JOIN bounds AS b
    -- What was settled before anybody closed a month with it is no difference of an open one.
    WHERE c.order_guid IS NOT NULL OR k.opened_on IS NOT NULL
),

monthly AS (
    SELECT
        add_calendar_months(i.start_month, n.day_number) AS month,
        n.day_number = 0 AS is_start,
        i.order_guid,
        i.reason,
        i.channel,
        i.currency,
        i.opened_on,
        i.qty_diff,
        i.is_carried,
        i.is_still_open OR coalesce(add_calendar_months(i.start_month, n.day_number) < i.settled_month, FALSE) AS is_open,
        i.is_settled_by_write_off
        AND NOT coalesce(add_calendar_months(i.start_month, n.day_number) < i.settled_month, FALSE) AS is_written_off,
        i.carried_amount,
        i.amount
    FROM items AS i
    INNER JOIN ref.days AS n
        ON
            i.is_still_open OR n.day_number = 0
            OR coalesce(add_calendar_months(i.start_month, n.day_number) <= i.settled_month, FALSE)
    WHERE
        add_calendar_months(i.start_month, n.day_number) <= i.this_month
        -- Settled in a month that is closed: that month shows it, and none after it.
        AND (i.is_carried OR i.is_still_open OR coalesce(i.settled_month >= i.start_month, TRUE))
),

moved AS (
    SELECT
        month,
        order_guid,
        reason,
        channel,
        currency,
        opened_on,
        qty_diff,
        is_carried OR NOT is_start AS is_opening,
        is_open AS is_closing,
        is_written_off,
        CASE
            WHEN is_carried AND is_start THEN carried_amount
            WHEN is_start THEN CAST(0 AS DECIMAL(18, 2))
            ELSE amount
        END AS opening_amount,
        -- A carried difference that has grown or shrunk: the rest is new.
        CASE
            WHEN is_carried AND is_start THEN amount - carried_amount
            WHEN is_start THEN amount
            ELSE CAST(0 AS DECIMAL(18, 2))
        END AS new_amount,
        CASE WHEN is_open OR is_written_off THEN CAST(0 AS DECIMAL(18, 2)) ELSE amount END AS cleared_amount,
        CASE WHEN is_written_off THEN amount ELSE CAST(0 AS DECIMAL(18, 2)) END AS written_off_amount,
        CASE WHEN is_open THEN amount ELSE CAST(0 AS DECIMAL(18, 2)) END AS closing_amount
    FROM monthly
),

frozen AS (
    SELECT
        month,
        order_guid,
        item AS reason,
        channel,
        currency,
        opened_on,
        qty_diff,
        is_opening,
        is_closing,
        is_written_off,
        opening_amount,
        increase_amount AS new_amount,
        decrease_amount AS cleared_amount,
        written_off_amount,
        closing_amount
    FROM finance.frozen_rows
    WHERE section = 'differences'
),

everything AS (
    SELECT
        month, order_guid, reason, channel, currency, opened_on, qty_diff, is_opening, is_closing, is_written_off,
        opening_amount, new_amount, cleared_amount, written_off_amount, closing_amount, FALSE AS is_closed
    FROM moved

    UNION ALL

    SELECT
        month, order_guid, reason, channel, currency, opened_on, qty_diff, is_opening, is_closing, is_written_off,
        opening_amount, new_amount, cleared_amount, written_off_amount, closing_amount, TRUE AS is_closed
    FROM frozen
)

SELECT
    month,
    order_guid,
    reason,
    channel,
    currency,
    CAST(CASE WHEN is_closing THEN closing_amount ELSE cleared_amount + written_off_amount END AS DECIMAL(18, 2)) AS amount_diff,
    CAST(qty_diff AS DECIMAL(18, 3)) AS qty_diff,
    opened_on,
    opened_on < month AS is_prior_period,
    is_opening,
    is_closing,
    is_written_off,
    CAST(opening_amount AS DECIMAL(18, 2)) AS opening_amount,
    CAST(new_amount AS DECIMAL(18, 2)) AS new_amount,
    CAST(cleared_amount AS DECIMAL(18, 2)) AS cleared_amount,
    CAST(written_off_amount AS DECIMAL(18, 2)) AS written_off_amount,
    CAST(closing_amount AS DECIMAL(18, 2)) AS closing_amount,
    is_closed
FROM everything
