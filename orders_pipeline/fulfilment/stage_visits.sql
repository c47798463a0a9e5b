-- grain: order_guid, stage_number
-- refresh: order by order_guid
-- lookup: ref.stages, ref.stage_transitions, orders.products
-- The fold: every order's events in the order of (time, source, advance), however late they came, as the stages it passed through on each
-- axis. What repeats the stage before says nothing new. What the state machine does not allow is kept, and says so; a sighting of
-- an unfinished stage after a finished one (a scan sent late) is listed but does not undo it.
WITH ranked AS (
    SELECT
        e.order_guid,
        e.axis,
        s.axis_number,
        e.unit_guid,
        e.stage,
        s.rank,
        s.is_pause,
        s.is_final,
        e.event_at,
        e.source_rank,
        e.is_observed,
        e.evidence,
        e.file_id,
        e.row_number,
        max(s.rank) OVER before AS rank_before,
        lag(s.is_pause) OVER in_time AS paused_before
    FROM fulfilment.events AS e
    INNER JOIN ref.stages AS s ON e.stage = s.stage
    WINDOW
        in_time AS (
            PARTITION BY e.order_guid, e.axis, e.unit_guid
            ORDER BY e.event_at ASC NULLS FIRST, e.source_rank ASC NULLS FIRST, s.rank ASC NULLS FIRST
        ),
        before AS (
            PARTITION BY e.order_guid, e.axis, e.unit_guid
            ORDER BY e.event_at ASC NULLS FIRST, e.source_rank ASC NULLS FIRST, s.rank ASC NULLS FIRST
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        )
),

-- A status an export shows without its time confirms what is known already, unless it is further on, a pause, or the end of one.
telling AS (
    SELECT
        *,
        lag(stage) OVER in_time AS stage_before,
        last_value(CASE WHEN is_final THEN stage END IGNORE NULLS) OVER before AS final_before
    FROM ranked
    WHERE NOT is_observed OR coalesce(rank > rank_before, TRUE) OR (is_pause AND coalesce(rank_before < 80, TRUE)) OR coalesce(paused_before, FALSE)
    WINDOW
        in_time AS (
            PARTITION BY order_guid, axis, unit_guid
            ORDER BY event_at ASC NULLS FIRST, source_rank ASC NULLS FIRST, rank ASC NULLS FIRST
        ),
        before AS (
            PARTITION BY order_guid, axis, unit_guid
            ORDER BY event_at ASC NULLS FIRST, source_rank ASC NULLS FIRST, rank ASC NULLS FIRST
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        )
),

changes AS (
    SELECT *
    FROM telling
    WHERE stage IS DISTINCT FROM stage_before
),

-- Left by a declared way (delivered, then on its way back), a finished stage stands no longer against what follows.
anchored AS (
    SELECT
        c.*,
        last_value(CASE WHEN c.is_final OR t.to_stage IS NOT NULL THEN c.is_final END IGNORE NULLS) OVER (
            PARTITION BY c.order_guid, c.axis, c.unit_guid
            ORDER BY c.event_at ASC NULLS FIRST, c.source_rank ASC NULLS FIRST, c.rank ASC NULLS FIRST
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS stood_final,
        t.to_stage IS NOT NULL AS leaves_final
    FROM changes AS c
    LEFT JOIN ref.stage_transitions AS t ON c.final_before = t.from_stage AND c.stage = t.to_stage AND NOT t.is_unpaid_only
),

judged AS (
    SELECT
        *,
        coalesce(stood_final, FALSE) AND NOT is_final AND NOT leaves_final AS is_overtaken
    FROM anchored
),

chained AS (
    SELECT
        *,
        last_value(CASE WHEN NOT is_overtaken THEN stage END IGNORE NULLS) OVER (
            PARTITION BY order_guid, axis, unit_guid
            ORDER BY event_at ASC NULLS FIRST, source_rank ASC NULLS FIRST, rank ASC NULLS FIRST
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS came_from,
        first_value(CASE WHEN NOT is_overtaken THEN event_at END IGNORE NULLS) OVER (
            PARTITION BY order_guid, axis, unit_guid
            ORDER BY event_at ASC NULLS FIRST, source_rank ASC NULLS FIRST, rank ASC NULLS FIRST
            ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
        ) AS next_at
    FROM judged
),

fresh AS (
    SELECT l.order_guid
    FROM orders.order_lines AS l
    INNER JOIN orders.products AS p ON l.sku = p.sku
    WHERE p.is_fresh
    GROUP BY l.order_guid
)

SELECT
    c.order_guid,
    CAST(
        row_number() OVER (
            PARTITION BY c.order_guid
            ORDER BY
                c.event_at ASC NULLS FIRST, c.axis_number ASC NULLS FIRST, c.source_rank ASC NULLS FIRST,
                c.rank ASC NULLS FIRST, c.unit_guid ASC NULLS FIRST
        ) AS BIGINT
    ) AS stage_number,
    c.axis,
    c.unit_guid,
    c.stage,
    c.rank,
    c.is_pause,
    c.is_final,
    c.came_from,
    c.event_at AS entered_at,
    CASE WHEN c.is_overtaken THEN c.event_at ELSE c.next_at END AS left_at,
    CASE
        WHEN c.is_overtaken THEN FALSE
        WHEN c.came_from IS NULL OR t.to_stage IS NOT NULL THEN TRUE
        ELSE coalesce(u.to_stage IS NOT NULL AND o.order_type IN ('cod', 'exchange', 'resend'), FALSE)
    END AS is_legal,
    c.is_overtaken,
    c.is_observed,
    f.order_guid IS NOT NULL AS is_fresh,
    c.evidence,
    c.file_id,
    c.row_number
FROM chained AS c
INNER JOIN orders.orders AS o ON c.order_guid = o.order_guid
LEFT JOIN fresh AS f ON c.order_guid = f.order_guid
LEFT JOIN ref.stage_transitions AS t ON c.came_from = t.from_stage AND c.stage = t.to_stage AND NOT t.is_unpaid_only
LEFT JOIN ref.stage_transitions AS u ON c.came_from = u.from_stage AND c.stage = u.to_stage AND u.is_unpaid_only
