"""The study's vectors on clocks and states, said with files and read from the tables.

Each calendar and target of the vectors is a home of its own, whose settings state them; each row is an order.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from orders_pipeline.dictionary.model import load_dictionary
from orders_pipeline.dictionary.stages import AXES, load_stages
from orders_pipeline_tests.scenarios.stories import Book
from orders_pipeline_tests.support import new_home, records, run

Vector = Mapping[str, str]
DEFAULT_TARGET = "6h"


@pytest.fixture(scope="module")
def vectors(shared: Callable[[str], Path]) -> list[Vector]:
    with (shared("vectors") / "sla_clock.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def instant(local: str) -> datetime:
    """A time of the vectors, on a clock in Beijing."""
    return datetime.fromisoformat(local + "+08:00")


def target(vector: Vector) -> str:
    found = re.search(r"target (\d+h)", vector["parameters"])
    return found[1] if found else DEFAULT_TARGET


def group(vector: Vector) -> tuple[str, str] | None:
    """(calendar, target) of a row that a clock in working time answers."""
    timed = vector["kind"] in ("elapsed_working_seconds", "due_at", "due_at with a pause")
    return (vector["calendar"], target(vector)) if timed else None


def settings(calendar: str, hours: str) -> str:
    shifts = re.search(r"\d\d:\d\d-\d\d:\d\d", calendar)[0]
    days = re.match(r"(Mon)-(Fri)", calendar)
    weekdays = "mon-fri" if days else "mon-sun"
    off = "".join(f'"{day}" = ""\n' for day in re.findall(r"\d{4}-\d\d-\d\d", calendar))
    return (
        f"[thresholds]\nstage_normal_minutes = {int(hours[:-1]) * 60}\n"
        f'[[calendars.office]]\nhours = {{"{weekdays}" = "{shifts}"}}\n[calendars.office.exceptions]\n{off}'
    )


def tell(book: Book, vector: Vector) -> None:
    """The order of a row: paid at the start, released at the end; held during the pause."""
    number, start = vector["id"], instant(vector["start"])
    paid = {"paid_at": start.isoformat(), "created_at": start.isoformat()}
    book.order(number, "1.00", status="paid", exported_at=start.isoformat(), **paid)
    pause = re.search(r"paused (\d\d:\d\d)-(\d\d:\d\d)", vector["parameters"])
    if pause:
        for status, clock in (("on_hold", pause[1]), ("paid", pause[2])):
            at = datetime.fromisoformat(f"{vector['start'][:10]}T{clock}+08:00")
            book.order(number, "1.00", status=status, exported_at=at.isoformat(), **paid)
    if vector["end"]:
        book.ship(number, released_at=instant(vector["end"]).isoformat(), shipped_at=None, waybill_id=None)


@pytest.fixture(scope="module")
def stages(vectors: list[Vector], tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, dict[str, Any]]]:
    """Vector id -> stage -> its row."""
    groups: dict[tuple[str, str], list[Vector]] = defaultdict(list)
    for vector in vectors:
        if group(vector):
            groups[group(vector)].append(vector)
    found: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for number, ((calendar, hours), rows) in enumerate(groups.items()):
        home = new_home(tmp_path_factory.mktemp("sla") / str(number))
        home.settings_file.write_text(settings(calendar, hours), encoding="utf-8")
        book = Book()
        for vector in rows:
            tell(book, vector)
        book.land(home)
        run(home, max(instant(v["start"]) for v in rows) + timedelta(days=400))
        for row in records(
            home,
            "SELECT o.channel_order_id, s.* FROM fulfilment.order_stages s JOIN orders.orders o USING (order_guid) ORDER BY stage_number",
        ):
            found[row["channel_order_id"]].setdefault(row["stage"], row)
    return found


def test_working_seconds_are_the_vectors(vectors: list[Vector], stages: Mapping[str, Any]) -> None:
    wanted = {v["id"]: int(v["our_result"]) for v in vectors if v["kind"] == "elapsed_working_seconds"}
    assert {name: stages[name]["paid"]["elapsed_seconds"] for name in wanted} == wanted
    assert len(wanted) >= 20


def test_deadlines_are_the_vectors(vectors: list[Vector], stages: Mapping[str, Any]) -> None:
    wanted = {}
    for vector in vectors:
        if vector["kind"].startswith("due_at"):
            text = next(t for t in (vector["our_result"], vector["adopt"]) if re.match(r"\d{4}-", t))
            wanted[vector["id"]] = instant(text)
        if vector["kind"] == "due_at with a pause" and "derived here" in vector.values():
            wanted[vector["id"]] = instant(
                next(t for t in vector.values() if re.match(r"\d{4}-\d\d-\d\dT", t) and t != vector["start"])
            )
    assert {name: stages[name]["paid"]["due_at"] for name in wanted} == wanted
    assert len(wanted) >= 8


def test_the_length_of_a_pause_is_kept_on_the_wall_clock_too(vectors: list[Vector], stages: Mapping[str, Any]) -> None:
    vector = next(v for v in vectors if v["kind"] == "total_hold_seconds")
    paused = next(v for v in vectors if v["kind"] == "due_at with a pause" and v["start"][:10] == vector["start"][:10])
    hold = stages[paused["id"]]["on_hold"]
    assert (hold["left_at"] - hold["entered_at"]).total_seconds() == int(vector["our_result"])
    assert stages[paused["id"]]["paid"]["paused_seconds"] == 0, "the pause lay before opening"


def test_one_late_parcel_makes_the_order_late_and_a_cancelled_one_no_denominator(tmp_path: Path) -> None:
    book = Book()
    for number in ("IN-TIME", "LATE", "REFUNDED"):
        book.order(number, "1.00", age=10, paid_at=(datetime.fromisoformat("2026-02-19T12:00:00+08:00")).isoformat())
    for number, ages in (("IN-TIME", (9, 8.5)), ("LATE", (9, 6))):
        for parcel, age in enumerate(ages):
            book.ship(number, age=age, waybill_id=f"{number}-{parcel}", outbound_id=f"{number}-{parcel}")
    book.rows["orders"][2] |= {"status": "cancelled", "cancelled_at": "2026-02-20T12:00:00+08:00"}
    home = new_home(tmp_path / "home")
    book.land(home)
    run(home, "2026-03-01T12:00:00+08:00")
    rows = records(
        home,
        "SELECT channel_order_id, clock_status FROM fulfilment.order_stages JOIN orders.orders USING (order_guid) WHERE stage = 'unallocated'",
    )
    assert {r["channel_order_id"]: r["clock_status"] for r in rows} == {"IN-TIME": "met", "LATE": "met_late", "REFUNDED": "void"}


# ---- states

#: Where our name of a state is not the study's: ours must be unique over the axes.
OURS = {
    "order": {"CLOSED": "completed"},
    "payment": {"NONE": "unpaid", "PAID": "fully_paid", "REFUNDED": "fully_refunded"},
    "after_sale": {
        "REQUESTED": "return_requested", "APPROVED": "return_approved", "REJECTED": "return_rejected", "RECEIVED": "return_received",
        "INSPECTING": "return_inspecting", "RESTOCKED": "return_restocked", "SCRAPPED": "return_scrapped",
        "REFUNDED": "after_sale_refunded", "EXCHANGED": "after_sale_exchanged", "CLOSED": "after_sale_closed",
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def states(shared: Callable[[str], Path]) -> Mapping[str, Any]:
    return yaml.safe_load((shared("vectors") / "order_states.yaml").read_text(encoding="utf-8"))


def test_every_state_to_adopt_is_a_stage_of_its_axis(states: Mapping[str, Any]) -> None:
    names = {"fulfilment_per_parcel": "fulfilment"}
    for axis, codes in states["to_adopt"].items():
        if axis == "sla_clock":
            continue
        own = names.get(axis, axis)
        assert own in AXES
        found = {OURS.get(own, {}).get(code, code.lower()) for code in codes}
        assert found <= {s.name for s in load_stages().values() if s.axis == own}, axis


def test_the_words_of_other_systems_lead_to_a_stage(states: Mapping[str, Any]) -> None:
    """An order's status of any system studied is a word of the dictionary, and that word is a stage (or none at all)."""
    known = load_dictionary().vocabularies
    words = {(vocabulary, word) for one in load_stages().values() for vocabulary, said in one.says.items() for word in said}
    for system in ("saleor", "medusa", "spree"):
        for vocabulary, column in (("order_status", "order"), ("return_status", "return")):
            for word in states[system].get(column, ()):
                code = next((c for c, entry in known[vocabulary].items() if word == c or word in entry["aliases"]), None)
                assert code is not None, f"{system}: {word} is no word of {vocabulary}"
                assert (vocabulary, code) in words, f"{code} of {vocabulary} is no stage"


def test_a_fold_of_the_whole_life_passes_every_kind_of_stage(tmp_path: Path) -> None:
    """At least the 23 stages of the request, told by files of five kinds, each found."""
    book, story = Book(), {}

    def at(hours: float) -> str:
        return (datetime.fromisoformat("2026-02-01T08:00:00+08:00") + timedelta(hours=hours)).isoformat()

    for hours, status, raw in ((0, "pending_payment", None), (2, "on_hold", "待审核"), (3, "on_hold", "锁定"), (4, "paid", None)):
        book.order(
            "A1",
            "10.00",
            status=status,
            raw_status=raw,
            exported_at=at(hours),
            created_at=at(0),
            paid_at=at(1) if hours else None,
        )
    book.order("A1", "10.00", status="completed", exported_at=at(200), created_at=at(0), paid_at=at(1), completed_at=at(199))
    book.pay("A1", "10.00", occurred_at=at(1))
    book.ship("A1", released_at=at(5), picked_at=at(6), label_printed_at=at(7), packed_at=at(8), shipped_at=at(9))
    for hours, code, text in (
        (10, "collected", "已揽收"), (12, "in_transit", "运输途中"), (20, "in_transit", "到达杭州转运中心"), (30, "out_for_delivery", "派送中"),
        (31, "exception", "电话无人接听"), (40, "out_for_delivery", "再次派送"), (41, "awaiting_pickup", "已投柜"), (50, "delivered", "已取出"),
    ):  # fmt: skip
        book.rows["tracking"].append(
            {"courier_code": "sf", "waybill_id": "WB-A1", "status_code": code, "description": text, "occurred_at": at(hours)}
        )
    book.case(
        "A1", "return_refund", "refunded", requested_at=at(60), approved_at=at(61), received_at=at(100), inspected_at=at(101),
        disposition="restock", refunded_at=at(102), refund_amount="10.00",
    )  # fmt: skip
    book.pay("A1", "-10.00", kind="refund", occurred_at=at(102))
    home = new_home(tmp_path / "home")
    book.land(home)
    run(home, at(300))
    for row in records(home, "SELECT * FROM fulfilment.order_stages ORDER BY stage_number"):
        story.setdefault(row["stage"], row)
    assert set(story) >= {
        "created", "pending_payment", "paid", "risk_review", "on_hold", "released", "completed", "unpaid", "fully_paid", "fully_refunded",
        "unallocated", "allocated", "picking", "label_printed", "packed", "shipped", "dispatched", "collected", "in_transit",
        "transfer_centre", "out_for_delivery", "delivery_exception", "awaiting_pickup", "delivered", "all_delivered",
        "return_requested", "return_approved", "return_received", "return_restocked", "after_sale_refunded",
    }  # fmt: skip
    assert [row["stage"] for row in story.values() if not row["is_legal"]] == []
    paid = story["paid"]
    assert (paid["elapsed_seconds"], paid["paused_seconds"]) == (2 * 3600, 2 * 3600), "four hours, two of them held"
