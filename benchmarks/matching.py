"""Payments to orders, beside the usual tools, on the step that each of them can do.

    python -m benchmarks.matching [--orders 42000] [--runs 5] [--strict]

The step: find the order of each payment by its number, add up what was paid for each order, and say of each order whether it is paid,
paid too little or too much (0.05 each way) or not at all, and of each payment whether its order is unknown. Two in a hundred rows are
faulty. Ours is the SELECT of the model `payments.links` as it stands, with all its passes: other numbers of an order, merged payments
shared out, ambiguity. Every side starts from tables in the memory it works in (DuckDB, pandas) and leaves a table of number, amount due
and amount paid there; money is exact everywhere (ours in decimals, the others get cents, which is quicker). Reading answers out is not
timed, and no time is shown before all answers are equal.

Beside the step stands what a run of the pipeline does for it: the whole table `payments.links` written (21 columns: pass, account, file,
line …), then the sums. No other tool makes these.

datacompy and recordlinkage are compared where they are installed (`pip install datacompy recordlinkage`). datacompy compares two tables
row by row, so it gets the sums, and its joining is what counts; recordlinkage scores pairs, so it gets orders and sums as blocks of
equal numbers.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime

import duckdb
import pandas as pd

from orders_pipeline import pipeline
from orders_pipeline.dictionary.model import load_dictionary
from orders_pipeline.ingest.raw import create_raw_tables
from orders_pipeline.ingest.reference import create_reference_tables
from orders_pipeline.kernel import models as sql
from orders_pipeline.kernel.batches import STATE
from orders_pipeline.kernel.macros import macro_statements
from orders_pipeline.kernel.refresh import Refresher
from orders_pipeline.kernel.settings import Settings, declared_thresholds

AS_OF = datetime.fromisoformat("2026-03-01T12:00:00+08:00")
SETTINGS = Settings({name: one.value for name, one in declared_thresholds().items()})
TOLERANCE_CENTS = 5
OURS, WHOLE = "orders-pipeline", "orders-pipeline, table and sums"
#: Order number -> verdict, and how many payments name an order nobody has.
Answer = tuple[dict[str, str], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and print its table; with --strict 1 when another tool is ahead."""
    parser = argparse.ArgumentParser(prog="benchmarks.matching", description="Payments to orders, beside the usual tools.")
    parser.add_argument("--orders", type=int, default=42_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--strict", action="store_true", help="exit 1 when another tool is ahead")
    options = parser.parse_args(arguments)
    with duckdb.connect(config={"threads": 2}) as connection:
        prepare(connection, options.orders)
        orders = connection.execute("SELECT channel_order_id AS number, CAST(payable_amount * 100 AS BIGINT) AS due FROM orders.orders").df()
        payments = connection.execute(
            "SELECT channel_order_id AS number, CAST(amount * 100 AS BIGINT) AS paid FROM payments.movements"
        ).df()
        sides: dict[str, tuple[Callable[[], object], Callable[[object], Answer]]] = {
            OURS: (lambda: ours(connection), lambda _: answer_of(left(connection))),
            WHOLE: (lambda: ours_whole(connection), lambda _: answer_of(left(connection))),
            "pandas merge": (lambda: with_pandas(orders, payments), answer_of),
        }
        if importlib.util.find_spec("datacompy"):
            sides["datacompy"] = (lambda: with_datacompy(orders, payments), answer_of)
        if importlib.util.find_spec("recordlinkage"):
            sides["recordlinkage"] = (lambda: with_recordlinkage(orders, payments), answer_of)
        answers = {name: read(run()) for name, (run, read) in sides.items()}
        expected = answers[OURS]
        differing = [name for name, answer in answers.items() if answer != expected]
        if differing:
            print(f"matching: no times, the answers differ: {', '.join(differing)}", file=sys.stderr)
            return 1
        seconds: dict[str, list[float]] = {name: [] for name in sides}
        for _ in range(options.runs):
            for name, (run, _) in sides.items():
                began = time.process_time()
                run()
                seconds[name].append(time.process_time() - began)
    verdicts, unknown = expected
    counts = pd.Series(verdicts).value_counts().to_dict()
    print(f"{options.orders:,} orders, {len(payments):,} payments: {counts}, {unknown} payments without an order; equal answers")
    mine = statistics.median(seconds[OURS])
    for name, times in seconds.items():
        print(f"  {name:34}{statistics.median(times):9.3f} s of processor   {statistics.median(times) / mine:7.2f} x ours")
    missing = {"datacompy", "recordlinkage"} - sides.keys()
    if missing:
        print(f"  not installed: {', '.join(sorted(missing))}")
    return int(options.strict and any(statistics.median(times) < mine for name, times in seconds.items() if name != WHOLE))


def prepare(connection: duckdb.DuckDBPyConnection, orders: int) -> None:
    """Orders and payments as the models before the match leave them."""
    connection.execute("SET TimeZone = 'UTC'")
    for statement in macro_statements():
        connection.execute(statement)
    dictionary = load_dictionary()
    create_raw_tables(connection, dictionary)
    connection.execute(STATE)
    create_reference_tables(connection, dictionary, SETTINGS)
    refresher = Refresher(connection, pipeline.models(), AS_OF, SETTINGS)
    refresher.plan(full=True)
    for model in refresher.models:
        refresher.refresh(model)
    number = "CAST(20260200000000 + i * 7919 AS VARCHAR)"
    connection.execute(f"""INSERT INTO orders.orders BY NAME SELECT {number} AS channel_order_id, 'taobao' AS channel, 'main' AS shop_id,
        guid_of('taobao|main|' || channel_order_id) AS order_guid, CAST(1000 + i * 13 % 90000 AS DECIMAL(18, 2)) / 100 AS payable_amount,
        'CNY' AS currency, TIMESTAMPTZ '2026-02-01 00:00:00+00' + to_seconds(i) AS created_at FROM range({orders}) AS r(i)""")
    connection.execute("""INSERT INTO orders.order_ids BY NAME
        SELECT order_guid, 'channel_order_id' AS id_type, channel_order_id AS id_value FROM orders.orders""")
    # Of a hundred: one not paid, one too little or too much, one in two parts, one payment of another shop's order.
    connection.execute(f"""INSERT INTO payments.movements BY NAME SELECT 'P' || part || '-' || i AS payment_id, guid_of(payment_id) AS payment_guid,
        payment_guid AS payment_key, 'acc' AS account, 'receipt' AS kind, 'CNY' AS currency, 'taobao' AS channel, 'main' AS shop_id,
        CASE WHEN i % 100 = 3 THEN 'X' || {number} ELSE {number} END AS channel_order_id,
        guid_of('taobao|main|' || channel_order_id) AS claimed_guid,
        CAST(CASE WHEN i % 100 = 2 THEN CASE part WHEN 1 THEN 5 ELSE (1000 + i * 13 % 90000) / 100.0 - 5 END
            WHEN i % 100 = 1 THEN (1000 + i * 13 % 90000) / 100.0 + CASE WHEN i % 200 = 1 THEN 3 ELSE -3 END
            ELSE (1000 + i * 13 % 90000) / 100.0 END AS DECIMAL(18, 2)) AS amount,
        TIMESTAMPTZ '2026-02-01 01:00:00+00' + to_seconds(i) AS occurred_at, FALSE AS is_duplicate_key
        FROM range({orders}) AS r(i), (VALUES (1), (2)) AS p(part) WHERE i % 100 > 0 AND (part = 1 OR i % 100 = 2)""")


def ours(connection: duckdb.DuckDBPyConnection) -> None:
    """What the rule links to each order against what is due."""
    _sums(connection, f"({_rule()})")


def ours_whole(connection: duckdb.DuckDBPyConnection) -> None:
    """The same by way of the rule's table, as a run makes it."""
    connection.execute(f"CREATE OR REPLACE TABLE payments.links AS {_rule()}")
    _sums(connection, "payments.links")


def _rule() -> str:
    model = next(m for m in pipeline.models() if m.name == "payments.links")
    return sql.render(sql.bind(model, AS_OF, SETTINGS.thresholds, {}))


def _sums(connection: duckdb.DuckDBPyConnection, links: str) -> None:
    connection.execute(f"""CREATE OR REPLACE TABLE paid AS
        WITH paid AS (SELECT order_guid, sum(amount) AS paid FROM {links} GROUP BY order_guid)
        SELECT o.channel_order_id AS number, o.payable_amount AS due, p.paid
        FROM orders.orders AS o FULL OUTER JOIN paid AS p ON o.order_guid = p.order_guid""")


def left(connection: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """The table our side left, in cents."""
    return connection.execute("SELECT number, CAST(due * 100 AS BIGINT) AS due, CAST(paid * 100 AS BIGINT) AS paid FROM paid").df()


def with_pandas(orders: pd.DataFrame, payments: pd.DataFrame) -> pd.DataFrame:
    """Sum and merge."""
    return orders.merge(payments.groupby("number", as_index=False)["paid"].sum(), on="number", how="outer")


def with_datacompy(orders: pd.DataFrame, payments: pd.DataFrame) -> pd.DataFrame:
    """The sums against the orders, joined and compared column by column; what is alike, differs or stands alone."""
    import datacompy

    paid = payments.groupby("number", as_index=False)["paid"].sum().rename(columns={"paid": "due"})
    made = getattr(datacompy, "PandasCompare", None) or datacompy.Compare
    found = made(orders, paid, join_columns="number", abs_tol=TOLERANCE_CENTS, rel_tol=0)
    both = found.intersect_rows[["number", "due_df1", "due_df2"]].set_axis(["number", "due", "paid"], axis=1)
    alone = found.df1_unq_rows[["number", "due"]], found.df2_unq_rows[["number", "due"]].rename(columns={"due": "paid"})
    return pd.concat([both, *alone])


def with_recordlinkage(orders: pd.DataFrame, payments: pd.DataFrame) -> pd.DataFrame:
    """Pairs of equal number, and how far apart their amounts are."""
    import recordlinkage

    paid = payments.groupby("number", as_index=False)["paid"].sum()
    index = recordlinkage.Index()
    index.block("number")
    pairs = index.index(orders, paid)
    compare = recordlinkage.Compare()
    compare.numeric("due", "paid", method="step", offset=TOLERANCE_CENTS, label="is_equal")
    compare.compute(pairs, orders, paid)
    left, right = pairs.get_level_values(0), pairs.get_level_values(1)
    both = pd.DataFrame({
        "number": orders["number"].to_numpy()[left], "due": orders["due"].to_numpy()[left], "paid": paid["paid"].to_numpy()[right],
    })  # fmt: skip
    alone = orders.drop(index=left), paid.drop(index=right)
    return pd.concat([both, *alone])


def answer_of(found: object) -> Answer:
    """The verdicts of rows (number, due, paid)."""
    assert isinstance(found, pd.DataFrame)
    verdicts: dict[str, str] = {}
    known = found[found["due"].notna()]
    difference = (known["paid"] - known["due"]).to_numpy()
    for number, gap in zip(known["number"], difference, strict=True):
        verdicts[number] = (
            "unpaid" if gap != gap else "over" if gap > TOLERANCE_CENTS else "under" if gap < -TOLERANCE_CENTS else "paid"
        )
    return verdicts, int(found["due"].isna().sum())


if __name__ == "__main__":
    sys.exit(main())
