-- Orders whose buyer or product is described by a file that came later.
SELECT o.order_guid
FROM raw.orders AS o
INNER JOIN raw.buyers AS b ON o.channel = b.channel AND o.buyer_ref = b.buyer_ref
INNER JOIN touched.buyer_keys AS t ON b.buyer_key = t.key
