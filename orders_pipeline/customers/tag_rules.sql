-- grain: tag
-- refresh: whole
-- pace: later
-- changes at: always
-- The definition of each tag that is in force on the day of the run.
SELECT
    tag,
    rule_version,
    window_days,
    sample_min,
    limit_value,
    hits_min,
    variety_min,
    factor,
    confirm_value,
    peers_min,
    off_after_days
FROM ref.customer_tags
WHERE local_date(as_of(), 'UTC') >= valid_from AND local_date(as_of(), 'UTC') < valid_to
