"""What explains a series besides promotions: weekday, season, trend, holidays, control indices and competitors' events."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from orders_pipeline.promotions.counterfactual import Design
from orders_pipeline.promotions.series import Case, World


@dataclass
class Competition:
    """The effect of a listed competitor event on the log of a category's sales: pooled mean and its error, per category."""

    effect: np.ndarray
    error: np.ndarray


class Controls:
    """Control indices of a world: log of observed over expected, over clean sales only, listed competitor events taken out."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.competition = Competition(np.full(len(world.base), -0.15), np.full(len(world.base), 0.15))
        self._ratios()
        if world.event.any():
            self.competition = competition(world, self.ratio)
            self._ratios()
        self.shared_columns = _calendar(world)

    def _ratios(self) -> None:
        """Expected sales of each category in each shop: the base level times the category's own slow movement."""
        world = self.world
        factor = np.exp(self.competition.effect[:, None, None] * world.event)
        self.clean_base = world.clean_base * factor
        observed, expected = world.clean.sum(axis=1), self.clean_base.sum(axis=1)
        self.ratio = _smooth(observed, 61) / np.maximum(_smooth(expected, 61), 1e-9)
        self.ratio[_smooth(expected, 61) <= 0] = 1.0
        self.expected = self.clean_base * self.ratio[:, None, :]

    def design(self, case: Case, role: str) -> Design:
        """The regressors of one role of a promotion."""
        world = self.world
        treated = np.zeros(world.base.shape[1], bool)
        treated[case.shops] = True
        own = np.zeros(world.base.shape[0], bool)
        own[list(case.categories)] = True
        columns, mean, sd = list(self.shared_columns[0]), list(self.shared_columns[1]), list(self.shared_columns[2])

        def add(column: np.ndarray, centre: float, spread: float) -> None:
            if np.any(np.abs(column) > 1e-12):
                columns.append(column)
                mean.append(centre)
                sd.append(spread)

        others = np.ix_(~own, treated)
        if (~own).any():
            seen, due = world.clean[others].sum(axis=(0, 1)), self.expected[others].sum(axis=(0, 1))
            add(_log_ratio(seen, due), 0.9, 0.35)
            level = (world.base[others] * self.ratio[~own][:, None, :]).sum(axis=(0, 1)) / np.maximum(
                world.base[others].sum(axis=(0, 1)), 1e-9
            )
            add(np.log(np.clip(level, 0.05, 20)), 0.5, 0.4)
        if (~treated).any():
            if "peer" in case.roles and role == "target":
                peer = case.roles["peer"]
                share = _share(world, own, ~treated)
                due = peer.clean_base * np.exp(self._effect(own) * share)
                self._two_speeds(add, peer.sums["clean_amount"], due, peer.usable(), (0.2, 0.3), (0.4, 0.4))
            same = np.ix_(own, ~treated)
            seen, due = world.clean[same].sum(axis=(0, 1)), self.clean_base[same].sum(axis=(0, 1))
            usable = world.clean_base[same].sum(axis=(0, 1)) > 0.3 * world.base[same].sum(axis=(0, 1))
            self._two_speeds(add, seen, due, usable, (0.2, 0.3), (0.4, 0.4))
        share = _share(world, own, treated)
        if share.any():
            add(share, self._effect(own), max(0.08, float(np.mean(self.competition.error[own]))))
        return Design(np.column_stack(columns), np.array(mean), np.array(sd))

    def event_share(self, case: Case) -> np.ndarray:
        own = np.zeros(self.world.base.shape[0], bool)
        own[list(case.categories)] = True
        treated = np.zeros(self.world.base.shape[1], bool)
        treated[case.shops] = True
        return _share(self.world, own, treated)

    def event_effect(self, case: Case) -> float:
        """The pooled effect of a listed event on the log of sales of the promotion's categories."""
        return float(np.mean(self.competition.effect[np.array(sorted(case.categories), int)]))

    def _effect(self, own: np.ndarray) -> float:
        return float(np.mean(self.competition.effect[own])) if own.any() else 0.0

    @staticmethod
    def _two_speeds(add, seen, due, usable, fast, slow) -> None:
        seen, due = np.where(usable, seen, 0.0), np.where(usable, due, 0.0)
        if not usable.any():
            return
        smooth = _log_ratio(_smooth(seen, 7), _smooth(due, 7))
        add(smooth, *slow)
        add(np.where(usable, _log_ratio(seen, due) - smooth, 0.0), *fast)


def competition(world: World, ratio: np.ndarray) -> Competition:
    """The effect of listed events, from each event's days against its quiet flanks, beside what the whole shop did on these days.

    Events of a category that share their days are one; pooled within the category and shrunk to the mean of all (random effects).
    """
    quiet = world.clean_base * (world.event == 0)
    shop = world.clean * (world.event == 0)
    due = quiet * ratio[:, None, :]
    index = (_smooth(shop.sum(axis=0), 3) + 1e-9) / (_smooth(due.sum(axis=0), 3) + 1e-9)
    expected = world.clean_base * ratio[:, None, :] * index[None]
    logs, errors, of = [], [], []
    for category in range(world.event.shape[0]):
        any_shop = world.event[category].max(axis=0)
        starts = np.flatnonzero(np.diff(np.concatenate([[0], any_shop])) > 0)
        ends = np.flatnonzero(np.diff(np.concatenate([any_shop, [0]])) < 0)
        for start, end in zip(starts, ends, strict=True):
            hit = world.event[category, :, start : end + 1]
            shops = hit.max(axis=1) > 0
            around = slice(max(start - 14, 0), end + 15)
            calm = world.event[category][shops, around] == 0
            seen, want = (
                (world.clean[category, :, start : end + 1] * hit).sum(),
                (expected[category, :, start : end + 1] * hit).sum(),
            )
            before = (world.clean[category][shops, around] * calm).sum()
            usual = (expected[category][shops, around] * calm).sum()
            if min(seen, want, before, usual) <= 0:
                continue
            logs.append(np.log(seen / want) - np.log(before / usual))
            errors.append(1 / want + 1 / usual)
            of.append(category)
    count = world.event.shape[0]
    if len(logs) < 3:
        return Competition(np.full(count, -0.1), np.full(count, 0.15))
    effect, weight, where = np.clip(np.array(logs), -1.5, 1.0), 1 / np.array(errors), np.array(of)
    centre = np.average(effect, weights=weight)
    scale = np.average((effect - centre) ** 2, weights=weight)  # spread of one event, noise and nature together
    mean, error = centre, np.sqrt(scale / len(logs))
    between = max(scale - np.median(1 / weight) * scale * np.median(weight), 0.0) + 0.03**2
    effects, sds = np.full(count, mean), np.full(count, float(np.hypot(error, np.sqrt(between))))
    for category in set(of):
        mine = where == category
        own_error = scale / mine.sum()
        share = between / (between + own_error)
        effects[category] = mean + share * (np.average(effect[mine], weights=weight[mine]) - mean)
        sds[category] = np.sqrt((1 - share) * between + error**2)
    return Competition(np.minimum(effects, 0.0), sds)


def _share(world: World, own: np.ndarray, shops: np.ndarray) -> np.ndarray:
    """Share of these shops' base level that is under a listed event, per day."""
    where = np.ix_(own, shops)
    base = world.base[where].sum(axis=(0, 1))
    return np.where(base > 0, (world.base[where] * world.event[where]).sum(axis=(0, 1)) / np.maximum(base, 1e-9), 0.0)


def _calendar(world: World) -> tuple[list[np.ndarray], list[float], list[float]]:
    """Intercept, weekday, two annual harmonics, trend, and one dummy per holiday."""
    days = [world.first_on + timedelta(days=n) for n in range(world.days)]
    weekday = np.array([day.weekday() for day in days])
    year = np.arange(world.days) / 365.25
    columns, mean, sd = [np.ones(world.days)], [0.0], [1.0]
    for number in range(6):
        columns.append((weekday == number) - (weekday == 6) * 1.0)
        mean.append(0.0)
        sd.append(0.15)
    for turn in (1, 2):
        for wave in (np.sin, np.cos):
            columns.append(wave(2 * np.pi * turn * year))
            mean.append(0.0)
            sd.append(0.15)
    columns.append(year - year.mean())
    mean.append(0.0)
    sd.append(0.3)
    for dummy in _holidays(days):
        columns.append(dummy)
        mean.append(0.0)
        sd.append(0.12)
    return columns, mean, sd


def _holidays(days: list) -> list[np.ndarray]:
    """One 0/1 column per holiday of the Chinese calendar and per shopping festival that falls into the days."""
    import chinese_calendar

    festivals = {(6, 18): "618", (11, 11): "1111", (12, 12): "1212"}
    names: dict[str, np.ndarray] = {}
    for number, day in enumerate(days):
        name = festivals.get((day.month, day.day))
        if name is None:
            try:
                name = chinese_calendar.get_holiday_detail(day)[1]
            except NotImplementedError:  # a year the calendar does not know yet
                continue
        if name:
            names.setdefault(str(name), np.zeros(len(days)))[number] = 1.0
    return [names[name] for name in sorted(names)]


def _smooth(values: np.ndarray, width: int) -> np.ndarray:
    """Centred moving sum over the last axis, shorter at the ends."""
    half = width // 2
    total = np.concatenate([np.zeros((*values.shape[:-1], 1)), values.cumsum(axis=-1)], axis=-1)
    last = np.minimum(np.arange(values.shape[-1]) + half + 1, values.shape[-1])
    first = np.maximum(np.arange(values.shape[-1]) - half, 0)
    return total[..., last] - total[..., first]


def _log_ratio(seen: np.ndarray, due: np.ndarray) -> np.ndarray:
    """log(seen / due), drawn to 0 where little is due."""
    weight = 0.1 * due[due > 0].mean() if (due > 0).any() else 1.0
    return np.log((seen + weight) / (due + weight))
