"""The stories of lives.py: each function is one kind; hours are counted back from `as_of`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from orders_pipeline.simulate.rows import local_text

if TYPE_CHECKING:
    from orders_pipeline.simulate.lives import Lives


def tell_all(lives: Lives, each: int) -> None:
    """Every kind of story `each` times."""
    for story in STORIES:
        for _ in range(each):
            story(lives)


# ---- through the house, early and late, over nights, weekends and holidays


def delivered(
    lives: Lives, paid: datetime | None = None, amount: str = "20.00", completed: bool = True, longest: float = 9
) -> str:
    """The whole way; every step takes up to `longest` hours, courier steps two to ten."""
    take = lambda most: timedelta(hours=round(lives.chance.uniform(0.1, most), 4))  # noqa: E731
    at = paid or lives.ago(lives.chance.uniform(15, 19) * 24)
    created = at - timedelta(minutes=7)
    steps = {"paid": at}
    for name in ("released", "picked", "label", "packed", "shipped"):
        steps[name] = (steps[list(steps)[-1]] + take(longest)).replace(microsecond=0)
    at = steps["shipped"]
    way = []
    for name in ("collected", "in_transit", "transfer", "out", "delivered"):
        at = (at + timedelta(hours=lives.chance.uniform(2, 10))).replace(microsecond=0)
        way.append((name, at))
    waybill = lives.number("LP")
    done = at + timedelta(hours=5)
    status = "completed" if completed else "shipped"
    number = lives.order(
        status,
        amount,
        created_at=created,
        paid_at=steps["paid"],
        shipped_at=steps["shipped"],
        completed_at=done if completed else None,
    )
    lives.document(number, waybill, **_document(steps))
    lives.scan(waybill, **dict(way))
    lives.clocks(number, steps | {"collected": way[0][1], "arrived": at})
    return number


def _document(steps: dict[str, datetime]) -> dict[str, datetime]:
    names = {
        "released": "released_at",
        "picked": "picked_at",
        "label": "label_printed_at",
        "packed": "packed_at",
        "shipped": "shipped_at",
    }
    return {column: steps[step] for step, column in names.items() if step in steps}


def on_time(lives: Lives) -> None:
    delivered(lives, longest=0.4)


def late(lives: Lives) -> None:
    delivered(lives, longest=30)


def through_the_holidays(lives: Lives) -> None:
    """Paid in the evening eight days ago: in the default calendar the day before a week of holidays."""
    evening = (lives.now - timedelta(days=8)).replace(hour=17, minute=lives.chance.randrange(60), second=0)
    delivered(lives, paid=evening, longest=3)


def waiting(lives: Lives) -> None:
    """Paid some time ago and still in the house, at one step or another."""
    begun = lives.ago(lives.chance.choice([0.4, 1.9, 3, 20, 47.9, 60, 200]))
    steps = {"paid": begun}
    for name in lives.chance.choice([(), ("released",), ("released", "picked")]):
        steps[name] = (steps[list(steps)[-1]] + (lives.now - begun) / 5).replace(microsecond=0)
    number = lives.order("paid" if len(steps) == 1 else "released", created_at=begun - timedelta(minutes=3), paid_at=begun)
    if len(steps) > 1:
        lives.document(number, **_document(steps))
    lives.clocks(number, steps)


def out_of_stock(lives: Lives) -> None:
    paid = lives.ago(240 + lives.chance.uniform(0, 30))
    number = lives.order("paid", sku="LIFE-NONE", created_at=paid - timedelta(minutes=3), paid_at=paid)
    lives.clocks(number, {"paid": paid}, out_of_stock=True)


def held(lives: Lives) -> None:
    """Held twice, the second hold over a night; then released."""
    paid = lives.ago(lives.chance.uniform(17, 19) * 24)
    times = [paid + timedelta(hours=h) for h in (0.5, lives.chance.uniform(1, 6), 9, lives.chance.uniform(20, 40))]
    times = [t.replace(microsecond=0) for t in times]
    released = times[-1] + timedelta(hours=1)
    created = {"created_at": paid - timedelta(minutes=3), "paid_at": paid}
    number = lives.order("released", **created)
    lives.export(number, "paid", paid, **created)
    for at, status in zip(times, ("on_hold", "paid", "on_hold", "paid"), strict=True):
        lives.export(number, status, at, **created)
    lives.document(number, released_at=released)
    lives.clocks(number, {"paid": paid, "released": released}, pauses=(tuple(times[:2]), tuple(times[2:])))


def held_now(lives: Lives) -> None:
    paid, since = lives.ago(30), lives.ago(29.5)
    created = {"created_at": lives.ago(31), "paid_at": paid}
    number = lives.order("on_hold", **created)
    lives.export(number, "paid", paid, **created)
    lives.export(number, "on_hold", since, **created)
    lives.clocks(number, {"paid": paid}, pauses=((since, None),))


def cancelled(lives: Lives) -> None:
    """Some before anything was due, some long after."""
    paid = lives.ago(lives.chance.uniform(15, 18) * 24)
    at = (paid + timedelta(hours=lives.chance.choice([0.3, 70]))).replace(microsecond=0)
    number = lives.order("cancelled", created_at=paid - timedelta(minutes=3), paid_at=paid, cancelled_at=at)
    lives.pay(number, "-20.00", at + timedelta(minutes=10), "refund")
    lives.clocks(number, {"paid": paid}, cancelled=at)


def channel_behind(lives: Lives) -> None:
    steps, waybill = _sent(lives, 30), lives.number("LP")
    number = lives.order("paid", created_at=steps["paid"], paid_at=steps["paid"])
    lives.document(number, waybill, **_document(steps))
    lives.scan(waybill, collected=lives.ago(29), in_transit=lives.ago(2))
    lives.clocks(number, steps | {"collected": lives.ago(29)})
    lives.found("timeouts", channel_order_id=number, stage="dispatched", level="reminder", reason="channel_behind")


# ---- parcels


def _sent(lives: Lives, shipped: float) -> dict[str, datetime]:
    """Steps up to the handing over, so many hours ago."""
    hours = {"paid": 5, "released": 4, "picked": 3, "label": 2, "packed": 1, "shipped": 0}
    return {name: lives.ago(shipped + before) for name, before in hours.items()}


def _parcel(lives: Lives, shipped: float, arrived: str | None = None, status: str = "shipped", **scans: float) -> tuple[str, str]:
    steps, waybill = _sent(lives, shipped), lives.number("LP")
    number = lives.order(status, created_at=steps["paid"], paid_at=steps["paid"], shipped_at=steps["shipped"],
                         completed_at=lives.ago(1) if status == "completed" else None)  # fmt: skip
    lives.document(number, waybill, **_document(steps))
    seen = {name: lives.ago(hours) for name, hours in scans.items()}
    lives.scan(waybill, **seen) if seen else None
    if "collected" in seen:
        steps["collected"] = seen["collected"]
    if arrived:
        steps["arrived"] = seen[arrived]
    lives.clocks(number, steps)
    return number, waybill


def no_collection(lives: Lives) -> None:
    _, waybill = _parcel(lives, 38)
    lives.found("issues", waybill_id=waybill, issue="no_collection", severity="alert")


def label_just_printed(lives: Lives) -> None:
    """Nothing is wrong yet."""
    _parcel(lives, 0.5)


def stuck(lives: Lives) -> None:
    _, waybill = _parcel(lives, 75, collected=72, in_transit=30)
    lives.found("issues", waybill_id=waybill, issue="no_movement", severity="alert")


def slow(lives: Lives) -> None:
    _, waybill = _parcel(lives, 40, collected=38, in_transit=20, transfer=6)
    lives.found("issues", waybill_id=waybill, issue="no_movement", severity="watch")


def moving(lives: Lives) -> None:
    _parcel(lives, 40, collected=38, in_transit=20, out=1)


def at_the_station(lives: Lives) -> None:
    """Signed for by a station: not delivered, and it waits for the buyer, not for the courier."""
    _parcel(lives, 80, collected=78, out=50, station=48)


def sent_back(lives: Lives) -> None:
    _parcel(lives, 150, "returned", collected=148, out=120, refused=119, returned=60)


def not_completed(lives: Lives) -> None:
    _, waybill = _parcel(lives, 120, "delivered", collected=118, out=50, delivered=40)
    lives.found("issues", waybill_id=waybill, issue="signed_not_completed", severity="alert")


def false_signature(lives: Lives) -> None:
    """Signed for, and the buyer has nothing."""
    number, waybill = _parcel(lives, 150, "delivered", "completed", collected=148, out=101, delivered=100)
    lives.found("issues", waybill_id=waybill, issue="disputed", severity="alert")
    _case(lives, number, "refund_only", "requested", 50, "未收到货", "not_received", ("decision", "logistics", "small_ordinary"))


def moved_after_signature(lives: Lives) -> None:
    _, waybill = _parcel(lives, 150, "delivered", "completed", collected=148, out=101, delivered=100, exception=60)
    lives.found("issues", waybill_id=waybill, issue="disputed", severity="alert")
    lives.found("issues", waybill_id=waybill, issue="no_movement", severity="alert")


# ---- unpaid orders


def unpaid(lives: Lives) -> None:
    """Waiting, warned, closed in time, and closed by a timer that reads Beijing's clock as UTC."""
    for hours, closed_after, state, off in ((10, None, "waiting", False), (23, None, "warned", False),
                                            (60, 24.03, "closed", False), (60, 16.02, "closed", True)):  # fmt: skip
        created = lives.ago(hours)
        at = (created + timedelta(hours=closed_after)).replace(microsecond=0) if closed_after else None
        number = lives.order("expired" if at else "pending_payment", created_at=created, cancelled_at=at)
        lives.found("deadlines", channel_order_id=number, state=state, is_timer_off=off)


# ---- changes asked for


def edits(lives: Lives) -> None:
    """Applied, refused and still open in time; failed at the courier after the label was printed."""
    for field, outcome in (("address", "applied"), ("phone", "refused"), ("address", "open"), ("address", "failed")):
        paid = lives.ago(12)
        number = lives.order("released", created_at=paid, paid_at=paid)
        steps = {"paid": paid, "released": lives.ago(11)}
        waybill = None
        if outcome == "failed":
            waybill, steps = lives.number("LP"), steps | {"picked": lives.ago(10), "label": lives.ago(3)}
        lives.document(number, waybill, **_document(steps))
        request = lives.number("ED")
        lives.rows["order_edits"].append(
            {"request_id": request, "channel": "youzan", "shop_id": "lives", "channel_order_id": number, "field": field,
             "requested_at": local_text(lives.ago(2)), "requested_by": "buyer", "role": "buyer", "outcome": outcome}
        )  # fmt: skip
        lives.clocks(number, steps)
        lives.found("edits", request_id=request, field=field, outcome=outcome, is_in_time=outcome != "failed")


# ---- after-sales


def _case(
    lives: Lives, number: str, kind: str, status: str, hours: float, reason: str, meaning: str, stands: tuple[str, str, str],
    amount: str = "20.00", sku: str = "LIFE-SKU", **more: object,
) -> str:  # fmt: skip
    """A case asked for so many hours ago; `stands`: stage, who owes the next step, why (not) without a person."""
    case = lives.number("RT")
    for name in ("approved_at", "received_at", "inspected_at", "refunded_at"):
        if isinstance(more.get(name), float):
            more[name] = local_text(lives.ago(more[name]))
    lives.rows["returns"].append(
        {"return_id": case, "channel": "youzan", "shop_id": "lives", "channel_order_id": number, "sku": sku, "quantity": 1,
         "kind": kind, "status": status, "reason": reason, "requested_at": local_text(lives.ago(hours)),
         "refund_amount": amount} | more
    )  # fmt: skip
    stage, owner, auto = stands
    lives.found("cases", return_id=case, **{"class": meaning}, stage=stage, owner_role=owner, auto_reason=auto)
    return case


def approvals(lives: Lives) -> None:
    """What may be approved without a person, and what may not."""
    small = delivered(lives)
    _case(lives, small, "refund_only", "requested", 10, "不想要了", "no_reason", ("decision", "service", "small_ordinary"))
    large = delivered(lives, amount="300.00")
    _case(
        lives,
        large,
        "return_refund",
        "requested",
        10,
        "七天无理由退货",
        "no_reason",
        ("decision", "service", "amount_above_limit"),
        "300.00",
    )
    paid = lives.ago(20)
    number = lives.order("paid", "900.00", created_at=paid, paid_at=paid)
    lives.clocks(number, {"paid": paid})
    _case(lives, number, "refund_only", "requested", 5, "拍错了", "order_error", ("decision", "service", "not_shipped"), "900.00")
    special = lives.order(
        "completed", "30.00", "LIFE-SPECIAL", created_at=lives.ago(400), paid_at=lives.ago(400), completed_at=lives.ago(300)
    )
    steps = {"paid": lives.ago(400), "released": lives.ago(399), "picked": lives.ago(398), "shipped": lives.ago(397)}
    lives.document(special, sku="LIFE-SPECIAL", **_document(steps))
    lives.clocks(special, steps, completed=lives.ago(300))
    _case(
        lives,
        special,
        "return_refund",
        "requested",
        10,
        "大小不合适",
        "size",
        ("decision", "service", "special_goods"),
        "30.00",
        "LIFE-SPECIAL",
    )


def returns(lives: Lives) -> None:
    """One that is through (stock back, money out), one that stands before the inspection."""
    done = delivered(lives)
    case = _case(lives, done, "return_refund", "refunded", 200, "尺码偏小", "size", ("done", "none", "decided"),
                 approved_at=190.0, received_at=120.0, inspected_at=110.0, disposition="restock", refunded_at=100.0)  # fmt: skip
    lives.pay(done, "-20.00", lives.ago(100), "refund")
    for kind, hours in (("return_received", 120), ("restock", 110)):
        lives.rows["inventory_movements"].append(
            {"movement_id": lives.number("MV"), "warehouse_id": "LIFE-01", "sku": "LIFE-SKU", "kind": kind, "quantity": 1,
             "occurred_at": local_text(lives.ago(hours)), "reference_id": case}
        )  # fmt: skip
    jam = delivered(lives)
    _case(
        lives,
        jam,
        "return_refund",
        "received",
        200,
        "质量问题",
        "quality",
        ("inspection", "warehouse", "decided"),
        approved_at=190.0,
        received_at=100.0,
    )
    lives.found("evidence", return_id=lives.truth["cases"][-1]["return_id"], score=0, is_in_scan=True)


def evidence(lives: Lives) -> None:
    """Complete, two things missing, nothing at all, and nothing at all too long ago to be mended."""
    photos = {
        "photo_box_count": 1,
        "photo_label_count": 1,
        "photo_damage_count": 2,
        "photo_with_metadata_count": 4,
        "has_video": "true",
    }
    weak = photos | {"photo_label_count": 0, "photo_with_metadata_count": 3, "has_video": "false"}
    for handed_in, hours, score, in_scan in (
        (photos, 40, 100, False),
        (weak, 40, 70, True),
        ({}, 40, 0, True),
        ({}, 24 * 35, 0, False),
    ):
        long_ago = lives.ago(24 * 55) if hours > 24 * 30 else None
        number = delivered(lives, paid=long_ago)
        stands = ("decision", "service", "small_ordinary")
        case = _case(lives, number, "return_refund", "requested", hours, "商品破损", "damaged", stands, **handed_in)
        lives.found("evidence", return_id=case, score=score, is_in_scan=in_scan)


STORIES: tuple[Callable[[Lives], object], ...] = (
    *(on_time, late, through_the_holidays, waiting, out_of_stock, held, held_now, cancelled, channel_behind),
    *(no_collection, label_just_printed, stuck, slow, moving, at_the_station, sent_back, not_completed, false_signature),
    *(moved_after_signature, unpaid, edits, approvals, returns, evidence),
)
