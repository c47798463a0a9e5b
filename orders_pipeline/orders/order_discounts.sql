-- grain: order_guid, discount_no
-- refresh: order by order_guid
-- lookup: orders.promotion_kinds, cleaning.promotion_wordings
-- The one ledger of discounts, by who funds them: what the newest export lists, else what the order's own columns say.
WITH files AS (
    SELECT
        order_guid,
        file_id,
        max(exported_at) AS exported_at
    FROM raw.discounts
    GROUP BY order_guid, file_id
),

newest AS (
    SELECT
        order_guid,
        file_id,
        row_number() OVER (
            PARTITION BY order_guid
            ORDER BY exported_at DESC NULLS LAST, file_id DESC NULLS LAST
        ) AS newest_first
    FROM files
),

listed AS (
    SELECT
        r.order_guid,
        r.sub_order_id,
        r.promotion_id,
        r.description,
        r.wording_guid,
        r.funder,
        r.scope,
        r.amount,
        r.file_id,
        r.row_number
    FROM raw.discounts AS r
    INNER JOIN newest AS n ON r.order_guid = n.order_guid AND r.file_id = n.file_id
    WHERE n.newest_first = 1 AND r.amount <> 0
),

whole AS (
    SELECT
        o.order_guid,
        o.merchant_discount_amount,
        o.platform_discount_amount,
        o.file_id,
        o.row_number
    FROM orders.orders AS o
    LEFT JOIN newest AS n ON o.order_guid = n.order_guid
    WHERE n.order_guid IS NULL
),

ledger AS (
    SELECT order_guid, sub_order_id, promotion_id, description, wording_guid, funder, scope, amount, file_id, row_number
    FROM listed

    UNION ALL

    SELECT
        order_guid,
        CAST(NULL AS VARCHAR) AS sub_order_id,
        CAST(NULL AS VARCHAR) AS promotion_id,
        CAST(NULL AS VARCHAR) AS description,
        CAST(NULL AS UUID) AS wording_guid,
        'merchant' AS funder,
        'order' AS scope,
        merchant_discount_amount AS amount,
        file_id,
        row_number
    FROM whole
    WHERE merchant_discount_amount <> 0

    UNION ALL

    SELECT
        order_guid,
        CAST(NULL AS VARCHAR) AS sub_order_id,
        CAST(NULL AS VARCHAR) AS promotion_id,
        CAST(NULL AS VARCHAR) AS description,
        CAST(NULL AS UUID) AS wording_guid,
        'platform' AS funder,
        'order' AS scope,
        platform_discount_amount AS amount,
        file_id,
        row_number
    FROM whole
    WHERE platform_discount_amount <> 0
)

SELECT
    g.order_guid,
    row_number() OVER (
        PARTITION BY g.order_guid
        ORDER BY
            g.row_number ASC NULLS LAST, g.funder ASC NULLS LAST, g.scope ASC NULLS LAST,
            g.sub_order_id ASC NULLS LAST, g.promotion_id ASC NULLS LAST, g.description ASC NULLS LAST,
            g.amount ASC NULLS LAST
    ) AS discount_no,
    g.sub_order_id,
    g.promotion_id,
    coalesce(CASE WHEN p.kind <> 'unmapped' THEN p.kind END, w.kind, p.kind) AS promotion_kind,
    coalesce(p.threshold_amount, w.threshold_amount) AS threshold_amount,
    coalesce(p.threshold_qty, w.threshold_qty) AS threshold_qty,
    coalesce(p.discount_amount, w.discount_amount) AS discount_amount,
    coalesce(p.discount_ratio, w.discount_ratio) AS discount_ratio,
    -- Who pays is what the row says; only where it does not, what the promotion says.
    CASE WHEN g.funder = 'unmapped' THEN coalesce(p.funder, w.funder, g.funder) ELSE g.funder END AS funder,
    g.scope,
    g.amount,
    g.description,
    g.file_id,
    g.row_number
FROM ledger AS g
LEFT JOIN orders.promotion_kinds AS p ON g.promotion_id = p.promotion_id
LEFT JOIN cleaning.promotion_wordings AS w ON g.wording_guid = w.wording_guid
