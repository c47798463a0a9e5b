-- grain: return_id
-- refresh: whole
-- pace: later
-- changes at: always
-- How complete the evidence of a case is: photos of box, label and damage, origin data on them, a video. Listed for the classes that
-- photos decide, and wherever something was handed in. The scan looks back some days for such claims without usable evidence.
WITH handed AS (
    SELECT
        i.return_guid,
        min(i.order_guid) AS order_guid,
        min(i.channel) AS channel,
        min(i.shop_id) AS shop_id,
        min(CASE WHEN i.item_no = 1 THEN i.class END) AS class,
        min(CASE WHEN i.item_no = 1 THEN i.requested_at END) AS requested_at,
        sum(coalesce(i.photo_box_count, 0)) AS photo_box_count,
        sum(coalesce(i.photo_label_count, 0)) AS photo_label_count,
        sum(coalesce(i.photo_damage_count, 0)) AS photo_damage_count,
        sum(coalesce(i.photo_with_metadata_count, 0)) AS photo_with_metadata_count,
        max(CASE WHEN i.has_video THEN 1 ELSE 0 END) = 1 AS has_video,
        min(CASE WHEN i.item_no = 1 THEN i.file_id END) AS file_id,
        min(CASE WHEN i.item_no = 1 THEN i.row_number END) AS row_number
    FROM aftersales.return_items AS i
    GROUP BY i.return_guid
),

scored AS (
    SELECT
        h.return_guid,
        h.order_guid,
        h.channel,
        h.shop_id,
        h.class,
        h.requested_at,
        c.needs_evidence,
        h.photo_box_count,
        h.photo_label_count,
        h.photo_damage_count,
        h.photo_with_metadata_count,
        h.has_video,
        -- Origin data counts by the share of photos that carry it.
        CAST(floor(100 * (
            CASE WHEN h.photo_box_count > 0 THEN threshold('evidence_box_ratio') ELSE 0 END
            + CASE WHEN h.photo_label_count > 0 THEN threshold('evidence_label_ratio') ELSE 0 END
            + CASE WHEN h.photo_damage_count > 0 THEN threshold('evidence_damage_ratio') ELSE 0 END
            + threshold('evidence_metadata_ratio') * least(1, coalesce(ratio(
                h.photo_with_metadata_count, h.photo_box_count + h.photo_label_count + h.photo_damage_count
            ), 0))
            + CASE WHEN h.has_video THEN threshold('evidence_video_ratio') ELSE 0 END
        ) + 0.000001) AS BIGINT) AS score,
        h.file_id,
        h.row_number
    FROM handed AS h
    INNER JOIN ref.return_classes AS c ON h.class = c.class
    WHERE
        c.needs_evidence
        OR h.has_video
        OR h.photo_box_count + h.photo_label_count + h.photo_damage_count > 0
)

SELECT
    c.return_id,
    s.return_guid,
    s.order_guid,
    s.channel,
    s.shop_id,
    s.class,
    s.needs_evidence,
    s.score,
    concat_ws(
        ',',
        CASE WHEN s.photo_box_count = 0 THEN 'photo_box' END,
        CASE WHEN s.photo_label_count = 0 THEN 'photo_label' END,
        CASE WHEN s.photo_damage_count = 0 THEN 'photo_damage' END,
        CASE WHEN s.photo_with_metadata_count = 0 THEN 'photo_metadata' END,
        CASE WHEN NOT s.has_video THEN 'video' END
    ) AS missing,
    s.needs_evidence AND s.score < 100 * threshold('evidence_flagged_max_ratio') AS is_flagged,
    s.needs_evidence
    AND s.score < 100 * threshold('evidence_flagged_max_ratio')
    AND s.requested_at > add_hours(as_of(), -24 * threshold('evidence_scan_max_days')) AS is_in_scan,
    s.requested_at,
    s.file_id,
    s.row_number
FROM scored AS s
INNER JOIN aftersales.cases AS c ON s.return_guid = c.return_guid
