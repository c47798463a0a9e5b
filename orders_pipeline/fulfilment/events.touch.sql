-- Orders whose parcels a courier has spoken of.
SELECT s.order_guid
FROM fulfilment.shipment_lines AS s
INNER JOIN touched.parcel_keys AS t ON s.parcel_guid = t.key

UNION ALL

SELECT p.claimed_guid
FROM fulfilment.parcels AS p
INNER JOIN touched.parcel_keys AS t ON p.parcel_guid = t.key
