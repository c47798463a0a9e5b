"""What Dagster shows of a table, derived from its SQL, `tables.yml` and the dictionary: nothing is described twice."""

from __future__ import annotations

import base64
import importlib
import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb

from orders_pipeline import pipeline
from orders_pipeline.dictionary.model import load_dictionary
from orders_pipeline.ingest.raw import create_raw_tables
from orders_pipeline.ingest.reference import create_reference_tables
from orders_pipeline.kernel import lineage
from orders_pipeline.kernel.models import Model
from orders_pipeline.kernel.settings import Settings
from orders_pipeline.kernel.tables import TableSpec, load_tables

#: What the tables are that no model makes and the dictionary does not know.
SOURCE_TABLES = {
    "raw.files": "Every file that was ever looked at, and what became of its rows.",
    "raw.quarantine": "Rows set aside, with the reason and their text. Holds personal data: never published.",
    "ref.accounts": "The payment accounts of this home, and the channel and shop each belongs to.",
    "ref.channels": "The channels of the dictionary, with time zone, currency and who reports which leg.",
    "ref.stages": "The stages of an order: owner, limits of its clock, calendar (stages.yml).",
    "ref.stage_transitions": "Which stage may follow which.",
    "ref.stage_words": "Which word of a vocabulary means which stage.",
    "ref.calendar": "Working hours of every local day, and the working seconds before it (calendars.yml, settings.toml).",
    "ref.calendar_deadlines": "The days on which so much working time has passed.",
    "ref.customer_tags": "Every version of every customer tag's definition, with its numbers (customer_tags.yml).",
    "ref.rfm_cut_points": "Which values of recency, frequency and money have which score (rfm_cut_points.yml).",
    "ref.cancel_words": "Words of a reason that tell who cancelled an order.",
    "ref.piece_words": "Words of a stock file that mean the single piece.",
    "ref.health_components": "What a channel's health is scored on, and from when on (health.yml, settings.toml).",
    "ref.restatements": "Which statement restates the rows of which other one.",
}
SOURCE_COLUMNS = """
SELECT table_schema, table_name, column_name, replace(data_type, 'TIMESTAMP WITH TIME ZONE', 'TIMESTAMPTZ')
FROM information_schema.columns WHERE table_schema IN ('raw', 'ref') ORDER BY table_schema, table_name, ordinal_position
"""


def asset_key(table: str) -> dg.AssetKey:
    """`room.table` as an asset key."""
    return dg.AssetKey(table.split("."))


def owner(name: str) -> str:
    """An owner of tables.yml (`data engineering`) as Dagster writes a team."""
    return "team:" + name.strip().lower().replace(" ", "-")


@cache
def source_columns() -> Mapping[str, Mapping[str, str]]:
    """Column -> type of every table that no model makes, as the intake makes them in an empty warehouse."""
    tables: dict[str, dict[str, str]] = {}
    dictionary = load_dictionary()
    with duckdb.connect() as empty:
        create_raw_tables(empty, dictionary)
        create_reference_tables(empty, dictionary, Settings({}))
        for schema, table, column, kind in empty.execute(SOURCE_COLUMNS).fetchall():
            tables.setdefault(f"{schema}.{table}", {})[column] = kind
    return tables


def source_tables() -> list[str]:
    """The tables that models read and no model makes, by name."""
    made = {m.name for m in pipeline.models()}
    return sorted({name for m in pipeline.models() for name in m.after} - made)


@cache
def all_columns() -> Mapping[str, Mapping[str, str]]:
    """Column -> type ("" where only a run can tell) of every table."""
    fields = load_dictionary().fields
    found = dict(source_columns())
    for model in pipeline.models():
        described = load_tables()[model.name].describe
        found[model.name] = {
            c: fields[c].duckdb_type if c in fields else str(described.get(c, {}).get("type", ""))
            for c in lineage.output_columns(model)
        }
    return found


def model_spec(model: Model) -> dg.AssetSpec:
    """The asset of a model."""
    spec = load_tables()[model.name]
    return dg.AssetSpec(
        asset_key(model.name),
        deps=[asset_key(name) for name in sorted(model.after)],
        group_name=model.room,
        description=_description(spec, model.description),
        owners=[owner(spec.owner)],
        kinds={"duckdb", "sql"},
        tags={
            "refreshed_by": model.refresh,
            "published": "yes" if spec.public else "no",
            "pace": "later" if model.later else "every_run",
        },
        metadata={
            "dagster/column_schema": column_schema(model.name, spec, model.grain),
            "dagster/column_lineage": column_lineage(model),
            "grain": ", ".join(model.grain),
            "columns come from": _sources(model),
            "sql": dg.MetadataValue.md(f"```sql\n{model.sql.strip()}\n```"),
            **code_reference(model.path),
        },
    )


def _description(spec: TableSpec, text: str) -> str:
    parts = [f"**{spec.title['en']} · {spec.title['zh']}**", text]
    if spec.caveats:
        parts.append(f"Mind: {spec.caveats}")
    return "\n\n".join(parts)


def column_schema(table: str, spec: TableSpec | None = None, grain: Sequence[str] = ()) -> dg.TableSchema:
    """The columns of a table with type and meaning in English and Chinese."""
    return dg.TableSchema([_column(table, name, kind, spec, grain) for name, kind in all_columns()[table].items()])


def _column(table: str, name: str, kind: str, spec: TableSpec | None, grain: Sequence[str]) -> dg.TableColumn:
    dictionary = load_dictionary()
    room, _, entity = table.partition(".")
    if room == "raw" and entity in dictionary.entities:
        known = dictionary.fields.get(dictionary.entities[entity].meanings.get(name, name))
    else:
        known = dictionary.fields.get(name)
    described = (spec.describe if spec else {}).get(name) or (known and {"en": known.en, "zh": known.zh}) or {}
    tags = {"personal_data": known.pii} if known and known.pii else {}
    if spec and name in spec.private:
        tags["private"] = "yes"
    in_grain = name in grain
    return dg.TableColumn(
        name,
        kind or "VARCHAR",
        " · ".join(described[k] for k in ("en", "zh") if described.get(k)) or None,
        dg.TableColumnConstraints(nullable=not in_grain, unique=in_grain and len(grain) == 1),
        tags,
    )


@cache
def column_lineage(model: Model) -> dg.TableColumnLineage:
    """Which columns each column of a model is computed from."""
    traced = lineage.column_lineage(model, all_columns()).items()
    return dg.TableColumnLineage(
        {column: [dg.TableColumnDep(asset_key(table), source) for table, source in found] for column, found in traced}
    )


def _sources(model: Model) -> dg.MarkdownMetadataValue:
    """The column lineage to be read: the UI has no page for it."""
    found = column_lineage(model).deps_by_column.items()
    rows = [(name, ", ".join(f"{d.asset_key.to_user_string()}.{d.column_name}" for d in deps)) for name, deps in found]
    return records(("column", "from"), rows)


def code_reference(path: Path) -> dict[str, Any]:
    """The file a definition comes from, for the link in the UI."""
    with warnings.catch_warnings():
        # Beta in Dagster 1.13; should it change, the definitions test fails, which is soon enough.
        warnings.simplefilter("ignore", dg.BetaWarning)
        label = f"{path.parent.name}/{path.name}"
        reference = dg.LocalFileCodeReference(file_path=str(path), line_number=1, label=label)
        return {"dagster/code_references": dg.CodeReferencesMetadataValue(code_references=[reference])}


def source_spec(table: str) -> dg.AssetSpec:
    """The asset of a table that the intake makes."""
    room, _, name = table.partition(".")
    entity = load_dictionary().entities.get(name) if room == "raw" else None
    if entity:
        grain = entity.grain[0].upper() + entity.grain[1:]
        text = f"**{entity.title['en']} · {entity.title['zh']}**\n\n{grain}; with file and line."
    else:
        text = SOURCE_TABLES.get(table, "A list the models read.")
    return dg.AssetSpec(
        asset_key(table),
        group_name="ingest",
        description=text,
        owners=[owner("data engineering")],
        kinds={"duckdb"},
        tags={"published": "no"},
        metadata={"dagster/column_schema": column_schema(table)},
    )


def records(names: Sequence[str], rows: Iterable[Sequence[object]]) -> dg.MarkdownMetadataValue:
    """Rows as a table in the UI."""
    lines = ["| " + " | ".join(names) + " |", "|" + " --- |" * len(names)]
    lines += ["| " + " | ".join(_cell(value) for value in row) + " |" for row in rows]
    return dg.MetadataValue.md("\n".join(lines))


def plots(connection: duckdb.DuckDBPyConnection, model: Model) -> dict[str, dg.MarkdownMetadataValue]:
    """The pictures a room draws of a table (`PLOTS` of its `plots.py`), to be shown on the asset's page."""
    if not model.path.with_name("plots.py").exists():
        return {}
    drawn = importlib.import_module(f"orders_pipeline.{model.room}.plots").PLOTS.get(model.table)
    pictures = drawn(connection) if drawn else {}

    def embedded(svg: str) -> str:
        return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()

    if not pictures:
        return {}
    images = [f"![{name.replace(']', ' ')}]({embedded(svg)})" for name, svg in pictures.items()]
    return {"plots": dg.MetadataValue.md("\n\n".join(images))}


def _cell(value: object) -> str:
    if value is None:
        return ""
    text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")


def sample(text: str) -> dg.MarkdownMetadataValue:
    """The sample of a check (a JSON list of rows) as a table."""
    rows: list[dict[str, str]] = json.loads(text)
    names = list(rows[0]) if rows else []
    return records(names, [[row.get(n) for n in names] for row in rows])
