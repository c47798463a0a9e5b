-- grain: order_guid
-- refresh: order by order_guid
-- touches: customer by customer_key
-- lookup: orders.buyers, customers.identities, ref.channels, cleaning.regions_of_orders
-- One row per order, whatever channel it came from: its newest version, with what its lines add up to.
WITH newest AS (
    SELECT
        order_guid,
        max(version_number) AS version_number
    FROM orders.order_versions
    GROUP BY order_guid
),

lines AS (
    SELECT
        order_guid,
        count(*) AS line_count,
        sum(quantity) AS ordered_qty,
        sum(CASE WHEN line_status IN ('cancelled', 'expired') THEN quantity ELSE 0 END) AS cancelled_qty,
        sum(coalesce(list_amount, unit_price * quantity)) AS list_amount,
        sum(payable_amount) AS payable_amount,
        sum(freight_amount) AS freight_amount
    FROM orders.order_lines
    GROUP BY order_guid
)

SELECT
    v.order_guid,
    v.channel,
    v.shop_id,
    v.channel_order_id,
    v.platform_txn_id,
    v.internal_order_id,
    -- A number once shown in full stays the buyer's, whatever a later export masks. Accounts declared to be one person's are one.
    coalesce(i.customer_id, v.phone_id, v.customer_id, b.customer_id) AS customer_id,
    guid_of(coalesce(i.customer_id, v.phone_id, v.customer_id, b.customer_id)) AS customer_key,
    coalesce(v.order_type, 'normal') AS order_type,
    v.status,
    v.raw_status,
    v.currency,
    coalesce(v.list_amount, round_half_up(l.list_amount)) AS list_amount,
    v.merchant_discount_amount,
    v.platform_discount_amount,
    coalesce(v.freight_amount, round_half_up(l.freight_amount)) AS freight_amount,
    coalesce(
        v.payable_amount, round_half_up(l.payable_amount + coalesce(v.freight_amount, l.freight_amount, 0))
    ) AS payable_amount,
    v.paid_amount,
    v.refunded_amount,
    v.deposit_amount,
    v.balance_paid_at,
    v.created_at,
    local_date(v.created_at, v.timezone) AS created_on,
    v.paid_at,
    v.shipped_at,
    v.completed_at,
    v.cancelled_at,
    v.promised_ship_at,
    v.promised_delivery_at,
    v.close_reason,
    coalesce(v.is_pickup, FALSE) AS is_pickup,
    v.pickup_store_id,
    v.fulfilled_by,
    coalesce(g.province, v.province, b.province) AS province,
    coalesce(g.city, v.city, b.city) AS city,
    -- A city without districts has none, whatever street the source gives for one.
    CASE WHEN g.region_resolution <> 'unresolved' THEN g.district ELSE coalesce(g.district, v.district) END AS district,
    g.region_code,
    g.region_resolution,
    v.buyer_note,
    v.seller_note,
    coalesce(l.line_count, 0) AS line_count,
    CAST(coalesce(l.ordered_qty, v.item_quantity) AS DECIMAL(18, 3)) AS ordered_qty,
    CAST(coalesce(l.cancelled_qty, 0) AS DECIMAL(18, 3)) AS cancelled_qty,
    v.timezone,
    -- A warehouse of the platform sends no outbound file: its word is the order export. Goods the merchant ships himself leave his own.
    CASE v.fulfilled_by
        WHEN 'platform' THEN 'order_export'
        WHEN 'merchant' THEN 'wms'
        ELSE coalesce(c.logistics_leg, d.logistics_leg)
    END AS logistics_leg,
    coalesce(c.payment_leg, d.payment_leg) AS payment_leg,
    coalesce(v.phone_masked, b.phone_masked) AS phone_masked,
    v.version_number,
    v.source,
    v.file_id,
    v.row_number
FROM orders.order_versions AS v
INNER JOIN newest AS n ON v.order_guid = n.order_guid AND v.version_number = n.version_number
LEFT JOIN lines AS l ON v.order_guid = l.order_guid
LEFT JOIN orders.buyers AS b ON v.channel = b.channel AND v.buyer_ref = b.buyer_ref
LEFT JOIN customers.identities AS i ON coalesce(v.phone_id, v.customer_id, b.customer_id) = i.member_id
LEFT JOIN cleaning.regions_of_orders AS g ON v.region_key = g.region_key
LEFT JOIN ref.channels AS c ON v.channel = c.channel
CROSS JOIN ref.channels AS d
WHERE d.channel = 'default'
