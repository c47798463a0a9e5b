-- grain: row_number
-- refresh: whole
-- Instants and wall clocks around the changes of the clock in four zones.
SELECT
    o.row_number,
    o.created_at,
    from_utc_timestamp(o.created_at, o.zone) AS local_at,
    to_utc_timestamp(o.local_at, o.zone) AS from_local_at,
    local_date(o.created_at, o.zone) AS local_on,
    to_utc_timestamp(local_date(o.created_at, o.zone), o.zone) AS local_midnight_at,
    seconds_between(as_of(), o.created_at) AS age_seconds,
    days_between(local_date(as_of(), o.zone), local_date(o.created_at, o.zone)) AS age_days,
    as_of() AS as_of_at,
    add_hours(o.created_at, threshold('silent_alert_hours')) AS due_at,
    add_hours(o.created_at, threshold('silent_alert_hours')) < as_of() AS is_silent,
    add_minutes(o.created_at, -0.5) AS half_a_minute_before_at,
    add_seconds(o.created_at, 90) AS ninety_seconds_later_at,
    add_days(local_date(o.created_at, o.zone), o.row_number % 50) AS later_on,
    add_calendar_months(local_date(o.created_at, o.zone), 1) AS next_month_on,
    iso_weekday(o.local_at) AS weekday,
    CAST(date_trunc('month', local_date(o.created_at, o.zone)) AS DATE) AS month,
    hour(o.local_at) AS hour,
    utc_text(o.created_at) AS written
FROM raw.orders AS o
