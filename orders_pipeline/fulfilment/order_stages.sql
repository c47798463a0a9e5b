-- grain: order_guid, stage_number
-- refresh: clock by order_guid
-- lookup: ref.stages, ref.calendar, ref.calendar_deadlines
-- changes at: next_change_at
-- ages at: next_reading_at
-- Every stage an order went through, who owed the next step, and the clock that ran meanwhile: due, elapsed and outcome, in working time of
-- the calendar as it was when the clock started. Pauses (holds, reviews) count for nothing, outside working hours too. A promise made to the
-- buyer comes before the limit and is not paused.
WITH timed AS (
    SELECT
        *,
        coalesce(end_at <= as_of(), FALSE) AS has_ended,
        CASE WHEN end_at <= as_of() THEN end_at ELSE greatest(as_of(), entered_at) END AS now_at
    FROM fulfilment.clocks
    WHERE is_counted
),

-- Working seconds since the calendar began, at the clock's end or now. `always` counts every second.
worked AS (
    SELECT
        t.*,
        CASE
            WHEN d.day IS NULL THEN seconds_between(t.now_at, CAST('2000-01-01 00:00:00+00' AS TIMESTAMPTZ))
            ELSE
                d.worked_before
                + greatest(0, least(d.closes_1, seconds_between(from_utc_timestamp(t.now_at, t.timezone), CAST(d.day AS TIMESTAMP))) - d.opens_1)
                + greatest(0, least(d.closes_2, seconds_between(from_utc_timestamp(t.now_at, t.timezone), CAST(d.day AS TIMESTAMP))) - d.opens_2)
        END AS now_work
    FROM timed AS t
    LEFT JOIN ref.calendar AS d
        ON t.calendar = d.calendar AND t.calendar_version = d.version_number AND local_date(t.now_at, t.timezone) = d.day
),

-- ---- pauses, in the working time of the clock they stop

pauses AS (
    SELECT
        w.order_guid,
        w.stage_number,
        w.calendar,
        w.calendar_version,
        w.timezone,
        w.start_work,
        w.limit_seconds,
        greatest(v.entered_at, w.entered_at) AS from_at,
        least(coalesce(v.left_at, w.now_at), w.now_at) AS to_at,
        coalesce(v.left_at > w.now_at, TRUE) AND NOT w.has_ended AS is_open
    FROM worked AS w
    INNER JOIN fulfilment.stage_visits AS v ON w.order_guid = v.order_guid
    WHERE
        v.is_pause AND NOT v.is_overtaken AND v.axis = 'order'
        AND NOT w.is_pause AND w.axis IN ('order', 'fulfilment') AND w.promise_at IS NULL
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
                + greatest(0, least(a.closes_1, seconds_between(from_utc_timestamp(p.from_at, p.timezone), CAST(a.day AS TIMESTAMP))) - a.opens_1)
                + greatest(0, least(a.closes_2, seconds_between(from_utc_timestamp(p.from_at, p.timezone), CAST(a.day AS TIMESTAMP))) - a.opens_2)
        END AS from_work,
        CASE
            WHEN z.day IS NULL THEN seconds_between(p.to_at, CAST('2000-01-01 00:00:00+00' AS TIMESTAMPTZ))
            ELSE
                z.worked_before
                + greatest(0, least(z.closes_1, seconds_between(from_utc_timestamp(p.to_at, p.timezone), CAST(z.day AS TIMESTAMP))) - z.opens_1)
                + greatest(0, least(z.closes_2, seconds_between(from_utc_timestamp(p.to_at, p.timezone), CAST(z.day AS TIMESTAMP))) - z.opens_2)
        END AS to_work
    FROM pauses AS p
    LEFT JOIN ref.calendar AS a
        ON p.calendar = a.calendar AND p.calendar_version = a.version_number AND local_date(p.from_at, p.timezone) = a.day
    LEFT JOIN ref.calendar AS z
        ON p.calendar = z.calendar AND p.calendar_version = z.version_number AND local_date(p.to_at, p.timezone) = z.day
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
            WHEN m.calendar_version IS NULL THEN add_seconds(m.entered_at, m.due_work - m.start_work)
            WHEN m.due_work - k.worked_before <= k.closes_1 - k.opens_1
                THEN to_utc_timestamp(from_utc_timestamp(add_seconds(CAST(k.day AS TIMESTAMP), k.opens_1 + m.due_work - k.worked_before), 'UTC'), m.timezone)
            ELSE
                to_utc_timestamp(
                    from_utc_timestamp(
                        add_seconds(CAST(k.day AS TIMESTAMP), k.opens_2 + m.due_work - k.worked_before - (k.closes_1 - k.opens_1)), 'UTC'
                    ), m.timezone
                )
        END AS due_at
    FROM measured AS m
    LEFT JOIN ref.calendar_deadlines AS b
        ON m.calendar = b.calendar AND m.calendar_version = b.version_number AND CAST(round(m.due_work, 0) AS BIGINT) // 86400 = b.bucket
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
    v.is_fresh,
    j.calendar,
    j.calendar_version,
    j.timezone,
    -- A pause moves the deadline for as long as it lasts; working time passes no faster than the clock on the wall.
    least(
        CASE WHEN v.entered_at > as_of() THEN v.entered_at END,
        CASE WHEN v.left_at > as_of() THEN v.left_at END,
        CASE WHEN j.end_at > as_of() THEN j.end_at END,
        CASE
            WHEN j.clock_status = 'paused' THEN add_seconds(as_of(), 0.000001)
            WHEN j.clock_status = 'running' AND j.promise_at IS NULL
                THEN least(add_seconds(as_of(), j.risk_work - j.now_work), add_seconds(j.due_at, 0.000001))
            WHEN j.clock_status = 'running'
                THEN greatest(
                    add_seconds(as_of(), 0.000001),
                    add_seconds(j.entered_at, CAST(round(seconds_between(j.due_at, j.entered_at) * 4, 0) AS BIGINT) // 5)
                )
            WHEN j.clock_status = 'at_risk' THEN add_seconds(j.due_at, 0.000001)
        END
    ) AS next_change_at,
    -- A clock that runs has another reading at every look.
    CASE WHEN j.due_at IS NOT NULL AND NOT j.has_ended THEN add_seconds(greatest(as_of(), v.entered_at), 0.000001) END AS next_reading_at,
    v.evidence,
    v.file_id,
    v.row_number
FROM fulfilment.stage_visits AS v
INNER JOIN ref.stages AS s ON v.stage = s.stage
LEFT JOIN judged AS j ON v.order_guid = j.order_guid AND v.stage_number = j.stage_number
