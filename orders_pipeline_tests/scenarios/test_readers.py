"""A reader in another process polls the published file while ten runs replace it: no error, no half state, nothing taken back."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from orders_pipeline.kernel.home import Home
from orders_pipeline_tests.scenarios.crowd import AS_OF, land_orders
from orders_pipeline_tests.support import query, reader, run

READER = """
import json, sys, time
from pathlib import Path
import duckdb
database, stop, out, how = sys.argv[1:]
seen = []
while not Path(stop).exists():
    try:
        if how == "attached":
            connection = duckdb.connect()
            connection.execute(f"ATTACH '{database}' AS book (READ_ONLY); USE book")
            name = "book."
        else:
            connection = duckdb.connect(database, read_only=True)
            name = Path(database).stem + "."
        state = connection.execute(
            f"SELECT (SELECT count(*) FROM {name}orders.orders), (SELECT count(DISTINCT order_guid) FROM {name}orders.order_lines), "
            f"(SELECT count(*) FROM {name}payments.transactions), (SELECT sum(amount) FROM {name}payments.transactions) = "
            f"(SELECT sum(paid_amount) FROM {name}reconciliation.three_way_match), "
            f"(SELECT count(*) FROM {name}reconciliation.three_way_match WHERE has_order)").fetchone()
        connection.close()
        seen.append(list(state))
    except Exception as error:
        seen.append(repr(error))
    time.sleep(0.01)
Path(out).write_text(json.dumps(seen))
"""


def test_readers_never_see_an_error_or_a_half_state(home: Home, tmp_path: Path) -> None:
    """Two of them: one attaches the file under a name of its own, one opens it by its path."""
    land_orders(home, 0, 300)
    run(home, AS_OF)
    stop = tmp_path / "stop"
    out = {how: tmp_path / f"{how}.json" for how in ("attached", "opened")}
    polling = [
        subprocess.Popen([sys.executable, "-c", READER, str(home.published_database), str(stop), str(path), how])
        for how, path in out.items()
    ]
    try:
        for number in range(1, 11):
            land_orders(home, number * 1000, 50)
            run(home, AS_OF)
        time.sleep(0.3)
    finally:
        stop.touch()
        for process in polling:
            process.wait(timeout=60)
    for how, path in out.items():
        seen = json.loads(path.read_text())
        assert [s for s in seen if isinstance(s, str)] == [], how
        for orders, with_lines, payments, money_agrees, judged in seen:
            assert orders == with_lines == payments == judged
            assert money_agrees
        counts = [s[0] for s in seen]
        assert counts == sorted(counts), "a later look never shows less"
        assert set(counts) <= {300 + 50 * n for n in range(11)}
        assert len(set(counts)) >= 3 and counts[-1] == 800


def test_a_reader_that_keeps_its_connection_keeps_its_state(home: Home) -> None:
    """The file it holds open is the one it opened, however often the name is given to another."""
    land_orders(home, 0, 20)
    run(home, AS_OF)
    with reader(home.published_database) as connection:
        before = connection.execute("SELECT count(*) FROM orders.orders").fetchall()
        land_orders(home, 1000, 5)
        run(home, AS_OF)
        assert connection.execute("SELECT count(*) FROM orders.orders").fetchall() == before == [(20,)]
        assert connection.execute("SELECT count(*) FROM reconciliation.three_way_match").fetchall() == [(20,)]
    assert query(home, "SELECT count(*) FROM orders.orders") == [(25,)]
