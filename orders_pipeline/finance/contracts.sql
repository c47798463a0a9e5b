-- grain: order_guid
-- refresh: order by order_guid
-- pace: later
-- lookup: ref.channels, ref.revenue_rules, ref.vat_ratios, orders.products
-- What each order sells for and by which rule its revenue is recognised: the transaction price with tax (what the buyer owes and
-- what the platform pays back of its own discounts; fees are expenses and never netted), the tax in it, its cost, its coupons.
WITH reimbursable AS (
    SELECT order_guid, sum(amount) AS amount
    FROM orders.order_discounts
    WHERE funder IN ('platform', 'influencer')
    GROUP BY order_guid
),

settled AS (
    SELECT
        order_guid,
        sum(CASE WHEN kind = 'subsidy' THEN amount ELSE 0 END) AS subsidy_amount,
        sum(CASE WHEN kind IN ('receipt', 'deposit', 'balance', 'adjustment') THEN amount END) AS paid_amount
    FROM payments.allocations
    WHERE is_linked AND NOT is_ambiguous
    GROUP BY order_guid
),

-- A price list without a cost says nothing of what the goods cost.
lines AS (
    SELECT
        l.order_guid,
        l.category,
        coalesce(l.payable_amount, l.list_amount, l.unit_price * l.quantity) AS weight,
        l.quantity,
        p.cost
    FROM orders.order_lines AS l
    LEFT JOIN orders.products AS p ON l.sku = p.sku
),

ruled AS (
    SELECT
        o.order_guid,
        o.channel,
        o.shop_id,
        o.channel_order_id,
        o.created_at,
        o.created_on,
        o.timezone,
        o.currency,
        o.order_type,
        o.status,
        o.paid_at,
        o.balance_paid_at,
        o.shipped_at,
        o.completed_at,
        o.cancelled_at,
        o.list_amount,
        o.ordered_qty,
        o.paid_amount AS claimed_paid_amount,
        o.payment_leg,
        CASE WHEN o.is_pickup OR o.order_type = 'pickup' THEN 'order_export' ELSE o.logistics_leg END AS logistics_leg,
        coalesce(c.channel, 'default') AS rule_channel,
        r.rule,
        r.version,
        r.control_point,
        r.hold_hours,
        r.auto_confirm_days,
        r.return_days,
        r.return_ratio,
        r.without_history,
        -- Goods sent in exchange or again are sold only as far as something was paid for them.
        CASE
            WHEN o.order_type IN ('exchange', 'resend') THEN coalesce(s.paid_amount, 0)
            ELSE o.payable_amount
        END AS buyer_amount,
        CASE
            WHEN o.order_type IN ('exchange', 'resend') OR r.platform_discount = 'merchant' THEN 0
            WHEN r.platform_discount = 'received' THEN coalesce(s.subsidy_amount, 0)
            ELSE coalesce(d.amount, 0)
        END AS reimbursed_amount
    FROM orders.orders AS o
    LEFT JOIN ref.channels AS c ON o.channel = c.channel
    INNER JOIN ref.revenue_rules AS r
        ON
            coalesce(c.channel, 'default') = r.channel
            AND o.order_type = r.order_type
            AND o.created_on >= r.valid_from
            AND o.created_on < r.valid_to
    LEFT JOIN reimbursable AS d ON o.order_guid = d.order_guid
    LEFT JOIN settled AS s ON o.order_guid = s.order_guid
    WHERE o.order_type <> 'test' AND (o.payable_amount IS NOT NULL OR o.order_type IN ('exchange', 'resend'))
),

taxed AS (
    SELECT
        u.order_guid,
        sum(abs(l.weight)) AS weight,
        sum(CAST(abs(l.weight) AS DECIMAL(19, 4)) * coalesce(v.vat_share, w.vat_share)) AS tax_weight,
        min(coalesce(v.vat_share, w.vat_share)) AS lowest_share,
        max(coalesce(v.vat_share, w.vat_share)) AS highest_share,
        sum(l.quantity * l.cost) AS cost_amount,
        count(*) AS line_count,
        count(l.cost) AS cost_count
    FROM ruled AS u
    INNER JOIN lines AS l ON u.order_guid = l.order_guid
    LEFT JOIN ref.vat_ratios AS v
        ON
            u.rule_channel = v.channel AND l.category = v.category
            AND u.created_on >= v.valid_from AND u.created_on < v.valid_to
    LEFT JOIN ref.vat_ratios AS w
        ON
            u.rule_channel = w.channel AND w.category = ''
            AND u.created_on >= w.valid_from AND u.created_on < w.valid_to
    GROUP BY u.order_guid
),

-- Coupons that came with the sale: what they are worth to the buyer on their own.
coupons AS (
    SELECT
        order_guid,
        coupon_id,
        stand_alone_amount,
        expected_use_ratio,
        row_number() OVER (
            PARTITION BY order_guid, coupon_id
            ORDER BY exported_at DESC NULLS LAST, file_id DESC NULLS LAST, row_number DESC NULLS LAST
        ) AS newest_first
    FROM raw.coupon_grants
),

granted AS (
    SELECT
        order_guid,
        sum(CAST(stand_alone_amount AS DECIMAL(19, 2)) * CAST(coalesce(expected_use_ratio, 1) AS DECIMAL(9, 6))) AS coupon_amount
    FROM coupons
    WHERE newest_first = 1
    GROUP BY order_guid
)

SELECT
    u.order_guid,
    u.channel,
    u.shop_id,
    u.channel_order_id,
    u.created_at,
    u.created_on,
    u.timezone,
    u.currency,
    u.order_type,
    u.status,
    u.paid_at,
    u.balance_paid_at,
    u.shipped_at,
    u.completed_at,
    u.cancelled_at,
    u.ordered_qty,
    u.claimed_paid_amount,
    u.payment_leg,
    u.logistics_leg,
    u.rule,
    u.version AS rule_version,
    u.control_point,
    u.hold_hours,
    u.auto_confirm_days,
    u.return_days,
    u.return_ratio,
    u.without_history,
    CAST(u.buyer_amount AS DECIMAL(18, 2)) AS buyer_amount,
    CAST(u.reimbursed_amount AS DECIMAL(18, 2)) AS reimbursed_amount,
    CAST(u.buyer_amount + u.reimbursed_amount AS DECIMAL(18, 2)) AS price_amount,
    -- One rate is taken exactly; several by what the lines weigh.
    CASE
        WHEN t.weight > 0 AND t.lowest_share < t.highest_share
            THEN CAST(ratio(t.tax_weight, t.weight) AS DECIMAL(18, 12))
        ELSE coalesce(t.lowest_share, w.vat_share)
    END AS vat_share,
    CASE WHEN t.cost_count = t.line_count THEN round_half_up(t.cost_amount) END AS cost_amount,
    -- What of the price is for the goods: relative stand-alone prices.
    CASE
        WHEN g.coupon_amount > 0 THEN CAST(coalesce(u.list_amount, u.buyer_amount + u.reimbursed_amount) AS DECIMAL(18, 2))
    END AS goods_alone_amount,
    CASE WHEN g.coupon_amount > 0 THEN round_half_up(g.coupon_amount) END AS coupon_alone_amount
FROM ruled AS u
LEFT JOIN taxed AS t ON u.order_guid = t.order_guid
LEFT JOIN granted AS g ON u.order_guid = g.order_guid
INNER JOIN ref.vat_ratios AS w
    ON
        u.rule_channel = w.channel AND w.category = ''
        AND u.created_on >= w.valid_from AND u.created_on < w.valid_to
