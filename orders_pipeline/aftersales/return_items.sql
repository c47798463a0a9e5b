-- grain: return_guid, item_no
-- refresh: return by return_guid
-- touches: order by order_guid
-- lookup: ref.return_words
-- The goods of each after-sales case as its newest export shows them, with the class its reason text tells.
WITH files AS (
    SELECT
        return_guid,
        file_id,
        max(exported_at) AS exported_at
    FROM raw.returns
    GROUP BY return_guid, file_id
),

newest AS (
    SELECT
        return_guid,
        file_id,
        row_number() OVER (
            PARTITION BY return_guid
            ORDER BY exported_at DESC NULLS LAST, file_id DESC NULLS LAST
        ) AS newest_first
    FROM files
),

-- A row of the same goods further down the file corrects the one above.
kept AS (
    SELECT
        r.return_guid,
        r.file_id,
        r.row_number,
        row_number() OVER (
            PARTITION BY r.return_guid, coalesce(r.sku, '')
            ORDER BY r.row_number DESC NULLS LAST
        ) AS last_first
    FROM raw.returns AS r
    INNER JOIN newest AS n ON r.return_guid = n.return_guid AND r.file_id = n.file_id
    WHERE n.newest_first = 1
),

reasons AS (
    SELECT
        r.return_guid,
        r.reason
    FROM raw.returns AS r
    WHERE r.reason IS NOT NULL
    GROUP BY r.return_guid, r.reason
),

wordings AS (
    SELECT reason
    FROM reasons
    GROUP BY reason
),

-- The longest word that the text contains says most.
told AS (
    SELECT
        w.reason,
        d.class,
        row_number() OVER (
            PARTITION BY w.reason
            ORDER BY length(d.word) DESC NULLS LAST, d.place ASC NULLS LAST, d.word ASC NULLS LAST
        ) AS longest_first
    FROM wordings AS w
    INNER JOIN ref.return_words AS d ON contains(lower(w.reason), d.word)
)

SELECT
    r.return_guid,
    row_number() OVER (PARTITION BY r.return_guid ORDER BY r.row_number ASC NULLS LAST) AS item_no,
    r.order_guid,
    r.return_id,
    r.channel,
    r.shop_id,
    r.channel_order_id,
    r.sku,
    r.quantity,
    r.kind,
    r.status,
    r.raw_status,
    r.reason,
    CASE WHEN r.reason IS NULL THEN 'not_stated' ELSE coalesce(t.class, 'unmapped') END AS class,
    r.requested_at,
    r.approved_at,
    r.return_waybill_id,
    r.received_at,
    r.inspected_at,
    r.disposition,
    r.refunded_at,
    r.refund_amount,
    r.photo_box_count,
    r.photo_label_count,
    r.photo_damage_count,
    r.photo_with_metadata_count,
    r.has_video,
    r.timezone,
    r.source,
    r.file_id,
    r.row_number
FROM kept AS k
INNER JOIN raw.returns AS r ON k.return_guid = r.return_guid AND k.file_id = r.file_id AND k.row_number = r.row_number
LEFT JOIN told AS t ON r.reason = t.reason AND t.longest_first = 1
WHERE k.last_first = 1
