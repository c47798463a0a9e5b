-- grain: order_guid, sku
-- refresh: order by order_guid
-- What the buyer paid for each SKU of an order, as shared out when the order was paid: discounts in proportion to the lines, in cents
-- by largest remainder (ties: larger line, then earlier line). A refund takes its part of this, never of a new sharing-out.
WITH paid_versions AS (
    SELECT
        order_guid,
        min(version_number) AS version_number
    FROM orders.order_versions
    WHERE
        payable_amount IS NOT NULL
        AND (paid_at IS NOT NULL OR status IN ('paid', 'on_hold', 'released', 'shipped', 'delivered', 'completed'))
    GROUP BY order_guid
),

totals AS (
    SELECT
        o.order_guid,
        coalesce(v.payable_amount, o.payable_amount) AS payable_amount,
        coalesce(v.freight_amount, o.freight_amount, 0) AS freight_amount
    FROM orders.orders AS o
    LEFT JOIN paid_versions AS p ON o.order_guid = p.order_guid
    LEFT JOIN orders.order_versions AS v ON p.order_guid = v.order_guid AND p.version_number = v.version_number
),

line_discounts AS (
    SELECT
        order_guid,
        sub_order_id,
        sum(amount) AS amount
    FROM orders.order_discounts
    WHERE scope = 'line'
    GROUP BY order_guid, sub_order_id
),

lines AS (
    SELECT
        l.order_guid,
        l.line_no,
        l.sku,
        l.quantity,
        l.is_gift,
        coalesce(l.list_amount, l.unit_price * l.quantity, l.payable_amount, 0) AS list_amount,
        coalesce(
            l.payable_amount,
            coalesce(l.list_amount, l.unit_price * l.quantity)
            - CASE
                WHEN coalesce(l.merchant_discount_amount, l.platform_discount_amount) IS NULL THEN coalesce(d.amount, 0)
                ELSE coalesce(l.merchant_discount_amount, 0) + coalesce(l.platform_discount_amount, 0)
            END
        ) AS amount
    FROM orders.order_lines AS l
    LEFT JOIN line_discounts AS d ON l.order_guid = d.order_guid AND l.sub_order_id = d.sub_order_id
),

-- Lines without any price weigh by their pieces, if no line of the order has one.
weighed AS (
    SELECT
        l.order_guid,
        l.line_no,
        l.sku,
        l.quantity,
        l.is_gift,
        l.list_amount,
        CASE
            WHEN sum(abs(coalesce(l.amount, 0))) OVER (PARTITION BY l.order_guid) = 0
                THEN CAST(round(abs(l.quantity) * 1000, 0) AS DECIMAL(18, 0))
            ELSE CAST(round(abs(coalesce(l.amount, 0)) * 100, 0) AS DECIMAL(18, 0))
        END AS weight,
        CAST(
            coalesce(t.payable_amount - t.freight_amount, sum(coalesce(l.amount, 0)) OVER (PARTITION BY l.order_guid)) * 100
            AS DECIMAL(18, 0)
        ) AS goods_cents
    FROM lines AS l
    INNER JOIN totals AS t ON l.order_guid = t.order_guid
),

divided AS (
    SELECT
        order_guid,
        line_no,
        sku,
        quantity,
        is_gift,
        list_amount,
        weight,
        CASE WHEN goods_cents < 0 THEN -1 ELSE 1 END AS direction,
        abs(goods_cents) AS total_cents,
        sum(weight) OVER (PARTITION BY order_guid) AS weights
    FROM weighed
),

whole AS (
    SELECT
        order_guid,
        line_no,
        sku,
        quantity,
        is_gift,
        list_amount,
        weight,
        direction,
        total_cents,
        -- Products in nineteen digits and more: of two factors with eighteen DuckDB makes one of eighteen.
        (CAST(total_cents AS DECIMAL(19, 0)) * weight) % weights AS remainder,
        CAST(
            round(
                ratio(
                    CAST(total_cents AS DECIMAL(19, 0)) * weight - (CAST(total_cents AS DECIMAL(19, 0)) * weight) % weights, weights
                ), 0
            ) AS BIGINT
        ) AS whole_cents
    FROM divided
    WHERE weights > 0
),

shared AS (
    SELECT
        order_guid,
        sku,
        quantity,
        is_gift,
        list_amount,
        direction * (
            whole_cents
            + CASE
                WHEN
                    row_number() OVER (
                        PARTITION BY order_guid
                        ORDER BY remainder DESC NULLS LAST, weight DESC NULLS LAST, line_no ASC NULLS LAST
                    )
                    <= total_cents - sum(whole_cents) OVER (PARTITION BY order_guid)
                    THEN 1
                ELSE 0
            END
        ) AS cents
    FROM whole
)

SELECT
    order_guid,
    sku,
    -- A gift of the same goods is not what the buyer paid for.
    CAST(
        CASE
            WHEN sum(CASE WHEN is_gift THEN 0 ELSE quantity END) > 0 THEN sum(CASE WHEN is_gift THEN 0 ELSE quantity END)
            ELSE sum(quantity)
        END AS DECIMAL(18, 3)
    ) AS quantity,
    round_half_up(sum(CASE WHEN is_gift THEN 0 ELSE list_amount END)) AS list_amount,
    CAST(sum(cents) * 0.01 AS DECIMAL(18, 2)) AS net_amount
FROM shared
GROUP BY order_guid, sku
