"""The simulated order book: tables `orders`, `lines` (view) and `ledger` in a DuckDB database, before any file format.

Amounts are whole cents (exact), times Beijing wall time. Chance comes from `hash(row number, seed)` alone, so the same
arguments give the same book, whatever the number of threads.
"""

from __future__ import annotations

from datetime import timedelta

import duckdb

from orders_pipeline.simulate.assortment import COLOURS, COLOURS_EN, GIFT, PLACES, TITLES, TITLES_EN
from orders_pipeline.simulate.catalogue import FaultKind
from orders_pipeline.simulate.plan import DAY_WEIGHTS, HOUR_WEIGHTS, Plan, place_faults

CHANNEL_SHARES = (("taobao", 49), ("douyin", 84), ("shopify", 98), ("youzan", 100))  # cumulative percent
SKUS = 300
MAX_LINES = 4

# One line of an order: everything follows from the order's row number and the line number. Skus are
# skewed to low numbers; a line takes only the numbers of its own remainder modulo four, so an order never names a sku
# twice (two such rows would be identical in exports without line numbers, that is: exact duplicates).
MACROS = """
CREATE MACRO chance(i, salt) AS CAST(hash(i, {seed}, salt) >> 1 AS BIGINT);
CREATE MACRO line_sku(h, k) AS (h % {skus}) * ((h >> 20) % {skus}) // {skus} // 4 * 4 + k;
CREATE MACRO sku_price(s) AS 990 + (s * 7919 % 200) * 100;
CREATE MACRO sku_of(s) AS CASE WHEN s = 0 THEN 'GIFT01' ELSE 'SKU' || lpad(CAST(s AS VARCHAR), 4, '0') END;
CREATE MACRO category_of(s) AS CASE WHEN s = 0 THEN '赠品' ELSE ['服饰', '家居', '数码', '食品', '个护'][s % 5 + 1] END;
CREATE MACRO line_qty(h) AS CASE WHEN (h >> 40) % 10 < 7 THEN 1 WHEN (h >> 40) % 10 < 9 THEN 2 ELSE 3 END;
CREATE MACRO money(cents) AS CAST(CAST(CAST(cents AS DECIMAL(16, 0)) * 0.01 AS DECIMAL(18, 2)) AS VARCHAR);
CREATE MACRO digits(x, width) AS lpad(CAST(x AS VARCHAR), width, '0');
CREATE MACRO fee_of(cents, rate) AS greatest(1, (cents * rate + 500) // 1000);
"""


def build_book(connection: duckdb.DuckDBPyConnection, plan: Plan, catalogue: dict[str, FaultKind]) -> None:
    """Creates the tables slots, fault_pairs, products, orders and the view lines."""
    for statement in MACROS.format(seed=plan.seed, skus=SKUS).strip().splitlines():
        connection.execute(statement)
    _create_slots(connection, plan)
    _create_fault_pairs(connection, plan, catalogue)
    _create_references(connection)
    connection.execute(_drafts_sql(plan))
    connection.execute(_SHARED_SQL)
    connection.execute(_orders_sql(plan))
    connection.execute("DROP TABLE drafts")
    connection.execute(_LINES_SQL)


def _create_slots(connection: duckdb.DuckDBPyConnection, plan: Plan) -> None:
    days = ", ".join(str(w) for w in DAY_WEIGHTS)
    hours = ", ".join(str(w) for w in HOUR_WEIGHTS)
    connection.execute(f"""
        CREATE TABLE slots AS
        WITH weighted AS (
            SELECT moment, [{days}][isodow(moment)] * [{hours}][hour(moment) + 1] AS weight
            FROM (SELECT unnest(generate_series(TIMESTAMP '{plan.starts[0]}',
                TIMESTAMP '{plan.period_end - timedelta(hours=1)}',
                                                INTERVAL 1 HOUR)) AS moment)
        ), cumulated AS (SELECT moment, sum(weight) OVER (ORDER BY moment) AS upto, weight, sum(weight) OVER ()
            AS total FROM weighted)
        SELECT moment, CAST({plan.orders} * (upto - weight) // total AS BIGINT) AS first_row,
               CAST({plan.orders} * upto // total AS BIGINT) AS end_row
        FROM cumulated ORDER BY moment""")


def _create_fault_pairs(connection: duckdb.DuckDBPyConnection, plan: Plan, catalogue: dict[str, FaultKind]) -> None:
    marks = {
        "last_month": plan.starts[-2],
        "early_end": plan.starts[-2] + timedelta(days=12),
        "late": plan.period_end - timedelta(days=4),
        "mid_begin": plan.starts[0] + timedelta(days=12),
        "mid_end": plan.starts[0] + timedelta(days=16),
    }
    query = "SELECT min(first_row) FROM slots WHERE moment >= ?"
    row_at = {name: connection.execute(query, [mark]).fetchall()[0][0] for name, mark in marks.items()}
    connection.execute(
        "CREATE TABLE fault_pairs (pair BIGINT, kind VARCHAR, channel VARCHAR, outcome VARCHAR, whole_pair BOOLEAN)"
    )
    for place in place_faults(plan, catalogue, row_at):
        kind = place.kind
        channels = ", ".join(f"'{channel}'" for channel in kind.channels)
        connection.execute(f"""
            INSERT INTO fault_pairs
            SELECT {place.first} + {place.stride} * ((k * {place.step} + {place.offset}) % {place.size}), '{kind.name}',
                   [{channels}][(k + {plan.seed}) % {len(kind.channels)} + 1], '{kind.outcome}', {kind.pair}
            FROM range({place.begin}, {place.begin + place.number}) AS t(k)""")


def _create_references(connection: duckdb.DuckDBPyConnection) -> None:
    """Looks a sku's or place's attributes up in constant lists: a join could bring the lines of an order out of
    order."""
    titles = {"title_of": (TITLES, COLOURS, " ", GIFT), "title_en_of": (TITLES_EN, COLOURS_EN, " - ", "Sample")}
    for name, (goods, variants, separator, gift) in titles.items():
        connection.execute(
            f"CREATE MACRO {name}(s) AS CASE WHEN s = 0 THEN '{gift}' ELSE {list(goods)}[s % 20 + 1] "
            f"|| '{separator}' || {list(variants)}[s % 7 + 1] END"
        )
    for number, name in enumerate(("province", "city", "district", "postcode")):
        values = [place[number] for place in PLACES]
        connection.execute(f"CREATE MACRO {name}_of(place) AS {values}[place + 1]")
    connection.execute(f"""
        CREATE TABLE products AS
        SELECT s, sku_of(s) AS sku, title_of(s) AS title, category_of(s) AS category,
               CASE WHEN s = 0 THEN 0 ELSE sku_price(s) END AS price, 20 + s * 37 % 900 AS grams
        FROM range({SKUS + 1}) AS t(s)""")


def _sum_over_lines(expression: str) -> str:
    """Sum of a per-line expression over the order's lines; `{h}` is the line's hash, `{k}` its number."""
    terms = [f"CASE WHEN n >= {k} THEN {expression.format(h=f'h_{k}', k=k)} ELSE 0 END" for k in range(1, MAX_LINES + 1)]
    return " + ".join(terms)


def _drafts_sql(plan: Plan) -> str:
    """Orders up to what the buyer owes: channel, fate, lines and amounts, creation and payment."""
    shares = " ".join(f"WHEN hp % 100 < {upto} THEN '{channel}'" for channel, upto in CHANNEL_SHARES)
    hashes = ", ".join(f"chance(i * 8 + {k}, 'line') AS h_{k}" for k in range(1, MAX_LINES + 1))
    list_c = "sku_price(line_sku({h}, {k})) * line_qty({h})"
    return f"""
        CREATE TABLE drafts AS
        WITH numbered AS (
            SELECT unnest(range(first_row, end_row)) AS i, moment, first_row, end_row FROM slots
                WHERE end_row > first_row
        ), drawn AS (
            SELECT i, i // 2 AS pair, chance(i // 2, 'pair') AS hp, chance(i, 'order') AS h1, chance(i, 'time') AS h2,
                   moment + to_seconds(((i - first_row) * 3600 + chance(i, 'second') % 3600) // (end_row
                       - first_row)) AS created_at
            FROM numbered
        ), fated AS (
            SELECT i, pair, hp, h1, h2, created_at,
                   CASE WHEN f.whole_pair OR i % 2 = 0 THEN f.kind END AS fault,
                   coalesce(f.channel, CASE {shares} END) AS channel,
                   f.whole_pair IS NOT DISTINCT FROM true OR (f.kind IS NULL AND hp // 100 % 1000 < 60
                       AND pair < {plan.orders // 2})
                       AS same_buyer,
                   coalesce(f.kind = 'consolidated_parcel', hp // 100 % 1000 < 20 AND pair < {plan.orders // 2})
                       AS is_consolidated,
                   CASE WHEN (f.whole_pair OR i % 2 = 0) AND f.kind IS NOT NULL THEN f.outcome
                        WHEN f.kind IS NULL AND hp // 100 % 1000 < 20 AND pair < {plan.orders // 2} THEN 'completed'
                        WHEN h1 % 1000 < 50 THEN 'unpaid' WHEN h1 % 1000 < 80 THEN 'cancelled'
                        WHEN h1 % 1000 < 105 THEN 'returned' ELSE 'completed' END AS outcome
            FROM drawn LEFT JOIN fault_pairs AS f USING (pair)
        ), shaped AS (
            SELECT *,
                   CASE WHEN fault IN ('cod_in_remittance', 'cod_not_remitted') THEN 'cod'
                        WHEN fault = 'presale_balance_open' THEN 'presale'
                        WHEN fault IS NOT NULL OR is_consolidated OR outcome <> 'completed' THEN 'normal'
                        WHEN channel = 'youzan' AND (h1 >> 52) % 100 < 20 THEN 'cod'
                        WHEN channel = 'youzan' AND (h1 >> 52) % 100 < 40 THEN 'presale'
                        WHEN channel = 'taobao' AND (h1 >> 52) % 100 < 2 THEN 'presale'
                        ELSE 'normal' END AS order_type,
                   greatest(CASE WHEN fault IN ('split_parcels_and_payments', 'quantity_short') THEN 2 ELSE 1 END,
                            CASE WHEN (h1 >> 12) % 100 < 40 THEN 1 WHEN (h1 >> 12) % 100 < 70 THEN 2
                                 WHEN (h1 >> 12) % 100 < 90 THEN 3 ELSE 4 END) AS n,
                   CASE WHEN (h1 >> 28) % 10 < 5 THEN 0 ELSE ((h1 >> 28) % 3 + 1) * 5 END AS merchant_pct,
                   CASE WHEN fault IN ('platform_coupon_grossed_up', 'subsidy_diff') THEN 10
                        WHEN (channel = 'douyin' OR (channel = 'youzan' AND fault IS NULL AND outcome = 'completed'))
                             AND (h1 >> 36) % 4 = 0 THEN 3 + (h1 >> 38) % 6
                        ELSE 0 END AS platform_pct,
                   CASE WHEN channel = 'douyin' AND (h1 >> 44) % 20 = 0 THEN 2 ELSE 0 END AS influencer_pct,
                   CASE WHEN (h1 >> 20) % 100 < 70 THEN 0 WHEN (h1 >> 20) % 100 < 90 THEN 600 ELSE 1000 END
                       AS freight_c,
                   CASE WHEN channel = 'douyin' AND (h1 >> 49) % 12 = 0 THEN 1 ELSE 0 END AS gifts,
                   {hashes}
            FROM fated
        )
        SELECT * EXCLUDE (h_1, h_2, h_3, h_4),
               {_sum_over_lines(list_c)} AS list_c,
               {_sum_over_lines(f"({list_c}) * merchant_pct // 100")} AS merchant_c,
               {_sum_over_lines(f"({list_c}) * platform_pct // 100")} AS platform_c,
               {_sum_over_lines(f"({list_c}) * influencer_pct // 100")} AS influencer_c,
               list_c - merchant_c - platform_c - influencer_c AS goods_c,
               goods_c + freight_c AS due_c,
               ({_sum_over_lines("line_qty({h})")}) + gifts AS pieces,
               created_at + to_seconds(CAST(CASE WHEN order_type = 'presale' THEN 86400 + h2 % 86400
                   ELSE 20 + h2 % 580 END AS BIGINT))
                   AS would_pay_at
        FROM shaped"""


# What two orders of one pair have in common when they travel or pay together.
_SHARED_SQL = """
    CREATE TABLE shared AS
    SELECT pair, max(would_pay_at) AS pay_at, CAST(sum(due_c) AS BIGINT) AS due_c
    FROM drafts WHERE is_consolidated OR fault = 'merged_payment'
    GROUP BY pair"""


def _orders_sql(plan: Plan) -> str:
    """The rest of each order's life: shipping, delivery, cancellation, return, refund, and what the bills will show."""
    as_of = f"TIMESTAMP '{plan.as_of}'"
    buyers = max(50, plan.orders // 2)
    return f"""
        CREATE TABLE orders AS
        WITH joined AS (
            SELECT d.*, s.pay_at, s.due_c AS pair_due_c,
                   CASE WHEN is_consolidated THEN chance(pair, 'pair time') ELSE h2 END AS ht, chance(i, 'place') AS h3,
                   coalesce(fault = 'shipped_after_cancel', false) OR outcome IN ('completed', 'returned', 'in_transit')
                       AS is_shipped,
                   coalesce(fault = 'merged_payment', false) AS is_merged
            FROM drafts AS d LEFT JOIN shared AS s USING (pair)
        ), paid AS (
            SELECT *, CASE WHEN outcome IN ('unpaid', 'presale_open') OR order_type = 'cod' THEN NULL
                           WHEN is_merged THEN pay_at ELSE would_pay_at END AS paid_at_prepaid
            FROM joined
        ), shipped AS (
            SELECT *, CASE WHEN NOT is_shipped THEN NULL
                           WHEN fault = 'in_transit' THEN {as_of} - to_seconds(CAST(108000 + ht % 172800 AS BIGINT))
                           WHEN fault = 'cod_in_remittance' THEN {as_of} - to_seconds(CAST(450000 + ht % 86400
                               AS BIGINT))
                           ELSE coalesce(pay_at, would_pay_at)
                                + to_seconds(CAST(CASE WHEN fault = 'shipped_after_cancel' THEN 36000 ELSE 7200 END
                                                  + (ht >> 10) % 122400 AS BIGINT)) END AS shipped_at
            FROM paid
        ), delivered AS (
            SELECT *, CASE WHEN outcome = 'in_transit' THEN NULL
                           WHEN fault = 'cod_in_remittance' THEN {as_of} - to_seconds(CAST(172800 + ht % 43200
                               AS BIGINT))
                           ELSE shipped_at + to_seconds(CAST(86400 + (ht >> 28) % 345600 AS BIGINT)) END AS delivered_at
            FROM shipped
        ), closed AS (
            SELECT *,
                   CASE WHEN outcome IN ('completed', 'returned')
                       THEN delivered_at + to_seconds(CAST(3600 + (ht >> 46) % 172800 AS BIGINT))
                        END AS completed_at,
                   CASE WHEN outcome = 'unpaid' THEN created_at + INTERVAL 30 MINUTE
                        WHEN outcome = 'cancelled' THEN would_pay_at + to_seconds(CAST(3600 + (ht >> 20) % 10800
                            AS BIGINT))
                        END AS cancelled_at,
                   CASE WHEN fault = 'return_in_progress' THEN {as_of} - INTERVAL 66 HOUR
                        WHEN outcome = 'returned' OR fault = 'refund_only_price_concession'
                        THEN delivered_at + to_seconds(CAST(86400 + (h3 >> 40) % 172800 AS BIGINT)) END
                            AS return_requested_at,
                   CASE WHEN outcome = 'returned' AND h1 % 2 = 0 THEN 1 ELSE n END AS returned_lines
            FROM delivered
        ), returned AS (
            SELECT *,
                   CASE WHEN outcome = 'returned' AND fault IS DISTINCT FROM 'refunded_not_returned'
                             AND fault IS DISTINCT FROM 'return_in_progress'
                        THEN return_requested_at + to_seconds(CAST(259200 + (h3 >> 30) % 172800 AS BIGINT)) END
                            AS return_received_at
            FROM closed
        ), refunds AS (
            SELECT *,
                   CASE WHEN outcome = 'cancelled' THEN due_c
                        WHEN fault = 'refund_only_price_concession' THEN goods_c * 3 // 10
                        WHEN outcome = 'returned' THEN {_returned_goods()} ELSE 0 END AS refund_due_c,
                   CASE WHEN fault IN ('cancelled_not_refunded', 'returned_not_refunded', 'return_in_progress')
                       THEN NULL
                        WHEN outcome = 'cancelled' THEN cancelled_at + INTERVAL 10 MINUTE
                        WHEN fault IN ('refund_only_price_concession', 'refunded_not_returned')
                            THEN return_requested_at + INTERVAL 5 HOUR
                        WHEN outcome = 'returned' THEN return_received_at + INTERVAL 14 HOUR END AS refunded_at
            FROM returned
        )
        SELECT * EXCLUDE (paid_at_prepaid, is_shipped, h3, ht, pay_at),
               CASE WHEN order_type = 'cod' AND fault IS NULL THEN delivered_at ELSE paid_at_prepaid END AS paid_at,
               CASE WHEN refunded_at IS NULL THEN 0 WHEN fault = 'refund_diff' THEN refund_due_c - 100 - h2 % 300
                    ELSE refund_due_c END AS refund_c,
               CASE WHEN fault = 'over_paid' THEN due_c + 100 + h2 % 1900 WHEN fault = 'under_paid' THEN due_c - 100
                   - h2 % 400
                    WHEN fault = 'within_tolerance' THEN due_c + (1 + h2 % 5) * (CASE WHEN h1 % 2 = 0 THEN 1
                        ELSE -1 END)
                    ELSE due_c END AS billed_c,
               due_c // 5 AS deposit_c,
               CASE WHEN is_consolidated THEN pair * 2 ELSE i END AS parcel_row,
               NOT is_consolidated AND n >= 2 AND (coalesce(fault = 'split_parcels_and_payments', false) OR (fault IS
               NULL AND (h1 >> 7) % 100 < 4))
                   AS is_split,
               CAST((CASE WHEN same_buyer THEN hp ELSE h3 END >> 8) % {buyers} AS BIGINT) AS buyer,
               CAST((CASE WHEN same_buyer THEN hp ELSE h3 END >> 8) % {buyers} % {len(PLACES)} AS BIGINT) AS place
        FROM refunds ORDER BY i"""


def _returned_goods() -> str:
    """Goods value of the returned lines: the first line or all of them."""
    line = "chance(i * 8 + 1, 'line')"
    price = f"sku_price(line_sku({line}, 1)) * line_qty({line})"
    discounts = [f"({price}) * {funder}_pct // 100" for funder in ("merchant", "platform", "influencer")]
    return f"CASE WHEN returned_lines = n THEN goods_c ELSE {' - '.join([f'({price})', *discounts])} END"


_LINES_SQL = """
    CREATE VIEW lines AS
    WITH numbered AS (SELECT *, unnest(range(1, n + gifts + 1)) AS k FROM orders),
    hashed AS (SELECT *, chance(i * 8 + k, 'line') AS h FROM numbered),
    priced AS (
        SELECT *, CASE WHEN k > n THEN 0 ELSE line_sku(h, k) END AS s, CASE WHEN k > n THEN 1 ELSE line_qty(h) END
            AS qty,
               CASE WHEN k > n THEN 0 ELSE sku_price(line_sku(h, k)) END AS unit_c
        FROM hashed
    ), discounted AS (
        SELECT *, unit_c * qty AS line_list_c, unit_c * qty * merchant_pct // 100 AS line_merchant_c,
               unit_c * qty * platform_pct // 100 AS line_platform_c, unit_c * qty * influencer_pct // 100
                   AS line_influencer_c
        FROM priced
    )
    SELECT *, line_list_c - line_merchant_c - line_platform_c - line_influencer_c AS line_due_c FROM discounted"""
