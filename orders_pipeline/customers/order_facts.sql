-- grain: order_guid
-- refresh: order by order_guid
-- touches: customer by customer_key
-- lookup: ref.cancel_words
-- What every order of a known customer says about him: paid when and for how much, with a coupon or at the full price, cancelled by
-- whom, changed how often, brought back in part. Orders never paid for and tests say nothing.
WITH lines AS (
    SELECT
        order_guid,
        line_no,
        quantity,
        coalesce(list_amount, unit_price * quantity) AS list_amount,
        coalesce(
            payable_amount,
            coalesce(list_amount, unit_price * quantity)
            - coalesce(merchant_discount_amount, 0) - coalesce(platform_discount_amount, 0)
        ) AS amount
    FROM orders.order_lines
    WHERE NOT is_gift AND coalesce(line_status, '') NOT IN ('cancelled', 'expired')
),

goods AS (
    SELECT
        order_guid,
        sum(quantity) AS quantity,
        sum(coalesce(amount, 0)) AS goods_amount,
        count(CASE WHEN list_amount > 0 THEN amount END) AS line_count,
        sum(CASE WHEN list_amount > 0 AND amount >= list_amount * threshold('customer_full_price_min_ratio') THEN 1 ELSE 0 END)
            AS full_price_line_count
    FROM lines
    GROUP BY order_guid
),

discounts AS (
    SELECT
        order_guid,
        max(CASE WHEN scope IN ('order', 'payment') THEN 1 ELSE 0 END) = 1 AS has_order_discount,
        -- A maker's money off a line is a coupon, whatever it is called.
        max(CASE WHEN promotion_kind = 'coupon' OR (funder = 'brand' AND scope = 'line') THEN 1 ELSE 0 END) = 1 AS has_coupon
    FROM orders.order_discounts
    GROUP BY order_guid
),

promotions AS (
    SELECT
        order_guid,
        sum(own_amount) AS promotion_amount
    FROM customers.promotion_orders
    GROUP BY order_guid
),

reasons AS (
    SELECT
        order_guid,
        lower(close_reason) AS reason
    FROM orders.orders
    WHERE close_reason IS NOT NULL AND status = 'cancelled'
),

wordings AS (
    SELECT reason
    FROM reasons
    GROUP BY reason
),

-- The longest word that the text contains says most.
told AS (
    SELECT
        w.reason,
        d.cause,
        row_number() OVER (
            PARTITION BY w.reason
            ORDER BY length(d.word) DESC NULLS LAST, d.place ASC NULLS LAST, d.word ASC NULLS LAST
        ) AS longest_first
    FROM wordings AS w
    INNER JOIN ref.cancel_words AS d ON contains(w.reason, d.word)
),

causes AS (
    SELECT
        r.order_guid,
        t.cause
    FROM reasons AS r
    INNER JOIN told AS t ON r.reason = t.reason AND t.longest_first = 1
),

returned AS (
    SELECT
        order_guid,
        sum(CASE WHEN kind = 'return_refund' AND status NOT IN ('rejected', 'closed') THEN coalesce(quantity, 1) ELSE 0 END) AS returned_qty,
        count(DISTINCT CASE WHEN kind = 'return_refund' AND status NOT IN ('rejected', 'closed') THEN return_guid END) AS return_count,
        sum(CASE WHEN refunded_at IS NOT NULL OR status = 'refunded' THEN refund_amount ELSE 0 END) AS refund_amount,
        max(CASE WHEN class IN ('no_reason', 'order_error', 'price', 'size') AND status NOT IN ('rejected', 'closed') THEN 1 ELSE 0 END) = 1
            AS is_change_of_mind
    FROM aftersales.return_items
    GROUP BY order_guid
),

changes AS (
    SELECT
        e.order_guid,
        count(DISTINCT e.requested_at) AS change_count
    FROM customers.edit_requests AS e
    INNER JOIN orders.orders AS o ON e.order_guid = o.order_guid
    WHERE
        lower(e.role) IN ('buyer', 'customer', '买家', '客户', '顾客', '用户')
        AND e.outcome NOT IN ('refused', 'failed') AND e.requested_at >= o.paid_at
    GROUP BY e.order_guid
),

-- Orders paid together are one purchase.
shared AS (
    SELECT
        order_guid,
        min(payment_guid) AS payment_guid
    FROM payments.allocations
    WHERE pass = 'M3' AND is_linked AND kind IN ('receipt', 'deposit', 'balance')
    GROUP BY order_guid
),

places AS (
    SELECT
        order_guid,
        max(delivery_key) AS delivery_key
    FROM raw.orders
    WHERE delivery_key IS NOT NULL
    GROUP BY order_guid
),

known AS (
    SELECT
        o.order_guid,
        o.customer_key,
        o.customer_id,
        o.channel,
        o.shop_id,
        o.channel_order_id,
        o.currency,
        o.timezone,
        o.status,
        o.order_type = 'credit_note' AS is_credit_note,
        coalesce(o.paid_at, o.created_at) AS paid_at,
        coalesce(o.paid_amount, o.payable_amount, 0) AS paid_amount,
        o.payable_amount,
        o.list_amount,
        o.freight_amount,
        coalesce(o.refunded_amount, 0) AS refunded_amount,
        o.phone_masked,
        o.file_id,
        o.row_number
    FROM orders.orders AS o
    WHERE
        o.customer_key IS NOT NULL AND coalesce(o.paid_at, o.created_at) IS NOT NULL
        AND o.order_type NOT IN ('test', 'resend', 'exchange', 'adjustment')
        AND (o.paid_at IS NOT NULL OR o.status NOT IN ('pending_payment', 'cancelled', 'expired', 'unmapped'))
)

SELECT
    k.order_guid,
    coalesce(s.payment_guid, k.order_guid) AS purchase_guid,
    k.customer_key,
    k.customer_id,
    k.channel,
    k.shop_id,
    k.channel_order_id,
    k.currency,
    k.timezone,
    k.is_credit_note,
    k.paid_at,
    local_date(k.paid_at, k.timezone) AS paid_on,
    CAST(CASE WHEN k.is_credit_note THEN 0 ELSE k.paid_amount END AS DECIMAL(18, 2)) AS paid_amount,
    CAST(CASE
        WHEN k.is_credit_note THEN -coalesce(k.payable_amount, k.paid_amount)
        -- What was paid for an order that was called off is owed or back.
        WHEN k.status IN ('cancelled', 'expired') THEN k.paid_amount
        ELSE least(greatest(k.refunded_amount, coalesce(r.refund_amount, 0)), k.paid_amount)
    END AS DECIMAL(18, 2)) AS refunded_amount,
    k.status = 'completed' AS is_completed,
    coalesce(d.has_coupon, FALSE) AS has_coupon,
    NOT k.is_credit_note AND NOT coalesce(d.has_order_discount, FALSE) AND coalesce(
        CASE WHEN g.line_count > 0 THEN g.full_price_line_count = g.line_count END,
        k.payable_amount - coalesce(k.freight_amount, 0) >= k.list_amount * threshold('customer_full_price_min_ratio'),
        FALSE
    ) AS is_full_price,
    CASE WHEN k.is_credit_note THEN 0 ELSE coalesce(g.line_count, 0) END AS line_count,
    CAST(CASE
        WHEN k.is_credit_note OR coalesce(d.has_order_discount, FALSE) THEN 0 ELSE coalesce(g.full_price_line_count, 0)
    END AS BIGINT) AS full_price_line_count,
    k.is_credit_note OR (
        k.status = 'cancelled' AND coalesce(c.cause = 'customer', r.is_change_of_mind, FALSE)
    ) AS is_cancelled_by_customer,
    coalesce(h.change_count, 0) AS change_count,
    CAST(CASE
        WHEN k.is_credit_note THEN 0
        WHEN k.status IN ('delivered', 'completed') OR r.returned_qty > 0 THEN coalesce(g.quantity, 0)
        ELSE 0
    END AS DECIMAL(18, 3)) AS delivered_qty,
    CAST(CASE WHEN k.is_credit_note THEN -coalesce(g.quantity, 0) ELSE coalesce(r.returned_qty, 0) END AS DECIMAL(18, 3)) AS returned_qty,
    CASE WHEN k.is_credit_note THEN 1 ELSE coalesce(r.return_count, 0) END AS return_count,
    CAST(CASE WHEN k.is_credit_note THEN 0 ELSE coalesce(g.goods_amount, k.payable_amount, 0) END AS DECIMAL(18, 2)) AS goods_amount,
    CAST(CASE WHEN k.is_credit_note THEN 0 ELSE coalesce(p.promotion_amount, 0) END AS DECIMAL(18, 2)) AS promotion_amount,
    a.delivery_key,
    k.phone_masked,
    k.file_id,
    k.row_number
FROM known AS k
LEFT JOIN goods AS g ON k.order_guid = g.order_guid
LEFT JOIN discounts AS d ON k.order_guid = d.order_guid
LEFT JOIN promotions AS p ON k.order_guid = p.order_guid
LEFT JOIN causes AS c ON k.order_guid = c.order_guid
LEFT JOIN returned AS r ON k.order_guid = r.order_guid
LEFT JOIN changes AS h ON k.order_guid = h.order_guid
LEFT JOIN shared AS s ON k.order_guid = s.order_guid
LEFT JOIN places AS a ON k.order_guid = a.order_guid
