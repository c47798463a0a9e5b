-- grain: channel, shop_id, sku
-- refresh: whole
-- Each SKU in each shop: its category, first sale and base level, the mean list value of a clean day.
WITH days AS (
    SELECT
        sold_on,
        row_number() OVER (ORDER BY sold_on DESC NULLS LAST) AS day_count
    FROM promotions.sales_days
    GROUP BY sold_on
),

sold AS (
    SELECT
        channel,
        shop_id,
        sku,
        max(category) AS category,
        min(currency) AS currency,
        min(sold_on) AS first_on
    FROM promotions.sales_days
    GROUP BY channel, shop_id, sku
),

sums AS (
    SELECT
        channel,
        shop_id,
        sku,
        sum(CASE WHEN is_clean THEN list_amount ELSE 0 END) AS clean_amount,
        sum(CASE WHEN is_clean THEN sold_qty ELSE 0 END) AS clean_qty,
        sum(CASE WHEN is_clean THEN 0 ELSE 1 END) AS disturbed_count
    FROM promotions.cell_days
    GROUP BY channel, shop_id, sku
)

SELECT
    c.channel,
    c.shop_id,
    c.sku,
    c.category,
    c.currency,
    c.first_on,
    d.day_count - s.disturbed_count AS clean_days,
    CAST(s.clean_qty AS DECIMAL(18, 3)) AS clean_qty,
    CAST(s.clean_amount AS DECIMAL(18, 2)) AS clean_amount,
    CAST(
        CASE
            WHEN d.day_count > s.disturbed_count THEN ratio(s.clean_amount, d.day_count - s.disturbed_count) ELSE 0
        END AS DECIMAL(18, 6)
    ) AS base_amount
FROM sold AS c
INNER JOIN sums AS s ON c.channel = s.channel AND c.shop_id = s.shop_id AND c.sku = s.sku
INNER JOIN days AS d ON c.first_on = d.sold_on
