-- Orders whose buyer is described by a file that came later, and those of everybody whom a declared link joins or parts.
SELECT o.order_guid
FROM raw.orders AS o
INNER JOIN raw.buyers AS b ON o.channel = b.channel AND o.buyer_ref = b.buyer_ref
INNER JOIN touched.buyer_keys AS t ON b.buyer_key = t.key

UNION ALL

SELECT v.order_guid
FROM orders.order_versions AS v
LEFT JOIN orders.buyers AS b ON v.channel = b.channel AND v.buyer_ref = b.buyer_ref
INNER JOIN (
    SELECT t.key AS member_key
    FROM touched.identity_keys AS t

    UNION

    SELECT m.member_key
    FROM touched.identity_keys AS t
    INNER JOIN customers.identities AS i ON t.key = i.member_key
    INNER JOIN customers.identities AS m ON i.customer_id = m.customer_id
) AS moved ON guid_of(coalesce(v.phone_id, v.customer_id, b.customer_id)) = moved.member_key
