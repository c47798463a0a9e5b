-- grain: payment_guid
-- refresh: whole
-- through: arrivals.arrive
-- returns: payment_guid UUID, account VARCHAR, payout_id VARCHAR, amount DECIMAL(18, 2), business_on DATE, pass VARCHAR
-- Payouts that have reached another account of the merchant: by the payout's number, else by amount and day where the pair
-- fits nobody else.
WITH rows_of AS (
    SELECT
        payment_guid,
        account,
        coalesce(payout_id, CASE WHEN kind = 'payout' AND amount < 0 THEN payment_id END) AS payout_id,
        payout_id IS NOT NULL AS is_named,
        kind,
        amount,
        currency,
        business_on,
        -- What names an order, or is charged to it, was settled here.
        kind IN ('fee', 'refund', 'subsidy') OR channel_order_id IS NOT NULL OR platform_txn_id IS NOT NULL AS is_settled_here,
        order_count = 0 AND channel_order_id IS NULL AS is_free
    FROM payments.transactions
    WHERE NOT is_duplicate_key
),

-- The account a payout left: the one that books it as going out; where nobody does, the one whose rows it settles.
homes AS (
    SELECT
        payout_id,
        account,
        currency,
        max(CASE WHEN kind = 'payout' AND amount < 0 THEN 2 WHEN is_settled_here THEN 1 ELSE 0 END) AS standing
    FROM rows_of
    WHERE payout_id IS NOT NULL
    GROUP BY payout_id, account, currency
),

best AS (
    SELECT payout_id, max(standing) AS standing
    FROM homes
    WHERE standing > 0
    GROUP BY payout_id
),

left_from AS (
    SELECT h.payout_id, h.account, h.currency
    FROM homes AS h
    INNER JOIN best AS b ON h.payout_id = b.payout_id AND h.standing = b.standing
),

sent AS (
    SELECT
        r.payout_id,
        r.account,
        r.currency,
        -sum(CASE WHEN r.kind = 'payout' THEN r.amount ELSE 0 END) AS amount,
        max(CASE WHEN r.kind = 'payout' THEN r.business_on END) AS business_on
    FROM rows_of AS r
    INNER JOIN left_from AS l ON r.payout_id = l.payout_id AND r.account = l.account AND r.currency = l.currency
    GROUP BY r.payout_id, r.account, r.currency
)

SELECT
    'sent' AS side,
    CAST(NULL AS UUID) AS payment_guid,
    account,
    payout_id,
    TRUE AS is_named,
    currency,
    CAST(amount AS DECIMAL(18, 2)) AS amount,
    business_on,
    threshold('payout_window_before_days') AS before_days,
    threshold('payout_window_after_days') AS after_days
FROM sent

UNION ALL

SELECT
    'received' AS side,
    r.payment_guid,
    r.account,
    r.payout_id,
    r.is_named,
    r.currency,
    r.amount,
    r.business_on,
    threshold('payout_window_before_days') AS before_days,
    threshold('payout_window_after_days') AS after_days
FROM rows_of AS r
LEFT JOIN left_from AS l ON r.payout_id = l.payout_id AND r.account = l.account
WHERE r.amount > 0 AND r.kind IN ('payout', 'receipt', 'adjustment') AND r.is_free AND l.account IS NULL
