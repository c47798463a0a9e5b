-- grain: order_guid, stage_number
-- refresh: order by order_guid
-- lookup: ref.stages, ref.calendar, inventory.nodes
-- What each clock of an order's stages runs by, whatever time it is now: its start and limit, a promise that comes before the limit, its zone and
-- calendar as they were when it started, and what ends it. order_stages reads them.
WITH headers AS (
    SELECT
        o.order_guid,
        o.timezone,
        o.order_type NOT IN ('test', 'credit_note', 'adjustment') AS is_live,
        o.promised_ship_at,
        o.promised_delivery_at,
        l.promised_ship_at AS line_promised_ship_at
    FROM orders.orders AS o
    LEFT JOIN (
        SELECT
            order_guid,
            min(promised_ship_at) AS promised_ship_at
        FROM orders.order_lines
        WHERE promised_ship_at IS NOT NULL
        GROUP BY order_guid
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

-- One clock per stage and unit: coming back to a stage (after a hold) goes on with the first one's.
started AS (
    SELECT
        v.order_guid,
        v.stage_number,
        v.axis,
        v.unit_guid,
        v.is_pause,
        v.entered_at,
        s.until_rank,
        CASE WHEN v.is_fresh THEN s.limit_fresh_seconds ELSE s.limit_seconds END AS limit_seconds,
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
        (e.rank >= b.until_rank AND NOT e.is_pause AND NOT b.is_pause)
        OR (b.is_pause AND b.stage_number < e.stage_number)
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
        coalesce(CASE WHEN b.axis = 'fulfilment' THEN p.timezone END, h.timezone) AS timezone,
        b.limit_seconds,
        coalesce(b.visit = 1 AND h.is_live, FALSE) AS is_counted,
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
)

-- Working seconds since the calendar began, at the start. `always` counts every second.
SELECT
    t.order_guid,
    t.stage_number,
    t.axis,
    t.is_pause,
    t.is_counted,
    t.entered_at,
    t.limit_seconds,
    t.promise_at,
    t.end_at,
    t.is_cancelled,
    t.cancelled_at,
    t.timezone,
    t.calendar,
    d.version_number AS calendar_version,
    CASE
        WHEN d.day IS NULL THEN seconds_between(t.entered_at, CAST('2000-01-01 00:00:00+00' AS TIMESTAMPTZ))
        WHEN t.has_cutoff AND seconds_between(from_utc_timestamp(t.entered_at, t.timezone), CAST(d.day AS TIMESTAMP)) >= d.cutoff_second
            THEN d.worked_before + d.worked_seconds
        ELSE
            d.worked_before
            + greatest(0, least(d.closes_1, seconds_between(from_utc_timestamp(t.entered_at, t.timezone), CAST(d.day AS TIMESTAMP))) - d.opens_1)
            + greatest(0, least(d.closes_2, seconds_between(from_utc_timestamp(t.entered_at, t.timezone), CAST(d.day AS TIMESTAMP))) - d.opens_2)
    END AS start_work
FROM bounded AS t
LEFT JOIN ref.calendar AS d
    ON t.calendar = d.calendar AND local_date(t.entered_at, t.timezone) = d.day AND d.day >= d.valid_from AND d.day < d.valid_to
