-- grain: month, channel
-- refresh: whole
-- Share of a channel's revenue that came back as goods in the months before each month: what is expected back of that month's.
-- Empty where too few orders were sold for a rate; then the rule of the order says what is expected.
WITH booked AS (
    SELECT
        e.order_guid,
        c.channel,
        CAST(date_trunc('month', e.recognised_on) AS DATE) AS month,
        CASE WHEN e.earned_step > 0 THEN e.earned_step - e.vat_step ELSE 0 END AS sold_amount,
        CASE WHEN e.refund_kind = 'return' THEN e.vat_step - e.earned_step ELSE 0 END AS returned_amount
    FROM finance.earnings AS e
    INNER JOIN finance.contracts AS c ON e.order_guid = c.order_guid
    WHERE e.earned_step <> 0
),

monthly AS (
    SELECT
        channel,
        month,
        count(DISTINCT CASE WHEN sold_amount > 0 THEN order_guid END) AS order_count,
        sum(sold_amount) AS sold_amount,
        sum(returned_amount) AS returned_amount
    FROM booked
    GROUP BY channel, month
),

before AS (
    SELECT
        m.channel,
        m.month,
        coalesce(sum(h.order_count), 0) AS order_count,
        coalesce(sum(h.sold_amount), 0) AS sold_amount,
        coalesce(sum(h.returned_amount), 0) AS returned_amount
    FROM monthly AS m
    LEFT JOIN monthly AS h
        ON
            m.channel = h.channel AND h.month < m.month
            AND h.month >= add_calendar_months(m.month, -threshold('return_history_months_count'))
    GROUP BY m.channel, m.month
)

SELECT
    month,
    channel,
    CAST(order_count AS BIGINT) AS order_count,
    CAST(sold_amount AS DECIMAL(18, 2)) AS sold_amount,
    CAST(returned_amount AS DECIMAL(18, 2)) AS returned_amount,
    CASE
        WHEN order_count >= threshold('return_history_orders_count') AND sold_amount > 0
            THEN CAST(least(ratio(returned_amount, sold_amount), 1) AS DECIMAL(9, 6))
    END AS return_ratio
FROM before
