"""A title nobody knows, suggested, decided by command, and in the tables after the next run."""

from __future__ import annotations

import csv
from pathlib import Path

from orders_pipeline import pipeline
from orders_pipeline.cleaning import desk
from orders_pipeline.cli import main
from orders_pipeline.kernel.clock import parse_as_of
from orders_pipeline.kernel.home import Home
from orders_pipeline_tests.support import land, new_home, query, run, same

SHOP = {"channel": "taobao", "shop_id": "main"}
AS_OF = "2026-03-01T12:00:00+08:00"


def land_orders(home: Home) -> None:
    titles = ["苹果手机iPhone15Pro 256G", "iPhone15Pro 256G", "【限时】苹果iPhone15Pro 256GB", "无名商品"]
    land(home, "orders", [{**SHOP, "channel_order_id": f"A{n}", "status": "paid", "currency": "CNY", "payable_amount": "1.00",
                           "created_at": "2026-02-01T10:00:00+08:00", "province": "浙江", "address": "杭州西湖文三路9号张三收",
                           "buyer_phone": "138****1234"} for n in range(4)])  # fmt: skip
    land(home, "lines", [{**SHOP, "channel_order_id": f"A{n}", "sku": f"S{n}", "quantity": 1, "product_title": t}
                         for n, t in enumerate(titles)])  # fmt: skip


def test_a_suggestion_accepted_is_the_name_after_the_next_run(home: Home, tmp_path: Path) -> None:
    land_orders(home)
    run(home, AS_OF)
    names = dict(query(home, "SELECT product_title, product_name FROM orders.order_lines"))
    assert names["iPhone15Pro 256G"] == names["【限时】苹果iPhone15Pro 256GB"] == "iPhone 15 Pro 256GB"
    found = {row["title"]: row for row in desk.suggest(home)}
    assert found.keys() == {"苹果手机iPhone15Pro 256G", "无名商品"}
    assert found["苹果手机iPhone15Pro 256G"]["product_name"] == "iPhone 15 Pro 256GB"
    assert found["无名商品"]["product_name"] is None

    arguments = ["products", "suggest", "--home", str(home.root), "--accept", "--at-least", "0.8"]
    assert main(arguments) == 2  # nobody decided
    assert main([*arguments, "--by", "li.na"]) == 0
    written = next((home.landing / "decisions").glob("*.csv"))
    rows = list(csv.DictReader(written.open(encoding="utf-8")))
    assert [(r["title"], r["product_name"], r["decided_by"]) for r in rows] == [
        ("苹果手机iPhone15Pro 256G", "iPhone 15 Pro 256GB", "li.na")
    ]
    run(home, AS_OF)
    assert query(home, "SELECT product_name, name_source FROM orders.order_lines WHERE product_title LIKE '苹果手机%'") == [
        ("iPhone 15 Pro 256GB", "synonym")
    ]
    anew = new_home(tmp_path / "anew")
    land_orders(anew)
    (anew.landing / "decisions").mkdir()
    (anew.landing / "decisions" / written.name).write_bytes(written.read_bytes())
    run(anew, AS_OF)
    same(home, anew)


def test_nothing_of_the_address_is_published(home: Home) -> None:
    land_orders(home)
    run(home, AS_OF)
    assert query(home, "SELECT DISTINCT province, city, district, region_code, region_resolution, customer_id FROM orders.orders") == [
        ("浙江省", "杭州市", "西湖区", "330106", "completed", None)
    ]
    content = home.published_database.read_bytes()
    assert "文三路".encode() not in content
    assert "张三".encode() not in content


def test_unmapped_words_are_listed(home: Home, capsys) -> None:
    land(home, "orders", [{**SHOP, "channel_order_id": "A1", "status": "mystery", "currency": "CNY", "payable_amount": "1.00",
                           "created_at": "2026-02-01T10:00:00+08:00"}])  # fmt: skip
    run(home, AS_OF)
    assert main(["channel", "check", "--home", str(home.root)]) == 0
    shown = capsys.readouterr().out
    assert "mystery" in shown
    assert "orders.csv" in shown


def test_only_titles_that_no_row_had_before_are_looked_at(home: Home, tmp_path: Path) -> None:
    def more(where: Home) -> None:
        titles = ["无名商品", "白茶 250g", "无名商品", "白茶 250g"]
        land(where, "more", [{**SHOP, "channel_order_id": "A0", "sku": f"T{n}", "quantity": 1, "product_title": t}
                             for n, t in enumerate(titles)])  # fmt: skip

    land_orders(home)
    run(home, AS_OF)
    more(home)
    with pipeline.session(home, parse_as_of(AS_OF)) as now:
        now.ingest()
        touched = now.connection.execute(
            "SELECT DISTINCT l.product_title FROM kernel.touched AS t JOIN raw.order_lines AS l ON l.title_guid = t.key WHERE kind = 'title'"
        ).fetchall()
        assert touched == [("白茶 250g",)]
    run(home, AS_OF)
    anew = new_home(tmp_path / "anew")
    land_orders(anew)
    more(anew)
    run(anew, AS_OF)
    same(home, anew)
