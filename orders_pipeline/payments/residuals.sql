-- grain: payment_guid
-- refresh: payment by payment_key
-- touches: block by block_guid
-- Money received that names no order and that no number leads to one: what amount and day may still tell, shop by shop.
SELECT
    m.payment_guid,
    m.payment_key,
    guid_of(l.channel || '|' || l.shop_id || '|' || m.currency) AS block_guid,
    l.channel,
    l.shop_id,
    m.currency,
    m.amount,
    m.business_on,
    m.platform_txn_id
FROM payments.movements AS m
INNER JOIN payments.links AS l ON m.payment_guid = l.payment_guid
WHERE
    NOT l.is_linked AND NOT m.is_duplicate_key AND m.kind IN ('receipt', 'deposit', 'balance') AND m.amount > 0
    AND m.channel_order_id IS NULL AND m.merged_payment_id IS NULL AND m.business_on IS NOT NULL
    AND l.channel IS NOT NULL AND l.shop_id IS NOT NULL
