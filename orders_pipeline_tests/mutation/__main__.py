"""Do the tests notice a fault in the rules of matching, sharing out and revenue?

    python -m orders_pipeline_tests.mutation --record           once: run the scenarios and keep what each run left (minutes, some GB)
    python -m orders_pipeline_tests.mutation --count 40         then: up to 40 faults per rule, a report as it goes
    python -m orders_pipeline_tests.mutation --rules payments.links --count 1000
    python -m orders_pipeline_tests.mutation --collect LOG [LOG …]   the figures of what such runs printed, into docs/generated/mutation.md

A fault is killed when a test fails: first the given/expect cases of its table, then the scenario tests on recorded runs. A fault that
makes no valid statement is none. What survives is listed: either a test is missing, or the fault changes nothing anybody could see and `explained.yml` says why.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import json
import random
import shutil
import sys
import tempfile
import time
import types
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pytest

from orders_pipeline import pipeline
from orders_pipeline.kernel.models import Model
from orders_pipeline_tests.models.test_tables import CASES, empty_warehouse, outcome
from orders_pipeline_tests.mutation.mutants import Mutant, of_python, of_sql
from orders_pipeline_tests.mutation.page import explanations, page, verdicts_of
from orders_pipeline_tests.mutation.replay import Listener, Recorder, Replayer, Store, with_sql

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "generated" / "mutation.md"
SCENARIOS = ROOT / "orders_pipeline_tests" / "scenarios"
#: Test modules that say what the rules must come to.
MODULES = ("three_way_cases", "settlements", "vectors", "aftersales", "inferred_matches", "payouts", "revenue")
#: The rules: models by name; functions by module, with the tables that are made by them.
RULES: dict[str, dict[str, tuple[str, ...]]] = {
    "matching": {
        "payments.links": (), "payments.movements": (), "payments.transactions": (), "payments.allocations": (),
        "payments.residuals": (), "payments.inferred": (), "reconciliation.three_way_match": (),
        "payments/inference.py": ("payments.inferred",), "reconciliation/rules.py": (),
    },
    "sharing out": {"aftersales.order_shares": (), "aftersales.refunds": (), "orders.order_discounts": ()},
    "revenue": {
        "finance.controls": (), "finance.contracts": (), "finance.earnings": (), "finance.revenue": (), "finance.liabilities": (),
        "finance.return_rates": (),
    },
}  # fmt: skip


#: Functions no table is made by -> the tests that call them.
CALLED_BY = {"reconciliation/rules.py": "unit/test_match_rules.py"}


@dataclass
class Verdict:
    """What became of one fault."""

    rule: str
    what: str
    how: str
    by: str = ""


@dataclass
class Range:
    """Where the tests are tried: tables of the cases, and recorded runs."""

    warehouse: duckdb.DuckDBPyConnection
    store: Store
    scratch: Path
    #: Tests that do not hold on recorded runs even without a fault: they look at more than what is replayed.
    left_out: dict[str, list[str]] = field(default_factory=dict)
    #: How many faults of a rule the tests of a module have killed: those are tried first.
    kills: Counter[tuple[str, str]] = field(default_factory=Counter)

    def prepare(self) -> None:
        """Find out what recordings cannot answer."""
        for module in self.store.modules:
            self.left_out[module] = self.replay(module, {}, set(), exit_first=False).failed

    def judge(self, rule: str, mutant: Mutant, suspects: tuple[str, ...]) -> Verdict:
        """Try a fault of a rule."""
        with faulty(rule, mutant.make()) as changed:
            names = {*changed, *suspects}
            try:
                for name, case in CASES:
                    if name in names:
                        model = changed.get(name) or next(m for m in pipeline.models() if m.name == name)
                        made, expected = outcome(self.warehouse, model, case)
                        if made != expected:
                            return Verdict(rule, mutant.what, "killed", f"{name}: {case['case']}")
            except duckdb.Error as error:
                return Verdict(rule, mutant.what, *_broken(error))
            except Exception as error:  # a function that fails on given rows is noticed
                return Verdict(rule, mutant.what, "killed", f"{type(error).__name__} in a case")
            if not names:
                return self._by_functions(rule, mutant)
            return self._by_scenarios(rule, mutant, changed, set(suspects))

    def _by_scenarios(self, rule: str, mutant: Mutant, changed: dict[str, Model], suspects: set[str]) -> Verdict:
        seen, ours = [], {m.name: m for m in pipeline.models()}
        for module, recordings in sorted(self.store.modules.items(), key=lambda one: -self.kills[rule, one[0]]):
            try:
                differs = any(
                    one.notices(name, changed.get(name, ours[name]), ours[name])
                    for one in recordings
                    for name in {*changed, *suspects}
                )
            except duckdb.Error as error:
                return Verdict(rule, mutant.what, *_broken(error))
            except Exception as error:
                return Verdict(rule, mutant.what, "killed", f"{type(error).__name__} in {module}")
            if differs:
                seen.append(module)
                failed = self.replay(module, changed, suspects).failed
                if failed:
                    self.kills[rule, module] += 1
                    return Verdict(rule, mutant.what, "killed", failed[0])
        return Verdict(rule, mutant.what, "survived", f"seen in {', '.join(seen)}" if seen else "no recorded run can tell")

    def _by_functions(self, rule: str, mutant: Mutant) -> Verdict:
        """Rules no table is made by: the tests that call them."""
        listener = Listener()
        _pytest([f"{SCENARIOS.parent}/{CALLED_BY[rule]}", "-x"], listener, self.scratch)
        return (
            Verdict(rule, mutant.what, "killed", listener.failed[0])
            if listener.failed
            else Verdict(rule, mutant.what, "survived")
        )

    def replay(self, module: str, changed: dict[str, Model], suspects: set[str], exit_first: bool = True) -> Replayer:
        replayer = Replayer(self.store, changed, suspects)
        left_out = [f"--deselect={one}" for one in self.left_out.get(module, ())]
        _pytest([f"{SCENARIOS}/{module}.py", *left_out, *(["-x"] if exit_first else [])], replayer, self.scratch)
        return replayer


def _broken(error: duckdb.Error) -> tuple[str, str]:
    """A statement the database refuses is no fault anybody can make; one that fails on rows is noticed by every run."""
    if isinstance(error, duckdb.BinderException | duckdb.ParserException | duckdb.CatalogException):
        return "invalid", str(error).splitlines()[0]
    return "killed", f"{type(error).__name__}"


def _pytest(arguments: list[str], plugin: object, scratch: Path) -> None:
    basetemp = scratch / "pytest"
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        pytest.main(
            ["-q", "-p", "no:cacheprovider", "-p", "no:warnings", f"--rootdir={ROOT}", f"--basetemp={basetemp}", *arguments],
            plugins=[plugin],
        )


@contextlib.contextmanager
def faulty(rule: str, text: str) -> Iterator[dict[str, Model]]:
    """A rule with a fault, as long as this lasts. Of a model: the model to use; of a module: its functions, wherever they are known."""
    if not rule.endswith(".py"):
        model = next(m for m in pipeline.models() if m.name == rule)
        yield {rule: with_sql(model, text)}
        return
    module = importlib.import_module("orders_pipeline." + rule.removesuffix(".py").replace("/", "."))
    other = types.ModuleType(module.__name__)
    exec(compile(text, module.__file__ or rule, "exec"), other.__dict__)  # noqa: S102 (our own source)
    before = {}
    for ours, theirs in _functions(module, other):
        before[ours] = ours.__code__
        ours.__code__ = theirs.__code__
    try:
        yield {}
    finally:
        for function, code in before.items():
            function.__code__ = code


def _functions(module: types.ModuleType, other: types.ModuleType) -> Iterator[tuple[types.FunctionType, types.FunctionType]]:
    for name, one in vars(module).items():
        if isinstance(one, types.FunctionType) and one.__module__ == module.__name__:
            yield one, getattr(other, name)
        elif isinstance(one, type) and one.__module__ == module.__name__:
            for method, function in vars(one).items():
                theirs = vars(getattr(other, name)).get(method)
                if isinstance(function, types.FunctionType) and isinstance(theirs, types.FunctionType):
                    yield function, theirs


def faults_of(rule: str) -> list[Mutant]:
    """Every fault of a rule."""
    if rule.endswith(".py"):
        return of_python((ROOT / "orders_pipeline" / rule).read_text(encoding="utf-8"))
    return of_sql(next(m for m in pipeline.models() if m.name == rule).sql)


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    if options.record:
        return record(options.store)
    if options.collect:
        PAGE.write_text(page(verdicts_of(options.collect), explanations()), encoding="utf-8")
        print(PAGE)
        return 0
    with empty_warehouse() as warehouse, tempfile.TemporaryDirectory() as scratch:
        there = Range(warehouse, Store(options.store), Path(scratch))
        there.prepare()
        for module, left_out in there.left_out.items():
            print(f"# {module}: {len(left_out)} tests left out {left_out}", flush=True)
        verdicts, known, began = [], explanations(), time.monotonic()
        for subject, rules in RULES.items():
            for rule, suspects in rules.items():
                if options.rules and rule not in options.rules:
                    continue
                every = faults_of(rule)
                chosen = random.Random(options.seed).sample(every, min(options.count, len(every)))
                for mutant in chosen:
                    found = there.judge(rule, mutant, suspects)
                    if found.how == "survived" and (rule, found.what) in known:
                        found.how, found.by = "explained", known[rule, found.what]
                    verdicts.append(found)
                    print(json.dumps({"subject": subject, "of": len(every), **vars(found)}, ensure_ascii=False), flush=True)
        summary(verdicts, time.monotonic() - began)
    return 0


def summary(verdicts: Sequence[Verdict], seconds: float) -> None:
    by_rule: dict[str, Counter[str]] = defaultdict(Counter)
    for one in verdicts:
        by_rule[one.rule][one.how] += 1
    for rule, counts in by_rule.items():
        valid = counts["killed"] + counts["survived"] + counts["explained"]
        share = counts["killed"] / max(1, valid)
        print(f"# {rule:34} {valid:5} faults {counts['killed']:5} killed {share:7.1%} {counts['explained']:5} explained")
    print(f"# {seconds:.0f} s")


def record(folder: Path) -> int:
    shutil.rmtree(folder, ignore_errors=True)
    paths = [f"{SCENARIOS}/test_{name}.py" for name in MODULES]
    return pytest.main(["-q", "-p", "no:cacheprovider", f"--rootdir={ROOT}", *paths], plugins=[Recorder(folder)])


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="orders_pipeline_tests.mutation", description="Do the tests notice a fault in the rules?"
    )
    parser.add_argument("--record", action="store_true", help="run the scenarios and keep what each run left")
    parser.add_argument(
        "--store", type=Path, default=Path(tempfile.gettempdir()) / "recorded_runs", help="where recorded runs are kept"
    )
    parser.add_argument("--count", type=int, default=40, help="faults per rule, drawn at random")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--collect", nargs="+", type=Path, metavar="LOG", help="write the page of figures from what runs printed")
    parser.add_argument("--rules", nargs="*", default=(), help="only these, e.g. payments.links")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
