-- Parcels of orders that have come or changed, or about which the buyer has complained.
SELECT s.parcel_guid
FROM fulfilment.shipment_lines AS s
INNER JOIN touched.order_keys AS t ON s.order_guid = t.key
WHERE s.parcel_guid IS NOT NULL

UNION

SELECT p.parcel_guid
FROM fulfilment.parcels AS p
INNER JOIN touched.order_keys AS t ON p.claimed_guid = t.key
