-- grain: channel
-- refresh: whole
-- changes at: always
-- Channels whose intake is held because orders are paid and not created. Intake asks here which files have to wait.
SELECT
    channel,
    count(*) AS missing_count,
    min(occurred_at) AS first_paid_at,
    max(occurred_at) AS last_paid_at,
    add_hours(max(occurred_at), 24 * threshold('channel_gap_max_days')) AS ends_at
FROM reconciliation.channel_gaps
GROUP BY channel
