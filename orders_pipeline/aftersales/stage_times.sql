-- grain: class, stage
-- refresh: whole
-- pace: later
-- changes at: always
-- Where cases spend their time: per class and stage how many passed it, how long that took, and how many wait there for how long.
WITH spans AS (
    SELECT class, 'decision' AS stage, seconds_between(approved_at, requested_at) AS seconds
    FROM aftersales.progress
    WHERE approved_at >= requested_at

    UNION ALL

    SELECT class, 'goods_to_send' AS stage, seconds_between(coalesce(sent_at, arrived_at), approved_at) AS seconds
    FROM aftersales.progress
    WHERE kind <> 'refund_only' AND coalesce(sent_at, arrived_at) >= approved_at

    UNION ALL

    SELECT class, 'goods_on_way' AS stage, seconds_between(arrived_at, sent_at) AS seconds
    FROM aftersales.progress
    WHERE kind <> 'refund_only' AND arrived_at >= sent_at

    UNION ALL

    SELECT class, 'inspection' AS stage, seconds_between(inspected_at, arrived_at) AS seconds
    FROM aftersales.progress
    WHERE kind <> 'refund_only' AND inspected_at >= arrived_at

    UNION ALL

    SELECT
        class,
        CASE WHEN kind = 'exchange' THEN 'replacement' ELSE 'refund' END AS stage,
        seconds_between(refunded_at, CASE WHEN kind = 'refund_only' THEN approved_at ELSE inspected_at END) AS seconds
    FROM aftersales.progress
    WHERE refunded_at >= CASE WHEN kind = 'refund_only' THEN approved_at ELSE inspected_at END

    UNION ALL

    SELECT class, 'stock' AS stage, seconds_between(stock_done_at, inspected_at) AS seconds
    FROM aftersales.progress
    WHERE kind <> 'refund_only' AND stock_done_at >= inspected_at
),

ordered AS (
    SELECT
        class,
        stage,
        seconds,
        row_number() OVER (PARTITION BY class, stage ORDER BY seconds ASC NULLS LAST) AS place,
        count(*) OVER (PARTITION BY class, stage) AS places
    FROM spans
),

passed AS (
    SELECT
        class,
        stage,
        count(*) AS case_count,
        sum(seconds) AS seconds,
        -- Nearest rank: the first value that at least 90 in 100 do not exceed.
        min(CASE WHEN place * 10 >= places * 9 THEN seconds END) AS p90_seconds
    FROM ordered
    GROUP BY class, stage
),

waiting AS (
    SELECT
        class,
        stage,
        count(*) AS waiting_count,
        sum(CASE WHEN due_at < as_of() THEN 1 ELSE 0 END) AS overdue_count,
        sum(greatest(0, seconds_between(as_of(), entered_at))) AS seconds
    FROM aftersales.progress
    WHERE stage NOT IN ('done', 'closed')
    GROUP BY class, stage
)

SELECT
    coalesce(p.class, w.class) AS class,
    coalesce(p.stage, w.stage) AS stage,
    coalesce(p.case_count, 0) AS case_count,
    round_half_up(ratio(p.seconds, p.case_count * 3600)) AS mean_hours,
    round_half_up(ratio(p.p90_seconds, 3600)) AS p90_hours,
    coalesce(w.waiting_count, 0) AS waiting_count,
    CAST(coalesce(w.overdue_count, 0) AS BIGINT) AS overdue_count,
    round_half_up(ratio(coalesce(w.seconds, 0), 3600)) AS waiting_hours
FROM passed AS p
FULL OUTER JOIN waiting AS w ON p.class = w.class AND p.stage = w.stage
