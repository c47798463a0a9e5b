-- grain: exception_guid, decision_number
-- refresh: whole
-- changes at: always
-- What people have decided about exceptions, each decision once, in the order they were taken, with who, when and why.
-- A decision counts from its moment on: an earlier as_of does not know it.
WITH said AS (
    SELECT
        lower(exception_guid) AS exception_guid,
        action,
        decided_by,
        decided_at,
        coalesce(why, '') AS why,
        reason,
        order_guid,
        amount,
        quantity,
        assignee,
        second_person,
        min(file_id) AS file_id,
        min(row_number) AS row_number
    FROM raw.exception_decisions
    WHERE decided_at <= as_of()
    GROUP BY
        lower(exception_guid), action, decided_by, decided_at, coalesce(why, ''), reason, order_guid, amount, quantity, assignee,
        second_person
),

numbered AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY exception_guid
            ORDER BY
                decided_at ASC NULLS FIRST, action ASC NULLS FIRST, decided_by ASC NULLS FIRST, why ASC NULLS FIRST,
                amount ASC NULLS FIRST, quantity ASC NULLS FIRST, assignee ASC NULLS FIRST, second_person ASC NULLS FIRST,
                reason ASC NULLS FIRST, order_guid ASC NULLS FIRST
        ) AS decision_number
    FROM said
),

followed AS (
    SELECT
        *,
        lag(action) OVER (PARTITION BY exception_guid ORDER BY decision_number ASC NULLS FIRST) AS last_action,
        lag(amount) OVER (PARTITION BY exception_guid ORDER BY decision_number ASC NULLS FIRST) AS last_amount,
        lag(decided_by) OVER (PARTITION BY exception_guid ORDER BY decision_number ASC NULLS FIRST) AS last_decided_by,
        sum(CASE WHEN action = 'assign' THEN 1 ELSE 0 END) OVER (
            PARTITION BY exception_guid ORDER BY decision_number ASC NULLS FIRST
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS assignment_number
    FROM numbered
)

SELECT
    exception_guid,
    decision_number,
    order_guid,
    action,
    decided_by,
    decided_at,
    nullif(why, '') AS why,
    reason,
    amount,
    quantity,
    max(CASE WHEN action = 'assign' THEN assignee END) OVER (PARTITION BY exception_guid, assignment_number) AS assignee,
    -- Two people who decide the same one after the other are two people.
    CASE
        WHEN action <> 'write_off' THEN CAST(NULL AS VARCHAR)
        WHEN lower(trim(second_person)) <> lower(trim(decided_by)) THEN second_person
        WHEN
            last_action = 'write_off' AND last_amount = amount AND lower(trim(last_decided_by)) <> lower(trim(decided_by))
            THEN last_decided_by
    END AS second_person,
    row_number() OVER (PARTITION BY exception_guid ORDER BY decision_number DESC NULLS LAST) = 1 AS is_last,
    file_id,
    row_number
FROM followed
