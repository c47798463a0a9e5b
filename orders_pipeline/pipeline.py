"""The way through, once: take what is new, bring the tables up to date, check them, publish. One writer at a time."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, cached_property
from pathlib import Path

import duckdb

from orders_pipeline.alerts.asked import LastAsked
from orders_pipeline.alerts.book import News, look
from orders_pipeline.alerts.delivery import deliver, read_targets
from orders_pipeline.alerts.rules import load_rules
from orders_pipeline.checkup import book as checkup_book
from orders_pipeline.ingest import store
from orders_pipeline.ingest.intake import Intake, Taker
from orders_pipeline.kernel.checks import Check, CheckResult, forget_old, load_checks, run_checks
from orders_pipeline.kernel.home import Home
from orders_pipeline.kernel.models import WHOLE, Model, load_models, order_models
from orders_pipeline.kernel.orchestration import taken
from orders_pipeline.kernel.refresh import Refreshed, Refresher
from orders_pipeline.kernel.settings import Settings, load_settings
from orders_pipeline.kernel.statements import tables_in
from orders_pipeline.kernel.warehouse import open_warehouse
from orders_pipeline.publish import later
from orders_pipeline.publish.publisher import CONSUMERS, LATER_CONSUMER, Publication, Publisher

ROOMS = Path(__file__).parent
Progress = Callable[[str], None]


@dataclass
class RunResult:
    """What one run did."""

    run_id: str
    as_of: datetime
    intake: Intake
    refreshed: list[Refreshed] = field(default_factory=list)
    checks: list[CheckResult] = field(default_factory=list)
    publication: Publication | None = None
    news: News = field(default_factory=News)
    undelivered: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def blocked_by(self) -> list[CheckResult]:
        return [r for r in self.checks if r.blocks]


@cache
def models() -> tuple[Model, ...]:
    """Every model of every room, each after what it reads."""
    return tuple(order_models(load_models(ROOMS)))


@cache
def checks() -> tuple[Check, ...]:
    """Every check of every room."""
    return tuple(load_checks(ROOMS, {m.name: m for m in models()}))


@dataclass
class Session:
    """One writer's hold on a home, for as long as a run lasts, and the steps a run is made of.

    The command line takes the steps one after the other; Dagster takes them room by room. Either way each model is
    refreshed, and each check made, at most once per run. A `prompt` session leaves the tables that are made later (`pace`)
    as they are, and leaves word of it; where they have never been published it makes them too.
    """

    home: Home
    settings: Settings
    as_of: datetime
    connection: duckdb.DuckDBPyConnection
    run_id: str
    full: bool = False
    prompt: bool = False
    refreshed: dict[str, Refreshed] = field(default_factory=dict)
    results: dict[tuple[str, str], CheckResult] = field(default_factory=dict)
    undelivered: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._targets = read_targets(self.settings.alerts)  # a mistake there is told before any work

    @cached_property
    def taker(self) -> Taker:
        """Takes files in; made, it has seen to it that the raw tables are there."""
        return Taker(self.connection, self.home, self.settings, self.as_of)

    def refresher(self) -> Refresher:
        """The one refresher of this run: what it touches has one batch number."""
        return self._refresher

    @cached_property
    def _refresher(self) -> Refresher:
        return Refresher(self.connection, models(), self.as_of, self.settings)

    @cached_property
    def _plan(self) -> dict[str, Model]:
        """The models by name, once it is written down which of them are to be built whole."""
        _ = self.taker
        self._refresher.plan(self.full)
        self._refresher.reads_clocks = not self._leaves_later
        return {m.name: m for m in self._refresher.models if not (m.later and self._leaves_later)}

    @cached_property
    def _leaves_later(self) -> bool:
        is_published = self.home.published_database.exists() and self._refresher.batch_of(LATER_CONSUMER) is not None
        return self.prompt and not self.full and is_published

    @cached_property
    def _publisher(self) -> Publisher:
        return Publisher(self.connection, self.home, self._refresher, self.run_id, self._plan.values())

    def ingest(self, settle_seconds: float = 0.0, progress: Progress = lambda text: None) -> Intake:
        """Take what is new in the landing zone, and leave word of it for those who may not open the warehouse."""
        missed = store.fetch(self.home, self.settings.landing_url, progress)
        intake = self.taker.take_all(settle_seconds, progress)
        intake.waiting += missed
        if "_refresher" in self.__dict__:
            self._refresher.changed_outside()
        taken.write(self.home, self.connection)
        return intake

    def refresh(self, names: Collection[str] | None = None, progress: Progress = lambda text: None) -> list[Refreshed]:
        """Bring these models (all when None) up to date, and before them what they read: a model refreshed ahead of its
        inputs would never see their pending keys. Returns what was done now."""
        wanted = self._closure(self._plan if names is None else names)
        done = []
        for model in self._plan.values():
            if model.name in wanted and model.name not in self.refreshed:
                progress(model.name)
                self.refreshed[model.name] = self._refresher.refresh(model)
                done.append(self.refreshed[model.name])
        return done

    def take_over(self, select: Callable[[Model], str], progress: Progress = lambda text: None) -> list[Refreshed]:
        """Replace every model's table by what another engine has made of it. `select` gives the SELECT that reads that,
        and is asked model by model, when the tables the model reads are in place."""
        for model in self._plan.values():
            progress(model.name)
            self.refreshed[model.name] = self._refresher.replace(model, select(model))
        return list(self.refreshed.values())

    def _closure(self, names: Collection[str]) -> set[str]:
        wanted: set[str] = set()
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name in self._plan and name not in wanted:
                wanted.add(name)
                waiting.extend(self._plan[name].after)
        return wanted

    def check(self, names: Collection[str] | None = None, *, anew: bool = False) -> list[CheckResult]:
        """Check what has changed in these tables (all when None) since the last publication, or, `anew`, all of them.
        They must be up to date, as must be whatever the checks read. Returns the results of now."""
        left = [c for c in checks() if (c.table, c.name) not in self.results]
        changed = self._all(names or ()) if anew else self._changes(names)
        changed = {**self._contradicted(left, changed, names), **changed}
        results = run_checks(self._refresher, left, changed, self.run_id)
        self.results |= {(r.check.table, r.check.name): r for r in results}
        return results

    def _changes(self, names: Collection[str] | None) -> dict[str, Refreshed]:
        if names is None:
            return self._publisher.changes
        # Of these tables alone: the others may not exist yet.
        some = Publisher(self.connection, self.home, self._refresher, self.run_id, self._some(names))
        return some.changes_so_far()

    def _contradicted(
        self, left: Iterable[Check], changed: Mapping[str, Refreshed], names: Collection[str] | None
    ) -> dict[str, Refreshed]:
        """Tables made whole that came out the same, while something else that a check of theirs reads has changed since the
        last publication: the claim may be broken all the same."""
        batches = [self._refresher.batch_of(name) for name in CONSUMERS]
        found: dict[str, Refreshed] = {}
        for check in left:
            model = self._plan.get(check.table)
            batch = batches[model.later] if model is not None else None
            if batch is None or model is None or model.refresh != WHOLE or model.name in changed or model.name in found:
                continue
            others = tables_in(check.sql) - {check.table}
            if (names is None or model.name in names) and others and self._refresher.changed_since(others, batch):
                found[model.name] = Refreshed(model, "whole", self._refresher.row_count(model))
        return found

    def _all(self, names: Collection[str]) -> dict[str, Refreshed]:
        return {m.name: Refreshed(m, "whole", self._refresher.row_count(m)) for m in self._some(names)}

    def _some(self, names: Collection[str]) -> list[Model]:
        return [model for name, model in self._plan.items() if name in names]

    @cached_property
    def news(self) -> News:
        """What has changed in the alerts. Tables and checks must be up to date."""
        checkup_book.prepare(self.connection)
        left = {m.name for m in self._refresher.models} - self._plan.keys()
        rules, last = [r for r in load_rules() if left.isdisjoint(r.tables)], LastAsked(self._refresher)
        asked = last.among(rule for rule in rules if not rule.later) if self._leaves_later else rules
        news = look(self.connection, self.as_of, self.settings, asked, is_brief=self._leaves_later)
        if news.is_late:
            last.forget(asked)
        else:
            last.note(asked)
        return news

    def publish(self, *, anew: bool = False) -> Publication:
        """Publish all that has changed; whatever no step of this run has refreshed or checked is, before. Alerts go out
        whether or not a check stands against publishing. `anew`: results of an audit have come to the history."""
        self.refresh()
        self.check()
        if self.results:
            forget_old(self._refresher)
        if self.prompt:
            later.note(self.home)
        publication = self._publisher.publish(list(self.results.values()), anew=bool(self.news) or anew)
        if not self.prompt and not publication.blocked_by:
            later.done(self.home)
        self.undelivered = deliver(self.connection, self.home, self._targets)
        return publication


@contextmanager
def session(
    home: Home, as_of: datetime, run_id: str | None = None, *, full: bool = False, prompt: bool = False
) -> Iterator[Session]:
    """Open a home for one run. Raises Transient when another run holds it."""
    with open_warehouse(home) as connection:
        if prompt:
            # Merging blocks that have few rows left writes them anew: the run that makes the rest does it.
            connection.execute("SET max_vacuum_tasks = 0")
        yield Session(home, load_settings(home.settings_file), as_of, connection, run_id or uuid.uuid4().hex, full, prompt)


def run(
    home: Home,
    as_of: datetime,
    *,
    full: bool = False,
    prompt: bool = False,
    progress: Progress = lambda text: None,
    run_id: str | None = None,
    settle_seconds: float = 0.0,
    refresh: Callable[[Session, Progress], list[Refreshed]] = lambda now, progress: now.refresh(progress=progress),
) -> RunResult:
    """Take in, refresh, check, publish. A run that was killed is completed by the next one.

    `prompt` leaves the tables that are made later to the next run. `refresh` brings every model up to date; another engine puts
    its own way in its place.
    """
    with session(home, as_of, run_id, full=full, prompt=prompt) as now:
        result = RunResult(now.run_id, as_of, Intake())
        with _timed(result, "ingest"):
            result.intake = now.ingest(settle_seconds, progress)
        with _timed(result, "models"):
            result.refreshed = refresh(now, progress)
        with _timed(result, "checks"):
            result.checks = now.check()
        with _timed(result, "publish"):
            progress("publish")
            result.publication = now.publish()
            result.news, result.undelivered = now.news, now.undelivered
        return result


@contextmanager
def _timed(result: RunResult, what: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    result.seconds[what] = time.perf_counter() - started
