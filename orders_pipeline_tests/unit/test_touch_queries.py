"""What a touch query reads, and that one which follows touched keys alone may be passed over where there are none."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from orders_pipeline import pipeline
from orders_pipeline.kernel.home import Home
from orders_pipeline.kernel.settings import load_settings
from orders_pipeline.kernel.statements import touch_query, touched_name, touching
from orders_pipeline.kernel.warehouse import connect

BY_KEY = "SELECT r.a FROM raw.things AS r INNER JOIN touched.order_keys AS t ON r.order_guid = t.key"


@pytest.mark.parametrize(
    ("sql", "follows"),
    [
        (BY_KEY, True),
        (f"{BY_KEY} UNION ALL SELECT t.key FROM touched.stock_keys AS t", True),
        (f"{BY_KEY} UNION SELECT r.a FROM raw.things AS r", False),
        (f"WITH found AS ({BY_KEY}) SELECT f.a FROM found AS f", True),
        (f"WITH found AS ({BY_KEY} UNION ALL SELECT r.a FROM raw.things AS r) SELECT f.a FROM found AS f", False),
        ("SELECT r.a FROM raw.things AS r WHERE EXISTS (SELECT 1 FROM touched.order_keys AS t)", True),
        (f"SELECT r.a FROM raw.things AS r INNER JOIN ({BY_KEY}) AS f ON r.a = f.a WHERE r.b", True),
        (f"SELECT r.a FROM raw.things AS r INNER JOIN ({BY_KEY} UNION SELECT o.a FROM raw.others AS o) AS f ON r.a = f.a", False),
        ("SELECT r.a FROM raw.things AS r WHERE r.b OR EXISTS (SELECT 1 FROM touched.order_keys AS t)", False),
        ("SELECT r.a FROM raw.things AS r LEFT JOIN touched.order_keys AS t ON r.order_guid = t.key", False),
    ],
)
def test_whether_a_query_follows_touched_keys_alone(sql: str, follows: bool) -> None:
    assert touch_query(sql).only_of_touched is follows


def test_what_is_met_by_key() -> None:
    several = (
        f"{BY_KEY} UNION ALL SELECT n.a FROM raw.things AS r INNER JOIN room.numbers AS n ON r.number = n.number "
        "INNER JOIN touched.order_keys AS t ON n.order_guid = t.key "
        "UNION ALL SELECT r.a FROM raw.things AS r INNER JOIN touched.stock_keys AS t ON r.sku_guid = t.key"
    )
    found = touch_query(several)
    assert found.kinds == ("order", "stock")
    assert found.met == {
        ("order", "order_guid"): frozenset({"raw.things", "room.numbers"}),
        ("stock", "sku_guid"): frozenset({"raw.things"}),
    }


def test_rows_that_lie_near_are_read_there() -> None:
    model = next(m for m in pipeline.models() if m.name == "fulfilment.shipment_lines")
    near = {("orders.order_ids", "order_guid"): "kept_numbers"}
    text = touching(model, datetime(2026, 1, 1, tzinfo=UTC), {}, near)
    assert "JOIN kept_numbers AS i" in text
    assert "orders.order_ids" not in text
    assert "kept_numbers" not in touching(model, datetime(2026, 1, 1, tzinfo=UTC), {})


def test_where_nothing_is_touched_nothing_follows(sample_home: Home) -> None:
    queries = {m: touch_query(m.touch_sql) for m in pipeline.models() if m.touch_sql}
    others = {m.name for m, query in queries.items() if not query.only_of_touched}
    assert others == {"finance.earnings", "finance.revenue"}  # they compare with what else has changed: rates and shares
    settings = load_settings(sample_home.settings_file)
    with connect(sample_home.warehouse, sample_home.work, read_only=True) as connection:
        for kind in {kind for query in queries.values() for kind in query.kinds}:
            connection.execute(f"CREATE TEMP TABLE {touched_name(kind)} (key UUID)")
        for model, query in queries.items():
            text = touching(model, datetime(2026, 3, 21, tzinfo=UTC), settings.thresholds)
            if query.only_of_touched:
                assert connection.execute(f"SELECT count(*) FROM ({text})").fetchone() == (0,), model.name
