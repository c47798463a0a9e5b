-- grain: day, metric, channel
-- refresh: whole
-- Share of orders whose address, of order lines whose product name, and of discounts whose promotion is standardised, by day
-- of the order and channel. Orders without a Chinese address, lines without a title and discounts that name no promotion do not
-- count.
WITH judged AS (
    SELECT
        created_on AS day,
        'address_standardisation' AS metric,
        channel,
        region_resolution <> 'unresolved' AS has_passed
    FROM orders.orders
    WHERE region_resolution IS NOT NULL

    UNION ALL

    SELECT
        o.created_on AS day,
        'product_name_standardisation' AS metric,
        o.channel,
        l.name_source <> 'tidied' AS has_passed
    FROM orders.order_lines AS l
    INNER JOIN orders.orders AS o ON l.order_guid = o.order_guid
    WHERE l.name_source IS NOT NULL

    UNION ALL

    SELECT
        o.created_on AS day,
        'promotion_standardisation' AS metric,
        o.channel,
        d.promotion_kind <> 'unmapped' AS has_passed
    FROM orders.order_discounts AS d
    INNER JOIN orders.orders AS o ON d.order_guid = o.order_guid
    WHERE d.promotion_kind IS NOT NULL
)

SELECT
    day,
    metric,
    channel,
    count(*) AS checked_count,
    count(CASE WHEN has_passed THEN 1 END) AS passed_count,
    ratio(count(CASE WHEN has_passed THEN 1 END), count(*)) AS ratio,
    CAST(threshold('standardisation_min_ratio') AS DOUBLE) AS target_ratio
FROM judged
GROUP BY day, metric, channel
