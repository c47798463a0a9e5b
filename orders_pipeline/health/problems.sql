-- grain: problem, reference_id
-- refresh: whole
-- changes at: always
-- Everything that failed and counts in the health of a channel, one row each: what, which, when it happened, on which day it counts.
-- The rows behind every point that was lost, and behind every cell of the heat map.
WITH missing AS (
    SELECT
        m.order_guid,
        m.channel,
        m.channel_order_id,
        m.timezone,
        m.created_on,
        min(a.occurred_at) AS occurred_at,
        min(a.file_id) AS file_id
    FROM reconciliation.three_way_match AS m
    INNER JOIN payments.allocations AS a ON m.order_guid = a.order_guid
    WHERE
        NOT m.has_order AND m.reason = 'single_sided_long' AND m.channel IS NOT NULL AND m.channel_order_id IS NOT NULL
        AND a.kind IN ('receipt', 'deposit', 'balance')
    GROUP BY m.order_guid, m.channel, m.channel_order_id, m.timezone, m.created_on
),

-- Orders of which no file brought a row without fault; the day is that of the export.
set_aside AS (
    SELECT
        q.order_guid,
        f.channel,
        min(f.exported_at) AS occurred_at,
        min(f.file_id) AS file_id,
        min(q.row_number) AS row_number
    FROM raw.quarantine AS q
    INNER JOIN raw.files AS f ON q.file_id = f.file_id
    LEFT JOIN orders.orders AS o ON q.order_guid = o.order_guid
    WHERE
        q.entity = 'orders' AND q.released_at IS NULL AND o.order_guid IS NULL AND q.order_guid IS NOT NULL
        AND f.channel IS NOT NULL AND f.exported_at IS NOT NULL
    GROUP BY q.order_guid, f.channel
),

-- Channels whose files tell of scans, of money: of the others nothing is known, and nothing is late.
telling AS (
    SELECT
        channel,
        count(CASE WHEN is_scanned THEN 1 END) AS scanned_count,
        count(settled_at) AS settled_count
    FROM health.order_facts
    GROUP BY channel
),

stuck AS (
    SELECT order_guid, min(since_at) AS since_at
    FROM fulfilment.parcel_issues
    WHERE severity = 'alert' AND order_guid IS NOT NULL
    GROUP BY order_guid
),

sold_out AS (
    SELECT order_guid, min(sku) AS sku
    FROM inventory.oversells
    GROUP BY order_guid
),

found AS (
    SELECT 'late_shipping' AS problem, order_guid, ship_due_at AS occurred_at, ship_due_on AS counted_on, channel, channel_order_id, timezone,
        CAST(NULL AS VARCHAR) AS detail, file_id, row_number
    FROM health.order_facts
    WHERE ship_due_on IS NOT NULL AND is_shipped_late

    UNION ALL

    SELECT 'late_first_scan' AS problem, f.order_guid, f.scan_due_at AS occurred_at, f.scan_due_on AS counted_on, f.channel,
        f.channel_order_id, f.timezone, CAST(NULL AS VARCHAR) AS detail, f.file_id, f.row_number
    FROM health.order_facts AS f
    INNER JOIN telling AS t ON f.channel = t.channel AND t.scanned_count > 0
    WHERE f.scan_due_on IS NOT NULL AND f.is_scan_late

    UNION ALL

    SELECT 'parcel_issue' AS problem, f.order_guid, s.since_at AS occurred_at, f.shipped_on AS counted_on, f.channel, f.channel_order_id,
        f.timezone, CAST(NULL AS VARCHAR) AS detail, f.file_id, f.row_number
    FROM health.order_facts AS f
    INNER JOIN stuck AS s ON f.order_guid = s.order_guid
    INNER JOIN telling AS t ON f.channel = t.channel AND t.scanned_count > 0
    WHERE f.shipped_on IS NOT NULL

    UNION ALL

    SELECT 'difference' AS problem, order_guid, created_at AS occurred_at, created_on AS counted_on, channel, channel_order_id, timezone,
        difference_reason AS detail, file_id, row_number
    FROM health.order_facts
    WHERE has_difference

    UNION ALL

    SELECT 'paid_not_created' AS problem, order_guid, occurred_at, created_on AS counted_on, channel, channel_order_id, timezone,
        CAST(NULL AS VARCHAR) AS detail, file_id, CAST(NULL AS BIGINT) AS row_number
    FROM missing

    UNION ALL

    SELECT 'order_not_created' AS problem, s.order_guid, s.occurred_at,
        local_date(s.occurred_at, coalesce(h.timezone, d.timezone)) AS counted_on, s.channel, CAST(NULL AS VARCHAR) AS channel_order_id,
        coalesce(h.timezone, d.timezone) AS timezone, CAST(NULL AS VARCHAR) AS detail, s.file_id, s.row_number
    FROM set_aside AS s
    LEFT JOIN ref.channels AS h ON s.channel = h.channel
    CROSS JOIN ref.channels AS d
    WHERE d.channel = 'default'

    UNION ALL

    SELECT 'late_settlement' AS problem, f.order_guid, f.settle_due_at AS occurred_at, f.settle_due_on AS counted_on, f.channel,
        f.channel_order_id, f.timezone, CAST(NULL AS VARCHAR) AS detail, f.file_id, f.row_number
    FROM health.order_facts AS f
    INNER JOIN telling AS t ON f.channel = t.channel AND t.settled_count > 0
    WHERE f.settle_due_on IS NOT NULL AND f.is_settled_late

    UNION ALL

    SELECT 'seller_cancelled' AS problem, order_guid, coalesce(cancelled_at, created_at) AS occurred_at, created_on AS counted_on, channel,
        channel_order_id, timezone, CAST(NULL AS VARCHAR) AS detail, file_id, row_number
    FROM health.order_facts
    WHERE cancelled_by = 'seller' AND is_sale

    UNION ALL

    SELECT 'oversold' AS problem, f.order_guid, f.created_at AS occurred_at, f.created_on AS counted_on, f.channel, f.channel_order_id, f.timezone,
        s.sku AS detail, f.file_id, f.row_number
    FROM health.order_facts AS f
    INNER JOIN sold_out AS s ON f.order_guid = s.order_guid
    WHERE f.is_sale

    UNION ALL

    SELECT 'refund' AS problem, order_guid, coalesce(refund_at, created_at) AS occurred_at, created_on AS counted_on, channel, channel_order_id,
        timezone, CAST(NULL AS VARCHAR) AS detail, file_id, row_number
    FROM health.order_facts
    WHERE is_refunded

    UNION ALL

    SELECT 'late_service' AS problem, order_guid, service_due_at AS occurred_at, service_due_on AS counted_on, channel, channel_order_id, timezone,
        CAST(NULL AS VARCHAR) AS detail, file_id, row_number
    FROM health.order_facts
    WHERE service_due_on IS NOT NULL AND is_service_late

    UNION ALL

    SELECT 'order_defect' AS problem, order_guid, defect_at AS occurred_at, created_on AS counted_on, channel, channel_order_id, timezone,
        CAST(NULL AS VARCHAR) AS detail, file_id, row_number
    FROM health.order_facts
    WHERE defect_at IS NOT NULL AND is_paid
)

SELECT
    problem,
    order_guid AS reference_id,
    channel,
    channel_order_id,
    occurred_at,
    local_date(occurred_at, timezone) AS day,
    CAST(hour(from_utc_timestamp(occurred_at, timezone)) AS INTEGER) AS hour,
    counted_on,
    detail,
    file_id,
    row_number
FROM found
WHERE occurred_at <= as_of()
