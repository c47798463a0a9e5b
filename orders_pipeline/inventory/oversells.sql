-- grain: order_guid, sku
-- refresh: whole
-- Orders that were accepted and that there is no stock for, with what their channel showed then, and why that was wrong. In each
-- warehouse the shortage falls on the orders accepted last; claims that no warehouse has goods for compete with one another.
WITH short_balances AS (
    SELECT
        b.sku_guid,
        b.owner,
        b.warehouse_id,
        b.oversold_qty
    FROM inventory.balances AS b
    LEFT JOIN orders.products AS p ON b.sku = p.sku
    WHERE b.oversold_qty > 0 AND coalesce(p.is_stocked, TRUE)
),

-- Of goods no stock file knows, nobody can tell.
counted AS (
    SELECT p.sku_guid
    FROM inventory.positions AS p
    INNER JOIN (SELECT sku_guid FROM short_balances GROUP BY sku_guid) AS s ON p.sku_guid = s.sku_guid
    GROUP BY p.sku_guid
),

short_places AS (
    SELECT
        b.sku_guid,
        b.owner,
        b.warehouse_id,
        b.oversold_qty
    FROM short_balances AS b
    INNER JOIN counted AS k ON b.sku_guid = k.sku_guid
),

competing AS (
    SELECT
        p.sku_guid,
        p.owner,
        p.warehouse_id,
        r.order_guid,
        min(p.oversold_qty) AS oversold_qty,
        min(r.sku) AS sku,
        sum(r.quantity) AS quantity
    FROM short_places AS p
    INNER JOIN inventory.reservations AS r
        ON p.sku_guid = r.sku_guid
        AND ((r.warehouse_id = p.warehouse_id AND r.owner = p.owner) OR (p.warehouse_id = 'unassigned' AND NOT r.is_named))
    WHERE r.kind = 'order'
    GROUP BY p.sku_guid, p.owner, p.warehouse_id, r.order_guid
),

-- What the goods were sold as: themselves, or a bundle they are in.
sold_as AS (
    SELECT
        c.order_guid,
        c.sku_guid,
        l.sku
    FROM (SELECT order_guid, sku_guid, min(sku) AS sku FROM competing GROUP BY order_guid, sku_guid) AS c
    INNER JOIN orders.order_lines AS l ON c.order_guid = l.order_guid
    LEFT JOIN inventory.kit_components AS k ON l.sku = k.kit_sku
    WHERE coalesce(k.component_sku, l.sku) = c.sku
    GROUP BY c.order_guid, c.sku_guid, l.sku
),

figures AS (
    SELECT
        s.order_guid,
        s.sku_guid,
        f.mode,
        CASE WHEN f.quantity_unit IS NULL THEN f.shown_qty ELSE CAST(f.shown_qty * u.base_qty AS DECIMAL(18, 3)) END AS shown_qty,
        coalesce(f.shown_at, f.exported_at) AS shown_at,
        row_number() OVER (
            PARTITION BY s.order_guid, s.sku_guid
            ORDER BY
                coalesce(f.shown_at, f.exported_at) DESC NULLS LAST,
                f.exported_at DESC NULLS LAST,
                f.file_id DESC NULLS LAST,
                f.row_number DESC NULLS LAST
        ) AS newest_first
    FROM sold_as AS s
    INNER JOIN orders.orders AS o ON s.order_guid = o.order_guid
    INNER JOIN raw.channel_stock AS f ON o.channel = f.channel AND o.shop_id = f.shop_id AND s.sku = f.sku
    LEFT JOIN inventory.stock_units AS u ON f.sku_guid = u.sku_guid AND f.quantity_unit = u.unit
    WHERE coalesce(f.shown_at, f.exported_at) <= o.created_at AND (f.quantity_unit IS NULL OR u.base_qty IS NOT NULL)
),

accepted AS (
    SELECT
        c.sku_guid,
        c.owner,
        c.warehouse_id,
        c.order_guid,
        c.oversold_qty,
        c.sku,
        c.quantity,
        o.channel,
        o.shop_id,
        o.channel_order_id,
        o.created_at,
        o.created_on,
        f.shown_qty,
        f.shown_at,
        -- Sold ahead of stock on purpose.
        o.order_type = 'presale' OR coalesce(f.mode = 'preorder', FALSE) AS is_ahead
    FROM competing AS c
    INNER JOIN orders.orders AS o ON c.order_guid = o.order_guid
    LEFT JOIN figures AS f ON c.order_guid = f.order_guid AND c.sku_guid = f.sku_guid AND f.newest_first = 1
),

queued AS (
    SELECT
        sku_guid,
        owner,
        warehouse_id,
        order_guid,
        sku,
        quantity,
        channel,
        shop_id,
        channel_order_id,
        created_at,
        created_on,
        shown_qty,
        shown_at,
        is_ahead,
        oversold_qty - sum(CASE WHEN is_ahead THEN quantity ELSE 0 END) OVER (PARTITION BY sku_guid, owner, warehouse_id) AS to_place_qty,
        sum(CASE WHEN is_ahead THEN 0 ELSE quantity END) OVER (
            PARTITION BY sku_guid, owner, warehouse_id
            ORDER BY created_at DESC NULLS LAST, channel_order_id DESC NULLS LAST, order_guid DESC NULLS LAST
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS quantity_so_far
    FROM accepted
),

short_at AS (
    SELECT
        sku_guid,
        warehouse_id,
        order_guid,
        sku,
        quantity,
        channel,
        shop_id,
        channel_order_id,
        created_at,
        created_on,
        shown_qty,
        shown_at,
        least(quantity, to_place_qty - (quantity_so_far - quantity)) AS short_qty,
        row_number() OVER (
            PARTITION BY order_guid, sku_guid
            ORDER BY least(quantity, to_place_qty - (quantity_so_far - quantity)) DESC NULLS LAST, warehouse_id ASC NULLS FIRST, owner ASC NULLS FIRST
        ) AS largest_first
    FROM queued
    WHERE NOT is_ahead AND to_place_qty > quantity_so_far - quantity
),

short_orders AS (
    SELECT
        sku_guid,
        order_guid,
        min(sku) AS sku,
        min(CASE WHEN largest_first = 1 THEN warehouse_id END) AS warehouse_id,
        sum(short_qty) AS short_qty,
        sum(quantity) AS claimed_qty,
        min(channel) AS channel,
        min(shop_id) AS shop_id,
        min(channel_order_id) AS channel_order_id,
        min(created_at) AS accepted_at,
        min(created_on) AS day,
        min(shown_qty) AS shown_qty,
        min(shown_at) AS shown_at,
        -- Events of a warehouse reach a channel some hours later: what happened shortly before the figure may be missing in it.
        least(min(shown_at), add_hours(min(created_at), -threshold('oversell_window_hours'))) AS since_at
    FROM short_at
    GROUP BY sku_guid, order_guid
),

-- Where the channel showed none, nothing it showed can have been wrong.
shown_orders AS (
    SELECT
        sku_guid,
        order_guid,
        sku,
        warehouse_id,
        short_qty,
        channel,
        shop_id,
        accepted_at,
        since_at
    FROM short_orders
    WHERE shown_qty > 0
),

sent_away AS (
    SELECT
        s.order_guid,
        s.sku_guid,
        -sum(m.quantity) AS quantity
    FROM shown_orders AS s
    INNER JOIN inventory.movement_rows AS m
        ON s.sku_guid = m.sku_guid AND m.occurred_at > s.since_at AND m.occurred_at <= s.accepted_at
    WHERE m.kind = 'transfer_out' AND (s.warehouse_id = 'unassigned' OR s.warehouse_id = m.warehouse_id)
    GROUP BY s.order_guid, s.sku_guid
),

-- Of what some order is short of: the rest of the history need not be looked at.
short_goods AS (
    SELECT
        sku,
        min(since_at) AS since_at,
        max(accepted_at) AS until_at
    FROM shown_orders
    GROUP BY sku
),

cases AS (
    SELECT
        r.return_id,
        r.return_waybill_id,
        r.sku,
        r.quantity,
        r.kind,
        r.status,
        r.requested_at,
        r.inspected_at,
        row_number() OVER (
            PARTITION BY r.order_guid, r.return_id, r.sku
            ORDER BY r.exported_at DESC NULLS LAST, r.file_id DESC NULLS LAST, r.row_number DESC NULLS LAST
        ) AS newest_first
    FROM raw.returns AS r
    INNER JOIN short_goods AS g ON r.sku = g.sku
),

-- When the goods of a case were in the warehouse's book again: its movement names the case or the parcel.
entries AS (
    SELECT
        m.sku,
        m.reference_id,
        min(m.occurred_at) AS entered_at
    FROM raw.inventory_movements AS m
    INNER JOIN short_goods AS g ON m.sku = g.sku
    WHERE m.kind IN ('return_received', 'restock') AND m.reference_id IS NOT NULL
    GROUP BY m.sku, m.reference_id
),

coming_back AS (
    SELECT
        s.order_guid,
        s.sku_guid,
        sum(coalesce(c.quantity, 1)) AS quantity
    FROM shown_orders AS s
    INNER JOIN cases AS c ON s.sku = c.sku
    LEFT JOIN entries AS e ON c.sku = e.sku AND c.return_id = e.reference_id
    LEFT JOIN entries AS w ON c.sku = w.sku AND c.return_waybill_id = w.reference_id
    WHERE
        c.newest_first = 1
        AND c.kind IN ('return_refund', 'exchange')
        AND c.status NOT IN ('rejected', 'unmapped')
        AND c.requested_at <= s.accepted_at
        AND c.requested_at > add_hours(s.accepted_at, -24 * threshold('return_window_days'))
        AND coalesce(coalesce(e.entered_at, w.entered_at, c.inspected_at) > s.accepted_at, TRUE)
    GROUP BY s.order_guid, s.sku_guid
),

-- Under which numbers the goods are sold: their own, unless that is a kit's, and those of the kits they are in.
sold_under AS (
    SELECT
        g.sku AS sold_sku,
        g.sku,
        g.since_at,
        g.until_at
    FROM short_goods AS g
    LEFT JOIN (SELECT kit_sku FROM inventory.kit_components GROUP BY kit_sku) AS k ON g.sku = k.kit_sku
    WHERE k.kit_sku IS NULL
    UNION ALL
    SELECT
        k.kit_sku AS sold_sku,
        g.sku,
        g.since_at,
        g.until_at
    FROM short_goods AS g
    INNER JOIN inventory.kit_components AS k ON g.sku = k.component_sku
),

sold_elsewhere AS (
    SELECT
        s.order_guid,
        s.sku_guid,
        count(*) AS line_count
    FROM shown_orders AS s
    INNER JOIN (
        SELECT
            u.sku,
            o.order_guid,
            o.channel,
            o.shop_id,
            o.created_at
        FROM sold_under AS u
        INNER JOIN orders.order_lines AS l ON u.sold_sku = l.sku
        INNER JOIN orders.orders AS o ON l.order_guid = o.order_guid AND o.created_at > u.since_at AND o.created_at <= u.until_at
        WHERE o.status NOT IN ('cancelled', 'expired') AND o.order_type <> 'test'
    ) AS x
        ON s.sku = x.sku AND x.created_at > s.since_at AND x.created_at <= s.accepted_at
    WHERE x.channel <> s.channel OR x.shop_id <> s.shop_id
    GROUP BY s.order_guid, s.sku_guid
)

SELECT
    s.order_guid,
    s.sku,
    s.day,
    s.channel,
    s.shop_id,
    s.channel_order_id,
    s.warehouse_id,
    CAST(s.short_qty AS DECIMAL(18, 3)) AS short_qty,
    CAST(s.claimed_qty AS DECIMAL(18, 3)) AS claimed_qty,
    CAST(s.shown_qty AS DECIMAL(18, 3)) AS shown_qty,
    s.shown_at,
    s.accepted_at,
    -- The rarer event first: it explains the whole shortage, or the next one is asked.
    CASE
        WHEN coalesce(s.shown_qty, 0) <= 0 THEN 'unknown'
        WHEN t.quantity >= s.short_qty THEN 'transfer'
        WHEN r.quantity >= s.short_qty THEN 'late_return'
        WHEN x.line_count > 0 THEN 'two_channels'
        WHEN
            seconds_between(s.accepted_at, s.shown_at)
            > CASE WHEN f.category IS NOT NULL THEN threshold('stock_age_fast_max_seconds') ELSE threshold('stock_age_max_seconds') END
            THEN 'stale_figure'
        ELSE 'unknown'
    END AS cause
FROM short_orders AS s
LEFT JOIN sent_away AS t ON s.order_guid = t.order_guid AND s.sku_guid = t.sku_guid
LEFT JOIN coming_back AS r ON s.order_guid = r.order_guid AND s.sku_guid = r.sku_guid
LEFT JOIN sold_elsewhere AS x ON s.order_guid = x.order_guid AND s.sku_guid = x.sku_guid
LEFT JOIN orders.products AS p ON s.sku = p.sku
LEFT JOIN ref.fast_categories AS f ON p.category = f.category
