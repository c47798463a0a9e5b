-- grain: order_guid, version_number
-- refresh: order by order_guid
-- Every state of an order that an export has shown, oldest first, with the file and line that showed it.
-- A column that a later file does not carry keeps its last known value; a file that changes nothing makes no version.
WITH seen AS (
    SELECT
        order_guid,
        count(*) AS row_count
    FROM raw.orders
    GROUP BY order_guid
),

-- Most orders are seen once: they pass by the windows.
several AS (
    SELECT
        r.order_guid,
        r.exported_at,
        r.file_id,
        r.row_number,
        r.channel,
        r.shop_id,
        r.channel_order_id,
        r.source,
        r.timezone,
        r.platform_txn_id,
        r.internal_order_id,
        r.order_type,
        r.status,
        r.raw_status,
        r.currency,
        r.list_amount,
        r.merchant_discount_amount,
        r.platform_discount_amount,
        r.freight_amount,
        r.payable_amount,
        r.paid_amount,
        r.refunded_amount,
        r.deposit_amount,
        r.balance_paid_at,
        r.created_at,
        r.paid_at,
        r.shipped_at,
        r.completed_at,
        r.cancelled_at,
        r.promised_ship_at,
        r.promised_delivery_at,
        r.close_reason,
        r.is_pickup,
        r.pickup_store_id,
        r.fulfilled_by,
        r.item_quantity,
        r.buyer_ref,
        r.customer_id,
        r.province,
        r.city,
        r.district,
        r.buyer_note,
        r.seller_note,
        r.contact_hash,
        r.region_key,
        r.phone_id,
        r.phone_masked
    FROM raw.orders AS r
    INNER JOIN seen AS s ON r.order_guid = s.order_guid
    WHERE s.row_count > 1
),

carried AS (
    SELECT
        order_guid,
        exported_at,
        file_id,
        row_number,
        channel,
        shop_id,
        channel_order_id,
        source,
        timezone,
        last_value(platform_txn_id IGNORE NULLS) OVER (PARTITION BY order_guid ORDER BY exported_at ASC NULLS FIRST, file_id ASC NULLS FIRST, row_number ASC NULLS FIRST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS platform_txn_id,
        last_value(internal_order_id IGNORE NULLS) OVER (PARTITION BY order_guid ORDER BY exported_at ASC NULLS FIRST, file_id ASC NULLS FIRST, row_number ASC NULLS FIRST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS internal_order_id,
        last_value(order_type IGNORE NULLS) OVER (PARTITION BY order_guid ORDER BY exported_at ASC NULLS FIRST, file_id ASC NULLS FIRST, row_number ASC NULLS FIRST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS order_type,
        last_value(status IGNORE NULLS) OVER (PARTITION BY order_guid ORDER BY exported_at ASC NULLS FIRST, file_id ASC NULLS FIRST, row_number ASC NULLS FIRST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS status,
        last_value(raw_status IGNORE NULLS) OVER (PARTITION BY order_guid ORDER BY exported_at ASC NULLS FIRST, file_id ASC NULLS FIRST, row_number ASC NULLS FIRST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS raw_status,
        last_value(currency IGNORE NULLS) OVER (PARTITION BY order_guid ORDER BY exported_at ASC NULLS FIRST, file_id ASC NULLS FIRST, row_number ASC NULLS FIRST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS currency,
        last_value(list_amount IGNORE NULLS) OVER (PARTITION BY order_guid ORDER BY exported_at ASC NULLS FIRST, file_id ASC NULLS FIRST, row_number ASC NULLS FIRST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS list_amount,
        last_value(merchant_discount_amount IGNORE NULLS) OVER (PARTITION BY order_guid ORDER BY exported_at ASC NULLS FIRST, file_id ASC NULLS FIRST, row_number ASC NULLS FIRST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS merchant_discount_amount,
        last_value(platform_discount_amount IGNORE NULLS) OVER (PARTITION BY order_guid ORDER BY exported_at ASC NULLS FIRST, file_id ASC NULLS FIRST, row_number ASC NULLS FIRST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS platform_discount_amount,
        last_value(freight_amount IGNORE NULLS) OVER (PARTITION BY order_guid ORDER BY exported_at ASC NULLS FIRST, file_id ASC NULLS FIRST, row_number ASC NULLS FIRST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS freight_amount,
        last_value(payable_amount IGNORE NULLS) OVER (PARTITION BY order_guid ORDER BY exported_at ASC NULLS FIRST, file_id ASC NULLS FIRST, row_number ASC NULLS FIRST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS payable_amount,
        last_value(paid_amount IGNORE NULLS) OVER (PARTITION BY order_guid ORDER BY exported_at ASC NULLS FIRST, file_id ASC NULLS FIRST, row_number ASC NULLS FIRST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS paid_amount,
        last_value(refunded_amount IGNORE NULLS) OVER (PARTITION BY order_guid ORDER BY exported_at ASC NULLS FIRST, file_id ASC NULLS FIRST, row_number ASC NULLS FIRST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS refunded_amount,
        last_value(deposit_amount IGNORE NULLS) OVER (PARTITION BY order_guid ORDER BY exported_at ASC NULLS FIRST, file_id ASC NULLS FIRST, row_number ASC NULLS FIRST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS deposit_amount,
        last_value(balance_paid_at IGNORE NULLS) OVER (PARTITION BY order_guid ORDER BY exported_at ASC NULLS FIRST, file_id ASC NULLS FIRST, row_number ASC NULLS FIRST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS balance_paid_at,
        last_value(created_at IGNORE NULLS) OVER (PARTITION BY order_guid ORDER BY exported_at ASC NULLS FIRST, file_id ASC NULLS FIRST, row_number ASC NULLS FIRST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS created_at,
        last_value(paid_at IGNORE NULLS) OVER (PARTITION BY order_guid ORDER BY exported_at ASC NULLS FIRST, file_id ASC NULLS FIRST, row_number ASC NULLS FIRST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS paid_at,
        last_value(shipped_at IGNORE NULLS) OVER (PARTITION BY order_guid ORDER BY exported_at ASC NULLS FIRST, file_id ASC NULLS FIRST, row_number ASC NULLS FIRST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS shipped_at,
        last_value(completed_at IGNORE NULLS) OVER (PARTITION BY order_guid ORDER BY exported_at ASC NULLS FIRST, file_id ASC NULLS FIRST, row_number ASC NULLS FIRST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS completed_at,
        last_value(cancelled_at IGNORE NULLS) OVER (PARTITION BY order_guid ORDER BY exported_at ASC NULLS FIRST, file_id ASC NULLS FIRST, row_number ASC NULLS FIRST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS cancelled_at,
        last_value(promised_ship_at IGNORE NULLS) OVER (PARTITION BY order_guid ORDER BY exported_at ASC NULLS FIRST, file_id ASC NULLS FIRST, row_number ASC NULLS FIRST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS promised_ship_at,
        last_value(promised_delivery_at IGNORE NULLS) OVER (PARTITION BY order_guid ORDER BY exported_at ASC NULLS FIRST, file_id ASC NULLS FIRST, row_number ASC NULLS FIRST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS promised_delivery_at,
        last_value(close_reason IGNORE NULLS) OVER (PARTITION BY order_guid ORDER BY exported_at ASC NULLS FIRST, file_id ASC NULLS FIRST, row_number ASC NULLS FIRST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS close_reason,
        last_value(is_pickup IGNORE NULLS) OVER (PARTITION BY order_guid ORDER BY exported_at ASC NULLS FIRST, file_id ASC NULLS FIRST, row_number ASC NULLS FIRST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS is_pickup,
        last_value(pickup_store_id IGNORE NULLS) OVER (PARTITION BY order_guid ORDER BY exported_at ASC NULLS FIRST, file_id ASC NULLS FIRST, row_number ASC NULLS FIRST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS pickup_store_id,
        last_value(fulfilled_by IGNORE NULLS) OVER (PARTITION BY order_guid ORDER BY exported_at ASC NULLS FIRST, file_id ASC NULLS FIRST, row_number ASC NULLS FIRST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS fulfilled_by,
        last_value(item_quantity IGNORE NULLS) OVER (PARTITION BY order_guid ORDER BY exported_at ASC NULLS FIRST, file_id ASC NULLS FIRST, row_number ASC NULLS FIRST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS item_quantity,
        last_value(buyer_ref IGNORE NULLS) OVER (PARTITION BY order_guid ORDER BY exported_at ASC NULLS FIRST, file_id ASC NULLS FIRST, row_number ASC NULLS FIRST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS buyer_ref,
        last_value(customer_id IGNORE NULLS) OVER (PARTITION BY order_guid ORDER BY exported_at ASC NULLS FIRST, file_id ASC NULLS FIRST, row_number ASC NULLS FIRST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS customer_id,
        last_value(province IGNORE NULLS) OVER (PARTITION BY order_guid ORDER BY exported_at ASC NULLS FIRST, file_id ASC NULLS FIRST, row_number ASC NULLS FIRST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS province,
        last_value(city IGNORE NULLS) OVER (PARTITION BY order_guid ORDER BY exported_at ASC NULLS FIRST, file_id ASC NULLS FIRST, row_number ASC NULLS FIRST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS city,
        last_value(district IGNORE NULLS) OVER (PARTITION BY order_guid ORDER BY exported_at ASC NULLS FIRST, file_id ASC NULLS FIRST, row_number ASC NULLS FIRST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS district,
        last_value(buyer_note IGNORE NULLS) OVER (PARTITION BY order_guid ORDER BY exported_at ASC NULLS FIRST, file_id ASC NULLS FIRST, row_number ASC NULLS FIRST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS buyer_note,
        last_value(seller_note IGNORE NULLS) OVER (PARTITION BY order_guid ORDER BY exported_at ASC NULLS FIRST, file_id ASC NULLS FIRST, row_number ASC NULLS FIRST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS seller_note,
        last_value(contact_hash IGNORE NULLS) OVER (PARTITION BY order_guid ORDER BY exported_at ASC NULLS FIRST, file_id ASC NULLS FIRST, row_number ASC NULLS FIRST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS contact_hash,
        last_value(region_key IGNORE NULLS) OVER (PARTITION BY order_guid ORDER BY exported_at ASC NULLS FIRST, file_id ASC NULLS FIRST, row_number ASC NULLS FIRST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS region_key,
        last_value(phone_id IGNORE NULLS) OVER (PARTITION BY order_guid ORDER BY exported_at ASC NULLS FIRST, file_id ASC NULLS FIRST, row_number ASC NULLS FIRST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS phone_id,
        last_value(phone_masked IGNORE NULLS) OVER (PARTITION BY order_guid ORDER BY exported_at ASC NULLS FIRST, file_id ASC NULLS FIRST, row_number ASC NULLS FIRST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS phone_masked
    FROM several
),

compared AS (
    SELECT
        *,
        lag(order_guid) OVER in_time IS NULL
        OR lag(platform_txn_id) OVER in_time IS DISTINCT FROM platform_txn_id
        OR lag(internal_order_id) OVER in_time IS DISTINCT FROM internal_order_id
        OR lag(order_type) OVER in_time IS DISTINCT FROM order_type
        OR lag(status) OVER in_time IS DISTINCT FROM status
        OR lag(raw_status) OVER in_time IS DISTINCT FROM raw_status
        OR lag(currency) OVER in_time IS DISTINCT FROM currency
        OR lag(list_amount) OVER in_time IS DISTINCT FROM list_amount
        OR lag(merchant_discount_amount) OVER in_time IS DISTINCT FROM merchant_discount_amount
        OR lag(platform_discount_amount) OVER in_time IS DISTINCT FROM platform_discount_amount
        OR lag(freight_amount) OVER in_time IS DISTINCT FROM freight_amount
        OR lag(payable_amount) OVER in_time IS DISTINCT FROM payable_amount
        OR lag(paid_amount) OVER in_time IS DISTINCT FROM paid_amount
        OR lag(refunded_amount) OVER in_time IS DISTINCT FROM refunded_amount
        OR lag(deposit_amount) OVER in_time IS DISTINCT FROM deposit_amount
        OR lag(balance_paid_at) OVER in_time IS DISTINCT FROM balance_paid_at
        OR lag(created_at) OVER in_time IS DISTINCT FROM created_at
        OR lag(paid_at) OVER in_time IS DISTINCT FROM paid_at
        OR lag(shipped_at) OVER in_time IS DISTINCT FROM shipped_at
        OR lag(completed_at) OVER in_time IS DISTINCT FROM completed_at
        OR lag(cancelled_at) OVER in_time IS DISTINCT FROM cancelled_at
        OR lag(promised_ship_at) OVER in_time IS DISTINCT FROM promised_ship_at
        OR lag(promised_delivery_at) OVER in_time IS DISTINCT FROM promised_delivery_at
        OR lag(close_reason) OVER in_time IS DISTINCT FROM close_reason
        OR lag(is_pickup) OVER in_time IS DISTINCT FROM is_pickup
        OR lag(pickup_store_id) OVER in_time IS DISTINCT FROM pickup_store_id
        OR lag(fulfilled_by) OVER in_time IS DISTINCT FROM fulfilled_by
        OR lag(item_quantity) OVER in_time IS DISTINCT FROM item_quantity
        OR lag(province) OVER in_time IS DISTINCT FROM province
        OR lag(city) OVER in_time IS DISTINCT FROM city
        OR lag(district) OVER in_time IS DISTINCT FROM district
        OR lag(buyer_note) OVER in_time IS DISTINCT FROM buyer_note
        OR lag(seller_note) OVER in_time IS DISTINCT FROM seller_note
        OR lag(contact_hash) OVER in_time IS DISTINCT FROM contact_hash AS is_new
    FROM carried
    WINDOW in_time AS (
        PARTITION BY order_guid
        ORDER BY exported_at ASC NULLS FIRST, file_id ASC NULLS FIRST, row_number ASC NULLS FIRST
    )
)

SELECT
    r.order_guid,
    CAST(1 AS BIGINT) AS version_number,
    r.exported_at AS valid_from_at,
    CAST(NULL AS TIMESTAMPTZ) AS valid_to_at,
    r.file_id,
    r.row_number,
    r.channel,
    r.shop_id,
    r.channel_order_id,
    r.source,
    r.timezone,
    r.platform_txn_id,
    r.internal_order_id,
    r.order_type,
    r.status,
    r.raw_status,
    r.currency,
    r.list_amount,
    r.merchant_discount_amount,
    r.platform_discount_amount,
    r.freight_amount,
    r.payable_amount,
    r.paid_amount,
    r.refunded_amount,
    r.deposit_amount,
    r.balance_paid_at,
    r.created_at,
    r.paid_at,
    r.shipped_at,
    r.completed_at,
    r.cancelled_at,
    r.promised_ship_at,
    r.promised_delivery_at,
    r.close_reason,
    r.is_pickup,
    r.pickup_store_id,
    r.fulfilled_by,
    r.item_quantity,
    r.buyer_ref,
    r.customer_id,
    r.province,
    r.city,
    r.district,
    r.buyer_note,
    r.seller_note,
    r.contact_hash,
    r.region_key,
    r.phone_id,
    r.phone_masked
FROM raw.orders AS r
INNER JOIN seen AS s ON r.order_guid = s.order_guid
WHERE s.row_count = 1

UNION ALL

SELECT
    order_guid,
    CAST(
        row_number() OVER (
            PARTITION BY order_guid
            ORDER BY exported_at ASC NULLS FIRST, file_id ASC NULLS FIRST, row_number ASC NULLS FIRST
        ) AS BIGINT
    ) AS version_number,
    exported_at AS valid_from_at,
    lead(exported_at) OVER (
        PARTITION BY order_guid
        ORDER BY exported_at ASC NULLS FIRST, file_id ASC NULLS FIRST, row_number ASC NULLS FIRST
    ) AS valid_to_at,
    file_id,
    row_number,
    channel,
    shop_id,
    channel_order_id,
    source,
    timezone,
    platform_txn_id,
    internal_order_id,
    order_type,
    status,
    raw_status,
    currency,
    list_amount,
    merchant_discount_amount,
    platform_discount_amount,
    freight_amount,
    payable_amount,
    paid_amount,
    refunded_amount,
    deposit_amount,
    balance_paid_at,
    created_at,
    paid_at,
    shipped_at,
    completed_at,
    cancelled_at,
    promised_ship_at,
    promised_delivery_at,
    close_reason,
    is_pickup,
    pickup_store_id,
    fulfilled_by,
    item_quantity,
    buyer_ref,
    customer_id,
    province,
    city,
    district,
    buyer_note,
    seller_note,
    contact_hash,
    region_key,
    phone_id,
    phone_masked
FROM compared
WHERE is_new
