-- grain: sku, starts_on
-- refresh: whole
-- Days on which a SKU was out of stock: counted empty in every warehouse that has counted it, from the count that found it so to the
-- day before the next; or, of a SKU that sells on most days, sold nowhere for so long that it would have sold several.
WITH counted AS (
    SELECT
        sku,
        warehouse_id,
        counted_at,
        sum(on_hand_qty) AS on_hand_qty
    FROM raw.inventory_snapshots
    WHERE counted_at IS NOT NULL
    GROUP BY sku, warehouse_id, counted_at
),

changes AS (
    SELECT
        sku,
        counted_at,
        CASE WHEN on_hand_qty > 0 THEN 1 ELSE 0 END
        - coalesce(lag(CASE WHEN on_hand_qty > 0 THEN 1 ELSE 0 END) OVER (
            PARTITION BY sku, warehouse_id ORDER BY counted_at ASC NULLS LAST
        ), 0) AS stocked_change
    FROM counted
),

instants AS (
    SELECT
        sku,
        counted_at,
        sum(stocked_change) AS stocked_change
    FROM changes
    GROUP BY sku, counted_at
),

states AS (
    SELECT
        sku,
        counted_at,
        lead(counted_at) OVER (PARTITION BY sku ORDER BY counted_at ASC NULLS LAST) AS next_at,
        sum(stocked_change) OVER (
            PARTITION BY sku ORDER BY counted_at ASC NULLS LAST
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS stocked_count
    FROM instants
),

days AS (
    SELECT
        sold_on,
        row_number() OVER (ORDER BY sold_on ASC NULLS LAST) AS day_no
    FROM promotions.sales_days
    GROUP BY sold_on
),

sold AS (
    SELECT
        s.sku,
        s.sold_on,
        d.day_no,
        sum(s.sold_qty) AS sold_qty
    FROM promotions.sales_days AS s
    INNER JOIN days AS d ON s.sold_on = d.sold_on
    GROUP BY s.sku, s.sold_on, d.day_no
),

habits AS (
    SELECT
        sku,
        sum(sold_qty) AS sold_qty,
        count(*) AS sold_days,
        max(day_no) - min(day_no) + 1 AS live_days
    FROM sold
    GROUP BY sku
),

pauses AS (
    SELECT
        sku,
        sold_on,
        day_no,
        lead(sold_on) OVER (PARTITION BY sku ORDER BY day_no ASC NULLS LAST) AS next_on,
        lead(day_no) OVER (PARTITION BY sku ORDER BY day_no ASC NULLS LAST) AS next_no
    FROM sold
),

gaps AS (
    SELECT
        sku,
        local_date(counted_at, 'Asia/Shanghai') AS starts_on,
        coalesce(add_days(local_date(next_at, 'Asia/Shanghai'), -1), local_date(as_of(), 'Asia/Shanghai')) AS ends_on
    FROM states
    WHERE stocked_count = 0

    UNION ALL

    SELECT
        p.sku,
        add_days(p.sold_on, 1) AS starts_on,
        add_days(p.next_on, -1) AS ends_on
    FROM pauses AS p
    INNER JOIN habits AS h ON p.sku = h.sku
    WHERE
        p.next_no - p.day_no > 1
        AND h.sold_days * 10 >= h.live_days * 8
        AND (p.next_no - p.day_no - 1) * h.sold_qty >= threshold('stock_gap_missed_qty') * h.live_days
)

SELECT
    sku,
    starts_on,
    max(ends_on) AS ends_on
FROM gaps
GROUP BY sku, starts_on
