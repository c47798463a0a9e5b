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

exported AS (
    SELECT order_guid, paid_amount, paid_at, payment_leg
    FROM orders.orders
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

timed AS (
    SELECT
        j.order_guid,
        j.channel,
        j.timezone,
        local_date(e.paid_at, j.timezone) AS day,
        CASE WHEN c.captured_on = local_date(e.paid_at, j.timezone) THEN 1 ELSE 0 END AS same_day_count,
        seconds_between(
            e.paid_at, to_utc_timestamp(CAST(local_date(e.paid_at, j.timezone) AS TIMESTAMP), j.timezone)
        ) AS paid_seconds,
        seconds_between(
            c.captured_at, to_utc_timestamp(CAST(local_date(e.paid_at, j.timezone) AS TIMESTAMP), j.timezone)
        ) AS captured_seconds
    FROM judged AS j
    INNER JOIN exported AS e ON j.order_guid = e.order_guid
    INNER JOIN captured AS c ON j.order_guid = c.order_guid
    WHERE e.paid_at IS NOT NULL AND c.captured_at IS NOT NULL
),

lines AS (
    SELECT
        day,
        channel,
        'received_amount' || suffix AS metric,
        currency,
        'orders' AS left_source,
        'payments' AS right_source,
        CAST(CASE WHEN is_closed OR NOT has_order THEN 0 ELSE due_amount END AS DECIMAL(18, 3)) AS left_value,
        -- What the platform put into a receipt is no payment of the buyer: the match has taken it out.
        CAST(
            CASE
                WHEN is_closed THEN paid_amount - refunded_amount
                WHEN has_order AND is_money_known AND amount_diff IS NOT NULL THEN due_amount + amount_diff
                ELSE paid_amount
            END AS DECIMAL(18, 3)
        ) AS right_value,
        is_accounted
    FROM judged

    UNION ALL

    SELECT
        j.day,
        j.channel,
        'settled_amount' || j.suffix AS metric,
        j.currency,
        'order_export' AS left_source,
        'settlement' AS right_source,
        CAST(e.paid_amount AS DECIMAL(18, 3)) AS left_value,
        CAST(coalesce(c.settled_amount, 0) AS DECIMAL(18, 3)) AS right_value,
        j.is_accounted
    FROM judged AS j
    INNER JOIN exported AS e ON j.order_guid = e.order_guid
    LEFT JOIN captured AS c ON j.order_guid = c.order_guid
    WHERE e.paid_amount IS NOT NULL AND e.payment_leg = 'bills'

    UNION ALL

    SELECT
        day,
        channel,
        'shipped_qty' AS metric,
        CAST(NULL AS VARCHAR) AS currency,
        'orders' AS left_source,
        'shipments' AS right_source,
        CAST(shipped_qty - qty_diff AS DECIMAL(18, 3)) AS left_value,
        CAST(shipped_qty AS DECIMAL(18, 3)) AS right_value,
        is_accounted
    FROM judged
    WHERE qty_diff IS NOT NULL

    UNION ALL

    SELECT
        day,
        channel,
        'delivered_qty' AS metric,
        CAST(NULL AS VARCHAR) AS currency,
        'shipments' AS left_source,
        'courier' AS right_source,
        CAST(shipped_qty AS DECIMAL(18, 3)) AS left_value,
        -- What came back undelivered has left the road as well.
        CAST(least(shipped_qty, delivered_qty + returned_qty) AS DECIMAL(18, 3)) AS right_value,
        is_accounted
    FROM judged
    WHERE shipped_qty > 0

    UNION ALL

    SELECT
        day,
        channel,
        'same_day_capture_count' AS metric,
        CAST(NULL AS VARCHAR) AS currency,
        'order_export' AS left_source,
        'payments' AS right_source,
        CAST(1 AS DECIMAL(18, 3)) AS left_value,
        CAST(same_day_count AS DECIMAL(18, 3)) AS right_value,
        FALSE AS is_accounted
    FROM timed
),

summed AS (
    SELECT
        day,
        channel,
        metric,
        min(currency) AS currency,
        min(left_source) AS left_source,
        min(right_source) AS right_source,
        count(*) AS order_count,
        sum(left_value) AS left_value,
        sum(right_value) AS right_value,
        sum(CASE WHEN is_accounted THEN left_value - right_value ELSE 0 END) AS accounted_difference
    FROM lines
    GROUP BY day, channel, metric

    UNION ALL

    -- Time of day in seconds after the day began, on average: when the orders say they were paid, when the account booked it.
    SELECT
        day,
        channel,
        'capture_time_seconds' AS metric,
        CAST(NULL AS VARCHAR) AS currency,
        'order_export' AS left_source,
        'payments' AS right_source,
        count(*) AS order_count,
        CAST(round_half_up(ratio(sum(paid_seconds), count(*))) AS DECIMAL(18, 3)) AS left_value,
        CAST(round_half_up(ratio(sum(captured_seconds), count(*))) AS DECIMAL(18, 3)) AS right_value,
        CAST(0 AS DECIMAL(18, 3)) AS accounted_difference
    FROM timed
    GROUP BY day, channel
)

SELECT
    day,
    channel,
    metric,
    currency,
    left_source,
    right_source,
    order_count,
    CAST(left_value AS DECIMAL(18, 3)) AS left_value,
    CAST(right_value AS DECIMAL(18, 3)) AS right_value,
    CAST(left_value - right_value AS DECIMAL(18, 3)) AS difference,
    CAST(accounted_difference AS DECIMAL(18, 3)) AS accounted_difference
FROM summed
