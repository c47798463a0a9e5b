"""Lives of orders through every stage, on request (`--lives`): beside the order book, each kind of story so many times.

Working hours with holidays and a cut-off, holds, courier faults (no collection, stuck, false signature), changes of
addresses, unpaid orders and timers in the wrong zone, returns with evidence. Courier events are written as kuaidi100 answers
them and as couriers' sheets, the rest as standard files. What must be found is told by the story, never by the pipeline:
`truth/lives_*.csv` (clocks, time-outs, parcel issues, unpaid deadlines, changes, cases, evidence). The home's settings.toml
states the hours (worktime.py).
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from orders_pipeline.simulate.emit import WrittenFile
from orders_pipeline.simulate.plan import Plan
from orders_pipeline.simulate.rows import local_text, write_rows, write_standard_rows
from orders_pipeline.simulate.stories import tell_all
from orders_pipeline.simulate.worktime import ALWAYS, OFFICE, PICKING_LIST, SETTINGS, WAREHOUSE, Clock

SHOP = {"channel": "youzan", "shop_id": "lives"}
NODE = "LIFE-01"
#: Event -> (kuaidi100's code, text). The text is the better witness: a signature at a station is none.
SCANS = {
    "collected": ("1", "【杭州市】快递员已揽收"),
    "in_transit": ("0", "快件在途中"),
    "transfer": ("0", "快件到达【嘉兴转运中心】"),
    "out": ("5", "快件正在派送中"),
    "station": ("3", "快件已暂存至菜鸟驿站，请及时取件"),
    "delivered": ("3", "您的快递已签收，签收人：本人"),
    "exception": ("2", "疑难件：签收有误，快件异常"),
    "refused": ("14", "收件人拒收"),
    "returned": ("4", "退件已签收"),
}
TIMES = ("created_at", "paid_at", "shipped_at", "completed_at", "cancelled_at")
TRUTHS = {
    "clocks": ("channel_order_id", "stage", "due_at", "elapsed_seconds", "clock_status"),
    "timeouts": ("channel_order_id", "stage", "level", "reason"),
    "issues": ("waybill_id", "issue", "severity"),
    "deadlines": ("channel_order_id", "state", "is_timer_off"),
    "edits": ("request_id", "field", "outcome", "is_in_time"),
    "cases": ("return_id", "class", "stage", "owner_role", "auto_reason"),
    "evidence": ("return_id", "score", "is_in_scan"),
}


@dataclass
class Lives:
    """Rows by entity, courier events by waybill, and what must be found, by truth."""

    plan: Plan
    chance: random.Random
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    scans: dict[str, list[tuple[datetime, str]]] = field(default_factory=dict)
    truth: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    numbers: int = 0

    @property
    def now(self) -> datetime:
        return self.plan.as_of

    def number(self, prefix: str) -> str:
        self.numbers += 1
        return f"{prefix}{self.plan.tag}{self.numbers:05d}"

    def ago(self, hours: float) -> datetime:
        """A local time so many hours before `as_of`, to the second."""
        return (self.now - timedelta(hours=hours)).replace(microsecond=0)

    # ---- orders

    def order(self, status: str, amount: str = "20.00", sku: str = "LIFE-SKU", **times: datetime | None) -> str:
        """An order as its export of just now shows it, with its payment; `times` are columns of the order."""
        number = self.number("LF")
        self.export(number, status, self.ago(0.1), amount, **times)
        self.rows["order_lines"].append(_key(number) | {"line_no": 1, "sku": sku, "quantity": 1, "payable_amount": amount})
        if times.get("paid_at"):
            self.pay(number, amount, times["paid_at"])
        return number

    def export(self, number: str, status: str, shown: datetime, amount: str = "20.00", **times: datetime | None) -> None:
        self.rows["orders"].append(
            _key(number)
            | {"platform_txn_id": f"TX{number}", "status": status, "currency": "CNY", "payable_amount": amount}
            | {"province": "浙江", "city": "杭州市"}
            | {name: local_text(times.get(name)) for name in TIMES}
            | {"exported_at": local_text(shown)}
        )  # fmt: skip

    def pay(self, number: str, amount: str, at: datetime, kind: str = "receipt") -> None:
        self.rows["payments"].append(
            {"account": "youzan-lives", "payment_id": self.number("PY"), "kind": kind, "amount": amount, "currency": "CNY",
             "occurred_at": local_text(at), "platform_txn_id": f"TX{number}"} | _key(number)
        )  # fmt: skip

    def document(self, number: str, waybill: str | None = None, sku: str = "LIFE-SKU", **times: datetime | None) -> None:
        """The warehouse's outbound document, with as many of its times as have come."""
        names = ("released_at", "picked_at", "label_printed_at", "packed_at", "shipped_at")
        self.rows["shipments"].append(
            {"warehouse_id": NODE, "outbound_id": f"OUT-{number}"} | _key(number)
            | {"sku": sku, "quantity": 1, "waybill_id": waybill, "courier_code": "sf" if waybill else None}
            | {name: local_text(times.get(name)) for name in names}
        )  # fmt: skip

    def scan(self, waybill: str, **events: datetime) -> None:
        self.scans.setdefault(waybill, []).extend((at, name) for name, at in events.items())

    # ---- what must be found

    def clocks(
        self,
        number: str,
        steps: dict[str, datetime],
        pauses: tuple[tuple[datetime, datetime | None], ...] = (),
        cancelled: datetime | None = None,
        completed: datetime | None = None,
        out_of_stock: bool = False,
    ) -> None:
        """The clocks that these steps start and stop (or the end of the order does), and the time-outs that stand now."""
        minutes, hours = timedelta(minutes=1), timedelta(hours=1)
        after = {
            "paid": ("released", OFFICE, 120 * minutes),
            "unallocated": ("shipped", ALWAYS, 48 * hours),
            "allocated": ("picked", PICKING_LIST, 120 * minutes),
            "picking": ("shipped", WAREHOUSE, 120 * minutes),
            "shipped": ("collected", ALWAYS, 24 * hours),
            "collected": ("arrived", ALWAYS, 15 * 24 * hours),
        }
        begins = {"unallocated": "paid", "allocated": "released", "picking": "picked"}
        for stage, (ends, calendar, limit) in after.items():
            start = steps.get(begins.get(stage, stage))
            if start is None:
                continue
            stop = steps.get(ends) or completed
            clock = Clock(stage, calendar, limit, start, stop, cancelled, pauses)
            read = clock.reading(self.now)
            due = read["due_at"]
            paused = read["clock_status"] == "paused"
            # A deadline that a hold still moves is another one at every look.
            self.truth["clocks"].append({"channel_order_id": number} | read | {"due_at": None if paused else local_text(due)})
            stands = stop is None and cancelled is None and not paused
            if stands and due - 15 * minutes <= self.now:
                late = self.now > due
                level, reason = ("suspended", "out_of_stock") if late and out_of_stock else ("overdue", "late")
                if not late:
                    level, reason = "reminder", "due_soon"
                self.found("timeouts", channel_order_id=number, stage=stage, level=level, reason=reason)

    def found(self, truth: str, **values: Any) -> None:
        self.truth[truth].append(values)


def write_lives(plan: Plan, each: int, home: Path, landing: Path, truth: Path) -> list[WrittenFile]:
    """Writes every kind of story `each` times, and states the hours in the home's settings.toml unless it has one."""
    lives = Lives(plan, random.Random(plan.seed + 17))  # noqa: S311 (a simulation)
    lives.rows["warehouses"].append(
        {
            "warehouse_id": NODE,
            "kind": "warehouse",
            "province": "浙江",
            "city": "杭州市",
            "timezone": "Asia/Shanghai",
            "is_active": "true",
        }
    )
    lives.rows["products"] += [
        {"sku": sku, "is_fresh": "false", "is_special": special}
        for sku, special in (("LIFE-SKU", "false"), ("LIFE-SPECIAL", "true"))
    ]
    lives.rows["inventory_snapshots"].append(
        {"warehouse_id": NODE, "sku": "LIFE-NONE", "counted_at": local_text(lives.ago(18)), "on_hand_qty": 0}
    )
    tell_all(lives, each)
    if not (home / "settings.toml").exists():
        (home / "settings.toml").write_text(SETTINGS, encoding="utf-8")
    folder = landing / "lives"
    files = [
        write_standard_rows(folder / f"standard_{entity}_lives.csv", entity, rows, landing)
        for entity, rows in sorted(lives.rows.items())
    ]
    for name, columns in TRUTHS.items():
        write_rows(truth / f"lives_{name}.csv", columns, lives.truth[name])
    return files + _couriers(lives, folder, landing)


def _couriers(lives: Lives, folder: Path, landing: Path) -> list[WrittenFile]:
    """Every fourth parcel as kuaidi100 answers a query for it, the others as a courier's sheet."""
    files, sheet = [], []
    for place, (waybill, scans) in enumerate(sorted(lives.scans.items())):
        newest_first = sorted(scans, reverse=True)
        if place % 4:
            sheet += [
                {"运单号": waybill, "快递公司": "顺丰", "时间": f"{at:%Y-%m-%d %H:%M:%S}"}
                | dict(zip(("状态码", "描述"), SCANS[name], strict=True))
                for at, name in newest_first
            ]  # fmt: skip
            continue
        path = folder / "kuaidi100" / f"{waybill}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        data = [
            {
                "time": f"{at:%Y-%m-%d %H:%M:%S}",
                "ftime": f"{at:%Y-%m-%d %H:%M:%S}",
                "context": SCANS[name][1],
                "statusCode": SCANS[name][0],
            }
            for at, name in newest_first
        ]
        answer = {"message": "ok", "nu": waybill, "com": "shunfeng", "state": data[0]["statusCode"], "data": data}
        path.write_text(json.dumps(answer, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        files.append(WrittenFile(str(path.relative_to(landing)), "kuaidi100_tracking", len(data), 0, 0))
    path = folder / "顺丰_轨迹.csv"
    write_rows(path, list(sheet[0]), sheet)
    return [*files, WrittenFile(str(path.relative_to(landing)), "courier_tracking", len(sheet), 0, 0)]


def _key(number: str) -> dict[str, str]:
    return SHOP | {"channel_order_id": number}
