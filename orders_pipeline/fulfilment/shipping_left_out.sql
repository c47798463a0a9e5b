-- grain: order_guid
-- refresh: whole
-- changes at: always
-- Orders left out of the shipping list, and why.
SELECT
    order_guid,
    list_on,
    warehouse_id,
    channel,
    channel_order_id,
    left_out_reason,
    file_id,
    row_number
FROM fulfilment.shipping_candidates
WHERE left_out_reason IS NOT NULL
