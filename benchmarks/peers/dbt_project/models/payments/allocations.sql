-- By the order's own number, else by the transaction's; a payment for two orders is split by what each owes, to the cent.
WITH numbered AS (SELECT *, row_number() OVER () AS id FROM {{ ref('transactions') }}),
own AS (
    SELECT n.id, o.order_guid, o.payable_amount, 'M1' AS pass FROM numbered AS n
    JOIN {{ ref('orders') }} AS o ON n.channel_order_id = o.channel_order_id AND coalesce(n.channel, o.channel) = o.channel
),
found AS (
    FROM own UNION ALL
    SELECT n.id, o.order_guid, o.payable_amount, 'M2'
    FROM (FROM numbered ANTI JOIN own USING (id)) AS n
    JOIN {{ ref('orders') }} AS o ON n.platform_txn_id = o.platform_txn_id AND coalesce(n.channel, o.channel) = o.channel
),
weighed AS (
    SELECT *, count(*) OVER (PARTITION BY id) AS order_count, sum(payable_amount) OVER (PARTITION BY id) AS together FROM found
),
shares AS (
    SELECT w.id, w.order_guid, CAST(abs(n.amount) * 100 AS BIGINT) AS cents,
        CAST(payable_amount * 100 AS BIGINT) AS weight, CAST(together * 100 AS BIGINT) AS weights,
        cents * weight // weights AS whole, cents * weight % weights AS remainder,
        money((whole + CASE WHEN row_number() OVER (PARTITION BY w.id ORDER BY remainder DESC, weight DESC, w.order_guid)
            <= cents - sum(whole) OVER (PARTITION BY w.id) THEN 1 ELSE 0 END) * sign(n.amount) / 100) AS amount
    FROM weighed AS w JOIN numbered AS n USING (id) WHERE w.order_count > 1
)
SELECT coalesce(w.order_guid, guid('payment', n.account, coalesce(n.channel_order_id, n.platform_txn_id, n.payment_id))) AS order_guid,
    w.order_guid IS NOT NULL AS is_linked,
    CASE WHEN w.order_count > 1 THEN 'M3' ELSE coalesce(w.pass, 'none') END AS pass,
    coalesce(s.amount, n.amount) AS amount, n.* EXCLUDE (id, amount)
FROM numbered AS n LEFT JOIN weighed AS w USING (id) LEFT JOIN shares AS s ON w.id = s.id AND w.order_guid = s.order_guid
WHERE w.order_guid IS NOT NULL OR n.channel_order_id IS NOT NULL OR n.kind IN ('receipt', 'deposit', 'balance', 'refund')
