-- grain: payment_guid
-- refresh: payment by payment_key
-- lookup: ref.restatements
-- Movements on payment accounts, each once: a statement that repeats what the ledger of the account says is left out,
-- a row seen in several files counts once, and one number with two contents is kept twice and marked.
-- Statements that restate another source step back where that source has the same transaction and kind; one that gives
-- the sum of what another splits (is_whole) steps back whatever the kind.
WITH restated AS (
    SELECT DISTINCT
        r.payment_key,
        s.source,
        CASE WHEN NOT s.is_whole THEN r.kind END AS kind
    FROM raw.payments AS r
    INNER JOIN ref.restatements AS s ON r.source = s.restates
),

contents AS (
    SELECT
        r.payment_key,
        r.account,
        r.payment_id,
        r.kind,
        r.exported_at,
        r.file_id,
        r.row_number,
        row_number() OVER (
            PARTITION BY r.payment_key, r.account, r.payment_id, r.kind, r.amount, r.currency
            ORDER BY r.exported_at DESC NULLS LAST, r.file_id DESC NULLS LAST, r.row_number DESC NULLS LAST
        ) AS newest_first
    FROM raw.payments AS r
    LEFT JOIN restated AS x
        ON r.payment_key = x.payment_key AND r.source = x.source AND r.kind = coalesce(x.kind, r.kind)
    WHERE x.payment_key IS NULL
),

kept AS (
    SELECT
        payment_key,
        account,
        payment_id,
        kind,
        file_id,
        row_number,
        row_number() OVER (
            PARTITION BY payment_key, account, payment_id, kind
            ORDER BY exported_at ASC NULLS FIRST, file_id ASC NULLS FIRST, row_number ASC NULLS FIRST
        ) AS content_number,
        count(*) OVER (PARTITION BY payment_key, account, payment_id, kind) AS content_count
    FROM contents
    WHERE newest_first = 1
)

SELECT
    guid_of(
        CAST(r.payment_key AS VARCHAR) || '|' || r.account || '|' || r.payment_id || '|' || r.kind
        || CASE WHEN k.content_number > 1 THEN '|' || CAST(k.content_number AS VARCHAR) ELSE '' END
    ) AS payment_guid,
    r.payment_key,
    r.account,
    r.payment_id,
    r.kind,
    r.amount,
    r.currency,
    r.occurred_at,
    coalesce(r.business_on, local_date(r.occurred_at, r.timezone)) AS business_on,
    r.claimed_guid,
    r.channel,
    r.shop_id,
    r.channel_order_id,
    r.platform_txn_id,
    r.merged_payment_id,
    r.payout_id,
    k.content_count > 1 AS is_duplicate_key,
    r.description,
    r.source,
    r.file_id,
    r.row_number
FROM kept AS k
INNER JOIN raw.payments AS r
    ON k.file_id = r.file_id AND k.row_number = r.row_number
    AND k.account = r.account AND k.payment_id = r.payment_id AND k.kind = r.kind
