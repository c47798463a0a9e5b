-- grain: payment_guid, order_guid
-- refresh: whole
-- pace: later
-- through: suggesting.suggest
-- returns: payment_guid UUID, order_guid UUID, score DOUBLE, reason VARCHAR, tier VARCHAR
-- Orders that money may be meant for which no pass could place (M6): the amount they still owe, and a number one or two
-- characters off, or their number in the payment's text. Suggestions only; nothing reads them to link anything.
WITH unplaced AS (
    SELECT
        a.payment_guid,
        a.channel,
        a.currency,
        a.amount,
        a.channel_order_id,
        t.platform_txn_id,
        -- The other party's text is compared here and published nowhere.
        concat_ws(' ', t.description, r.counterparty) AS text
    FROM payments.allocations AS a
    INNER JOIN payments.transactions AS t ON a.payment_guid = t.payment_guid
    INNER JOIN raw.payments AS r ON t.file_id = r.file_id AND t.row_number = r.row_number AND t.payment_key = r.payment_key
        AND t.payment_id = r.payment_id AND t.kind = r.kind
    WHERE NOT a.is_linked AND a.kind IN ('receipt', 'deposit', 'balance') AND a.amount > 0
),

once AS (
    SELECT
        payment_guid,
        min(channel) AS channel,
        min(currency) AS currency,
        min(amount) AS amount,
        min(channel_order_id) AS channel_order_id,
        min(platform_txn_id) AS platform_txn_id,
        min(text) AS text
    FROM unplaced
    GROUP BY payment_guid
),

owing AS (
    SELECT
        m.order_guid,
        m.channel,
        m.currency,
        m.channel_order_id,
        o.platform_txn_id,
        m.due_amount - coalesce(m.paid_amount, 0) AS amount
    FROM reconciliation.three_way_match AS m
    INNER JOIN orders.orders AS o ON m.order_guid = o.order_guid
    WHERE
        m.has_order AND m.order_status NOT IN ('cancelled', 'expired') AND m.status <> 'EXCLUDED'
        AND m.due_amount - coalesce(m.paid_amount, 0) > threshold('match_tolerance_amount')
)

SELECT
    'payment' AS side,
    payment_guid AS record_guid,
    channel,
    currency,
    amount,
    channel_order_id AS number,
    platform_txn_id AS other_number,
    text,
    threshold('match_tolerance_amount') AS tolerance_amount,
    threshold('suggest_link_min_ratio') AS link_score,
    threshold('suggest_review_min_ratio') AS review_score
FROM once

UNION ALL

SELECT
    'order' AS side,
    order_guid AS record_guid,
    channel,
    currency,
    CAST(amount AS DECIMAL(18, 2)) AS amount,
    channel_order_id AS number,
    platform_txn_id AS other_number,
    CAST(NULL AS VARCHAR) AS text,
    threshold('match_tolerance_amount') AS tolerance_amount,
    threshold('suggest_link_min_ratio') AS link_score,
    threshold('suggest_review_min_ratio') AS review_score
FROM owing
