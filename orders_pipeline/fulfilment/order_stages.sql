-- grain: order_guid, stage_number
-- refresh: clock by order_guid
-- lookup: ref.stages, ref.calendar, ref.calendar_deadlines, orders.products, inventory.nodes
-- changes at: next_change_at
-- Every stage an order went through, who owed the next step, and the clock that ran meanwhile: due, elapsed and outcome, in working time of
-- the calendar as it was when the clock started. Pauses (holds, reviews) count for nothing, outside working hours too. A promise made to the
-- buyer comes before the limit and is not paused.
WITH headers AS (
    SELECT
        o.order_guid,
        o.timezone,
        o.order_type NOT IN ('test', 'credit_note', 'adjustment') AS is_live,
        o.promised_ship_at,
        o.promised_delivery_at,
        l.promised_ship_at AS line_promised_ship_at,
        coalesce(l.is_fresh, FALSE) AS is_fresh
    FROM orders.orders AS o
    LEFT JOIN (
        SELECT
            n.order_guid,
            min(n.promised_ship_at) AS promised_ship_at,
            max(CASE WHEN p.is_fresh THEN 1 ELSE 0 END) = 1 AS is_fresh
        FROM orders.order_lines AS n
        LEFT JOIN orders.products AS p ON n.sku = p.sku
        GROUP BY n.order_guid
    ) AS l ON o.order_guid = l.order_guid
),

-- A parcel's clocks run in the zone of its warehouse, everything else in the order's.
places AS (
    SELECT
        s.order_guid,
        coalesce(s.parcel_guid, guid_of('outbound|' || s.warehouse_id || '|' || s.outbound_id)) AS unit_guid,
        min(n.timezone) AS timezone
    FROM fulfilment.shipment_lines AS s
    INNER JOIN inventory.nodes AS n ON s.warehouse_id = n.warehouse_id
    WHERE n.timezone IS NOT NULL
    GROUP BY s.order_guid, coalesce(s.parcel_guid, guid_of('outbound|' || s.warehouse_id || '|' || s.outbound_id))
),

closings AS (
    SELECT
        order_guid,
        min(CASE WHEN stage IN ('cancelled', 'expired') THEN entered_at END) AS cancelled_at,
        min(CASE WHEN stage = 'completed' THEN entered_at END) AS completed_at
    FROM fulfilment.stage_visits
    WHERE axis = 'order' AND is_final AND NOT is_overtaken
    GROUP BY order_guid
),

-- One clock per stage and unit: coming back to a stage (after a hold) goes on with it.
started AS (
    SELECT
        v.order_guid,
        v.stage_number,
        v.axis,
        v.unit_guid,
        v.is_pause,
        v.entered_at,
        s.until_rank,
        s.limit_seconds,
        s.limit_fresh_seconds,
        s.promise,
        s.calendar,
        s.has_cutoff,
        row_number() OVER (
            PARTITION BY v.order_guid, v.axis, v.unit_guid, v.stage
            ORDER BY v.stage_number ASC NULLS FIRST
        ) AS visit
    FROM fulfilment.stage_visits AS v
    INNER JOIN ref.stages AS s ON v.stage = s.stage
    WHERE s.has_clock AND NOT v.is_overtaken
),

-- What a clock waits for may be dated before its start (a clock set wrong): then it stops at once, with nothing used.
stops AS (
    SELECT
        b.order_guid,
        b.stage_number,
        min(e.entered_at) AS stop_at
    FROM started AS b
    INNER JOIN fulfilment.stage_visits AS e
        ON b.order_guid = e.order_guid AND b.axis = e.axis AND b.unit_guid = e.unit_guid
    WHERE
        b.visit = 1
        AND (
            (e.rank >= b.until_rank AND NOT e.is_pause AND NOT b.is_pause)
            OR (b.is_pause AND b.stage_number < e.stage_number)
        )
    GROUP BY b.order_guid, b.stage_number
),

-- A promise without a time of day is kept by the end of the day. Of several promises the shortest counts.
clocks AS (
    SELECT
        b.order_guid,
        b.stage_number,
        b.axis,
        b.is_pause,
        b.entered_at,
        b.calendar,
        b.has_cutoff,
        s.stop_at,
        c.cancelled_at,
        c.completed_at,
        coalesce(CASE WHEN b.axis = 'fulfilment' THEN p.timezone END, h.timezone) AS zone,
        CASE WHEN h.is_fresh THEN b.limit_fresh_seconds ELSE b.limit_seconds END AS limit_seconds,
        CASE
            WHEN b.promise = 'promised_ship_at' THEN least(h.promised_ship_at, h.line_promised_ship_at)
            WHEN b.promise = 'promised_delivery_at' THEN h.promised_delivery_at
        END AS promised_at,
        h.timezone AS promise_zone
    FROM started AS b
    INNER JOIN headers AS h ON b.order_guid = h.order_guid
    LEFT JOIN stops AS s ON b.order_guid = s.order_guid AND b.stage_number = s.stage_number
    LEFT JOIN closings AS c ON b.order_guid = c.order_guid
    LEFT JOIN places AS p ON b.order_guid = p.order_guid AND b.unit_guid = p.unit_guid
    WHERE b.visit = 1 AND h.is_live
),

bounded AS (
    SELECT
        *,
        CASE
            -- The day's first instant: where clocks are set forward at midnight that is one o'clock.
            WHEN to_utc_timestamp(CAST(local_date(promised_at, promise_zone) AS TIMESTAMP), promise_zone) = promised_at
                THEN to_utc_timestamp(CAST(CAST(local_date(promised_at, promise_zone) AS VARCHAR) || ' 23:59:59' AS TIMESTAMP), promise_zone)
            ELSE promised_at
        END AS promise_at,
        -- What ends it: its own stop, or the end of the order.
        least(
            stop_at,
            CASE
                WHEN axis <> 'after_sale' AND coalesce(cancelled_at, completed_at) IS NOT NULL
                    THEN greatest(least(cancelled_at, completed_at), entered_at)
            END
        ) AS end_at,
        coalesce(axis <> 'after_sale' AND cancelled_at <= coalesce(least(stop_at, completed_at), cancelled_at), FALSE) AS is_cancelled
    FROM clocks
),

timed AS (
    SELECT
        *,
        coalesce(end_at <= as_of(), FALSE) AS has_ended,
        CASE WHEN end_at <= as_of() THEN end_at ELSE greatest(as_of(), entered_at) END AS now_at
    FROM bounded
),

-- Working seconds since the calendar began, at the start of each clock and at its end (or now). `always` counts every second.
started_work AS (
    SELECT
        t.*,
        d.version_number,
        CASE
            WHEN d.day IS NULL THEN seconds_between(t.entered_at, CAST('2000-01-01 00:00:00+00' AS TIMESTAMPTZ))
            WHEN t.has_cutoff AND seconds_between(from_utc_timestamp(t.entered_at, t.zone), CAST(d.day AS TIMESTAMP)) >= d.cutoff_second
                THEN d.worked_before + d.worked_seconds
            ELSE
                d.worked_before
                + greatest(0, least(d.closes_1, seconds_between(from_utc_timestamp(t.entered_at, t.zone), CAST(d.day AS TIMESTAMP))) - d.opens_1)
                + greatest(0, least(d.closes_2, seconds_between(from_utc_timestamp(t.entered_at, t.zone), CAST(d.day AS TIMESTAMP))) - d.opens_2)
        END AS start_work
    FROM timed AS t
    LEFT JOIN ref.calendar AS d
        ON t.calendar = d.calendar AND local_date(t.entered_at, t.zone) = d.day AND d.day >= d.valid_from AND d.day < d.valid_to
),

worked AS (
    SELECT
        t.*,
        CASE
            WHEN d.day IS NULL THEN seconds_between(t.now_at, CAST('2000-01-01 00:00:00+00' AS TIMESTAMPTZ))
            ELSE
                d.worked_before
                + greatest(0, least(d.closes_1, seconds_between(from_utc_timestamp(t.now_at, t.zone), CAST(d.day AS TIMESTAMP))) - d.opens_1)
                + greatest(0, least(d.closes_2, seconds_between(from_utc_timestamp(t.now_at, t.zone), CAST(d.day AS TIMESTAMP))) - d.opens_2)
        END AS now_work
    FROM started_work AS t
    LEFT JOIN ref.calendar AS d
        ON t.calendar = d.calendar AND t.version_number = d.version_number AND local_date(t.now_at, t.zone) = d.day
),

-- ---- pauses, in the working time of the clock they stop

pauses AS (
    SELECT
        w.order_guid,
        w.stage_number,
        w.calendar,
        w.version_number,
        w.zone,
        w.start_work,
        w.limit_seconds,
        greatest(v.entered_at, w.entered_at) AS from_at,
        least(coalesce(v.left_at, w.now_at), w.now_at) AS to_at,
        coalesce(v.left_at > w.now_at, TRUE) AND NOT w.has_ended AS is_open
    FROM worked AS w
    INNER JOIN fulfilment.stage_visits AS v ON w.order_guid = v.order_guid
    WHERE
        v.is_pause AND NOT v.is_overtaken AND v.axis = 'order'
        AND NOT w.is_pause AND w.axis IN ('order', 'fulfilment') AND w.promised_at IS NULL
        AND v.entered_at < w.now_at AND coalesce(v.left_at > w.entered_at, TRUE)
),

pause_work AS (
    SELECT
        p.order_guid,
        p.stage_number,
        p.from_at,
        p.is_open,
        p.start_work,
        p.limit_seconds,
        CASE
            WHEN a.day IS NULL THEN seconds_between(p.from_at, CAST('2000-01-01 00:00:00+00' AS TIMESTAMPTZ))
            ELSE
                a.worked_before
                + greatest(0, least(a.closes_1, seconds_between(from_utc_timestamp(p.from_at, p.zone), CAST(a.day AS TIMESTAMP))) - a.opens_1)
                + greatest(0, least(a.closes_2, seconds_between(from_utc_timestamp(p.from_at, p.zone), CAST(a.day AS TIMESTAMP))) - a.opens_2)
        END AS from_work,
        CASE
            WHEN z.day IS NULL THEN seconds_between(p.to_at, CAST('2000-01-01 00:00:00+00' AS TIMESTAMPTZ))
            ELSE
                z.worked_before
                + greatest(0, least(z.closes_1, seconds_between(from_utc_timestamp(p.to_at, p.zone), CAST(z.day AS TIMESTAMP))) - z.opens_1)
                + greatest(0, least(z.closes_2, seconds_between(from_utc_timestamp(p.to_at, p.zone), CAST(z.day AS TIMESTAMP))) - z.opens_2)
        END AS to_work
    FROM pauses AS p
    LEFT JOIN ref.calendar AS a
        ON p.calendar = a.calendar AND p.version_number = a.version_number AND local_date(p.from_at, p.zone) = a.day
    LEFT JOIN ref.calendar AS z
        ON p.calendar = z.calendar AND p.version_number = z.version_number AND local_date(p.to_at, p.zone) = z.day
),

summed AS (
    SELECT
        *,
        -- After a cut-off the clock starts later than its stage: what was paused before that counts for nothing.
        greatest(0, to_work - greatest(from_work, start_work)) AS seconds,
        sum(greatest(0, to_work - greatest(from_work, start_work))) OVER (
            PARTITION BY order_guid, stage_number
            ORDER BY from_at ASC NULLS FIRST, is_open ASC NULLS FIRST, to_work ASC NULLS FIRST
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS seconds_so_far
    FROM pause_work
),

-- A pause that begins when the time is up already moves no deadline.
paused AS (
    SELECT
        order_guid,
        stage_number,
        CAST(round(sum(seconds), 0) AS BIGINT) AS paused_seconds,
        CAST(
            round(sum(CASE WHEN from_work - start_work - (seconds_so_far - seconds) < limit_seconds THEN seconds ELSE 0 END), 0)
            AS BIGINT
        ) AS moving_seconds,
        max(CASE WHEN is_open THEN 1 ELSE 0 END) = 1 AS is_paused
    FROM summed
    GROUP BY order_guid, stage_number
),

-- ---- deadlines, from working time back to the clock on the wall

measured AS (
    SELECT
        w.*,
        coalesce(p.paused_seconds, 0) AS paused_seconds,
        coalesce(p.is_paused, FALSE) AS is_paused,
        greatest(0, w.now_work - w.start_work - coalesce(p.paused_seconds, 0)) AS elapsed_seconds,
        w.start_work + w.limit_seconds + coalesce(p.moving_seconds, 0) AS due_work,
        -- At risk: four fifths of the time is used.
        w.start_work + CAST(round(w.limit_seconds * 4, 0) AS BIGINT) // 5 + coalesce(p.moving_seconds, 0) AS risk_work
    FROM worked AS w
    LEFT JOIN paused AS p ON w.order_guid = p.order_guid AND w.stage_number = p.stage_number
),

dated AS (
    SELECT
        m.*,
        CASE
            WHEN m.promise_at IS NOT NULL THEN m.promise_at
            WHEN m.limit_seconds IS NULL THEN CAST(NULL AS TIMESTAMPTZ)
            WHEN m.due_work = m.start_work THEN m.entered_at
            WHEN m.version_number IS NULL THEN add_seconds(m.entered_at, m.due_work - m.start_work)
            WHEN m.due_work - k.worked_before <= k.closes_1 - k.opens_1
                THEN to_utc_timestamp(from_utc_timestamp(add_seconds(CAST(k.day AS TIMESTAMP), k.opens_1 + m.due_work - k.worked_before), 'UTC'), m.zone)
            ELSE
                to_utc_timestamp(
                    from_utc_timestamp(
                        add_seconds(CAST(k.day AS TIMESTAMP), k.opens_2 + m.due_work - k.worked_before - (k.closes_1 - k.opens_1)), 'UTC'
                    ), m.zone
                )
        END AS due_at
    FROM measured AS m
    LEFT JOIN ref.calendar_deadlines AS b
        ON m.calendar = b.calendar AND m.version_number = b.version_number AND CAST(round(m.due_work, 0) AS BIGINT) // 86400 = b.bucket
    LEFT JOIN ref.calendar AS k ON b.calendar = k.calendar AND b.version_number = k.version_number AND b.day = k.day
    WHERE
        b.day IS NULL
        OR (m.due_work > k.worked_before AND m.due_work <= k.worked_before + k.worked_seconds)
),

judged AS (
    SELECT
        d.*,
        CASE
            WHEN d.due_at IS NULL THEN CAST(NULL AS VARCHAR)
            WHEN d.entered_at > as_of() THEN 'not_started'
            WHEN d.has_ended AND d.is_cancelled THEN CASE WHEN d.end_at <= d.due_at OR d.cancelled_at <= d.entered_at THEN 'void' ELSE 'breached' END
            WHEN d.has_ended AND d.promise_at IS NOT NULL THEN CASE WHEN d.end_at <= d.due_at THEN 'met' ELSE 'met_late' END
            WHEN d.has_ended THEN CASE WHEN d.elapsed_seconds <= d.limit_seconds THEN 'met' ELSE 'met_late' END
            WHEN as_of() > d.due_at THEN 'breached'
            WHEN d.is_paused THEN 'paused'
            WHEN d.promise_at IS NULL AND d.now_work >= d.risk_work THEN 'at_risk'
            WHEN
                d.promise_at IS NOT NULL
                AND seconds_between(as_of(), d.entered_at) * 5 >= seconds_between(d.due_at, d.entered_at) * 4
                THEN 'at_risk'
            ELSE 'running'
        END AS clock_status
    FROM dated AS d
)

SELECT
    v.order_guid,
    v.stage_number,
    v.axis,
    v.unit_guid,
    v.stage,
    s.label_en,
    s.label_zh,
    s.owner_role,
    v.entered_at,
    v.left_at,
    v.entered_at <= as_of() AND coalesce(v.left_at > as_of(), TRUE) AS is_current,
    j.due_at,
    j.end_at AS stopped_at,
    j.limit_seconds,
    CAST(round(j.elapsed_seconds, 0) AS BIGINT) AS elapsed_seconds,
    j.paused_seconds,
    j.clock_status,
    v.came_from,
    v.is_legal,
    h.is_fresh,
    j.calendar,
    j.version_number AS calendar_version,
    j.zone AS timezone,
    -- A clock that runs has another reading at every look.
    least(
        CASE WHEN j.due_at IS NOT NULL AND NOT j.has_ended THEN add_seconds(greatest(as_of(), v.entered_at), 0.000001) END,
        CASE WHEN v.entered_at > as_of() THEN v.entered_at END,
        CASE WHEN v.left_at > as_of() THEN v.left_at END
    ) AS next_change_at,
    v.evidence,
    v.file_id,
    v.row_number
FROM fulfilment.stage_visits AS v
INNER JOIN ref.stages AS s ON v.stage = s.stage
INNER JOIN headers AS h ON v.order_guid = h.order_guid
LEFT JOIN judged AS j ON v.order_guid = j.order_guid AND v.stage_number = j.stage_number
