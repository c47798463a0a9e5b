-- grain: sku_guid, owner, warehouse_id, day_number
-- refresh: sku by sku_guid
-- lookup: orders.products
-- changes at: next_change_at
-- Stock to come, by day from today (0) of the warehouse's zone: a row for today and for each day on which something is due or expected,
-- however far ahead, or the safety stock changes. What can be promised on a day is the least that is left above the safety stock then or
-- on any later day (cumulative with look-ahead).
-- Beside it the discrete figures, made another way: receipts less what is due until the next one, shortages eaten off the nearest
-- earlier surplus, then off later ones.
WITH keys AS (
    SELECT
        b.sku_guid,
        b.owner,
        b.sku,
        b.warehouse_id,
        b.timezone,
        local_date(as_of(), b.timezone) AS today,
        b.available_qty,
        b.kept_back_qty,
        b.is_active AND b.stock_record <> 'no_stock_record' AS keeps_back,
        CASE WHEN p.is_replenishable THEN p.lead_time_days END AS horizon_days
    FROM inventory.balances AS b
    LEFT JOIN orders.products AS p ON b.sku = p.sku
),

-- Safety stock of later days: more of it takes from what can be promised like demand, less of it gives like a receipt.
planned AS (
    SELECT
        s.sku_guid,
        s.owner,
        s.warehouse_id,
        days_between(s.starts_on, k.today) AS day_number,
        s.safety_stock_qty - coalesce(lag(s.safety_stock_qty) OVER (
            PARTITION BY s.sku_guid, s.owner, s.warehouse_id
            ORDER BY s.starts_on ASC NULLS FIRST
        ), k.kept_back_qty) AS safety_change_qty
    FROM inventory.safety_plans AS s
    INNER JOIN keys AS k ON s.sku_guid = k.sku_guid AND s.owner = k.owner AND s.warehouse_id = k.warehouse_id
    WHERE s.starts_on > k.today AND k.keeps_back
),

due AS (
    SELECT
        r.sku_guid,
        r.owner,
        r.warehouse_id,
        greatest(0, coalesce(days_between(r.due_on, k.today), 0)) AS day_number,
        r.quantity,
        k.horizon_days
    FROM inventory.reservations AS r
    INNER JOIN keys AS k ON r.sku_guid = k.sku_guid AND r.owner = k.owner AND r.warehouse_id = k.warehouse_id
    WHERE coalesce(days_between(k.today, r.due_on) <= threshold('demand_overdue_max_days'), TRUE)
),

events AS (
    SELECT
        sku_guid,
        owner,
        warehouse_id,
        0 AS day_number,
        CAST(0 AS DECIMAL(18, 3)) AS receipts_qty,
        CAST(0 AS DECIMAL(18, 3)) AS demand_qty,
        CAST(0 AS DECIMAL(18, 3)) AS safety_change_qty
    FROM keys

    UNION ALL

    -- Goods that are bought again as needed: what is due after their lead time will have been bought by then.
    SELECT
        sku_guid,
        owner,
        warehouse_id,
        day_number,
        CAST(0 AS DECIMAL(18, 3)) AS receipts_qty,
        quantity AS demand_qty,
        CAST(0 AS DECIMAL(18, 3)) AS safety_change_qty
    FROM due
    WHERE horizon_days IS NULL OR day_number <= horizon_days

    UNION ALL

    SELECT
        s.sku_guid,
        s.owner,
        s.warehouse_id,
        days_between(s.counted_on, k.today) AS day_number,
        s.promised_qty AS receipts_qty,
        CAST(0 AS DECIMAL(18, 3)) AS demand_qty,
        CAST(0 AS DECIMAL(18, 3)) AS safety_change_qty
    FROM inventory.supply AS s
    INNER JOIN keys AS k ON s.sku_guid = k.sku_guid AND s.owner = k.owner AND s.warehouse_id = k.warehouse_id
    WHERE s.counted_on IS NOT NULL

    UNION ALL

    SELECT
        sku_guid,
        owner,
        warehouse_id,
        day_number,
        CAST(0 AS DECIMAL(18, 3)) AS receipts_qty,
        CAST(0 AS DECIMAL(18, 3)) AS demand_qty,
        safety_change_qty
    FROM planned
),

days AS (
    SELECT
        sku_guid,
        owner,
        warehouse_id,
        day_number,
        sum(receipts_qty) AS receipts_qty,
        sum(demand_qty) AS demand_qty,
        sum(safety_change_qty) AS safety_change_qty
    FROM events
    GROUP BY sku_guid, owner, warehouse_id, day_number
),

running AS (
    SELECT
        d.sku_guid,
        d.owner,
        k.sku,
        d.warehouse_id,
        d.day_number,
        k.today,
        k.timezone,
        d.receipts_qty,
        d.demand_qty,
        d.receipts_qty - d.demand_qty - d.safety_change_qty AS flow_qty,
        k.available_qty,
        k.kept_back_qty,
        k.kept_back_qty + sum(d.safety_change_qty) OVER (
            PARTITION BY d.sku_guid, d.owner, d.warehouse_id
            ORDER BY d.day_number ASC NULLS FIRST
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS safety_stock_qty,
        k.available_qty + sum(d.receipts_qty - d.demand_qty) OVER (
            PARTITION BY d.sku_guid, d.owner, d.warehouse_id
            ORDER BY d.day_number ASC NULLS FIRST
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS projected_qty,
        lead(d.day_number) OVER (
            PARTITION BY d.sku_guid, d.owner, d.warehouse_id
            ORDER BY d.day_number ASC NULLS FIRST
        ) AS next_day_number,
        sum(CASE WHEN d.receipts_qty > 0 OR d.safety_change_qty < 0 OR d.day_number = 0 THEN 1 ELSE 0 END) OVER (
            PARTITION BY d.sku_guid, d.owner, d.warehouse_id
            ORDER BY d.day_number ASC NULLS FIRST
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS bucket
    FROM days AS d
    INNER JOIN keys AS k ON d.sku_guid = k.sku_guid AND d.owner = k.owner AND d.warehouse_id = k.warehouse_id
),

looked_ahead AS (
    SELECT
        sku_guid,
        owner,
        sku,
        warehouse_id,
        day_number,
        next_day_number,
        today,
        timezone,
        receipts_qty,
        demand_qty,
        projected_qty,
        safety_stock_qty,
        min(projected_qty - safety_stock_qty) OVER (
            PARTITION BY sku_guid, owner, warehouse_id
            ORDER BY day_number ASC NULLS FIRST
            ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING
        ) AS atp_signed_qty,
        CASE
            WHEN row_number() OVER (
                PARTITION BY sku_guid, owner, warehouse_id, bucket
                ORDER BY day_number ASC NULLS FIRST
            ) > 1 THEN 0
            ELSE
                sum(flow_qty) OVER (PARTITION BY sku_guid, owner, warehouse_id, bucket)
                + CASE WHEN day_number = 0 THEN available_qty - kept_back_qty ELSE 0 END
        END AS discrete_qty
    FROM running
),

-- From the end: what a bucket and all later ones leave, against the most that any later stretch leaves by itself.
leaving AS (
    SELECT
        sku_guid,
        owner,
        warehouse_id,
        day_number,
        sum(discrete_qty) OVER (
            PARTITION BY sku_guid, owner, warehouse_id
            ORDER BY day_number ASC NULLS FIRST
            ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING
        ) AS leaves_qty
    FROM looked_ahead
),

needing AS (
    SELECT
        sku_guid,
        owner,
        warehouse_id,
        day_number,
        leaves_qty,
        greatest(0, coalesce(max(leaves_qty) OVER (
            PARTITION BY sku_guid, owner, warehouse_id
            ORDER BY day_number ASC NULLS FIRST
            ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
        ), 0)) AS later_leaves_qty
    FROM leaving
),

kept AS (
    SELECT
        sku_guid,
        owner,
        warehouse_id,
        day_number,
        greatest(0, leaves_qty - later_leaves_qty) AS kept_qty,
        sum(greatest(0, leaves_qty - later_leaves_qty)) OVER (
            PARTITION BY sku_guid, owner, warehouse_id
            ORDER BY day_number ASC NULLS FIRST
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS kept_so_far_qty,
        sum(greatest(0, leaves_qty - later_leaves_qty)) OVER (PARTITION BY sku_guid, owner, warehouse_id) AS kept_in_all_qty,
        sum(CASE WHEN day_number = 0 THEN greatest(0, later_leaves_qty - leaves_qty) ELSE 0 END)
            OVER (PARTITION BY sku_guid, owner, warehouse_id) AS short_qty
    FROM needing
)

SELECT
    a.sku_guid,
    a.owner,
    a.sku,
    a.warehouse_id,
    a.day_number,
    a.next_day_number,
    a.today,
    CAST(a.receipts_qty AS DECIMAL(18, 3)) AS receipts_qty,
    CAST(a.demand_qty AS DECIMAL(18, 3)) AS demand_qty,
    CAST(a.projected_qty AS DECIMAL(18, 3)) AS projected_qty,
    CAST(a.safety_stock_qty AS DECIMAL(18, 3)) AS safety_stock_qty,
    CAST(a.atp_signed_qty AS DECIMAL(18, 3)) AS atp_signed_qty,
    CAST(a.discrete_qty AS DECIMAL(18, 3)) AS discrete_qty,
    CAST(
        greatest(0, least(k.kept_qty, k.kept_so_far_qty - k.short_qty))
        + CASE WHEN a.day_number = 0 THEN least(0, k.kept_in_all_qty - k.short_qty) ELSE 0 END
        AS DECIMAL(18, 3)
    ) AS uncommitted_qty,
    CASE WHEN a.day_number = 0 THEN to_utc_timestamp(CAST(add_days(a.today, 1) AS TIMESTAMP), a.timezone) END AS next_change_at
FROM looked_ahead AS a
INNER JOIN kept AS k
    ON
        a.sku_guid = k.sku_guid
        AND a.owner = k.owner
        AND a.warehouse_id = k.warehouse_id
        AND a.day_number = k.day_number
