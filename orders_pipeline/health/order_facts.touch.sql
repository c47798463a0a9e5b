-- Clocks of an order run out without anything else of it changing.
SELECT t.key
FROM touched.clock_keys AS t
