-- grain: order_guid, version_number, field
-- refresh: order by order_guid
-- Every field that differs between two versions of an order: before, after, when, and the file and system that said so.
WITH paired AS (
    SELECT
        later.order_guid,
        later.version_number,
        later.valid_from_at,
        later.file_id,
        later.source,
        later.status,
        later.raw_status,
        later.order_type,
        later.platform_txn_id,
        later.internal_order_id,
        later.currency,
        later.list_amount,
        later.merchant_discount_amount,
        later.platform_discount_amount,
        later.freight_amount,
        later.payable_amount,
        later.paid_amount,
        later.refunded_amount,
        later.deposit_amount,
        later.balance_paid_at,
        later.created_at,
        later.paid_at,
        later.shipped_at,
        later.completed_at,
        later.cancelled_at,
        later.promised_ship_at,
        later.promised_delivery_at,
        later.close_reason,
        later.item_quantity,
        later.province,
        later.city,
        later.district,
        later.buyer_note,
        later.seller_note,
        later.contact_hash,
        earlier.status AS previous_status,
        earlier.raw_status AS previous_raw_status,
        earlier.order_type AS previous_order_type,
        earlier.platform_txn_id AS previous_platform_txn_id,
        earlier.internal_order_id AS previous_internal_order_id,
        earlier.currency AS previous_currency,
        earlier.list_amount AS previous_list_amount,
        earlier.merchant_discount_amount AS previous_merchant_discount_amount,
        earlier.platform_discount_amount AS previous_platform_discount_amount,
        earlier.freight_amount AS previous_freight_amount,
        earlier.payable_amount AS previous_payable_amount,
        earlier.paid_amount AS previous_paid_amount,
        earlier.refunded_amount AS previous_refunded_amount,
        earlier.deposit_amount AS previous_deposit_amount,
        earlier.balance_paid_at AS previous_balance_paid_at,
        earlier.created_at AS previous_created_at,
        earlier.paid_at AS previous_paid_at,
        earlier.shipped_at AS previous_shipped_at,
        earlier.completed_at AS previous_completed_at,
        earlier.cancelled_at AS previous_cancelled_at,
        earlier.promised_ship_at AS previous_promised_ship_at,
        earlier.promised_delivery_at AS previous_promised_delivery_at,
        earlier.close_reason AS previous_close_reason,
        earlier.item_quantity AS previous_item_quantity,
        earlier.province AS previous_province,
        earlier.city AS previous_city,
        earlier.district AS previous_district,
        earlier.buyer_note AS previous_buyer_note,
        earlier.seller_note AS previous_seller_note,
        earlier.contact_hash AS previous_contact_hash
    FROM orders.order_versions AS later
    INNER JOIN orders.order_versions AS earlier
        ON later.order_guid = earlier.order_guid AND later.version_number = earlier.version_number + 1
    WHERE later.version_number > 1
)

SELECT
    order_guid,
    version_number,
    'status' AS field,
    CAST(previous_status AS VARCHAR) AS old_value,
    CAST(status AS VARCHAR) AS new_value,
    valid_from_at AS changed_at,
    file_id,
    source
FROM paired
WHERE previous_status IS DISTINCT FROM status

UNION ALL

SELECT
    order_guid,
    version_number,
    'raw_status' AS field,
    CAST(previous_raw_status AS VARCHAR) AS old_value,
    CAST(raw_status AS VARCHAR) AS new_value,
    valid_from_at AS changed_at,
    file_id,
    source
FROM paired
WHERE previous_raw_status IS DISTINCT FROM raw_status

UNION ALL

SELECT
    order_guid,
    version_number,
    'order_type' AS field,
    CAST(previous_order_type AS VARCHAR) AS old_value,
    CAST(order_type AS VARCHAR) AS new_value,
    valid_from_at AS changed_at,
    file_id,
    source
FROM paired
WHERE previous_order_type IS DISTINCT FROM order_type

UNION ALL

SELECT
    order_guid,
    version_number,
    'platform_txn_id' AS field,
    CAST(previous_platform_txn_id AS VARCHAR) AS old_value,
    CAST(platform_txn_id AS VARCHAR) AS new_value,
    valid_from_at AS changed_at,
    file_id,
    source
FROM paired
WHERE previous_platform_txn_id IS DISTINCT FROM platform_txn_id

UNION ALL

SELECT
    order_guid,
    version_number,
    'internal_order_id' AS field,
    CAST(previous_internal_order_id AS VARCHAR) AS old_value,
    CAST(internal_order_id AS VARCHAR) AS new_value,
    valid_from_at AS changed_at,
    file_id,
    source
FROM paired
WHERE previous_internal_order_id IS DISTINCT FROM internal_order_id

UNION ALL

SELECT
    order_guid,
    version_number,
    'currency' AS field,
    CAST(previous_currency AS VARCHAR) AS old_value,
    CAST(currency AS VARCHAR) AS new_value,
    valid_from_at AS changed_at,
    file_id,
    source
FROM paired
WHERE previous_currency IS DISTINCT FROM currency

UNION ALL

SELECT
    order_guid,
    version_number,
    'list_amount' AS field,
    CAST(previous_list_amount AS VARCHAR) AS old_value,
    CAST(list_amount AS VARCHAR) AS new_value,
    valid_from_at AS changed_at,
    file_id,
    source
FROM paired
WHERE previous_list_amount IS DISTINCT FROM list_amount

UNION ALL

SELECT
    order_guid,
    version_number,
    'merchant_discount_amount' AS field,
    CAST(previous_merchant_discount_amount AS VARCHAR) AS old_value,
    CAST(merchant_discount_amount AS VARCHAR) AS new_value,
    valid_from_at AS changed_at,
    file_id,
    source
FROM paired
WHERE previous_merchant_discount_amount IS DISTINCT FROM merchant_discount_amount

UNION ALL

SELECT
    order_guid,
    version_number,
    'platform_discount_amount' AS field,
    CAST(previous_platform_discount_amount AS VARCHAR) AS old_value,
    CAST(platform_discount_amount AS VARCHAR) AS new_value,
    valid_from_at AS changed_at,
    file_id,
    source
FROM paired
WHERE previous_platform_discount_amount IS DISTINCT FROM platform_discount_amount

UNION ALL

SELECT
    order_guid,
    version_number,
    'freight_amount' AS field,
    CAST(previous_freight_amount AS VARCHAR) AS old_value,
    CAST(freight_amount AS VARCHAR) AS new_value,
    valid_from_at AS changed_at,
    file_id,
    source
FROM paired
WHERE previous_freight_amount IS DISTINCT FROM freight_amount

UNION ALL

SELECT
    order_guid,
    version_number,
    'payable_amount' AS field,
    CAST(previous_payable_amount AS VARCHAR) AS old_value,
    CAST(payable_amount AS VARCHAR) AS new_value,
    valid_from_at AS changed_at,
    file_id,
    source
FROM paired
WHERE previous_payable_amount IS DISTINCT FROM payable_amount

UNION ALL

SELECT
    order_guid,
    version_number,
    'paid_amount' AS field,
    CAST(previous_paid_amount AS VARCHAR) AS old_value,
    CAST(paid_amount AS VARCHAR) AS new_value,
    valid_from_at AS changed_at,
    file_id,
    source
FROM paired
WHERE previous_paid_amount IS DISTINCT FROM paid_amount

UNION ALL

SELECT
    order_guid,
    version_number,
    'refunded_amount' AS field,
    CAST(previous_refunded_amount AS VARCHAR) AS old_value,
    CAST(refunded_amount AS VARCHAR) AS new_value,
    valid_from_at AS changed_at,
    file_id,
    source
FROM paired
WHERE previous_refunded_amount IS DISTINCT FROM refunded_amount

UNION ALL

SELECT
    order_guid,
    version_number,
    'deposit_amount' AS field,
    CAST(previous_deposit_amount AS VARCHAR) AS old_value,
    CAST(deposit_amount AS VARCHAR) AS new_value,
    valid_from_at AS changed_at,
    file_id,
    source
FROM paired
WHERE previous_deposit_amount IS DISTINCT FROM deposit_amount

UNION ALL

SELECT
    order_guid,
    version_number,
    'balance_paid_at' AS field,
    utc_text(previous_balance_paid_at) AS old_value,
    utc_text(balance_paid_at) AS new_value,
    valid_from_at AS changed_at,
    file_id,
    source
FROM paired
WHERE previous_balance_paid_at IS DISTINCT FROM balance_paid_at

UNION ALL

SELECT
    order_guid,
    version_number,
    'created_at' AS field,
    utc_text(previous_created_at) AS old_value,
    utc_text(created_at) AS new_value,
    valid_from_at AS changed_at,
    file_id,
    source
FROM paired
WHERE previous_created_at IS DISTINCT FROM created_at

UNION ALL

SELECT
    order_guid,
    version_number,
    'paid_at' AS field,
    utc_text(previous_paid_at) AS old_value,
    utc_text(paid_at) AS new_value,
    valid_from_at AS changed_at,
    file_id,
    source
FROM paired
WHERE previous_paid_at IS DISTINCT FROM paid_at

UNION ALL

SELECT
    order_guid,
    version_number,
    'shipped_at' AS field,
    utc_text(previous_shipped_at) AS old_value,
    utc_text(shipped_at) AS new_value,
    valid_from_at AS changed_at,
    file_id,
    source
FROM paired
WHERE previous_shipped_at IS DISTINCT FROM shipped_at

UNION ALL

SELECT
    order_guid,
    version_number,
    'completed_at' AS field,
    utc_text(previous_completed_at) AS old_value,
    utc_text(completed_at) AS new_value,
    valid_from_at AS changed_at,
    file_id,
    source
FROM paired
WHERE previous_completed_at IS DISTINCT FROM completed_at

UNION ALL

SELECT
    order_guid,
    version_number,
    'cancelled_at' AS field,
    utc_text(previous_cancelled_at) AS old_value,
    utc_text(cancelled_at) AS new_value,
    valid_from_at AS changed_at,
    file_id,
    source
FROM paired
WHERE previous_cancelled_at IS DISTINCT FROM cancelled_at

UNION ALL

SELECT
    order_guid,
    version_number,
    'promised_ship_at' AS field,
    utc_text(previous_promised_ship_at) AS old_value,
    utc_text(promised_ship_at) AS new_value,
    valid_from_at AS changed_at,
    file_id,
    source
FROM paired
WHERE previous_promised_ship_at IS DISTINCT FROM promised_ship_at

UNION ALL

SELECT
    order_guid,
    version_number,
    'promised_delivery_at' AS field,
    utc_text(previous_promised_delivery_at) AS old_value,
    utc_text(promised_delivery_at) AS new_value,
    valid_from_at AS changed_at,
    file_id,
    source
FROM paired
WHERE previous_promised_delivery_at IS DISTINCT FROM promised_delivery_at

UNION ALL

SELECT
    order_guid,
    version_number,
    'close_reason' AS field,
    CAST(previous_close_reason AS VARCHAR) AS old_value,
    CAST(close_reason AS VARCHAR) AS new_value,
    valid_from_at AS changed_at,
    file_id,
    source
FROM paired
WHERE previous_close_reason IS DISTINCT FROM close_reason

UNION ALL

SELECT
    order_guid,
    version_number,
    'item_quantity' AS field,
    CAST(previous_item_quantity AS VARCHAR) AS old_value,
    CAST(item_quantity AS VARCHAR) AS new_value,
    valid_from_at AS changed_at,
    file_id,
    source
FROM paired
WHERE previous_item_quantity IS DISTINCT FROM item_quantity

UNION ALL

SELECT
    order_guid,
    version_number,
    'province' AS field,
    CAST(previous_province AS VARCHAR) AS old_value,
    CAST(province AS VARCHAR) AS new_value,
    valid_from_at AS changed_at,
    file_id,
    source
FROM paired
WHERE previous_province IS DISTINCT FROM province

UNION ALL

SELECT
    order_guid,
    version_number,
    'city' AS field,
    CAST(previous_city AS VARCHAR) AS old_value,
    CAST(city AS VARCHAR) AS new_value,
    valid_from_at AS changed_at,
    file_id,
    source
FROM paired
WHERE previous_city IS DISTINCT FROM city

UNION ALL

SELECT
    order_guid,
    version_number,
    'district' AS field,
    CAST(previous_district AS VARCHAR) AS old_value,
    CAST(district AS VARCHAR) AS new_value,
    valid_from_at AS changed_at,
    file_id,
    source
FROM paired
WHERE previous_district IS DISTINCT FROM district

UNION ALL

SELECT
    order_guid,
    version_number,
    'buyer_note' AS field,
    CAST(previous_buyer_note AS VARCHAR) AS old_value,
    CAST(buyer_note AS VARCHAR) AS new_value,
    valid_from_at AS changed_at,
    file_id,
    source
FROM paired
WHERE previous_buyer_note IS DISTINCT FROM buyer_note

UNION ALL

SELECT
    order_guid,
    version_number,
    'seller_note' AS field,
    CAST(previous_seller_note AS VARCHAR) AS old_value,
    CAST(seller_note AS VARCHAR) AS new_value,
    valid_from_at AS changed_at,
    file_id,
    source
FROM paired
WHERE previous_seller_note IS DISTINCT FROM seller_note

UNION ALL

-- Name, phone or address: that they changed is recorded, what they were stays in raw.
SELECT
    order_guid,
    version_number,
    'contact' AS field,
    CAST(NULL AS VARCHAR) AS old_value,
    CAST(NULL AS VARCHAR) AS new_value,
    valid_from_at AS changed_at,
    file_id,
    source
FROM paired
WHERE previous_contact_hash IS DISTINCT FROM contact_hash
