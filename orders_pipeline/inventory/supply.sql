-- grain: sku_guid, inbound_id, supply_number
-- refresh: stock by sku_guid
-- lookup: inventory.nodes, ref.channels
-- changes at: next_change_at
-- Confirmed supply that has not come in yet, by the newest file that names the document: how much of it, on which day, and whether
-- it may be promised. Undated and stale supply is listed, not counted. Requests nobody confirmed are no supply.
WITH files AS (
    SELECT
        sku_guid,
        inbound_id,
        file_id,
        row_number() OVER (
            PARTITION BY sku_guid, inbound_id
            ORDER BY max(exported_at) DESC NULLS LAST, file_id DESC NULLS LAST
        ) AS newest_first
    FROM raw.inbound
    GROUP BY sku_guid, inbound_id, file_id
),

owners AS (
    SELECT
        sku_guid,
        warehouse_id,
        coalesce(min(CASE WHEN owner = 'own' THEN owner END), min(owner)) AS owner
    FROM inventory.counts
    GROUP BY sku_guid, warehouse_id
),

numbered AS (
    SELECT
        b.sku_guid,
        b.inbound_id,
        row_number() OVER (
            PARTITION BY b.sku_guid, b.inbound_id
            ORDER BY b.expected_at ASC NULLS LAST, b.warehouse_id ASC NULLS LAST, b.row_number ASC NULLS LAST
        ) AS supply_number,
        coalesce(b.owner, o.owner, 'own') AS owner,
        b.sku,
        b.warehouse_id,
        b.source_warehouse_id,
        b.kind,
        b.status,
        CAST(CASE WHEN b.quantity_unit IS NULL THEN b.quantity ELSE b.quantity * u.base_qty END AS DECIMAL(18, 3)) AS quantity,
        b.expected_at,
        coalesce(n.timezone, d.timezone) AS timezone,
        b.file_id,
        b.row_number
    FROM files AS f
    INNER JOIN raw.inbound AS b
        ON f.sku_guid = b.sku_guid AND f.inbound_id = b.inbound_id AND f.file_id = b.file_id AND f.newest_first = 1
    LEFT JOIN owners AS o ON b.sku_guid = o.sku_guid AND b.warehouse_id = o.warehouse_id
    LEFT JOIN inventory.stock_units AS u ON b.sku_guid = u.sku_guid AND b.quantity_unit = u.unit
    LEFT JOIN inventory.nodes AS n ON b.warehouse_id = n.warehouse_id
    CROSS JOIN ref.channels AS d
    WHERE d.channel = 'default'
),

-- Movements that name the document: goods that came in, or left the warehouse a transfer comes from.
arrivals AS (
    SELECT
        m.sku_guid,
        m.warehouse_id,
        m.reference_id,
        m.kind,
        m.quantity,
        m.occurred_at
    FROM inventory.movement_rows AS m
    INNER JOIN files AS f ON m.sku_guid = f.sku_guid AND m.reference_id = f.inbound_id AND f.newest_first = 1
    WHERE m.kind IN ('receipt', 'transfer_in', 'transfer_out')
),

booked AS (
    SELECT
        sku_guid,
        warehouse_id,
        reference_id,
        sum(CASE WHEN kind <> 'transfer_out' AND occurred_at <= as_of() THEN quantity ELSE 0 END) AS received_qty,
        sum(CASE WHEN kind = 'transfer_out' AND occurred_at <= as_of() THEN -quantity ELSE 0 END) AS sent_qty,
        min(CASE WHEN occurred_at > as_of() THEN occurred_at END) AS next_change_at
    FROM arrivals
    GROUP BY sku_guid, warehouse_id, reference_id
),

cumulated AS (
    SELECT
        n.sku_guid,
        n.inbound_id,
        n.supply_number,
        n.owner,
        n.sku,
        n.warehouse_id,
        n.source_warehouse_id,
        n.kind,
        n.status,
        n.quantity,
        n.expected_at,
        n.timezone,
        n.file_id,
        n.row_number,
        coalesce(b.received_qty, 0) AS received_qty,
        coalesce(s.sent_qty, 0) AS sent_qty,
        least(b.next_change_at, s.next_change_at) AS next_booking_at,
        sum(n.quantity) OVER (
            PARTITION BY n.sku_guid, n.inbound_id, n.warehouse_id
            ORDER BY n.supply_number ASC NULLS FIRST
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS to_receive_so_far,
        sum(n.quantity) OVER (
            PARTITION BY n.sku_guid, n.inbound_id, n.source_warehouse_id
            ORDER BY n.supply_number ASC NULLS FIRST
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS to_send_so_far
    FROM numbered AS n
    LEFT JOIN booked AS b
        ON n.sku_guid = b.sku_guid AND n.warehouse_id = b.warehouse_id AND n.inbound_id = b.reference_id
    LEFT JOIN booked AS s
        ON n.sku_guid = s.sku_guid AND n.source_warehouse_id = s.warehouse_id AND n.inbound_id = s.reference_id
    WHERE n.status IN ('confirmed', 'in_transit') AND n.quantity > 0
),

dated AS (
    SELECT
        sku_guid,
        inbound_id,
        supply_number,
        owner,
        sku,
        warehouse_id,
        source_warehouse_id,
        kind,
        status,
        greatest(0, least(quantity, to_receive_so_far - received_qty)) AS quantity,
        CASE
            WHEN kind = 'transfer' AND status = 'confirmed' AND source_warehouse_id IS NOT NULL
                THEN greatest(0, least(quantity, to_send_so_far - sent_qty))
            ELSE 0
        END AS to_send_qty,
        expected_at,
        local_date(expected_at, timezone) AS expected_on,
        local_date(as_of(), timezone) AS today,
        CASE kind
            WHEN 'transfer' THEN threshold('transfer_reliability_ratio')
            WHEN 'production' THEN threshold('production_reliability_ratio')
            ELSE threshold('purchase_reliability_ratio')
        END AS reliability_ratio,
        timezone,
        next_booking_at,
        file_id,
        row_number
    FROM cumulated
)

SELECT
    sku_guid,
    inbound_id,
    supply_number,
    owner,
    sku,
    warehouse_id,
    source_warehouse_id,
    kind,
    status,
    CAST(quantity AS DECIMAL(18, 3)) AS quantity,
    CAST(to_send_qty AS DECIMAL(18, 3)) AS to_send_qty,
    CAST(quantity * reliability_ratio AS DECIMAL(18, 3)) AS promised_qty,
    expected_at,
    CASE
        WHEN expected_on IS NULL THEN 'undated'
        WHEN expected_on >= today THEN 'dated'
        WHEN days_between(today, expected_on) <= threshold('supply_overdue_max_days') THEN 'delayed'
        ELSE 'stale'
    END AS timing,
    CASE
        WHEN expected_on >= today THEN expected_on
        WHEN days_between(today, expected_on) <= threshold('supply_overdue_max_days')
            THEN add_days(today, threshold('supply_delay_days'))
    END AS counted_on,
    -- The day of a dated delivery is over at midnight of its warehouse.
    least(
        CASE WHEN expected_on IS NOT NULL THEN to_utc_timestamp(CAST(add_days(today, 1) AS TIMESTAMP), timezone) END,
        next_booking_at
    ) AS next_change_at,
    file_id,
    row_number
FROM dated
WHERE quantity > 0 OR to_send_qty > 0
