-- grain: day, hour, problem
-- refresh: whole
-- How many orders of all channels a problem befell in each hour of the days, on the clock of the channel; the orders stand in
-- health.problems.
SELECT
    day,
    hour,
    problem,
    count(*) AS order_count,
    count(DISTINCT channel) AS channel_count
FROM health.problems
GROUP BY day, hour, problem
