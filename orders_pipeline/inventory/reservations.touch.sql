-- Goods of which stock or supply has changed: all that is computed from both goes by this kind of key from here on.
SELECT t.key
FROM touched.stock_keys AS t
