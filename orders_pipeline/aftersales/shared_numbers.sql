-- grain: return_guid
-- refresh: whole
-- replaces: case by return_guid
-- Cases whose number is another one's too: two shops may use one number, and a shop one number for two orders.
WITH counted AS (
    SELECT
        return_guid,
        count(*) OVER (PARTITION BY return_id) AS same_count
    FROM aftersales.progress
)

SELECT
    return_guid,
    same_count
FROM counted
WHERE same_count > 1
