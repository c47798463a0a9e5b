SELECT sku, title, category, CAST(is_fresh AS BOOLEAN) AS is_fresh, CAST(is_special AS BOOLEAN) AS is_special, unit,
    CAST(list_price AS DECIMAL(18, 4)) AS list_price, CAST(cost AS DECIMAL(18, 4)) AS cost,
    CAST(weight_grams AS BIGINT) AS weight_grams
FROM {{ files('standard_products') }}
