"""Cuts the models into steps: runs of models of one room, so that Dagster has few steps and no circle between them.

Rooms read each other in both directions (orders.id_map reads fulfilment.shipment_lines, which reads orders.order_ids),
so a room can be more than one step. Each step takes all of its room that can be made by then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from orders_pipeline.kernel.models import Model


@dataclass(frozen=True)
class Layer:
    """Models of one room that are refreshed in one step, in order."""

    name: str
    room: str
    models: tuple[Model, ...]


def cut_layers(ordered: Sequence[Model]) -> tuple[Layer, ...]:
    """The layers in order. `ordered`: models, each after what it reads.

    A room of one layer gives it its name; those of several are `orders_1`, `orders_2` …
    """
    left = list(ordered)
    runs: list[tuple[Model, ...]] = []
    while left:
        waiting = {m.name for m in left}
        found = [_takeable(room, left, waiting) for room in sorted({m.room for m in left})]
        # A room that can be finished now need not be cut; of the others, the one that gets furthest.
        best = max(found, key=lambda run: (bool(run) and len(run) == _count(run[0].room, left), len(run)))
        runs.append(tuple(best))
        left = [m for m in left if m not in best]
    rooms = [run[0].room for run in runs]
    return tuple(
        Layer(room if rooms.count(room) == 1 else f"{room}_{rooms[: n + 1].count(room)}", room, run)
        for n, (room, run) in enumerate(zip(rooms, runs, strict=True))
    )


def _takeable(room: str, left: Iterable[Model], waiting: set[str]) -> list[Model]:
    open_names = set(waiting)
    taken = []
    for model in left:
        if model.room == room and not model.after & open_names:
            taken.append(model)
            open_names.discard(model.name)
    return taken


def _count(room: str, models: Iterable[Model]) -> int:
    return sum(m.room == room for m in models)
