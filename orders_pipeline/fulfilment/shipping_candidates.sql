-- grain: order_guid
-- refresh: whole
-- changes at: always
-- Orders that had been paid and had not left when the last list of their warehouse was made (every day at its hour, in the zone of the
-- warehouse), and why an order is left out of it. Same parcel: same warehouse, same telephone number and same address, by a keyed hash.
WITH documents AS (
    SELECT
        order_guid,
        min(warehouse_id) AS warehouse_id,
        sum(CASE WHEN shipped_at IS NULL THEN 1 ELSE 0 END) AS waiting_count,
        max(shipped_at) AS shipped_at
    FROM fulfilment.shipment_lines
    GROUP BY order_guid
),

lines AS (
    SELECT
        order_guid,
        min(warehouse_id) AS warehouse_id,
        count(DISTINCT sku) AS sku_count,
        sum(CASE WHEN coalesce(line_status IN ('cancelled', 'expired'), FALSE) THEN 0 ELSE quantity END) AS quantity
    FROM orders.order_lines
    GROUP BY order_guid
),

-- Goods that no stock figure or movement speaks of are not short: nobody knows.
known_goods AS (
    SELECT sku
    FROM inventory.atp
    WHERE stock_record NOT IN ('no_stock_record', 'not_stocked')
    GROUP BY sku
),

claims AS (
    SELECT
        r.order_guid,
        min(CASE WHEN r.warehouse_id <> 'unassigned' THEN r.warehouse_id END) AS warehouse_id,
        max(CASE WHEN k.sku IS NOT NULL AND (r.warehouse_id = 'unassigned' OR a.oversold_qty > 0) THEN 1 ELSE 0 END) = 1 AS is_short
    FROM inventory.reservations AS r
    LEFT JOIN known_goods AS k ON r.sku = k.sku
    LEFT JOIN inventory.atp AS a ON r.sku = a.sku AND r.warehouse_id = a.warehouse_id AND r.owner = a.owner
    WHERE r.kind = 'order'
    GROUP BY r.order_guid
),

-- The last address that was shown in full.
places AS (
    SELECT
        order_guid,
        delivery_key,
        row_number() OVER (
            PARTITION BY order_guid
            ORDER BY exported_at DESC NULLS LAST, file_id DESC NULLS LAST, row_number DESC NULLS LAST
        ) AS newest_first
    FROM raw.orders
    WHERE delivery_key IS NOT NULL
),

refunds_asked AS (
    SELECT order_guid
    FROM aftersales.return_items
    WHERE kind <> 'exchange' AND status NOT IN ('closed', 'rejected')
    GROUP BY order_guid
),

open_orders AS (
    SELECT
        o.order_guid,
        o.channel,
        o.channel_order_id,
        o.province,
        o.city,
        coalesce(d.warehouse_id, l.warehouse_id, c.warehouse_id, 'unassigned') AS warehouse_id,
        coalesce(n.timezone, o.timezone) AS timezone,
        o.status,
        coalesce(o.paid_at, o.created_at) AS ready_at,
        CASE WHEN d.waiting_count > 0 THEN NULL ELSE coalesce(d.shipped_at, o.shipped_at) END AS shipped_at,
        o.promised_ship_at,
        coalesce(l.sku_count, 0) AS sku_count,
        coalesce(l.quantity, o.ordered_qty, 0) AS quantity,
        p.delivery_key,
        coalesce(c.is_short, FALSE) AS is_short,
        r.order_guid IS NOT NULL AS is_refund_asked,
        o.file_id,
        o.row_number
    FROM orders.orders AS o
    LEFT JOIN documents AS d ON o.order_guid = d.order_guid
    LEFT JOIN lines AS l ON o.order_guid = l.order_guid
    LEFT JOIN claims AS c ON o.order_guid = c.order_guid
    LEFT JOIN places AS p ON o.order_guid = p.order_guid AND p.newest_first = 1
    LEFT JOIN refunds_asked AS r ON o.order_guid = r.order_guid
    LEFT JOIN inventory.nodes AS n ON coalesce(d.warehouse_id, l.warehouse_id, c.warehouse_id) = n.warehouse_id
    WHERE
        o.status IN ('paid', 'on_hold', 'released', 'shipped')
        AND o.order_type NOT IN ('test', 'credit_note', 'adjustment')
        AND NOT o.is_pickup
),

dated AS (
    SELECT
        order_guid,
        -- Nine on the clock on the wall: on a day whose clock is changed that is not nine hours after midnight.
        local_date(add_hours(from_utc_timestamp(as_of(), timezone), -threshold('shipping_list_from_hours')), 'UTC') AS list_on
    FROM open_orders
),

timed AS (
    SELECT
        o.order_guid,
        d.list_on,
        to_utc_timestamp(
            from_utc_timestamp(add_hours(CAST(d.list_on AS TIMESTAMP), threshold('shipping_list_from_hours')), 'UTC'), o.timezone
        ) AS list_at
    FROM open_orders AS o
    INNER JOIN dated AS d ON o.order_guid = d.order_guid
)

SELECT
    o.order_guid,
    t.list_on,
    o.warehouse_id,
    o.channel,
    o.channel_order_id,
    coalesce(o.province, 'unknown') AS province,
    coalesce(o.province || coalesce(o.city, ''), 'unknown') AS region,
    o.sku_count,
    CAST(o.quantity AS DECIMAL(18, 3)) AS quantity,
    guid_of(CAST(t.list_on AS VARCHAR) || '|' || o.warehouse_id || '|' || coalesce(o.delivery_key, CAST(o.order_guid AS VARCHAR)))
        AS parcel_group,
    CASE
        WHEN v.is_urgent THEN 'urgent'
        WHEN o.promised_ship_at < add_hours(t.list_at, 24) THEN 'due'
        ELSE 'normal'
    END AS priority,
    CASE
        WHEN o.status = 'on_hold' AND coalesce(v.route <> 'auto', TRUE) THEN 'on_hold'
        WHEN o.is_refund_asked THEN 'refund_asked'
        WHEN v.route IN ('second_check', 'supervisor', 'frozen') THEN 'needs_review'
        WHEN o.is_short THEN 'short_of_stock'
        WHEN o.warehouse_id = 'unassigned' THEN 'no_warehouse'
    END AS left_out_reason,
    o.file_id,
    o.row_number
FROM open_orders AS o
INNER JOIN timed AS t ON o.order_guid = t.order_guid
LEFT JOIN fulfilment.review_queue AS v ON o.order_guid = v.order_guid
WHERE
    o.ready_at <= t.list_at
    AND coalesce(o.shipped_at > t.list_at, TRUE)
    -- The channel says shipped, and there is no document that says otherwise.
    AND NOT (o.status = 'shipped' AND o.shipped_at IS NULL)
