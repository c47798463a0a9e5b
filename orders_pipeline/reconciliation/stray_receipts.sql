-- grain: payment_guid, order_guid
-- refresh: order by order_guid
-- Money of a shop that belongs to no order and names none: it may be another order's, booked on another day than that order's
-- window allows.
SELECT
    a.payment_guid,
    a.order_guid,
    a.channel,
    a.shop_id,
    a.currency,
    a.amount,
    a.business_on
FROM payments.allocations AS a
INNER JOIN reconciliation.differences AS d ON a.order_guid = d.order_guid
WHERE
    NOT a.is_linked AND NOT a.is_ambiguous AND a.kind IN ('receipt', 'deposit', 'balance')
    AND a.channel_order_id IS NULL AND a.amount > 0
