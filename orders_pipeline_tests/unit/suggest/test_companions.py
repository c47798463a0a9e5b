"""`channel suggest`: columns taken because of others, and what the rows of an order share."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from benchmarks.suggest import with_words_answered
from orders_pipeline.dictionary.model import DictionaryError, load_dictionary, parse_source
from orders_pipeline.ingest.suggest import Suggestion, suggest
from orders_pipeline.ingest.suggest.names import Names
from orders_pipeline.ingest.suggest.write import source_yaml


@pytest.fixture(scope="module")
def names() -> Names:
    return Names(load_dictionary())


def _found(path: Path, names: Names, text: str) -> Suggestion:
    path.write_text(text, encoding="utf-8")
    return suggest(path, names)


def _fields(found: Suggestion) -> dict[str, str | None]:
    return {c.column.name: c.field for c in found.reading.choices}


def _sold(head: str, *rows: str) -> str:
    return "\n".join((f"Order number,Order date,Order status,Order total,Currency,{head}", *rows)) + "\n"


@pytest.mark.parametrize(
    ("head", "cells", "joined"),
    [
        ("Ship To LastName,Ship To FirstName", "Doe,Jane", [("Ship To FirstName", "Ship To LastName"), " "]),
        ("shipping_first_name,shipping_last_name", "Jane,Doe", [("shipping_first_name", "shipping_last_name"), " "]),
        ("送付先名,送付先姓", "花子,山田", [("送付先姓", "送付先名"), ""]),
    ],
)
def test_first_and_last_name_are_joined_as_they_are_spoken(
    tmp_path: Path, names: Names, head: str, cells: str, joined: list
) -> None:
    rows = [f"A-10000{i},2026-05-0{i} 10:00:00,Paid,{i}9.50,USD,{cells}" for i in range(1, 6)]
    found = _found(tmp_path / "orders.csv", names, _sold(head, *rows))
    rule = found.rules.blocks["orders"][0]["fields"]["buyer_name"]
    assert [tuple(found.rules.columns[h].name for h in rule["concat"]), rule["separator"]] == joined


def test_a_name_is_not_joined_with_another_person_s(tmp_path: Path, names: Names) -> None:
    rows = [f"A-10000{i},2026-05-0{i} 10:00:00,Paid,{i}9.50,USD,Jane,Roe" for i in range(1, 6)]
    found = _found(tmp_path / "orders.csv", names, _sold("Shipping first name,Billing last name", *rows))
    assert _fields(found)["Shipping first name"] == "buyer_name"
    assert _fields(found)["Billing last name"] is None


def test_words_of_a_status_nobody_knows_are_asked_for_and_refused_until_answered(tmp_path: Path, names: Names) -> None:
    rows = [f"A-10000{i},2026-05-0{i} 10:00:00,{'Paid' if i % 2 else 'Zwalczone'},{i}9.50,USD,X{i}" for i in range(1, 6)]
    found = _found(tmp_path / "orders.csv", names, _sold("SKU", *rows))
    asked = [q for q in found.rules.open if q.startswith("orders.status: ")]
    assert len(asked) == 1 and "Zwalczone" in asked[0] and "Paid" not in asked[0]
    dictionary = load_dictionary()
    spec = {**yaml.safe_load(source_yaml(found)), "timezone": "UTC"}
    with pytest.raises(DictionaryError, match=r"orders\.status makes of 'Zwalczone' is left open"):
        parse_source(spec, dictionary.fields, dictionary.entities, origin="proposed.yml")
    answered = {**yaml.safe_load(with_words_answered(source_yaml(found))), "timezone": "UTC"}
    assert parse_source(answered, dictionary.fields, dictionary.entities, origin="proposed.yml").blocks


def test_a_number_that_differs_within_an_order_is_the_line_s(tmp_path: Path, names: Names) -> None:
    """Four orders of two lines: the transaction that is another one in every row pays no order, it numbers the line."""
    rows = [
        f"33012345{i // 2},2026-05-0{1 + i // 2} 10:00:00,Paid,{1 + i // 2}9.50,USD,MUG-{i},{1 + i % 3},40123456{i}"
        for i in range(8)
    ]
    found = _found(tmp_path / "items.csv", names, _sold("SKU,Quantity,Transaction ID", *rows))
    assert _fields(found)["Order number"] == "channel_order_id"
    assert _fields(found)["Transaction ID"] == "sub_order_id"
    shared = [row.rsplit(",", 1)[0] + f",40123456{i // 2}" for i, row in enumerate(rows)]
    found = _found(tmp_path / "items.csv", names, _sold("SKU,Quantity,Transaction ID", *shared))
    assert _fields(found)["Transaction ID"] == "platform_txn_id"


def test_presales_are_told_by_a_column_of_yes_and_no(tmp_path: Path, names: Names) -> None:
    head = "订单编号,下单时间,订单状态,应付金额,是否预售"
    rows = [f"20260501000{i},2026-05-0{i} 10:00:00,已付款,{i}9.50,{'是' if i == 3 else '否'}" for i in range(1, 6)]
    found = _found(tmp_path / "orders.csv", names, "\n".join((head, *rows)) + "\n")
    rule = found.rules.blocks["orders"][0]["fields"]["order_type"]
    (handle,) = rule["first_match"][0]["when"]
    assert found.rules.columns[handle].name == "是否预售"
    assert rule == {"first_match": [{"when": {handle: ["是"]}, "value": "presale"}, {"value": "normal"}]}


def test_the_number_of_an_order_is_what_people_see_and_the_id_beside_it_the_system_s(tmp_path: Path, names: Names) -> None:
    rows = [f"9{n:03},A-10{n:02},2026-05-0{n % 9 + 1} 10:00:00,Shipped,{n}.50" for n in range(12)]
    found = _found(tmp_path / "o.csv", names, "Order ID,Order number,Order date,Order status,Order total\n" + "\n".join(rows))
    assert (_fields(found)["Order number"], _fields(found)["Order ID"]) == ("channel_order_id", "internal_order_id")
    alone = [row.partition(",")[2] for row in rows]
    found = _found(tmp_path / "a.csv", names, "Order ID,Order date,Order status,Order total\n" + "\n".join(alone))
    assert _fields(found)["Order ID"] == "channel_order_id"


def test_lines_inside_their_orders_take_the_order_s_number(tmp_path: Path, names: Names) -> None:
    def order(n: int) -> dict[str, object]:
        items = [{"id": 700 + 2 * n + k, "sku": f"S-{k}0", "quantity": k + 1, "subtotal": f"{n + k}.50"} for k in range(2)]
        return {"number": f"A-10{n:02}", "status": "completed", "items": items}

    found = _found(tmp_path / "orders.json", names, json.dumps([order(n) for n in range(12)]))
    assert found.reading.entities == ("order_lines",)  # nothing says when an order was, who bought or where to
    assert (_fields(found)["/number"], _fields(found)["sku"]) == ("channel_order_id", "sku")


def test_a_file_of_payments_is_known_by_what_its_names_begin_with(tmp_path: Path, names: Names) -> None:
    rows = [f"{n * 7919 + 10**15:032x},1,{('credit_card', 'voucher')[n % 2]},{n + 20}.5{n % 7}" for n in range(12)]
    head = "order_id,payment_sequential,payment_type,payment_value\n"
    found = _found(tmp_path / "p.csv", names, head + "\n".join(rows))
    assert found.reading.entities == ("payments",)
    assert (_fields(found)["payment_value"], _fields(found)["order_id"]) == ("amount", "channel_order_id")


def test_of_the_levels_of_a_category_the_deepest_is_taken(tmp_path: Path, names: Names) -> None:
    rows = [f"A-10{n:02},2026-05-01 10:0{n}:00,已付款,{n}.50,CNY,AB-{n % 3}0,锅,1,家居,厨房,锅具" for n in range(9)]
    head = "商家编码,商品名称,数量,商品一级类目,商品二级类目,商品三级类目"
    fields = _fields(_found(tmp_path / "o.csv", names, _sold(head, *rows)))
    assert [fields[f"商品{level}级类目"] for level in "一二三"] == [None, None, "category"]


@pytest.mark.parametrize(("cells", "field"), [(("US", "FR"), "country"), (("United States", "France"), None)])
def test_countries_are_taken_where_they_are_codes(tmp_path: Path, names: Names, cells: tuple[str, str], field: str | None) -> None:
    rows = [f"A-10{n:02},2026-05-01 10:0{n}:00,Shipped,{n}.50,USD,{cells[n % 2]}" for n in range(9)]
    assert _fields(_found(tmp_path / "o.csv", names, _sold("Shipping country", *rows)))["Shipping country"] == field
