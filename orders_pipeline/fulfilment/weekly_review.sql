-- grain: week_on, order_guid
-- refresh: whole
-- pace: later
-- changes at: always
-- What the weekly meeting looks at: orders of the last whole week (Monday to Sunday, in the zone of the order) that the buyer waited
-- for too long, that were complained of, or that are worth much. The week changes on Monday at the hour of the shipping lists.
WITH days AS (
    SELECT
        timezone,
        local_date(add_hours(from_utc_timestamp(as_of(), timezone), -threshold('shipping_list_from_hours')), 'UTC') AS today
    FROM orders.orders
    GROUP BY timezone
),

weeks AS (
    SELECT
        timezone,
        add_days(today, -6 - iso_weekday(today)) AS week_on,
        to_utc_timestamp(CAST(add_days(today, -6 - iso_weekday(today)) AS TIMESTAMP), timezone) AS starts_at,
        to_utc_timestamp(CAST(add_days(today, 1 - iso_weekday(today)) AS TIMESTAMP), timezone) AS ends_at
    FROM days
),

placed AS (
    SELECT
        o.order_guid,
        o.channel,
        o.shop_id,
        o.channel_order_id,
        o.status,
        o.payable_amount,
        o.currency,
        o.created_at,
        w.week_on,
        w.starts_at,
        w.ends_at,
        coalesce(
            o.created_at >= w.starts_at AND o.created_at < w.ends_at AND o.payable_amount > threshold('weekly_review_min_amount')
            AND o.status NOT IN ('pending_payment', 'cancelled', 'expired'),
            FALSE
        ) AS is_high_value,
        o.file_id,
        o.row_number
    FROM orders.orders AS o
    INNER JOIN weeks AS w ON o.timezone = w.timezone
    WHERE o.order_type NOT IN ('test', 'credit_note', 'adjustment')
),

-- What the buyer waits for. Steps inside the house are in the hours lost by stage.
late AS (
    SELECT
        s.order_guid,
        s.stage,
        s.owner_role,
        seconds_between(CASE WHEN s.stopped_at <= as_of() THEN s.stopped_at ELSE as_of() END, s.due_at) AS lost_seconds,
        row_number() OVER (
            PARTITION BY s.order_guid
            ORDER BY
                seconds_between(CASE WHEN s.stopped_at <= as_of() THEN s.stopped_at ELSE as_of() END, s.due_at) DESC NULLS LAST,
                s.stage_number ASC NULLS LAST
        ) AS worst_first
    FROM fulfilment.order_stages AS s
    INNER JOIN placed AS p ON s.order_guid = p.order_guid
    WHERE
        s.clock_status IN ('met_late', 'breached')
        AND s.stage NOT IN ('paid', 'risk_review', 'allocated', 'picking')
        AND s.due_at >= p.starts_at AND s.due_at < p.ends_at
),

cases AS (
    SELECT
        i.order_guid,
        i.class,
        row_number() OVER (
            PARTITION BY i.order_guid
            ORDER BY i.requested_at ASC NULLS LAST, i.return_guid ASC NULLS LAST, i.item_no ASC NULLS LAST
        ) AS oldest_first
    FROM aftersales.return_items AS i
    INNER JOIN ref.return_classes AS c ON i.class = c.class
    INNER JOIN placed AS p ON i.order_guid = p.order_guid
    WHERE c.is_complaint AND i.requested_at >= p.starts_at AND i.requested_at < p.ends_at
),

reviews AS (
    SELECT
        r.order_guid,
        min(r.score) AS review_score
    FROM raw.reviews AS r
    INNER JOIN placed AS p ON r.order_guid = p.order_guid
    WHERE
        r.score <= threshold('poor_review_max_count')
        AND r.created_at >= p.starts_at AND r.created_at < p.ends_at
    GROUP BY r.order_guid
),

disputes AS (
    SELECT p.order_guid
    FROM fulfilment.parcel_issues AS i
    INNER JOIN placed AS p ON i.order_guid = p.order_guid
    WHERE i.issue = 'disputed' AND i.since_at >= p.starts_at AND i.since_at < p.ends_at
    GROUP BY p.order_guid
)

SELECT
    p.week_on,
    p.order_guid,
    p.channel,
    p.shop_id,
    p.channel_order_id,
    concat_ws(
        ',',
        CASE WHEN l.order_guid IS NOT NULL THEN 'overdue' END,
        CASE WHEN c.order_guid IS NOT NULL OR r.order_guid IS NOT NULL OR d.order_guid IS NOT NULL THEN 'complained' END,
        CASE WHEN p.is_high_value THEN 'high_value' END
    ) AS reasons,
    l.stage,
    l.owner_role,
    round_half_up(ratio(l.lost_seconds, 3600)) AS lost_hours,
    c.class AS complaint_class,
    r.review_score,
    d.order_guid IS NOT NULL AS is_disputed,
    p.status,
    p.payable_amount,
    p.currency,
    p.created_at,
    p.file_id,
    p.row_number
FROM placed AS p
LEFT JOIN late AS l ON p.order_guid = l.order_guid AND l.worst_first = 1
LEFT JOIN cases AS c ON p.order_guid = c.order_guid AND c.oldest_first = 1
LEFT JOIN reviews AS r ON p.order_guid = r.order_guid
LEFT JOIN disputes AS d ON p.order_guid = d.order_guid
WHERE l.order_guid IS NOT NULL OR c.order_guid IS NOT NULL OR r.order_guid IS NOT NULL OR d.order_guid IS NOT NULL OR p.is_high_value
