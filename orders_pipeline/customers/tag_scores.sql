-- grain: measure, currency
-- refresh: whole
-- changes at: always
-- From and up to which value recency, frequency and money have one of the scores that make a champion.
SELECT
    s.measure,
    s.currency,
    min(CASE WHEN s.score >= r.limit_value THEN s.at_least END) AS at_least,
    max(CASE WHEN s.score >= r.limit_value THEN s.below END) AS below
FROM ref.rfm_cut_points AS s
CROSS JOIN customers.tag_rules AS r
WHERE r.tag = 'rfm_champion' AND local_date(as_of(), 'UTC') >= s.valid_from AND local_date(as_of(), 'UTC') < s.valid_to
GROUP BY s.measure, s.currency
