-- grain: order_guid
-- refresh: whole
-- Orders that have not left yet by how much they have to be looked at: L1 normal, L2 presale, made to order or special goods, L3 high risk;
-- with the reasons and who looks. Small orders of trusted buyers skip it, and a person's mark wins over every rule.
WITH marks AS (
    SELECT
        order_guid,
        mark,
        file_id,
        row_number,
        row_number() OVER (
            PARTITION BY order_guid
            ORDER BY decided_at DESC NULLS LAST, file_id DESC NULLS LAST, row_number DESC NULLS LAST
        ) AS newest_first
    FROM raw.order_marks
),

trusted AS (
    SELECT customer_id
    FROM customers.customers
    WHERE completed_count >= threshold('trusted_orders_min_count')
),

goods AS (
    SELECT
        l.order_guid,
        max(CASE WHEN p.is_special THEN 1 ELSE 0 END) = 1 AS is_special
    FROM orders.order_lines AS l
    LEFT JOIN orders.products AS p ON l.sku = p.sku
    GROUP BY l.order_guid
),

twins AS (
    SELECT order_guid
    FROM orders.suspected_duplicates
    GROUP BY order_guid
),

differences AS (
    SELECT order_guid
    FROM reconciliation.three_way_match
    WHERE is_alert AND status = 'MISMATCH'
    GROUP BY order_guid
),

facts AS (
    SELECT
        o.order_guid,
        o.channel,
        o.channel_order_id,
        o.payable_amount,
        o.currency,
        o.created_at,
        o.status = 'on_hold' AS is_on_hold,
        d.order_guid IS NOT NULL AS is_different,
        w.order_guid IS NOT NULL AS is_twin,
        coalesce(o.region_resolution = 'unresolved', FALSE) AS is_place_unknown,
        o.order_type IN ('presale', 'custom') AS is_presale_or_custom,
        coalesce(g.is_special, FALSE) AS is_special,
        coalesce(o.payable_amount > threshold('review_supervisor_min_amount'), FALSE) AS is_large,
        t.customer_id IS NOT NULL AND coalesce(o.payable_amount <= threshold('review_skip_max_amount'), FALSE) AS is_trusted,
        m.mark,
        coalesce(m.file_id, o.file_id) AS file_id,
        coalesce(m.row_number, o.row_number) AS row_number
    FROM orders.orders AS o
    LEFT JOIN marks AS m ON o.order_guid = m.order_guid AND m.newest_first = 1
    LEFT JOIN trusted AS t ON o.customer_id = t.customer_id
    LEFT JOIN goods AS g ON o.order_guid = g.order_guid
    LEFT JOIN twins AS w ON o.order_guid = w.order_guid
    LEFT JOIN differences AS d ON o.order_guid = d.order_guid
    WHERE
        o.status IN ('paid', 'on_hold', 'released')
        AND o.shipped_at IS NULL
        AND o.order_type NOT IN ('test', 'credit_note', 'adjustment')
),

graded AS (
    SELECT
        order_guid,
        channel,
        channel_order_id,
        payable_amount,
        currency,
        created_at,
        mark,
        file_id,
        row_number,
        is_on_hold,
        is_different,
        is_large,
        is_trusted,
        CASE
            WHEN mark = 'normal' THEN 'L1'
            WHEN is_on_hold OR is_different OR is_twin OR is_place_unknown THEN 'L3'
            WHEN is_presale_or_custom OR is_special THEN 'L2'
            ELSE 'L1'
        END AS grade,
        concat_ws(
            ',',
            CASE WHEN mark IS NOT NULL THEN 'marked_' || mark END,
            CASE WHEN is_on_hold THEN 'on_hold' END,
            CASE WHEN is_different THEN 'amount_difference' END,
            CASE WHEN is_twin THEN 'suspected_duplicate' END,
            CASE WHEN is_place_unknown THEN 'place_unknown' END,
            CASE WHEN is_presale_or_custom THEN 'presale_or_custom' END,
            CASE WHEN is_special THEN 'special_goods' END,
            CASE WHEN is_large THEN 'amount_above_limit' END,
            CASE WHEN is_trusted THEN 'trusted_buyer' END
        ) AS reasons
    FROM facts
)

SELECT
    order_guid,
    channel,
    channel_order_id,
    grade,
    reasons,
    CASE
        WHEN mark IN ('urgent', 'normal') THEN 'auto'
        WHEN is_on_hold OR is_different THEN 'frozen'
        WHEN is_large THEN 'supervisor'
        WHEN grade = 'L1' OR is_trusted THEN 'auto'
        ELSE 'second_check'
    END AS route,
    coalesce(mark = 'urgent', FALSE) AS is_urgent,
    payable_amount,
    currency,
    created_at,
    file_id,
    row_number
FROM graded
