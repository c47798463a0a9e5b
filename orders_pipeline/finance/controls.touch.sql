-- Orders whose parcels have moved.
SELECT s.order_guid
FROM fulfilment.shipment_lines AS s
INNER JOIN touched.parcel_keys AS t ON s.parcel_guid = t.key
