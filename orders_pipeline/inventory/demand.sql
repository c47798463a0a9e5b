-- grain: order_guid, line_no, sku
-- refresh: order by order_guid
-- touches: sku by sku_guid
-- lookup: inventory.kit_components, orders.order_ids AS anyones, inventory.movement_rows
-- changes at: next_change_at
-- What open order lines still need, bundles as their components: ordered less cancelled less issued, from the documents every time.
-- Paid lines reserve; unpaid ones hold for a while after the order was created.
WITH open_orders AS (
    SELECT
        order_guid,
        channel,
        shop_id,
        channel_order_id,
        payable_amount,
        status = 'shipped' AS says_shipped,
        -- Goods that are paid on delivery, exchanged or sent again wait for no payment.
        status IN ('paid', 'on_hold', 'released', 'shipped')
        OR paid_at IS NOT NULL
        OR order_type IN ('cod', 'exchange', 'resend') AS is_paid,
        created_at,
        coalesce(paid_at, created_at) AS reserved_at,
        shipped_at,
        promised_ship_at,
        CASE WHEN is_pickup OR order_type = 'pickup' THEN pickup_store_id END AS pickup_store_id
    FROM orders.orders
    WHERE status NOT IN ('cancelled', 'expired', 'delivered', 'completed') AND order_type <> 'test'
),

documents AS (
    SELECT
        s.order_guid,
        coalesce(k.component_sku, s.sku) AS sku,
        min(s.warehouse_id) AS warehouse_id,
        -- Both ways of counting what has left have six decimals: of wide decimals with different scales DuckDB keeps the shorter.
        CAST(
            sum(CASE WHEN s.shipped_at <= as_of() THEN s.quantity * coalesce(k.component_quantity, 1) ELSE 0 END)
            AS DECIMAL(24, 6)
        ) AS issued_qty,
        min(CASE WHEN s.shipped_at > as_of() THEN s.shipped_at END) AS next_issue_at
    FROM fulfilment.shipment_lines AS s
    LEFT JOIN inventory.kit_components AS k ON s.sku = k.kit_sku
    GROUP BY s.order_guid, coalesce(k.component_sku, s.sku)
),

-- Sales of the movement file that name an order, by a number only this order has.
order_numbers AS (
    SELECT o.order_guid, i.id_value
    FROM open_orders AS o
    INNER JOIN orders.order_ids AS i ON o.order_guid = i.order_guid
    WHERE i.id_type IN ('channel_order_id', 'sub_order_id', 'internal_order_id')
    GROUP BY o.order_guid, i.id_value
),

own_numbers AS (
    SELECT n.order_guid, n.id_value
    FROM order_numbers AS n
    INNER JOIN orders.order_ids AS anyones ON n.id_value = anyones.id_value
    WHERE anyones.id_type IN ('channel_order_id', 'sub_order_id', 'internal_order_id')
    GROUP BY n.order_guid, n.id_value
    HAVING count(DISTINCT anyones.order_guid) = 1
),

sales AS (
    SELECT
        n.order_guid,
        m.sku,
        m.quantity,
        m.occurred_at
    FROM own_numbers AS n
    INNER JOIN inventory.movement_rows AS m ON n.id_value = m.reference_id
    WHERE m.kind = 'sale'
),

sold AS (
    SELECT
        order_guid,
        sku,
        CAST(-sum(CASE WHEN occurred_at <= as_of() THEN quantity ELSE 0 END) AS DECIMAL(24, 6)) AS issued_qty,
        min(CASE WHEN occurred_at > as_of() THEN occurred_at END) AS next_issue_at
    FROM sales
    GROUP BY order_guid, sku
),

case_rows AS (
    SELECT
        order_guid,
        sku,
        quantity,
        refund_amount,
        kind,
        status,
        refunded_at,
        row_number() OVER (
            PARTITION BY order_guid, return_id, sku
            ORDER BY exported_at DESC NULLS LAST, file_id DESC NULLS LAST, row_number DESC NULLS LAST
        ) AS newest_first
    FROM raw.returns
),

-- Money asked back before anything left: these pieces are not waited for any more. After shipping it has no effect on stock.
withdrawn AS (
    SELECT
        c.order_guid,
        c.sku,
        sum(c.quantity) AS quantity,
        max(CASE WHEN c.quantity IS NULL THEN coalesce(c.refund_amount, o.payable_amount) ELSE 0 END)
        >= max(coalesce(o.payable_amount, 0)) AND count(c.quantity) < count(*) AS is_whole
    FROM case_rows AS c
    INNER JOIN open_orders AS o ON c.order_guid = o.order_guid
    LEFT JOIN documents AS d ON c.order_guid = d.order_guid AND d.issued_qty > 0
    WHERE
        c.newest_first = 1
        AND c.kind = 'refund_only'
        AND c.status <> 'rejected'
        AND (c.status <> 'closed' OR c.refunded_at IS NOT NULL)
        AND d.order_guid IS NULL
    GROUP BY c.order_guid, c.sku
),

withdrawn_orders AS (
    SELECT order_guid
    FROM withdrawn
    WHERE sku IS NULL AND is_whole
    GROUP BY order_guid
),

line_rows AS (
    SELECT
        l.order_guid,
        l.line_no,
        l.sku,
        l.quantity,
        l.line_status,
        l.warehouse_id,
        l.promised_ship_at,
        l.file_id,
        l.row_number,
        sum(l.quantity) OVER (
            PARTITION BY l.order_guid, l.sku
            ORDER BY l.line_no ASC NULLS FIRST
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS quantity_so_far
    FROM orders.order_lines AS l
    INNER JOIN open_orders AS o ON l.order_guid = o.order_guid
    LEFT JOIN withdrawn_orders AS x ON l.order_guid = x.order_guid
    WHERE
        coalesce(l.line_status, '') NOT IN ('cancelled', 'expired', 'delivered', 'completed')
        AND l.quantity > 0
        AND x.order_guid IS NULL
),

wanted AS (
    SELECT
        l.order_guid,
        l.line_no,
        coalesce(k.component_sku, l.sku) AS sku,
        coalesce(k.sku_guid, guid_of(l.sku)) AS sku_guid,
        greatest(0, least(l.quantity, l.quantity_so_far - CASE WHEN w.is_whole THEN l.quantity_so_far ELSE coalesce(w.quantity, 0) END))
        * coalesce(k.component_quantity, 1) AS quantity,
        l.line_status,
        l.warehouse_id,
        l.promised_ship_at,
        l.file_id,
        l.row_number
    FROM line_rows AS l
    LEFT JOIN withdrawn AS w ON l.order_guid = w.order_guid AND l.sku = w.sku
    LEFT JOIN inventory.kit_components AS k ON l.sku = k.kit_sku
),

-- What has been issued of an order's goods is taken off its lines from the first to the last.
issued AS (
    SELECT
        w.order_guid,
        w.line_no,
        w.sku,
        w.sku_guid,
        w.quantity,
        w.line_status,
        coalesce(w.warehouse_id, d.warehouse_id) AS warehouse_id,
        w.promised_ship_at,
        w.file_id,
        w.row_number,
        greatest(coalesce(d.issued_qty, 0), coalesce(s.issued_qty, 0)) AS issued_qty,
        least(d.next_issue_at, s.next_issue_at) AS next_issue_at,
        sum(w.quantity) OVER (
            PARTITION BY w.order_guid, w.sku
            ORDER BY w.line_no ASC NULLS FIRST
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS quantity_so_far
    FROM wanted AS w
    LEFT JOIN documents AS d ON w.order_guid = d.order_guid AND w.sku = d.sku
    LEFT JOIN sold AS s ON w.order_guid = s.order_guid AND w.sku = s.sku
),

left_over AS (
    SELECT
        i.order_guid,
        i.line_no,
        i.sku,
        i.sku_guid,
        greatest(0, least(i.quantity, i.quantity_so_far - i.issued_qty)) AS quantity,
        -- A chosen pick-up store comes before what anybody suggests.
        coalesce(o.pickup_store_id, i.warehouse_id) AS warehouse_id,
        coalesce(i.promised_ship_at, o.promised_ship_at) AS due_at,
        i.next_issue_at,
        o.channel,
        o.shop_id,
        o.channel_order_id,
        o.is_paid,
        o.created_at,
        o.reserved_at,
        CASE WHEN NOT o.is_paid THEN add_minutes(o.created_at, threshold('unpaid_hold_minutes')) END AS reserved_until,
        o.says_shipped OR coalesce(i.line_status = 'shipped', FALSE) AS says_shipped,
        o.shipped_at,
        i.file_id,
        i.row_number
    FROM issued AS i
    INNER JOIN open_orders AS o ON i.order_guid = o.order_guid
)

SELECT
    order_guid,
    line_no,
    sku,
    sku_guid,
    warehouse_id,
    CASE WHEN is_paid THEN 'reserved' ELSE 'held' END AS component,
    CAST(quantity AS DECIMAL(18, 3)) AS quantity,
    due_at,
    created_at,
    reserved_at,
    reserved_until,
    -- The channel says shipped and no document of a warehouse does: the goods are gone once a stock figure later than this is in.
    CASE WHEN says_shipped THEN shipped_at END AS claimed_shipped_at,
    created_at <= as_of() AS is_counted,
    least(
        CASE WHEN created_at > as_of() THEN created_at END,
        CASE WHEN reserved_until > as_of() THEN reserved_until END,
        CASE WHEN next_issue_at > as_of() THEN next_issue_at END
    ) AS next_change_at,
    channel,
    shop_id,
    channel_order_id,
    guid_of(channel_order_id) AS document_guid,
    file_id,
    row_number
FROM left_over
WHERE
    quantity > 0
    AND (is_paid OR reserved_until > as_of())
    AND (NOT says_shipped OR shipped_at IS NOT NULL)
