"""Pages of what the pipeline makes and checks: tables, checks, and the faults the simulator can inject."""

from __future__ import annotations

from collections.abc import Mapping

from orders_pipeline.checkup.probes import FAILED, load_probes
from orders_pipeline.dictionary.model import Dictionary, load_dictionary
from orders_pipeline.docs.markdown import anchor, code, codes, facts, table, titles
from orders_pipeline.kernel.checks import load_checks
from orders_pipeline.kernel.models import WHOLE, Model, load_models
from orders_pipeline.kernel.tables import ROOMS, TableSpec, load_tables
from orders_pipeline.simulate.catalogue import default_catalogue


def page() -> list[str]:
    """The page of the tables, public and private."""
    known, models, specs = load_dictionary(), load_models(ROOMS), load_tables()
    rows = []
    for name, spec in sorted(specs.items()):
        grain = ", ".join(models[name].grain) if name in models else ""
        public = "yes" if spec.public else "no"
        rows.append((f"[{name}](#{anchor(name)})", spec.title.get("zh"), grain, public, spec.owner))
    lines = [
        "# Tables",
        "",
        "Source: `<room>/tables.yml` and the header of `<room>/<table>.sql`. Public tables are published; private "
        "ones stay in the warehouse. `guid` columns are text in the published file.",
        "",
        *table(("table", "中文", "grain", "public", "owner"), rows),
    ]
    for name, spec in sorted(specs.items()):
        lines += _section(known, spec, models.get(name), models)
    return lines


def column_meaning(known: Dictionary, spec: TableSpec, column: str) -> tuple[str, str, str]:
    """(DuckDB type, English, Chinese) of a column: as `tables.yml` says, else as the dictionary's field of that name.

    A guid of a public table is shown as it is published, as text.
    """
    own = spec.describe.get(column, {})
    field = known.fields.get(own.get("field", column))
    kind = str(own.get("type") or (field.duckdb_type if field else ""))
    if kind == "UUID" and spec.public:
        kind = "VARCHAR (guid)"
    return kind, own.get("en") or (field.en if field else ""), own.get("zh") or (field.zh if field else "")


def _section(known: Dictionary, spec: TableSpec, model: Model | None, models: Mapping[str, Model]) -> list[str]:
    rows = []
    for column in (*spec.columns, *spec.private):
        rows.append((code(column), *column_meaning(known, spec, column), "private" if column in spec.private else ""))
    return [
        f"## {spec.name}",
        "",
        *([model.description, ""] if model else []),
        *facts(
            (
                ("title", titles(spec.title)),
                ("owner", spec.owner),
                ("public", "yes" if spec.public else "no"),
                *(_machinery(model, models) if model else [("made by", "the checks: one row per check and run")]),
                ("mind", spec.caveats),
            )
        ),
        *table(("column", "type", "meaning", "中文", ""), rows),
    ]


def _machinery(model: Model, models: Mapping[str, Model]) -> list[tuple[str, str]]:
    by_key = f"by touched {model.refresh}, column {code(model.key)}"
    whole, replaces = "whole, when something it reads has changed", model.replaces
    clock = {None: "", "always": "built anew for every new as_of"}
    return [
        ("grain", codes(model.grain)),
        (
            "refresh",
            "a view" if model.is_view else whole if model.refresh == WHOLE else by_key,
        ),
        ("replaces", f"by {replaces.kind}, column {code(replaces.column)}, what came out otherwise" if replaces else ""),
        ("pace", "made later than the run of a file, in a quiet while, at the latest after some minutes" if model.later else ""),
        ("touches", ", ".join(f"{t.kind} by {code(t.column)}" for t in model.touches)),
        ("clock", clock.get(model.clock, f"rows whose {code(model.clock)} has come")),
        ("readings", f"rows whose {code(model.reading)} has come, by the run that makes everything" if model.reading else ""),
        ("reads", codes(sorted(model.after))),
        ("read by", codes(sorted(m.name for m in models.values() if model.name in m.after))),
    ]


def checks() -> list[str]:
    """The page of the checks."""
    found = sorted(load_checks(ROOMS, load_models(ROOMS)), key=lambda c: (c.table, c.name))
    rows = ((code(c.table), code(c.name), c.severity, c.description) for c in found)
    return [
        "# Checks",
        "",
        "Source: `<room>/checks.yml`; the grain of every table is checked without being listed. A failed `error` "
        "keeps the run from being published and the last good tables stay; a failed `warn` is reported. Results "
        "are rows of `quality.check_results`.",
        "",
        *table(("table", "claim", "severity", "meaning"), rows),
    ]


def probes() -> list[str]:
    """The page of what the checkup looks for."""
    found = [p for p in load_probes() if p.name != FAILED]
    lines = [
        "# Probes of the checkup",
        "",
        f"Source: `orders_pipeline/checkup/<area>.yml`, {len(found)} probes. `orders-pipeline checkup` makes them all; what it "
        "finds is told with its place, in English and Chinese. Kept findings are rows of `quality.checkup_findings`.",
    ]
    for area in sorted({p.area for p in found}):
        rows = (
            (code(p.name), p.severity, p.texts["found"]["en"], p.texts["why"]["en"], p.texts["fix"]["en"])
            for p in found
            if p.area == area
        )
        lines += ["", f"## {area}", "", *table(("probe", "severity", "finds", "why it matters", "how to fix"), rows)]
    return lines


def faults() -> list[str]:
    """The page of the simulator's fault catalogue."""
    heads = ("fault", "what happens", "share", "channels", "expected status", "expected reason", "carried by")
    rows = (
        (
            code(k.name),
            k.what,
            f"{k.rate:.2%}",
            ", ".join(k.channels),
            k.expected_status,
            k.expected_reason,
            k.carried_by,
        )
        for k in default_catalogue().values()
    )
    return [
        "# Faults of the simulator",
        "",
        "Source: `orders_pipeline/simulate/faults.yml`. Each is written into the simulated files at a known place;"
        " the truth beside them says where, and what the match must say about it. *Share*: of all orders, or, for "
        "faults that must be fresh, of the last month's. `QUARANTINED`: set aside at ingestion, no row in the "
        "match.",
        "",
        *table(heads, rows),
    ]
