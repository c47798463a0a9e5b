-- grain: payment_guid, order_guid
-- refresh: payment by payment_key
-- touches: order by order_guid
-- Which order each payment belongs to, and how much of it: by its numbers (M1 to M3), else by what its amount and day tell
-- (M4, M5). Money that fits no order keeps a guid of its own; so does money that fits several, and says so.
SELECT
    l.payment_guid,
    l.payment_key,
    CASE WHEN i.is_ambiguous THEN l.order_guid ELSE coalesce(i.order_guid, l.order_guid) END AS order_guid,
    l.is_linked OR coalesce(NOT i.is_ambiguous, FALSE) AS is_linked,
    l.is_ambiguous OR coalesce(i.is_ambiguous, FALSE) AS is_ambiguous,
    coalesce(i.pass, l.pass) AS pass,
    l.account,
    l.channel,
    l.shop_id,
    l.channel_order_id,
    l.kind,
    coalesce(i.amount, l.amount) AS amount,
    l.currency,
    l.occurred_at,
    l.business_on,
    l.payout_id,
    l.is_duplicate_key,
    l.source,
    l.file_id,
    l.row_number
FROM payments.links AS l
LEFT JOIN payments.inferred AS i ON l.payment_guid = i.payment_guid AND NOT l.is_linked
