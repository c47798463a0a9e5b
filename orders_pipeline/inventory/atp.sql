-- grain: owner, sku, warehouse_id
-- refresh: view
-- changes at: always
-- What can be promised of each SKU in each warehouse now, every part of it, and how old the figure is against the refresh target of
-- its category. A view: the balances change with what is touched, ages with every look. NULL: goods that are not kept in stock.
SELECT
    b.owner,
    b.sku,
    b.warehouse_id,
    as_of() AS as_of_at,
    b.snapshot_at,
    b.last_event_at,
    CASE WHEN p.is_stocked = FALSE THEN 'not_stocked' ELSE b.stock_record END AS stock_record,
    b.is_active,
    b.on_hand_qty,
    b.quality_control_qty,
    b.frozen_qty,
    b.damaged_qty,
    b.sellable_qty,
    b.reserved_qty,
    b.held_qty,
    b.in_transit_qty,
    b.incoming_qty,
    b.undated_supply_qty,
    b.stale_supply_qty,
    b.safety_stock_qty,
    CASE WHEN coalesce(p.is_stocked, TRUE) THEN b.atp_signed_qty END AS atp_signed_qty,
    CASE WHEN coalesce(p.is_stocked, TRUE) THEN b.atp_qty END AS atp_qty,
    CASE WHEN coalesce(p.is_stocked, TRUE) THEN b.oversold_qty ELSE CAST(0 AS DECIMAL(18, 3)) END AS oversold_qty,
    CASE WHEN coalesce(p.is_stocked, TRUE) THEN b.safety_breach_qty ELSE CAST(0 AS DECIMAL(18, 3)) END AS safety_breach_qty,
    seconds_between(as_of(), b.last_event_at) AS age_seconds,
    CASE WHEN f.category IS NOT NULL THEN threshold('stock_age_fast_max_seconds') ELSE threshold('stock_age_max_seconds') END
        AS target_age_seconds,
    coalesce(
        seconds_between(as_of(), b.last_event_at)
        > CASE WHEN f.category IS NOT NULL THEN threshold('stock_age_fast_max_seconds') ELSE threshold('stock_age_max_seconds') END,
        TRUE
    ) AS is_stale
FROM inventory.balances AS b
LEFT JOIN orders.products AS p ON b.sku = p.sku
LEFT JOIN ref.fast_categories AS f ON p.category = f.category
