-- grain: return_guid
-- refresh: return by return_guid
-- touches: case by return_guid
-- lookup: orders.orders, orders.products, fulfilment.shipment_lines, ref.return_classes, ref.return_stages
-- Each case once, with what is known of its steps: what the channel says, and what parcels, stock and accounts show.
WITH goods AS (
    SELECT
        i.return_guid,
        min(i.order_guid) AS order_guid,
        min(i.return_id) AS return_id,
        min(i.channel) AS channel,
        min(i.shop_id) AS shop_id,
        min(i.channel_order_id) AS channel_order_id,
        CASE WHEN count(*) = 1 THEN min(i.sku) END AS sku,
        count(*) AS item_count,
        CAST(sum(i.quantity) AS DECIMAL(18, 3)) AS quantity,
        CAST(sum(i.refund_amount) AS DECIMAL(18, 2)) AS refund_amount,
        max(CASE WHEN p.is_special OR p.is_fresh THEN 1 ELSE 0 END) = 1 AS is_special
    FROM aftersales.return_items AS i
    LEFT JOIN orders.products AS p ON i.sku = p.sku
    GROUP BY i.return_guid
),

-- Of a case with several goods the first row tells what is the same for all.
firsts AS (
    SELECT
        return_guid,
        kind,
        status,
        reason,
        class,
        requested_at,
        approved_at,
        return_waybill_id,
        received_at,
        inspected_at,
        disposition,
        refunded_at,
        timezone,
        source,
        file_id,
        row_number
    FROM aftersales.return_items
    WHERE item_no = 1
),

shipped AS (
    SELECT
        c.return_guid,
        min(s.shipped_at) AS shipped_at
    FROM goods AS c
    INNER JOIN fulfilment.shipment_lines AS s ON c.order_guid = s.order_guid
    GROUP BY c.return_guid
),

steps AS (
    SELECT
        f.return_guid,
        f.kind,
        f.status,
        f.status IN ('rejected', 'closed') AND f.refunded_at IS NULL AS is_closed,
        coalesce(
            f.approved_at,
            CASE WHEN f.status NOT IN ('requested', 'rejected', 'closed', 'unmapped') THEN
                coalesce(f.received_at, b.sent_at, b.arrived_at, f.inspected_at, f.refunded_at, f.requested_at)
            END
        ) AS approved_at,
        coalesce(b.sent_at, CASE WHEN f.status = 'return_in_transit' THEN coalesce(f.approved_at, f.requested_at) END) AS sent_at,
        coalesce(
            f.received_at, b.arrived_at,
            CASE WHEN f.status IN ('received', 'inspecting', 'restocked', 'scrapped', 'returned_to_vendor') THEN
                coalesce(f.inspected_at, f.approved_at, f.requested_at)
            END
        ) AS arrived_at,
        coalesce(
            f.inspected_at, b.restocked_at, b.written_off_at,
            CASE WHEN f.status IN ('restocked', 'scrapped', 'returned_to_vendor') THEN
                coalesce(f.received_at, f.approved_at, f.requested_at)
            END
        ) AS inspected_at,
        -- Goods that were scrapped or sent on need no place on the shelf.
        coalesce(
            b.restocked_at, b.written_off_at,
            CASE WHEN f.disposition IN ('scrap', 'return_to_vendor') OR f.status IN ('scrapped', 'returned_to_vendor', 'restocked') THEN
                coalesce(f.inspected_at, f.received_at, f.approved_at, f.requested_at)
            END
        ) AS stock_done_at,
        b.restocked_at AS stock_back_at,
        CASE WHEN m.paid_out_amount >= m.wanted_amount THEN m.last_paid_at END AS money_out_at,
        m.paid_out_amount,
        -- The channel's word that it was refunded counts where no account of the order is read.
        coalesce(
            CASE WHEN m.paid_out_amount >= m.wanted_amount THEN m.last_paid_at END,
            f.refunded_at,
            CASE WHEN f.status IN ('refunded', 'exchanged') THEN coalesce(f.inspected_at, f.received_at, f.approved_at, f.requested_at) END
        ) AS refunded_at
    FROM firsts AS f
    LEFT JOIN aftersales.goods_back AS b ON f.return_guid = b.return_guid
    LEFT JOIN aftersales.payouts AS m ON f.return_guid = m.return_guid
),

placed AS (
    SELECT
        s.return_guid,
        CASE
            WHEN s.is_closed THEN 'closed'
            WHEN s.kind = 'refund_only' AND s.refunded_at IS NOT NULL THEN 'done'
            WHEN s.kind <> 'refund_only' AND s.refunded_at IS NOT NULL AND s.stock_done_at IS NOT NULL THEN 'done'
            WHEN s.kind <> 'refund_only' AND s.refunded_at IS NOT NULL AND s.inspected_at IS NOT NULL THEN 'stock'
            WHEN s.kind <> 'refund_only' AND s.inspected_at IS NOT NULL
                THEN CASE WHEN s.kind = 'exchange' THEN 'replacement' ELSE 'refund' END
            WHEN s.kind <> 'refund_only' AND s.arrived_at IS NOT NULL THEN 'inspection'
            WHEN s.kind <> 'refund_only' AND s.sent_at IS NOT NULL THEN 'goods_on_way'
            -- The money went out before the goods came.
            WHEN s.kind <> 'refund_only' AND coalesce(s.approved_at, s.refunded_at) IS NOT NULL THEN 'goods_to_send'
            WHEN s.approved_at IS NOT NULL THEN 'refund'
            ELSE 'decision'
        END AS stage
    FROM steps AS s
)

SELECT
    g.return_guid,
    g.return_id,
    g.order_guid,
    g.channel,
    g.shop_id,
    g.channel_order_id,
    g.sku,
    g.item_count,
    g.quantity,
    f.kind,
    f.status,
    p.stage,
    f.reason,
    f.class,
    c.route AS class_route,
    CASE WHEN p.stage = 'decision' THEN c.owner_role ELSE t.owner_role END AS owner_role,
    c.needs_evidence,
    o.currency,
    g.refund_amount,
    r.refund_due_amount,
    r.clawed_amount,
    o.freight_amount,
    o.order_guid IS NOT NULL AS has_order,
    o.status AS order_status,
    g.is_special,
    coalesce(h.shipped_at, o.shipped_at) AS shipped_at,
    f.requested_at,
    s.approved_at,
    s.sent_at,
    s.arrived_at,
    s.inspected_at,
    s.stock_done_at,
    s.stock_back_at,
    s.refunded_at,
    s.money_out_at,
    coalesce(s.paid_out_amount, 0) AS paid_out_amount,
    entered.entered_at,
    CASE
        WHEN p.stage IN ('done', 'closed') THEN NULL
        ELSE add_hours(entered.entered_at, CASE WHEN p.stage = 'decision' THEN c.limit_hours ELSE t.limit_hours END)
    END AS due_at,
    f.return_waybill_id,
    f.disposition,
    coalesce(o.timezone, f.timezone) AS timezone,
    f.source,
    f.file_id,
    f.row_number
FROM goods AS g
INNER JOIN firsts AS f ON g.return_guid = f.return_guid
INNER JOIN steps AS s ON g.return_guid = s.return_guid
INNER JOIN placed AS p ON g.return_guid = p.return_guid
INNER JOIN ref.return_classes AS c ON f.class = c.class
INNER JOIN ref.return_stages AS t ON p.stage = t.stage
LEFT JOIN aftersales.refunds AS r ON g.return_guid = r.return_guid
LEFT JOIN orders.orders AS o ON g.order_guid = o.order_guid
LEFT JOIN shipped AS h ON g.return_guid = h.return_guid
INNER JOIN (
    SELECT
        s2.return_guid,
        CASE p2.stage
            WHEN 'decision' THEN f2.requested_at
            WHEN 'goods_to_send' THEN coalesce(s2.approved_at, s2.refunded_at)
            WHEN 'goods_on_way' THEN s2.sent_at
            WHEN 'inspection' THEN s2.arrived_at
            WHEN 'replacement' THEN s2.inspected_at
            WHEN 'refund' THEN CASE WHEN s2.kind = 'refund_only' THEN s2.approved_at ELSE s2.inspected_at END
            WHEN 'stock' THEN greatest(s2.inspected_at, s2.refunded_at)
            ELSE coalesce(greatest(s2.refunded_at, s2.stock_done_at), s2.refunded_at, f2.requested_at)
        END AS entered_at
    FROM steps AS s2
    INNER JOIN placed AS p2 ON s2.return_guid = p2.return_guid
    INNER JOIN firsts AS f2 ON s2.return_guid = f2.return_guid
) AS entered ON g.return_guid = entered.return_guid
