-- grain: day, channel, metric
-- refresh: whole
-- pace: later
-- changes at: always
-- Each channel's day twice: what one source says beside what another says of the same orders, in money, pieces and time.
-- Left minus right. `accounted_difference` is the part of it that only waits for its time, or that somebody has settled.
WITH settled AS (
    SELECT order_guid
    FROM reconciliation.exceptions
    WHERE state NOT IN ('open', 'assigned')
    GROUP BY order_guid
),

-- Money beside its currency: the channel's own has the plain name, any other carries its code.
judged AS (
    SELECT
        m.order_guid,
        m.channel,
        m.created_on AS day,
        m.timezone,
        CASE
            WHEN coalesce(m.currency, h.currency, d.currency) <> coalesce(h.currency, d.currency) THEN '_' || lower(m.currency)
            ELSE ''
        END AS suffix,
        coalesce(m.currency, h.currency, d.currency) AS currency,
        m.has_order,
        m.order_status IN ('cancelled', 'expired') AS is_closed,
        coalesce(m.due_amount, 0) AS due_amount,
        coalesce(m.paid_amount, 0) AS paid_amount,
        coalesce(m.refunded_amount, 0) AS refunded_amount,
        m.amount_diff,
        m.paid_amount IS NOT NULL AS is_money_known,
        m.shipped_qty,
        m.delivered_qty,
        m.returned_qty,
        m.qty_diff,
        m.ordered_qty,
        m.status = 'TIMING' AND coalesce(as_of() < m.expected_clear_at, TRUE) OR s.order_guid IS NOT NULL AS is_accounted
    FROM reconciliation.three_way_match AS m
    LEFT JOIN settled AS s ON m.order_guid = s.order_guid
    LEFT JOIN ref.channels AS h ON m.channel = h.channel
    CROSS JOIN ref.channels AS d
    WHERE d.channel = 'default' AND m.status <> 'EXCLUDED' AND m.created_on IS NOT NULL
),

-- The instant the account books the first money of an order; a statement of days alone says nothing about instants.
captured AS (
    SELECT
        order_guid,
        min(occurred_at) AS captured_at,
        min(business_on) AS captured_on,
        sum(CASE WHEN kind IN ('receipt', 'deposit', 'balance') THEN amount ELSE 0 END) AS settled_amount
    FROM payments.allocations
    WHERE is_linked AND kind IN ('receipt', 'deposit', 'balance')
    GROUP BY order_guid
),

-- Left and right of every order in each comparison that can be made of it; null in the others.
valued AS (
    SELECT
        j.day,
        j.channel,
        j.suffix,
        j.currency,
        j.timezone,
        j.is_accounted,
        CASE WHEN j.is_closed OR NOT j.has_order THEN 0 ELSE j.due_amount END AS due_amount,
        -- What the platform put into a receipt is no payment of the buyer: the match has taken it out.
        CASE
            WHEN j.is_closed THEN j.paid_amount - j.refunded_amount
            WHEN j.has_order AND j.is_money_known AND j.amount_diff IS NOT NULL THEN j.due_amount + j.amount_diff
            ELSE j.paid_amount
        END AS received_amount,
        CASE WHEN e.payment_leg = 'bills' THEN e.paid_amount END AS claimed_amount,
        CASE WHEN e.payment_leg = 'bills' AND e.paid_amount IS NOT NULL THEN coalesce(c.settled_amount, 0) END AS settled_amount,
        j.shipped_qty - j.qty_diff AS net_qty,
        CASE WHEN j.qty_diff IS NOT NULL THEN j.shipped_qty END AS shipped_qty,
        CASE WHEN j.shipped_qty > 0 THEN j.shipped_qty END AS sent_qty,
        -- What came back undelivered has left the road as well.
        CASE WHEN j.shipped_qty > 0 THEN least(j.shipped_qty, j.delivered_qty + j.returned_qty) END AS arrived_qty,
        CASE WHEN c.captured_at IS NOT NULL THEN e.paid_at END AS paid_at,
        CASE WHEN e.paid_at IS NOT NULL THEN c.captured_at END AS captured_at,
        local_date(e.paid_at, j.timezone) AS paid_on,
        c.captured_on
    FROM judged AS j
    LEFT JOIN orders.orders AS e ON j.order_guid = e.order_guid
    LEFT JOIN captured AS c ON j.order_guid = c.order_guid
),

-- One pass over the orders; comparisons become rows afterwards, when few are left.
sums AS (
    SELECT
        day,
        channel,
        suffix,
        currency,
        count(*) AS order_count,
        sum(due_amount) AS due_amount,
        sum(received_amount) AS received_amount,
        sum(CASE WHEN is_accounted THEN due_amount - received_amount ELSE 0 END) AS received_accounted,
        count(claimed_amount) AS settled_count,
        sum(claimed_amount) AS claimed_amount,
        sum(settled_amount) AS settled_amount,
        sum(CASE WHEN is_accounted THEN claimed_amount - settled_amount ELSE 0 END) AS settled_accounted,
        count(shipped_qty) AS shipped_count,
        sum(net_qty) AS net_qty,
        sum(shipped_qty) AS shipped_qty,
        sum(CASE WHEN is_accounted THEN net_qty - shipped_qty ELSE 0 END) AS shipped_accounted,
        count(sent_qty) AS sent_count,
        sum(sent_qty) AS sent_qty,
        sum(arrived_qty) AS arrived_qty,
        sum(CASE WHEN is_accounted THEN sent_qty - arrived_qty ELSE 0 END) AS arrived_accounted
    FROM valued
    GROUP BY day, channel, suffix, currency
),

lines AS (
    SELECT
        day,
        channel,
        'received_amount' || suffix AS metric,
        currency,
        'orders' AS left_source,
        'payments' AS right_source,
        order_count,
        CAST(due_amount AS DECIMAL(18, 3)) AS left_value,
        CAST(received_amount AS DECIMAL(18, 3)) AS right_value,
        CAST(received_accounted AS DECIMAL(18, 3)) AS accounted_difference
    FROM sums

    UNION ALL

    SELECT
        day,
        channel,
        'settled_amount' || suffix AS metric,
        currency,
        'order_export' AS left_source,
        'settlement' AS right_source,
        settled_count AS order_count,
        CAST(claimed_amount AS DECIMAL(18, 3)) AS left_value,
        CAST(settled_amount AS DECIMAL(18, 3)) AS right_value,
        CAST(settled_accounted AS DECIMAL(18, 3)) AS accounted_difference
    FROM sums
    WHERE settled_count > 0

    UNION ALL

    SELECT
        day,
        channel,
        'shipped_qty' AS metric,
        CAST(NULL AS VARCHAR) AS currency,
        'orders' AS left_source,
        'shipments' AS right_source,
        shipped_count AS order_count,
        CAST(net_qty AS DECIMAL(18, 3)) AS left_value,
        CAST(shipped_qty AS DECIMAL(18, 3)) AS right_value,
        CAST(shipped_accounted AS DECIMAL(18, 3)) AS accounted_difference
    FROM sums
    WHERE shipped_count > 0

    UNION ALL

    SELECT
        day,
        channel,
        'delivered_qty' AS metric,
        CAST(NULL AS VARCHAR) AS currency,
        'shipments' AS left_source,
        'courier' AS right_source,
        sent_count AS order_count,
        CAST(sent_qty AS DECIMAL(18, 3)) AS left_value,
        CAST(arrived_qty AS DECIMAL(18, 3)) AS right_value,
        CAST(arrived_accounted AS DECIMAL(18, 3)) AS accounted_difference
    FROM sums
    WHERE sent_count > 0
),

-- When a day begins is worked out once per day and zone.
mornings AS (
    SELECT
        paid_on,
        timezone,
        to_utc_timestamp(CAST(paid_on AS TIMESTAMP), timezone) AS began_at
    FROM valued
    WHERE paid_at IS NOT NULL
    GROUP BY paid_on, timezone
),

timed AS (
    SELECT
        v.paid_on AS day,
        v.channel,
        count(*) AS order_count,
        sum(CASE WHEN v.captured_on = v.paid_on THEN 1 ELSE 0 END) AS same_day_count,
        sum(seconds_between(v.paid_at, m.began_at)) AS paid_seconds,
        sum(seconds_between(v.captured_at, m.began_at)) AS captured_seconds
    FROM valued AS v
    INNER JOIN mornings AS m ON v.paid_on = m.paid_on AND v.timezone = m.timezone
    WHERE v.paid_at IS NOT NULL
    GROUP BY v.paid_on, v.channel
),

summed AS (
    SELECT
        day,
        channel,
        metric,
        min(currency) AS currency,
        min(left_source) AS left_source,
        min(right_source) AS right_source,
        sum(order_count) AS order_count,
        sum(left_value) AS left_value,
        sum(right_value) AS right_value,
        sum(accounted_difference) AS accounted_difference
    FROM lines
    GROUP BY day, channel, metric

    UNION ALL

    SELECT
        day,
        channel,
        'same_day_capture_count' AS metric,
        CAST(NULL AS VARCHAR) AS currency,
        'order_export' AS left_source,
        'payments' AS right_source,
        order_count,
        order_count AS left_value,
        same_day_count AS right_value,
        0 AS accounted_difference
    FROM timed

    UNION ALL

    -- Time of day in seconds after the day began, on average: when the orders say they were paid, when the account booked it.
    SELECT
        day,
        channel,
        'capture_time_seconds' AS metric,
        CAST(NULL AS VARCHAR) AS currency,
        'order_export' AS left_source,
        'payments' AS right_source,
        order_count,
        round_half_up(ratio(paid_seconds, order_count)) AS left_value,
        round_half_up(ratio(captured_seconds, order_count)) AS right_value,
        0 AS accounted_difference
    FROM timed
)

SELECT
    day,
    channel,
    metric,
    currency,
    left_source,
    right_source,
    CAST(order_count AS BIGINT) AS order_count,
    CAST(left_value AS DECIMAL(18, 3)) AS left_value,
    CAST(right_value AS DECIMAL(18, 3)) AS right_value,
    CAST(left_value - right_value AS DECIMAL(18, 3)) AS difference,
    CAST(accounted_difference AS DECIMAL(18, 3)) AS accounted_difference
FROM summed
