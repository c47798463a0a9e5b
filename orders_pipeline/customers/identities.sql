-- grain: member_id
-- refresh: whole
-- through: identity.components
-- returns: member_id VARCHAR, member_key UUID, customer_id VARCHAR, member_count INTEGER
-- Whom a keyed hash stands for, where declared links join several: all that hang together are the one that comes first among them.
-- Who is in no link stands for himself and is not listed. A shown name, a masked number or a shared address joins nobody.
SELECT
    customer_id,
    linked_customer_id,
    guid_of(customer_id) AS customer_key,
    guid_of(linked_customer_id) AS linked_key
FROM customers.links
WHERE is_linked
