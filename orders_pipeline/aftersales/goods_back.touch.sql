-- Cases whose number, waybill or order stands in a movement, or whose waybill is a parcel, that came later.
WITH movement_numbers AS (
    SELECT m.reference_id
    FROM raw.inventory_movements AS m
    INNER JOIN touched.stock_keys AS t ON m.sku_guid = t.key
    WHERE m.reference_id IS NOT NULL AND m.kind IN ('return_received', 'restock', 'damage', 'write_off')
    GROUP BY m.reference_id
)

SELECT r.return_guid
FROM raw.returns AS r
INNER JOIN movement_numbers AS n ON r.return_id = n.reference_id

UNION

SELECT r.return_guid
FROM raw.returns AS r
INNER JOIN movement_numbers AS n ON r.return_waybill_id = n.reference_id

UNION

SELECT r.return_guid
FROM raw.returns AS r
INNER JOIN movement_numbers AS n ON r.channel_order_id = n.reference_id

UNION

SELECT r.return_guid
FROM raw.returns AS r
INNER JOIN fulfilment.parcels AS p ON r.return_waybill_id = p.waybill_id
INNER JOIN touched.parcel_keys AS t ON p.parcel_guid = t.key
