-- grain: order_guid
-- refresh: order by order_guid
-- pace: later
-- changes at: next_change_at
-- Until when the details of an order may be changed: two hours before it has to leave, and not once its label is printed or it has left.
WITH labels AS (
    SELECT
        order_guid,
        min(coalesce(label_printed_at, packed_at, shipped_at)) AS label_at
    FROM fulfilment.shipment_lines
    GROUP BY order_guid
),

windows AS (
    SELECT
        p.order_guid,
        p.status,
        p.due_at,
        least(
            add_hours(p.due_at, -threshold('edit_before_ship_min_hours')),
            coalesce(l.label_at, p.due_at),
            coalesce(p.shipped_at, p.due_at)
        ) AS edit_until_at
    FROM fulfilment.ship_promises AS p
    LEFT JOIN labels AS l ON p.order_guid = l.order_guid
)

SELECT
    order_guid,
    due_at,
    edit_until_at,
    edit_until_at > as_of() AND status IN ('paid', 'on_hold', 'released') AS is_editable,
    CASE WHEN edit_until_at > as_of() THEN edit_until_at END AS next_change_at
FROM windows
