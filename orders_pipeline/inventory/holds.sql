-- grain: hold_guid, sku
-- refresh: hold by hold_guid
-- touches: sku by sku_guid
-- lookup: inventory.kit_components, inventory.stock_units, orders.orders
-- changes at: next_change_at
-- Explicit holds as their newest row states them, in base units and bundles as their components. One that has ended is not here, even if its row still
-- is; nor one whose order was paid or closed since: the order's own lines speak for it then.
WITH ranked AS (
    SELECT
        hold_guid,
        hold_id,
        order_guid,
        channel,
        shop_id,
        channel_order_id,
        warehouse_id,
        sku,
        sku_guid AS counted_guid,
        quantity,
        quantity_unit,
        reserved_at,
        reserved_until,
        file_id,
        row_number,
        row_number() OVER (
            PARTITION BY hold_guid
            ORDER BY exported_at DESC NULLS LAST, file_id DESC NULLS LAST, row_number DESC NULLS LAST
        ) AS newest_first
    FROM raw.holds
)

SELECT
    r.hold_guid,
    r.hold_id,
    coalesce(k.component_sku, r.sku) AS sku,
    coalesce(k.sku_guid, guid_of(r.sku)) AS sku_guid,
    r.warehouse_id,
    r.order_guid,
    r.channel,
    r.shop_id,
    r.channel_order_id,
    CAST(
        CAST(CASE WHEN r.quantity_unit IS NULL THEN r.quantity ELSE r.quantity * u.base_qty END AS DECIMAL(18, 3))
        * coalesce(k.component_quantity, 1)
        AS DECIMAL(18, 3)
    ) AS quantity,
    r.reserved_at,
    r.reserved_until,
    r.reserved_at <= as_of() AS is_counted,
    CASE WHEN r.reserved_at > as_of() THEN r.reserved_at ELSE r.reserved_until END AS next_change_at,
    r.file_id,
    r.row_number
FROM ranked AS r
LEFT JOIN inventory.stock_units AS u ON r.counted_guid = u.sku_guid AND r.quantity_unit = u.unit
LEFT JOIN inventory.kit_components AS k ON r.sku = k.kit_sku
LEFT JOIN orders.orders AS o ON r.order_guid = o.order_guid
WHERE
    r.newest_first = 1
    AND r.quantity > 0
    AND (r.quantity_unit IS NULL OR u.base_qty IS NOT NULL)
    AND coalesce(r.reserved_until > as_of(), TRUE)
    AND coalesce(o.status IN ('pending_payment', 'unmapped') AND o.paid_at IS NULL, TRUE)
