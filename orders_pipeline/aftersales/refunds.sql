-- grain: return_guid
-- refresh: order by order_guid
-- touches: return by return_guid
-- lookup: aftersales.return_policies
-- What each case is due by the order-time sharing-out, exact to the cent: n pieces take their part of what was paid for the SKU, the
-- last pieces take the rest. A discount from a minimum value is kept or clawed back as its promotion says.
WITH shares AS (
    SELECT
        s.order_guid,
        s.sku,
        s.quantity,
        s.list_amount,
        s.net_amount,
        count(*) OVER (PARTITION BY s.order_guid) AS sku_count
    FROM aftersales.order_shares AS s
),

items AS (
    SELECT
        i.return_guid,
        i.order_guid,
        i.sku,
        i.quantity,
        i.refund_amount,
        i.requested_at,
        i.return_id
    FROM aftersales.return_items AS i
    WHERE i.kind <> 'exchange' AND i.status <> 'rejected' AND (i.status <> 'closed' OR i.refunded_at IS NOT NULL)
),

-- A case that names no goods is about the only SKU there is, or about the whole order; one that names an amount only, about that amount.
asked AS (
    SELECT
        i.return_guid,
        i.order_guid,
        i.requested_at,
        i.return_id,
        s.sku,
        s.net_amount,
        s.list_amount,
        s.quantity AS sku_qty,
        i.quantity,
        CASE WHEN i.quantity IS NULL THEN i.refund_amount END AS amount
    FROM items AS i
    INNER JOIN shares AS s
        ON
            i.order_guid = s.order_guid
            AND (
                i.sku = s.sku
                OR (i.sku IS NULL AND i.quantity IS NOT NULL AND s.sku_count = 1)
                OR (i.sku IS NULL AND i.quantity IS NULL AND i.refund_amount IS NULL)
            )
),

-- Pieces asked for so far, this case included. The order of requests decides, not the order of files.
counted AS (
    SELECT
        return_guid,
        order_guid,
        requested_at,
        return_id,
        sku,
        net_amount,
        list_amount,
        sku_qty,
        amount,
        quantity,
        sum(CASE WHEN amount IS NULL THEN coalesce(quantity, sku_qty) ELSE 0 END) OVER (
            PARTITION BY order_guid, sku
            ORDER BY requested_at ASC NULLS LAST, return_id ASC NULLS LAST, return_guid ASC NULLS LAST
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS until_qty
    FROM asked
),

claims AS (
    SELECT
        return_guid,
        order_guid,
        requested_at,
        return_id,
        sku,
        net_amount,
        list_amount,
        sku_qty,
        greatest(0, least(until_qty, sku_qty) - (until_qty - CASE WHEN amount IS NULL THEN coalesce(quantity, sku_qty) ELSE 0 END))
            AS taken_qty,
        CASE
            WHEN amount IS NOT NULL THEN amount
            WHEN until_qty >= sku_qty THEN net_amount
            ELSE round_half_up(ratio(net_amount * coalesce(quantity, sku_qty), sku_qty))
        END AS claim_amount
    FROM counted
    WHERE sku_qty > 0 AND net_amount >= 0
),

claims_so_far AS (
    SELECT
        return_guid,
        order_guid,
        sku,
        net_amount,
        list_amount,
        sku_qty,
        taken_qty,
        claim_amount,
        sum(claim_amount) OVER (
            PARTITION BY order_guid, sku
            ORDER BY requested_at ASC NULLS LAST, return_id ASC NULLS LAST, return_guid ASC NULLS LAST
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS until_amount
    FROM claims
),

goods AS (
    SELECT
        return_guid,
        order_guid,
        sum(least(until_amount, net_amount) - least(until_amount - claim_amount, net_amount)) AS due_amount,
        sum(ratio_amount) AS list_taken_amount
    FROM (
        SELECT
            return_guid,
            order_guid,
            net_amount,
            claim_amount,
            until_amount,
            round_half_up(ratio(list_amount * taken_qty, sku_qty)) AS ratio_amount
        FROM claims_so_far
    ) AS c
    GROUP BY return_guid, order_guid
),

order_totals AS (
    SELECT
        s.order_guid,
        sum(s.list_amount) AS list_amount,
        sum(s.net_amount) AS net_amount
    FROM aftersales.order_shares AS s
    GROUP BY s.order_guid
),

-- Cases that name an amount and no goods: up to what the cases about goods leave of the order, freight included.
loose AS (
    SELECT
        i.return_guid,
        i.order_guid,
        min(i.requested_at) AS requested_at,
        min(i.return_id) AS return_id,
        sum(i.refund_amount) AS amount
    FROM items AS i
    LEFT JOIN goods AS g ON i.return_guid = g.return_guid
    WHERE i.sku IS NULL AND i.refund_amount IS NOT NULL AND g.return_guid IS NULL
    GROUP BY i.return_guid, i.order_guid
),

goods_of_order AS (
    SELECT
        order_guid,
        sum(due_amount) AS due_amount
    FROM goods
    GROUP BY order_guid
),

loose_so_far AS (
    SELECT
        l.return_guid,
        l.order_guid,
        l.amount,
        greatest(0, coalesce(o.payable_amount, t.net_amount) - coalesce(g.due_amount, 0)) AS left_amount,
        sum(l.amount) OVER (
            PARTITION BY l.order_guid
            ORDER BY l.requested_at ASC NULLS LAST, l.return_id ASC NULLS LAST, l.return_guid ASC NULLS LAST
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS until_amount
    FROM loose AS l
    INNER JOIN orders.orders AS o ON l.order_guid = o.order_guid
    LEFT JOIN order_totals AS t ON l.order_guid = t.order_guid
    LEFT JOIN goods_of_order AS g ON l.order_guid = g.order_guid
),

-- Discounts of the order that depend on a minimum and are taken back below it.
clawed AS (
    SELECT
        d.order_guid,
        coalesce(d.threshold_amount, p.threshold_amount) AS threshold_amount,
        sum(d.amount) AS amount
    FROM orders.order_discounts AS d
    INNER JOIN aftersales.return_policies AS p ON d.promotion_id = p.promotion_id
    WHERE coalesce(d.threshold_amount, p.threshold_amount) IS NOT NULL
    GROUP BY d.order_guid, coalesce(d.threshold_amount, p.threshold_amount)
),

times AS (
    SELECT
        return_guid,
        min(requested_at) AS requested_at,
        min(return_id) AS return_id
    FROM items
    GROUP BY return_guid
),

sequence AS (
    SELECT
        g.return_guid,
        g.order_guid,
        t.requested_at,
        t.return_id,
        s.list_amount,
        sum(g.due_amount) OVER (
            PARTITION BY g.order_guid
            ORDER BY t.requested_at ASC NULLS LAST, t.return_id ASC NULLS LAST, g.return_guid ASC NULLS LAST
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS until_amount,
        s.list_amount - sum(g.list_taken_amount) OVER (
            PARTITION BY g.order_guid
            ORDER BY t.requested_at ASC NULLS LAST, t.return_id ASC NULLS LAST, g.return_guid ASC NULLS LAST
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS rest_amount
    FROM goods AS g
    INNER JOIN times AS t ON g.return_guid = t.return_guid
    INNER JOIN order_totals AS s ON g.order_guid = s.order_guid
),

-- The discount on what stays with the buyer, while what stays is worth less than the minimum.
taken_back AS (
    SELECT
        q.return_guid,
        sum(round_half_up(ratio(c.amount * q.rest_amount, q.list_amount))) AS amount
    FROM sequence AS q
    INNER JOIN clawed AS c ON q.order_guid = c.order_guid
    WHERE q.rest_amount > 0 AND q.rest_amount < c.threshold_amount AND q.list_amount >= c.threshold_amount
    GROUP BY q.return_guid
),

levels AS (
    SELECT
        q.return_guid,
        q.order_guid,
        q.requested_at,
        q.return_id,
        coalesce(b.amount, 0) AS clawed_amount,
        max(greatest(q.until_amount - coalesce(b.amount, 0), 0)) OVER (
            PARTITION BY q.order_guid
            ORDER BY q.requested_at ASC NULLS LAST, q.return_id ASC NULLS LAST, q.return_guid ASC NULLS LAST
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS level_amount
    FROM sequence AS q
    LEFT JOIN taken_back AS b ON q.return_guid = b.return_guid
)

SELECT
    return_guid,
    order_guid,
    CAST(
        level_amount - coalesce(lag(level_amount) OVER (
            PARTITION BY order_guid
            ORDER BY requested_at ASC NULLS LAST, return_id ASC NULLS LAST, return_guid ASC NULLS LAST
        ), 0) AS DECIMAL(18, 2)
    ) AS refund_due_amount,
    CAST(clawed_amount AS DECIMAL(18, 2)) AS clawed_amount
FROM levels

UNION ALL

SELECT
    return_guid,
    order_guid,
    CAST(least(until_amount, left_amount) - least(until_amount - amount, left_amount) AS DECIMAL(18, 2)) AS refund_due_amount,
    CAST(0 AS DECIMAL(18, 2)) AS clawed_amount
FROM loose_so_far
