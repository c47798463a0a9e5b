"""The small daily series of the attribution as arrays over days: what `panels.sql` aggregated, one promotion at a time.

Amounts are list value unless a name says otherwise. A day is an index from the first day on which anything was sold.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

#: The columns of a role's series.
AMOUNTS = ("clean_amount", "clean_observed_amount", "existing_amount", "identified_amount", "lost_amount", "shared_amount",
           "out_amount", "observed_amount", "list_amount")  # fmt: skip


@dataclass
class Role:
    """One role's goods of a promotion, per day: sales, what of them is clean, the base level live and disturbed."""

    sums: dict[str, np.ndarray]
    base: np.ndarray
    unit_price: float
    young_base: np.ndarray

    @property
    def clean_base(self) -> np.ndarray:
        return np.maximum(self.base - self.sums["lost_amount"], 0.0)

    def usable(self, share: float = 0.5) -> np.ndarray:
        """Days on which at least this share of the base level is undisturbed."""
        return (self.base > 0) & (self.clean_base >= share * self.base)


@dataclass
class Segment:
    """Per day, what the goods sold on which the same promotions ran, at what was paid and at list price, and their base level."""

    observed: np.ndarray
    listed: np.ndarray
    base: np.ndarray


@dataclass
class Case:
    """One promotion: its days (indices, both inclusive; may lie outside the data), goods, shops and categories.

    A joint stands for promotions that overlap. It has them as members (id, first and last day), and segments by the numbers of
    those that ran together; its `promotion_id` is its guid.
    """

    promotion_id: str
    kind: str
    start: int
    end: int
    notice: int
    cost: float | None
    roles: dict[str, Role]
    currencies: set[str]
    shops: list[int] = field(default_factory=list)
    categories: set[int] = field(default_factory=set)
    members: list[tuple[str, int, int]] = field(default_factory=list)
    segments: dict[tuple[int, ...], Segment] = field(default_factory=dict)

    def running(self, days: int) -> Segment:
        """The goods on their days under promotion: all of a promotion's, those of its segments for a joint."""
        if self.segments:
            parts = self.segments.values()
            return Segment(sum(p.observed for p in parts), sum(p.listed for p in parts), sum(p.base for p in parts))
        inside = np.zeros(days)
        inside[max(self.start, 0) : self.end + 1] = 1.0
        role = self.roles["target"]
        return Segment(role.sums["observed_amount"] * inside, role.sums["list_amount"] * inside, role.base * inside)


@dataclass
class World:
    """Everything the estimates share: the days, the controls (category x shop x day) and competitors' events."""

    first_on: date
    days: int
    today: int
    aftermath: int
    clean: np.ndarray
    clean_base: np.ndarray
    base: np.ndarray
    event: np.ndarray
    cases: list[Case]

    def day(self, index: int) -> date:
        return self.first_on + timedelta(days=index)


def read(rows: pa.Table) -> World:
    """The arrays behind the rows of `promotions.panels`. Needs at least one day of sales."""
    import pandas as pd

    table = rows.to_pandas()
    by_role = dict(tuple(table.groupby("role")))
    extent = by_role["extent"].iloc[0]
    first = pd.Timestamp(extent["day_on"])
    days = (pd.Timestamp(extent["until_on"]) - first).days + 1

    def index(column: Any) -> np.ndarray:
        return (pd.to_datetime(column) - first).dt.days.to_numpy()

    base_rows, day_rows = by_role["control base"], by_role["control"]
    shops = _codes(base_rows["channel"], base_rows["shop_id"])
    categories = _codes(base_rows["category"])
    shape = (len(categories), len(shops), days)

    def cube(frame: pd.DataFrame, column: str) -> np.ndarray:
        made = np.zeros(shape)
        where = _positions(categories, frame["category"]), _positions(shops, frame["channel"], frame["shop_id"])
        np.add.at(made, (*where, index(frame["day_on"])), frame[column].to_numpy(float))
        return made

    base = cube(base_rows, "base_amount").cumsum(axis=2)
    event = np.zeros(shape)
    for row in by_role.get("event", table.iloc[:0]).itertuples():
        start, end = (pd.Timestamp(row.day_on) - first).days, (pd.Timestamp(row.until_on) - first).days
        event[categories[row.category,], shops[row.channel, row.shop_id], max(start, 0) : max(end + 1, 0)] = 1
    world = World(
        first_on=first.date(),
        days=days,
        today=(pd.Timestamp(extent["other_on"]) - first).days,
        aftermath=int(extent["aftermath_days"]),
        clean=cube(day_rows, "clean_amount"),
        clean_base=np.maximum(base - cube(day_rows, "lost_amount"), 0.0),
        base=base,
        event=event,
        cases=[],
    )
    by_promotion = {
        role: dict(tuple(by_role[role].groupby("promotion_id")))
        for role in ("target", "substitute", "peer", "target base", "substitute base", "peer base", "shop", "member", "segment")
        if role in by_role
    }
    looked_at = pd.concat([by_role.get(role, table.iloc[:0]).sort_values("promotion_id") for role in ("promotion", "joint")])
    for row in looked_at.itertuples():
        start, end = (pd.Timestamp(row.day_on) - first).days, (pd.Timestamp(row.until_on) - first).days
        told = not pd.isna(row.other_on) and pd.Timestamp(row.other_on) < pd.Timestamp(row.day_on)
        own = {role: frames.get(row.promotion_id) for role, frames in by_promotion.items()}
        case = Case(
            promotion_id=row.promotion_id,
            kind=row.category or "other",
            start=start,
            end=end,
            notice=int(extent["notice_days"]) if told else 0,
            cost=None if pd.isna(row.observed_amount) else float(row.observed_amount),
            roles={},
            currencies=set(),
        )
        for role in ("target", "substitute", "peer"):
            base_frame = own.get(f"{role} base")
            if base_frame is not None:
                case.roles[role] = _role(own.get(role), base_frame, days, start, index)
        if own.get("target base") is not None:
            frame = own["target base"]
            case.currencies = set(frame["channel"].dropna()) | set(frame["shop_id"].dropna())
        if own.get("shop") is not None:
            frame = own["shop"]
            case.shops = sorted(set(_positions(shops, frame["channel"], frame["shop_id"]).tolist()))
            case.categories = set(_positions(categories, frame["category"]).tolist())
        if own.get("member") is not None:
            frame = own["member"].sort_values("sold_qty")
            case.members = list(zip(frame["category"], index(frame["day_on"]), index(frame["until_on"]), strict=True))
        if own.get("segment") is not None:
            case.segments = _segments(own["segment"], days, index)
        world.cases.append(case)
    return world


def _role(frame: pd.DataFrame | None, base_frame: pd.DataFrame, days: int, start: int, index: Any) -> Role:
    sums = {name: np.zeros(days) for name in AMOUNTS}
    base_frame = base_frame.sort_values("day_on")  # sums of floats in one order, whatever the order of the rows
    if frame is not None:
        at = index(frame["day_on"])
        for name in AMOUNTS:
            np.add.at(sums[name], at, frame[name].to_numpy(float))
    base, born = np.zeros(days), index(base_frame["day_on"])
    np.add.at(base, born, base_frame["base_amount"].to_numpy(float))
    units, value = float(base_frame["sold_qty"].sum()), float(base_frame["clean_amount"].sum())
    young = np.zeros(days)
    np.add.at(young, born, base_frame["base_amount"].to_numpy(float))
    return Role(sums=sums, base=base.cumsum(), unit_price=value / units if units > 0 else 0.0, young_base=young)


def _segments(frame: pd.DataFrame, days: int, index: Any) -> dict[tuple[int, ...], Segment]:
    made = {}
    for members, rows in frame.groupby("category"):
        at, segment = index(rows["day_on"]), Segment(np.zeros(days), np.zeros(days), np.zeros(days))
        for name, column in (("observed_amount", "observed"), ("list_amount", "listed"), ("base_amount", "base")):
            np.add.at(getattr(segment, column), at, rows[name].to_numpy(float))
        made[tuple(int(number) for number in members.split(","))] = segment
    return {key: made[key] for key in sorted(made)}


def _codes(*columns: pd.Series) -> dict[tuple, int]:
    return {key: number for number, key in enumerate(sorted(set(zip(*columns, strict=True))))}


def _positions(codes: dict[tuple, int], *columns: pd.Series) -> np.ndarray:
    return np.array([codes[key] for key in zip(*columns, strict=True)], dtype=int)
