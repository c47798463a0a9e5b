-- Orders in a foreign currency whose events have got another exchange rate, and orders whose parcels have moved.
SELECT e.order_guid
FROM finance.earnings AS e
LEFT JOIN finance.exchange_rates AS x
    ON e.currency = x.currency AND e.recognised_on >= x.valid_from AND e.recognised_on < x.valid_to
WHERE e.currency <> e.book_currency AND e.exchange_rate IS DISTINCT FROM x.exchange_rate

UNION ALL

SELECT s.order_guid
FROM fulfilment.shipment_lines AS s
INNER JOIN touched.parcel_keys AS t ON s.parcel_guid = t.key
