-- grain: channel, shop_id, sku, sold_on
-- refresh: whole
-- pace: later
-- What each shop sold of each SKU on each day: lines of orders that were paid and stand, net of their discounts; how much of it went
-- to buyers with an order on an earlier day, and how much to buyers who are known at all.
WITH lines AS (
    SELECT
        o.channel,
        o.shop_id,
        o.currency,
        o.customer_key,
        o.created_on AS sold_on,
        l.sku,
        l.category,
        l.quantity,
        coalesce(
            l.payable_amount,
            coalesce(l.list_amount, l.unit_price * l.quantity)
            - coalesce(l.merchant_discount_amount, 0) - coalesce(l.platform_discount_amount, 0),
            0
        ) AS amount,
        coalesce(
            l.list_amount, l.unit_price * l.quantity, p.list_price * l.quantity,
            l.payable_amount + coalesce(l.merchant_discount_amount, 0) + coalesce(l.platform_discount_amount, 0),
            0
        ) AS list_amount
    FROM orders.order_lines AS l
    INNER JOIN orders.orders AS o ON l.order_guid = o.order_guid
    LEFT JOIN orders.products AS p ON l.sku = p.sku
    WHERE
        o.status NOT IN ('pending_payment', 'cancelled', 'expired') AND o.order_type NOT IN ('test', 'resend')
        AND coalesce(l.line_status, '') NOT IN ('cancelled', 'expired')
        AND NOT l.is_gift AND l.sku IS NOT NULL AND o.created_on IS NOT NULL
),

firsts AS (
    SELECT
        customer_key,
        min(sold_on) AS first_on
    FROM lines
    WHERE customer_key IS NOT NULL
    GROUP BY customer_key
)

SELECT
    l.channel,
    l.shop_id,
    l.sku,
    l.sold_on,
    max(l.category) AS category,
    min(l.currency) AS currency,
    CAST(sum(l.quantity) AS DECIMAL(18, 3)) AS sold_qty,
    CAST(sum(round_half_up(l.amount)) AS DECIMAL(18, 2)) AS observed_amount,
    CAST(sum(round_half_up(l.list_amount)) AS DECIMAL(18, 2)) AS list_amount,
    CAST(sum(CASE WHEN f.first_on < l.sold_on THEN round_half_up(l.amount) ELSE 0 END) AS DECIMAL(18, 2)) AS existing_amount,
    CAST(sum(CASE WHEN f.first_on IS NOT NULL THEN round_half_up(l.amount) ELSE 0 END) AS DECIMAL(18, 2)) AS identified_amount
FROM lines AS l
LEFT JOIN firsts AS f ON l.customer_key = f.customer_key
GROUP BY l.channel, l.shop_id, l.sku, l.sold_on
