-- grain: list_on, warehouse_id, order_guid
-- refresh: whole
-- changes at: always
-- What each warehouse has to ship, as of its list of the day; orders of one parcel_group go into one parcel.
SELECT
    list_on,
    warehouse_id,
    order_guid,
    channel,
    channel_order_id,
    parcel_group,
    count(*) OVER (PARTITION BY parcel_group) AS group_count,
    region,
    sku_count,
    quantity,
    priority,
    file_id,
    row_number
FROM fulfilment.shipping_candidates
WHERE left_out_reason IS NULL
