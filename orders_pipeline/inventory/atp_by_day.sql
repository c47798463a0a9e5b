-- grain: owner, sku, warehouse_id, day
-- refresh: sku by sku_guid
-- lookup: ref.days
-- What can be promised on each day from today to the horizon, in the zone of the warehouse, later demand and supply considered. Where
-- nothing is due, nothing expected and the safety stock stays, today's row holds for every day and is the only one.
WITH quiet AS (
    SELECT
        sku_guid,
        owner,
        warehouse_id
    FROM inventory.projection
    GROUP BY sku_guid, owner, warehouse_id
    HAVING count(*) = 1 AND sum(receipts_qty) = 0 AND sum(demand_qty) = 0
),

steps AS (
    SELECT
        p.sku_guid,
        p.owner,
        p.sku,
        p.warehouse_id,
        p.day_number,
        CASE
            WHEN q.sku_guid IS NOT NULL THEN 1
            ELSE least(coalesce(p.next_day_number, threshold('promise_horizon_days') + 1), threshold('promise_horizon_days') + 1)
        END AS end_number,
        p.today,
        p.receipts_qty,
        p.demand_qty,
        p.projected_qty,
        p.safety_stock_qty,
        p.atp_signed_qty,
        p.discrete_qty,
        p.uncommitted_qty
    FROM inventory.projection AS p
    LEFT JOIN quiet AS q ON p.sku_guid = q.sku_guid AND p.owner = q.owner AND p.warehouse_id = q.warehouse_id
    WHERE p.day_number <= threshold('promise_horizon_days')
)

SELECT
    s.sku_guid,
    s.owner,
    s.sku,
    s.warehouse_id,
    add_days(s.today, n.day_number) AS day,
    CASE WHEN n.day_number = s.day_number THEN s.receipts_qty ELSE CAST(0 AS DECIMAL(18, 3)) END AS receipts_qty,
    CASE WHEN n.day_number = s.day_number THEN s.demand_qty ELSE CAST(0 AS DECIMAL(18, 3)) END AS demand_qty,
    s.projected_qty,
    s.safety_stock_qty,
    s.atp_signed_qty,
    CAST(greatest(0, CAST(floor(s.atp_signed_qty) AS BIGINT)) AS DECIMAL(18, 3)) AS atp_qty,
    CASE WHEN n.day_number = s.day_number THEN s.discrete_qty ELSE CAST(0 AS DECIMAL(18, 3)) END AS discrete_qty,
    CASE WHEN n.day_number = s.day_number THEN s.uncommitted_qty ELSE CAST(0 AS DECIMAL(18, 3)) END AS uncommitted_qty
FROM steps AS s
INNER JOIN ref.days AS n ON s.day_number <= n.day_number AND n.day_number < s.end_number
