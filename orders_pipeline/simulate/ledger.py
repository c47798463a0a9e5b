"""The movements on the merchant's four payment accounts: table `ledger`, in booking order with running balance."""

from __future__ import annotations

import duckdb

from orders_pipeline.simulate.plan import ORPHANS_FROM, Plan

OPENING_C = 5_000_000  # balance before the first movement, in cents
ACCOUNTS = {"taobao": "alipay", "douyin": "wechatpay", "shopify": "shopify_us", "youzan": "youzan_wallet"}
FEE_PER_MILLE = {"taobao": 6, "douyin": 6, "shopify": 29, "youzan": 10}

# Receipts that a bill shows for an order: (sequence, kind, condition, instant, cents).
_RECEIPTS = (
    (
        0,
        "receipt",
        "order_type <> 'presale' AND NOT is_merged AND fault IS DISTINCT FROM 'split_parcels_and_payments'",
        "CASE WHEN order_type = 'cod' THEN delivered_at + INTERVAL 4 DAY ELSE paid_at END",
        "billed_c",
    ),
    (0, "receipt", "fault = 'split_parcels_and_payments'", "paid_at", "billed_c * 2 // 3"),
    (
        1,
        "receipt",
        "fault = 'split_parcels_and_payments'",
        "paid_at + INTERVAL 90 SECOND",
        "billed_c - billed_c * 2 // 3",
    ),
    (0, "receipt", "is_merged AND i % 2 = 0", "paid_at", "pair_due_c"),
    (0, "deposit", "order_type = 'presale'", "created_at + INTERVAL 5 MINUTE", "deposit_c"),
    (1, "balance", "order_type = 'presale' AND outcome <> 'presale_open'", "paid_at", "due_c - deposit_c"),
    (0, "receipt", "fault = 'duplicate_payment_key'", "paid_at + INTERVAL 60 SECOND", "billed_c + 100"),
)


def build_ledger(connection: duckdb.DuckDBPyConnection, plan: Plan) -> None:
    """Creates `ledger`: channel, i, seq, kind, moment, cents (signed, + into the account), trade_at, balance_c, entry.

    `trade_at` dates the original payment's transaction number; refunds and fees carry that of their receipt. The net of
    a day, if positive, is paid out the next morning: nine tenths of it from the accounts with a balance (the rest
    covers later refunds), all of it where payout_id ties the movements to their payout.
    """
    connection.execute(f"CREATE TABLE movements AS {_movements_sql(plan)}")
    connection.execute(f"""
        CREATE TABLE payouts AS
        SELECT channel, day, CASE WHEN channel IN ('taobao', 'douyin') THEN cents * 9 // 10 ELSE cents END AS cents,
            day + INTERVAL 27 HOUR AS moment
        FROM (SELECT channel, date_trunc('day', moment) AS day, CAST(sum(cents) AS BIGINT) AS cents
            FROM movements GROUP BY ALL)
        WHERE cents > 0 AND day + INTERVAL 27 HOUR < TIMESTAMP '{plan.as_of}'""")
    connection.execute(f"""
        CREATE TABLE ledger AS
        SELECT *, {OPENING_C} + CAST(sum(cents) OVER (PARTITION BY channel ORDER BY moment, i, seq, cents) AS BIGINT)
            AS balance_c,
               row_number() OVER (PARTITION BY channel ORDER BY moment, i, seq, cents) AS entry
        FROM (SELECT channel, i, seq, kind, moment, cents, trade_at, is_merged, is_double FROM movements
              UNION ALL SELECT channel, CAST(epoch(day) AS BIGINT) // 86400, 9, 'payout', moment, -cents, moment,
                  false, false FROM payouts)
        ORDER BY channel, moment, i, seq, cents""")
    connection.execute("DROP TABLE movements")


def orphan_time(plan: Plan) -> str:
    """SQL: when the payment or parcel without order with row number `i` happened; early enough to be settled."""
    seconds = int((plan.period_end - plan.starts[0]).total_seconds()) - 5 * 86400
    return f"TIMESTAMP '{plan.starts[0]}' + to_seconds(86400 + chance(i, 'orphan') % {seconds})"


def _movements_sql(plan: Plan) -> str:
    billed = """outcome <> 'unpaid' AND fault IS DISTINCT FROM 'shipped_not_paid' AND fault IS DISTINCT
        FROM 'single_sided_short'
        AND fault IS DISTINCT FROM 'cod_in_remittance' AND fault IS DISTINCT FROM 'cod_not_remitted'"""
    fee_rate = "CASE channel " + " ".join(f"WHEN '{c}' THEN {rate}" for c, rate in FEE_PER_MILLE.items()) + " END"
    selects = [
        f"""SELECT channel, i, {seq} AS seq, '{kind}' AS kind, {moment} AS moment, {cents} AS cents,
            {"paid_at" if "duplicate_payment_key" in condition else moment} AS trade_at,
                   is_merged AS is_merged, coalesce(fault = 'duplicate_payment_key', false) AS is_double
            FROM orders WHERE {billed} AND ({condition})"""
        for seq, kind, condition, moment, cents in _RECEIPTS
    ]
    selects.append(f"""
        SELECT channel, i, 0, 'receipt', {orphan_time(plan)} AS moment, 2000 + chance(i, 'amount') % 30000, moment,
            false, false
        FROM (SELECT pair AS i, channel FROM fault_pairs WHERE kind = 'single_sided_long')""")
    receipts = " UNION ALL ".join(selects)
    return f"""
        WITH receipts AS ({receipts})
        SELECT * FROM receipts
        UNION ALL
        SELECT channel, i, seq + 4, 'fee', moment + INTERVAL 1 SECOND, -fee_of(cents, {fee_rate}), trade_at, false,
            false
        FROM receipts WHERE (channel <> 'taobao' OR i % 3 = 0) AND NOT (is_double OR is_merged)
        UNION ALL
        SELECT channel, i, 3, 'refund', refunded_at, -refund_c, paid_at, false, false FROM orders WHERE refund_c > 0
        UNION ALL
        SELECT channel, i, 6, 'subsidy', completed_at, platform_c - (CASE WHEN fault = 'subsidy_diff'
            THEN platform_c // 2 + 10 ELSE 0 END),
               completed_at, false, false
        FROM orders WHERE channel = 'youzan' AND platform_c > 0 AND completed_at IS NOT NULL
        UNION ALL
        SELECT 'shopify', m.i, 7, 'subsidy', m.moment, 5000, m.moment, false, false
        FROM (SELECT {ORPHANS_FROM} * 2 + row_number() OVER (ORDER BY moment) AS i, moment + INTERVAL 12 HOUR AS moment
              FROM slots WHERE day(moment) = 15 AND hour(moment) = 0) AS m"""
