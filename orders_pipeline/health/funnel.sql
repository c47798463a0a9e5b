-- grain: day, channel, step
-- refresh: whole
-- changes at: always
-- From the visit to the parcel, for the visitors of a day and the orders created on it: how many reached each step, how many got lost
-- before it. Visits and carts stand here only where a file of visitor behaviour tells of them.
WITH acts AS (
    SELECT
        b.channel,
        local_date(b.occurred_at, coalesce(h.timezone, d.timezone)) AS day,
        b.event,
        -- Whoever has no name is taken for somebody else each time.
        coalesce(b.visitor_id, CAST(b.row_hash AS VARCHAR)) AS visitor
    FROM raw.behaviour_events AS b
    LEFT JOIN ref.channels AS h ON b.channel = h.channel
    CROSS JOIN ref.channels AS d
    WHERE d.channel = 'default' AND b.occurred_at <= as_of()
),

visitors AS (
    SELECT channel, day, 'viewed' AS step, 1 AS step_number, count(DISTINCT visitor) AS reached
    FROM acts
    WHERE event = 'view'
    GROUP BY channel, day

    UNION ALL

    SELECT channel, day, 'cart' AS step, 2 AS step_number, count(DISTINCT visitor) AS reached
    FROM acts
    WHERE event = 'add_to_cart'
    GROUP BY channel, day
),

orders AS (
    SELECT
        channel,
        created_on AS day,
        count(*) AS submitted,
        count(CASE WHEN is_paid THEN 1 END) AS paid,
        count(CASE WHEN is_shipped THEN 1 END) AS shipped
    FROM health.order_facts
    WHERE is_sale AND created_at <= as_of()
    GROUP BY channel, created_on
),

steps AS (
    SELECT channel, day, step, step_number, reached
    FROM visitors

    UNION ALL

    SELECT channel, day, 'submitted' AS step, 3 AS step_number, submitted AS reached
    FROM orders

    UNION ALL

    SELECT channel, day, 'paid' AS step, 4 AS step_number, paid AS reached
    FROM orders

    UNION ALL

    SELECT channel, day, 'shipped' AS step, 5 AS step_number, shipped AS reached
    FROM orders
),

compared AS (
    SELECT
        day,
        channel,
        step,
        step_number,
        reached,
        lag(reached) OVER (PARTITION BY channel, day ORDER BY step_number ASC NULLS LAST) AS before
    FROM steps
)

SELECT
    day,
    channel,
    step,
    step_number,
    reached AS count,
    before - reached AS lost_count,
    ratio(reached, before) AS conversion_ratio
FROM compared
