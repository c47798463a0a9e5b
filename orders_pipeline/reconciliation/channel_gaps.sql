-- grain: order_guid
-- refresh: whole
-- changes at: always
-- Orders paid but not created, several in a row on a channel: payments that name an order nobody has, one after the other by
-- the time they were booked, with no payment of a known order between them. Lately only, and after the time an order takes to
-- arrive; what somebody has looked at and released does not count again.
WITH released AS (
    SELECT
        channel,
        max(decided_at) AS released_at
    FROM raw.channel_decisions
    WHERE action = 'release' AND decided_at <= as_of()
    GROUP BY channel
),

paid AS (
    SELECT
        m.channel,
        m.order_guid,
        m.shop_id,
        m.channel_order_id,
        m.has_order,
        min(a.occurred_at) AS occurred_at
    FROM payments.allocations AS a
    INNER JOIN reconciliation.three_way_match AS m ON a.order_guid = m.order_guid
    LEFT JOIN released AS r ON m.channel = r.channel
    WHERE
        a.kind IN ('receipt', 'deposit', 'balance') AND a.channel_order_id IS NOT NULL AND m.channel <> 'unknown'
        AND a.occurred_at > add_hours(as_of(), -24 * threshold('channel_gap_max_days'))
        AND a.occurred_at <= add_minutes(as_of(), -threshold('channel_gap_min_minutes'))
        AND coalesce(a.occurred_at > r.released_at, TRUE)
    GROUP BY m.channel, m.order_guid, m.shop_id, m.channel_order_id, m.has_order
),

-- Rows of one kind that follow each other keep one distance between their two numberings.
numbered AS (
    SELECT
        *,
        row_number() OVER (PARTITION BY channel ORDER BY occurred_at ASC NULLS FIRST, order_guid ASC NULLS FIRST)
        - row_number() OVER (PARTITION BY channel, has_order ORDER BY occurred_at ASC NULLS FIRST, order_guid ASC NULLS FIRST)
            AS row_of
    FROM paid
),

counted AS (
    SELECT
        *,
        count(*) OVER (PARTITION BY channel, has_order, row_of) AS in_a_row_count
    FROM numbered
)

SELECT
    order_guid,
    channel,
    shop_id,
    channel_order_id,
    occurred_at,
    in_a_row_count
FROM counted
WHERE NOT has_order AND in_a_row_count >= threshold('channel_hold_min_count')
