"""The definitions: every model an asset, described; steps without a circle; nothing heavy imported to show them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from orders_pipeline import pipeline
from orders_pipeline.definitions import ROOMS, defs
from orders_pipeline.kernel.checks import Check
from orders_pipeline.kernel.faults import Usage
from orders_pipeline.kernel.models import Model
from orders_pipeline.kernel.orchestration.build import build_definitions
from orders_pipeline.kernel.orchestration.checks import refuse_early
from orders_pipeline.kernel.orchestration.layers import cut_layers
from orders_pipeline.kernel.orchestration.metadata import asset_key, owner

SNAPSHOT = Path(__file__).with_name("asset_graph.txt")
HEAVY = ("pandas", "pandera", "great_expectations", "pyspark", "pyarrow")


def specs() -> dict[dg.AssetKey, dg.AssetSpec]:
    return {spec.key: spec for spec in defs.resolve_all_asset_specs()}


def test_definitions_load_as_a_repository() -> None:
    dg.Definitions.validate_loadable(defs)


@pytest.mark.parametrize("model", pipeline.models(), ids=lambda m: m.name)
def test_every_model_is_a_described_asset(model: Model) -> None:
    spec = specs()[asset_key(model.name)]
    assert spec.group_name == model.room
    assert spec.description and model.description in spec.description
    assert spec.owners and all(o.startswith("team:") for o in spec.owners)
    assert spec.kinds == {"duckdb", "sql"}
    assert {dep.asset_key for dep in spec.deps} == {asset_key(name) for name in model.after}
    columns = spec.metadata["dagster/column_schema"].columns
    lineage = spec.metadata["dagster/column_lineage"].deps_by_column
    assert [c.name for c in columns] == list(lineage)


@pytest.mark.parametrize("model", pipeline.models(), ids=lambda m: m.name)
def test_every_column_is_described(model: Model) -> None:
    schema = specs()[asset_key(model.name)].metadata["dagster/column_schema"]
    assert not [c.name for c in schema.columns if not c.description]


def test_every_column_comes_from_a_column_that_is_there() -> None:
    known = {key: spec.metadata.get("dagster/column_schema") for key, spec in specs().items()}
    for spec in specs().values():
        lineage = spec.metadata.get("dagster/column_lineage")
        for deps in lineage.deps_by_column.values() if lineage else ():
            for dep in deps:
                assert dep.column_name in {c.name for c in known[dep.asset_key].columns}, f"{spec.key}: {dep}"


def test_every_check_is_an_asset_check_and_blocks_at_error_level() -> None:
    graph = defs.resolve_asset_graph()
    found = {(key.asset_key, key.name): graph.get(key).blocking for key in graph.asset_check_keys}
    assert found == {(asset_key(c.table), c.name): c.severity == "error" for c in pipeline.checks()}


def test_asset_graph_is_the_one_of_the_snapshot() -> None:
    graph = defs.resolve_asset_graph()
    lines = []
    for key in sorted(graph.get_all_asset_keys(), key=lambda k: k.path):
        parents = ", ".join(sorted(k.to_user_string() for k in graph.get(key).parent_keys))
        lines.append(f"{key.to_user_string()} <- {parents}".rstrip(" <-"))
    now = "\n".join(lines) + "\n"
    if not SNAPSHOT.exists():
        SNAPSHOT.write_text(now, encoding="utf-8")
        pytest.fail(f"{SNAPSHOT.name} was missing and has been written; look at it and add it to the repository")
    assert now == SNAPSHOT.read_text(encoding="utf-8"), (
        f"the asset graph has changed; if that is meant, delete {SNAPSHOT.name} and run this test twice"
    )


def test_steps_follow_each_other_without_a_circle() -> None:
    layers = cut_layers(pipeline.models())
    assert [m for layer in layers for m in layer.models] != []
    done = {name for m in pipeline.models() for name in m.after if name.split(".")[0] in ("raw", "ref", "kernel")}
    for layer in layers:
        for model in layer.models:
            assert model.after <= done, f"{model.name} in {layer.name}"
            done.add(model.name)
    assert {m.name for layer in layers for m in layer.models} == {m.name for m in pipeline.models()}
    # One op each in the jobs: Dagster has not had to split a step to break a circle.
    load, clock = (defs.resolve_job_def(name) for name in ("load_and_publish", "reconcile"))
    prompt = {layer.name for layer in layers if not all(m.later for m in layer.models)}
    assert {node.name for node in load.graph.nodes} == prompt | {"landing", "publish"}
    assert {node.name for node in clock.graph.nodes} >= {layer.name for layer in layers} | {"publish"}


def test_run_of_a_file_makes_what_is_not_left_for_later() -> None:
    made = defs.resolve_job_def("load_and_publish").asset_layer.executable_asset_keys
    models = pipeline.models()
    assert {m.name for m in models if asset_key(m.name) not in made} == {m.name for m in models if m.later}
    late = {m.name for m in models if m.later}
    assert not [m.name for m in models if not m.later and m.after & late], "it would be made of rows of another hour"
    assert {"orders.orders", "reconciliation.three_way_match", "reconciliation.exceptions", "inventory.atp"}.isdisjoint(late)
    assert {"customers.customers", "finance.revenue", "health.score_components"} <= late


def test_rooms_that_read_each_other_are_cut_into_layers() -> None:
    def model(name: str, *after: str) -> Model:
        room, _, table = name.partition(".")
        return Model(name, room, table, Path(), "", (), "whole", "", (), frozenset(), "", None, frozenset(after), None)

    ordered = [model("a.one"), model("b.two", "a.one"), model("a.three", "b.two"), model("b.four", "b.two")]
    assert [(layer.name, [m.name for m in layer.models]) for layer in cut_layers(ordered)] == [
        ("a_1", ["a.one"]), ("b", ["b.two", "b.four"]), ("a_2", ["a.three"]),
    ]


def test_check_on_a_table_that_is_made_later_is_refused() -> None:
    check = Check("orders_are_judged", "orders.orders", "error", "SELECT * FROM reconciliation.three_way_match")
    with pytest.raises(Usage, match=r"Write `table: reconciliation\.three_way_match`"):
        refuse_early(cut_layers(pipeline.models()), [check])


def test_a_room_that_is_not_listed_is_named() -> None:
    with pytest.raises(Usage, match="quality"):
        build_definitions(ROOMS[:-1])


def test_owner_is_a_team() -> None:
    assert owner("data engineering") == "team:data-engineering"


def test_definitions_import_nothing_heavy() -> None:
    code = "import sys, orders_pipeline.cli, orders_pipeline.definitions, orders_pipeline.month_end; "
    code += f"print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert not done.stderr, "loading the definitions prints warnings to the user"


def test_schedule_and_sensor_run_by_themselves() -> None:
    repository = defs.get_repository_def()
    plan = {s.name: (s.job_name, s.cron_schedule) for s in repository.schedule_defs}
    assert plan == {
        "reconcile_every_two_hours": ("reconcile", "0 */2 * * *"),
        "shipping_lists_at_nine": ("morning_lists", "0 9 * * *"),
        "weekly_review_on_monday": ("weekly_review", "30 9 * * 1"),
        "channel_report_by_the_fifth": ("monthly_channel_report", "0 6 4 * *"),
        "checkup_every_night": ("checkup", "0 3 * * *"),
    }
    for schedule in repository.schedule_defs:
        assert schedule.execution_timezone == "Asia/Shanghai"
        assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING
    sensor = repository.get_sensor_def("landing_sensor")
    assert sensor.minimum_interval_seconds == 1
    assert sensor.default_status == dg.DefaultSensorStatus.RUNNING
