-- The clocks of an order run on what is known of the order, its goods and its warehouse: whatever touches the order touches them.
SELECT t.key
FROM touched.order_keys AS t
