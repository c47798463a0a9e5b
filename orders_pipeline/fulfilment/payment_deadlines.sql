-- grain: order_guid
-- refresh: order by order_guid
-- changes at: next_change_at
-- Orders that were never paid: when each will be cancelled, on the buyer's clock, when the buyer is warned, and what became of it. The
-- time to pay is a length of time: it ends at the same instant everywhere, only its reading is local.
WITH paid AS (
    SELECT order_guid
    FROM fulfilment.stage_visits
    WHERE stage IN ('paid', 'deposit_paid', 'partially_paid', 'fully_paid', 'overpaid')
    GROUP BY order_guid
),

ended AS (
    SELECT
        order_guid,
        min(entered_at) AS ended_at
    FROM fulfilment.stage_visits
    WHERE axis = 'order' AND is_final
    GROUP BY order_guid
),

unpaid AS (
    SELECT
        o.order_guid,
        o.channel,
        o.shop_id,
        o.channel_order_id,
        o.payable_amount,
        o.currency,
        o.timezone,
        o.created_at,
        o.status,
        o.cancelled_at,
        e.ended_at,
        add_minutes(o.created_at, threshold('payment_window_minutes')) AS cancel_at,
        add_minutes(o.created_at, threshold('payment_window_minutes') - threshold('payment_warning_minutes')) AS warn_at,
        o.file_id,
        o.row_number
    FROM orders.orders AS o
    LEFT JOIN paid AS p ON o.order_guid = p.order_guid
    LEFT JOIN ended AS e ON o.order_guid = e.order_guid
    WHERE
        p.order_guid IS NULL
        AND o.order_type NOT IN ('cod', 'exchange', 'resend', 'test', 'credit_note', 'adjustment')
        AND o.status IN ('pending_payment', 'on_hold', 'cancelled', 'expired')
        AND coalesce(o.payable_amount > 0, TRUE)
),

measured AS (
    SELECT
        *,
        seconds_between(from_utc_timestamp(cancel_at, timezone), cancel_at) AS zone_seconds,
        CASE WHEN status = 'expired' THEN seconds_between(cancelled_at, cancel_at) END AS timer_diff_seconds
    FROM unpaid
)

SELECT
    order_guid,
    channel,
    shop_id,
    channel_order_id,
    payable_amount,
    currency,
    created_at,
    cancel_at,
    from_utc_timestamp(cancel_at, timezone) AS cancel_local,
    timezone,
    warn_at,
    from_utc_timestamp(warn_at, timezone) AS warn_local,
    CASE
        WHEN ended_at <= as_of() THEN 'closed'
        WHEN as_of() >= cancel_at THEN 'overdue'
        WHEN as_of() >= warn_at THEN 'warned'
        ELSE 'waiting'
    END AS state,
    ended_at AS closed_at,
    timer_diff_seconds,
    -- Off by the zone's own distance from UTC: somebody's timer reads local times as UTC, or UTC as local.
    coalesce(
        zone_seconds <> 0
        AND abs(abs(timer_diff_seconds) - abs(zone_seconds)) <= threshold('timer_tolerance_minutes') * 60, FALSE
    ) AS is_timer_off,
    least(
        CASE WHEN ended_at > as_of() THEN ended_at END,
        CASE WHEN cancel_at > as_of() THEN cancel_at END,
        CASE WHEN warn_at > as_of() THEN warn_at END
    ) AS next_change_at,
    file_id,
    row_number
FROM measured
