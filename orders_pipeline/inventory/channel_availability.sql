-- grain: channel, shop_id, sku
-- refresh: whole
-- changes at: always
-- What each channel may show of a SKU, by how it shares the stock: from the common pool less a buffer, up to a quota, from stock set
-- apart, or ahead of stock up to a limit; beside it what the channel shows. Bundles count as what can be made in one warehouse.
-- All in base units: what is stated in a unit nobody has declared is not there.
WITH stated AS (
    SELECT
        f.channel,
        f.shop_id,
        f.sku,
        f.mode,
        f.warehouse_id,
        CASE WHEN f.quantity_unit IS NULL THEN CAST(1 AS DECIMAL(18, 3)) ELSE u.base_qty END AS base_qty,
        f.buffer_qty,
        f.quota_qty,
        f.preorder_limit_qty,
        f.preorder_total_limit_qty,
        f.shown_qty,
        f.shown_at,
        f.exported_at,
        f.file_id,
        f.row_number
    FROM raw.channel_stock AS f
    LEFT JOIN inventory.stock_units AS u ON f.sku_guid = u.sku_guid AND f.quantity_unit = u.unit
    WHERE coalesce(f.shown_at <= as_of(), TRUE)
),

ranked AS (
    SELECT
        channel,
        shop_id,
        sku,
        mode,
        warehouse_id,
        CAST(buffer_qty * base_qty AS DECIMAL(18, 3)) AS buffer_qty,
        CAST(quota_qty * base_qty AS DECIMAL(18, 3)) AS quota_qty,
        CAST(preorder_limit_qty * base_qty AS DECIMAL(18, 3)) AS preorder_limit_qty,
        CAST(preorder_total_limit_qty * base_qty AS DECIMAL(18, 3)) AS preorder_total_limit_qty,
        CAST(shown_qty * base_qty AS DECIMAL(18, 3)) AS shown_qty,
        shown_at,
        coalesce(shown_at, exported_at) AS stated_at,
        file_id,
        row_number,
        row_number() OVER (
            PARTITION BY channel, shop_id, sku
            ORDER BY
                coalesce(shown_at, exported_at) DESC NULLS LAST,
                exported_at DESC NULLS LAST,
                file_id DESC NULLS LAST,
                row_number DESC NULLS LAST
        ) AS newest_first
    FROM stated
    WHERE base_qty IS NOT NULL
),

settings AS (
    SELECT
        channel,
        shop_id,
        sku,
        mode,
        warehouse_id,
        buffer_qty,
        CASE WHEN mode = 'preorder' THEN preorder_limit_qty ELSE quota_qty END AS quota_qty,
        preorder_total_limit_qty,
        shown_qty,
        shown_at,
        stated_at,
        file_id,
        row_number
    FROM ranked
    WHERE newest_first = 1
),

-- Only where a quota or a limit is stated does it matter what has been sold.
limited AS (
    SELECT sku
    FROM settings
    WHERE quota_qty IS NOT NULL OR preorder_total_limit_qty IS NOT NULL
    GROUP BY sku
),

open_lines AS (
    SELECT order_guid, line_no
    FROM inventory.demand
    WHERE is_counted
    GROUP BY order_guid, line_no
),

limited_lines AS (
    SELECT
        l.order_guid,
        l.line_no,
        l.line_status,
        l.sku,
        l.quantity
    FROM orders.order_lines AS l
    INNER JOIN limited AS m ON l.sku = m.sku
    WHERE l.quantity > 0
),

issued AS (
    SELECT s.order_guid
    FROM fulfilment.shipment_lines AS s
    INNER JOIN (SELECT order_guid FROM limited_lines GROUP BY order_guid) AS l ON s.order_guid = l.order_guid
    WHERE s.shipped_at <= as_of()
    GROUP BY s.order_guid
),

sold AS (
    SELECT
        o.channel,
        o.shop_id,
        l.sku,
        l.quantity,
        o.created_at,
        d.order_guid IS NOT NULL AS is_open
    FROM limited_lines AS l
    INNER JOIN orders.orders AS o ON l.order_guid = o.order_guid
    LEFT JOIN open_lines AS d ON l.order_guid = d.order_guid AND l.line_no = d.line_no
    LEFT JOIN issued AS i ON l.order_guid = i.order_guid
    WHERE
        o.created_at <= as_of()
        AND o.status NOT IN ('cancelled', 'expired')
        AND o.order_type <> 'test'
        AND coalesce(l.line_status, '') NOT IN ('cancelled', 'expired')
        -- Unpaid beyond its hold, or withdrawn before it left: not sold.
        AND (d.order_guid IS NOT NULL OR i.order_guid IS NOT NULL OR o.status IN ('shipped', 'delivered', 'completed'))

    UNION ALL

    SELECT
        h.channel,
        h.shop_id,
        h.sku,
        h.quantity,
        h.reserved_at AS created_at,
        TRUE AS is_open
    FROM limited AS m
    INNER JOIN inventory.holds AS h ON m.sku = h.sku
    LEFT JOIN (SELECT order_guid, sku_guid FROM inventory.demand WHERE is_counted GROUP BY order_guid, sku_guid) AS d
        ON h.order_guid = d.order_guid AND h.sku_guid = d.sku_guid
    -- The lines of an order speak for its hold.
    WHERE h.is_counted AND d.order_guid IS NULL
),

used AS (
    SELECT
        s.channel,
        s.shop_id,
        s.sku,
        sum(CASE WHEN x.is_open OR x.created_at >= s.stated_at THEN x.quantity ELSE 0 END) AS quantity
    FROM settings AS s
    INNER JOIN sold AS x ON s.channel = x.channel AND s.shop_id = x.shop_id AND s.sku = x.sku
    GROUP BY s.channel, s.shop_id, s.sku
),

used_everywhere AS (
    SELECT
        sku,
        sum(CASE WHEN is_open THEN quantity ELSE 0 END) AS quantity
    FROM sold
    GROUP BY sku
),

-- Signed inside a warehouse, clamped across them: what one lacks another one's surplus does not hide.
there AS (
    SELECT a.sku, a.warehouse_id, a.atp_qty
    FROM inventory.atp AS a
    INNER JOIN (SELECT sku FROM settings GROUP BY sku) AS s ON a.sku = s.sku
    WHERE a.warehouse_id <> 'unassigned'

    UNION ALL

    SELECT k.sku, k.warehouse_id, k.atp_qty
    FROM inventory.kit_atp AS k
    INNER JOIN (SELECT sku FROM settings GROUP BY sku) AS s ON k.sku = s.sku
),

at_node AS (
    SELECT
        sku,
        warehouse_id,
        sum(atp_qty) AS quantity
    FROM there
    GROUP BY sku, warehouse_id
),

-- NULL: not kept in stock, no limit.
totals AS (
    SELECT
        s.sku,
        CASE
            WHEN coalesce(p.is_stocked, TRUE) AND count(t.warehouse_id) = count(t.atp_qty) THEN sum(coalesce(t.atp_qty, 0))
        END AS quantity
    FROM (SELECT sku FROM settings GROUP BY sku) AS s
    LEFT JOIN there AS t ON s.sku = t.sku
    LEFT JOIN orders.products AS p ON s.sku = p.sku
    GROUP BY s.sku, p.is_stocked
),

-- What is set apart for one channel: a warehouse of its own, or a number of pieces.
own_nodes AS (
    SELECT s.sku, sum(n.quantity) AS quantity
    FROM (SELECT sku, warehouse_id FROM settings WHERE mode = 'dedicated' AND warehouse_id IS NOT NULL GROUP BY sku, warehouse_id) AS s
    INNER JOIN at_node AS n ON s.sku = n.sku AND s.warehouse_id = n.warehouse_id
    GROUP BY s.sku
),

own_pieces AS (
    SELECT
        s.sku,
        sum(greatest(0, coalesce(s.quota_qty, 0) - coalesce(u.quantity, 0))) AS quantity
    FROM settings AS s
    LEFT JOIN used AS u ON s.channel = u.channel AND s.shop_id = u.shop_id AND s.sku = u.sku
    WHERE s.mode = 'dedicated' AND s.warehouse_id IS NULL
    GROUP BY s.sku
),

pools AS (
    SELECT
        t.sku,
        t.quantity AS total_qty,
        CASE WHEN t.quantity IS NOT NULL THEN greatest(0, t.quantity - coalesce(n.quantity, 0)) END AS common_qty,
        CASE
            WHEN t.quantity IS NOT NULL
                THEN greatest(0, t.quantity - coalesce(n.quantity, 0) - coalesce(p.quantity, 0))
        END AS shared_qty
    FROM totals AS t
    LEFT JOIN own_nodes AS n ON t.sku = n.sku
    LEFT JOIN own_pieces AS p ON t.sku = p.sku
),

drawn AS (
    SELECT
        s.channel,
        s.shop_id,
        s.sku,
        s.mode,
        s.warehouse_id,
        s.buffer_qty,
        s.quota_qty,
        s.preorder_total_limit_qty,
        coalesce(u.quantity, 0) AS used_qty,
        coalesce(e.quantity, 0) AS used_everywhere_qty,
        p.total_qty,
        p.shared_qty,
        CASE
            WHEN s.mode <> 'preorder' AND p.total_qty IS NOT NULL
                THEN
                    CASE
                        WHEN s.warehouse_id IS NOT NULL THEN coalesce(n.quantity, 0)
                        WHEN s.mode = 'dedicated' THEN p.common_qty
                        ELSE p.shared_qty
                    END
        END AS pool_qty,
        s.shown_qty,
        s.shown_at,
        s.file_id,
        s.row_number
    FROM settings AS s
    INNER JOIN pools AS p ON s.sku = p.sku
    LEFT JOIN at_node AS n ON s.sku = n.sku AND s.warehouse_id = n.warehouse_id
    LEFT JOIN used AS u ON s.channel = u.channel AND s.shop_id = u.shop_id AND s.sku = u.sku
    LEFT JOIN used_everywhere AS e ON s.sku = e.sku
),

-- Each limit is checked on its own: least() leaves out the one that is not stated.
wished AS (
    SELECT
        channel,
        shop_id,
        sku,
        mode,
        CASE mode
            WHEN 'preorder' THEN least(quota_qty - used_qty, preorder_total_limit_qty - used_everywhere_qty)
            WHEN 'quota' THEN least(pool_qty, quota_qty - used_qty)
            WHEN 'dedicated'
                THEN
                    least(
                        pool_qty,
                        CASE WHEN warehouse_id IS NULL OR quota_qty IS NOT NULL THEN coalesce(quota_qty, 0) - used_qty END
                    )
            ELSE least(pool_qty, quota_qty) - coalesce(buffer_qty, 0)
        END AS quantity,
        mode IN ('shared', 'quota', 'unmapped') AND warehouse_id IS NULL AS is_common,
        warehouse_id,
        buffer_qty,
        quota_qty,
        used_qty,
        pool_qty,
        total_qty,
        shared_qty,
        shown_qty,
        shown_at,
        file_id,
        row_number
    FROM drawn
),

whole AS (
    SELECT
        channel,
        shop_id,
        sku,
        mode,
        CASE WHEN quantity IS NOT NULL THEN greatest(0, CAST(floor(quantity) AS BIGINT)) END AS quantity,
        is_common AND threshold('last_units_max_count') > 0 AND shared_qty <= threshold('last_units_max_count') AS is_cut,
        warehouse_id,
        buffer_qty,
        quota_qty,
        used_qty,
        pool_qty,
        total_qty,
        shared_qty,
        shown_qty,
        shown_at,
        file_id,
        row_number
    FROM wished
),

-- The last pieces are dealt out one by one in turn, as many as there are.
dealt AS (
    SELECT
        w.channel,
        w.shop_id,
        w.sku,
        w.shared_qty,
        row_number() OVER (
            PARTITION BY w.sku
            ORDER BY d.day_number ASC NULLS FIRST, w.channel ASC NULLS FIRST, w.shop_id ASC NULLS FIRST
        ) AS turn
    FROM whole AS w
    INNER JOIN ref.days AS d ON w.quantity > d.day_number
    WHERE w.is_cut
),

kept AS (
    SELECT
        channel,
        shop_id,
        sku,
        count(*) AS quantity
    FROM dealt
    WHERE turn <= shared_qty
    GROUP BY channel, shop_id, sku
),

published AS (
    SELECT
        w.channel,
        w.shop_id,
        w.sku,
        w.mode,
        w.warehouse_id,
        w.pool_qty,
        w.buffer_qty,
        w.quota_qty,
        w.used_qty,
        CASE WHEN w.is_cut THEN coalesce(k.quantity, 0) ELSE w.quantity END AS published_qty,
        w.total_qty,
        w.shown_qty,
        w.shown_at,
        w.file_id,
        w.row_number
    FROM whole AS w
    LEFT JOIN kept AS k ON w.channel = k.channel AND w.shop_id = k.shop_id AND w.sku = k.sku
)

SELECT
    channel,
    shop_id,
    sku,
    mode,
    warehouse_id,
    CAST(pool_qty AS DECIMAL(18, 3)) AS pool_qty,
    CAST(buffer_qty AS DECIMAL(18, 3)) AS buffer_qty,
    CAST(quota_qty AS DECIMAL(18, 3)) AS quota_qty,
    CAST(used_qty AS DECIMAL(18, 3)) AS used_qty,
    CAST(published_qty AS DECIMAL(18, 3)) AS published_qty,
    CAST(shown_qty AS DECIMAL(18, 3)) AS shown_qty,
    shown_at,
    CAST(
        sum(CASE WHEN mode <> 'preorder' THEN published_qty END) OVER (PARTITION BY sku) - total_qty AS DECIMAL(18, 3)
    ) AS over_publication_qty,
    file_id,
    row_number
FROM published
