-- grain: account, payout_id
-- refresh: whole
-- Each payout of a payment account re-grossed from the rows it settles, beside what was paid out and what reached the bank.
-- A net column is never asked: the parts are added up and held against the payout. Differences are signed.
WITH arrived AS (
    SELECT
        account,
        payout_id,
        count(*) AS arrival_count,
        min(payment_guid) AS payment_guid,
        sum(amount) AS amount,
        max(business_on) AS arrived_on,
        min(pass) AS pass
    FROM reconciliation.payout_arrivals
    GROUP BY account, payout_id
),

rows_of AS (
    SELECT
        t.account,
        -- A withdrawal from the account's balance carries no other number than its own, and settles no rows.
        coalesce(t.payout_id, t.payment_id) AS payout_id,
        t.kind,
        t.amount,
        t.currency,
        t.business_on,
        t.is_duplicate_key,
        t.channel,
        t.shop_id
    FROM payments.transactions AS t
    LEFT JOIN reconciliation.payout_arrivals AS a ON t.payment_guid = a.payment_guid
    WHERE a.payment_guid IS NULL AND (t.payout_id IS NOT NULL OR t.kind = 'payout' AND t.amount < 0)
),

grouped AS (
    SELECT
        account,
        payout_id,
        min(channel) AS channel,
        min(shop_id) AS shop_id,
        min(currency) AS currency,
        min(currency) <> max(currency) AS is_mixed_currency,
        max(CASE WHEN is_duplicate_key THEN 1 ELSE 0 END) = 1 AS is_duplicate_key,
        max(CASE WHEN kind = 'payout' THEN business_on END) AS paid_out_on,
        sum(CASE WHEN kind = 'payout' THEN 0 ELSE 1 END) AS line_count,
        sum(CASE WHEN kind = 'payout' THEN 1 ELSE 0 END) AS payout_count,
        sum(CASE WHEN kind IN ('receipt', 'deposit', 'balance') THEN amount ELSE 0 END) AS gross_amount,
        -sum(CASE WHEN kind = 'refund' THEN amount ELSE 0 END) AS refund_amount,
        -sum(CASE WHEN kind = 'fee' THEN amount ELSE 0 END) AS fee_amount,
        sum(CASE WHEN kind = 'subsidy' THEN amount ELSE 0 END) AS subsidy_amount,
        sum(CASE WHEN kind IN ('receipt', 'deposit', 'balance', 'refund', 'fee', 'subsidy', 'payout') THEN 0 ELSE amount END)
            AS adjustment_amount,
        -sum(CASE WHEN kind = 'payout' THEN amount ELSE 0 END) AS payout_amount
    FROM rows_of
    GROUP BY account, payout_id
),

measured AS (
    SELECT
        *,
        -- Money of several currencies adds up to nothing; rows without a payout have not been paid out yet.
        CASE
            WHEN NOT is_mixed_currency AND line_count > 0 AND payout_count > 0
                THEN payout_amount - (gross_amount - refund_amount - fee_amount + subsidy_amount)
        END AS payout_diff
    FROM grouped
)

SELECT
    m.account,
    m.payout_id,
    m.channel,
    m.shop_id,
    m.currency,
    m.paid_out_on,
    m.line_count,
    CAST(CASE WHEN m.line_count > 0 AND NOT m.is_mixed_currency THEN m.gross_amount END AS DECIMAL(18, 2)) AS gross_amount,
    CAST(CASE WHEN m.line_count > 0 AND NOT m.is_mixed_currency THEN m.refund_amount END AS DECIMAL(18, 2)) AS refund_amount,
    CAST(CASE WHEN m.line_count > 0 AND NOT m.is_mixed_currency THEN m.fee_amount END AS DECIMAL(18, 2)) AS fee_amount,
    CAST(CASE WHEN m.line_count > 0 AND NOT m.is_mixed_currency THEN m.subsidy_amount END AS DECIMAL(18, 2)) AS subsidy_amount,
    CAST(CASE WHEN m.line_count > 0 AND NOT m.is_mixed_currency THEN m.adjustment_amount END AS DECIMAL(18, 2))
        AS adjustment_amount,
    CAST(CASE WHEN m.payout_count > 0 AND NOT m.is_mixed_currency THEN m.payout_amount END AS DECIMAL(18, 2)) AS payout_amount,
    CAST(m.payout_diff AS DECIMAL(18, 2)) AS payout_diff,
    CAST(m.payout_diff - m.adjustment_amount AS DECIMAL(18, 2)) AS unexplained_amount,
    a.payment_guid AS bank_payment_guid,
    coalesce(a.arrival_count, 0) AS bank_payment_count,
    CAST(a.amount AS DECIMAL(18, 2)) AS bank_amount,
    CAST(CASE WHEN m.payout_count > 0 AND NOT m.is_mixed_currency THEN a.amount - m.payout_amount END AS DECIMAL(18, 2))
        AS bank_diff,
    a.arrived_on,
    a.pass AS bank_pass,
    CASE
        WHEN m.is_mixed_currency THEN 'mixed_currency'
        WHEN m.is_duplicate_key THEN 'duplicate_key'
        WHEN m.payout_count = 0 THEN 'not_paid_out'
        WHEN m.line_count > 0 AND m.payout_diff <> m.adjustment_amount THEN 'differs'
        WHEN a.amount <> m.payout_amount THEN 'bank_differs'
        WHEN m.line_count = 0 THEN 'not_itemised'
        ELSE 'balanced'
    END AS status
FROM measured AS m
LEFT JOIN arrived AS a ON m.account = a.account AND m.payout_id = a.payout_id
