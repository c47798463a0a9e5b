"""SQL models: `<room>/<table>.sql`, one SELECT each, with a header that says what the machinery must know.

The header is the comment lines above the SELECT, in any order:

    -- grain: order_guid, line_no           the columns that identify a row
    -- refresh: order by order_guid         rows are replaced by touched key: kind, then its column; or just `whole`; or
                                            `view`: made whole and kept as a view, for what only adds the clock to another table
    -- touches: payment by payment_guid     (any number) replacing rows touches these keys for the models below
    -- replaces: exception by exception_guid  (optional) of what is made again, whole or for touched keys, only the rows of
                                            those keys are replaced, here and where it is published, whose rows came out
                                            otherwise; these keys are touched
    -- lookup: orders.id_map, raw.products  (optional) inputs read whole even in a scoped refresh; `raw.orders AS others`:
                                            only where it is read under that name
    -- changes at: next_change_at           (optional) output column with the next instant at which the clock alone
                                            may change the row; null = never (`always` for a table made whole)
    -- ages at: next_reading_at             (optional) the same for numbers nobody acts on at once (time gone by): brought
                                            up to date only by the run that makes everything
    -- pace: later                         (optional) not made in the run that takes a file in but minutes after, with
                                            all that reads it
    -- through: module.function             (optional, with `-- returns: column TYPE, ...`) a function that makes the
                                            table of the SELECT's rows, see through.py; `each <column>` where it treats
                                            each value of the column by itself
    -- Any other line describes the table.

Models name tables with their schema (`raw.orders`); a bare name is a CTE. Three pseudo functions stand for what is
known only at run time and are replaced by literals: `as_of()`, `threshold('name')`, `setting('name')`.
"""

from __future__ import annotations

import difflib
import hashlib
import heapq
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import sqlglot
from sqlglot import exp

from orders_pipeline.kernel.faults import Permanent
from orders_pipeline.kernel.macros import expand_for_spark

EXTERNAL_SCHEMAS = frozenset({"raw", "kernel", "ref"})
WHOLE = "whole"
LATER = "later"
VIEW = "view"
_HEADER_KEYS = ("grain", "refresh", "touches", "replaces", "lookup", "changes at", "ages at", "pace", "through", "returns")
_BY = re.compile(r"^(\w+) by (\w+)$")
_FUNCTION = re.compile(r"^(\w+(?:\.\w+)+)(?: each (\w+))?$")
_COLUMN = re.compile(r"(\w+) (\w+(?: ?\([\d, ]+\))?(?:\[\])?)(?:,|$)")

Value = Decimal | int | str | bool | date | datetime


class ModelError(Permanent):
    """A model file, or a set of them, breaks a rule of this module. The message names the file or table and the fix."""


class Touch(NamedTuple):
    """A kind of key (`order`) and the column that holds it (`order_guid`)."""

    kind: str
    column: str


@dataclass(frozen=True)
class Model:
    """One table made by one SELECT. `name` is `room.table`; see the module docstring for the header fields.

    A view is refreshed like a table made whole: whoever reads it needs to know no difference.
    """

    name: str
    room: str
    table: str
    path: Path
    sql: str
    grain: tuple[str, ...]
    refresh: str
    key: str
    touches: tuple[Touch, ...]
    lookups: frozenset[str]
    description: str
    touch_sql: str | None
    after: frozenset[str]
    clock: str | None
    later: bool = False
    through: str | None = None
    through_each: str = ""
    returns: Mapping[str, str] = field(default_factory=dict, hash=False)
    function_sha: str = ""
    is_view: bool = False
    reading: str | None = None
    replaces: Touch | None = None

    @property
    def by(self) -> Touch | None:
        """The keys by which rows of the table are replaced; None where it is only ever replaced whole."""
        if self.replaces or self.refresh == WHOLE:
            return self.replaces
        return Touch(self.refresh, self.key)

    @property
    def kinds(self) -> set[str]:
        """The kinds of keys by which rows of the table are made or replaced."""
        return {self.refresh} - {WHOLE} | ({self.replaces.kind} if self.replaces else set())


@lru_cache(maxsize=512)
def parse(sql: str) -> exp.Expression:
    """The tree of one SELECT in DuckDB's dialect. Shared between callers: copy before changing it."""
    try:
        statements = [one for one in sqlglot.parse(sql, read="duckdb") if one is not None]
    except sqlglot.errors.ParseError as error:
        raise ModelError(f"not valid SQL: {str(error).splitlines()[0]}") from error
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise ModelError("a model is exactly one SELECT")
    return statements[0]


def tables_read(expression: exp.Expression) -> frozenset[str]:
    """The tables (`schema.table`) an expression reads, without its CTEs."""
    return frozenset(f"{one.db}.{one.name}" for one in expression.find_all(exp.Table) if one.db)


def read_model(path: Path) -> Model:
    """The model in `<room>/<table>.sql`. Raises ModelError naming the file."""
    sql = path.read_text(encoding="utf-8")
    room, table = path.parent.name, path.stem
    touch_path = path.with_suffix(".touch.sql")
    try:
        header = _read_header(sql)
        expression = parse(sql)
        _reject_bare_names(expression)
        _reject_unread(header["lookup"], expression)
        is_view = header["refresh"] == [VIEW]
        refresh, key = (WHOLE, "") if is_view or header["refresh"] == [WHOLE] else _kind_by_column(header, "refresh")[0]
        return Model(
            name=f"{room}.{table}",
            room=room,
            table=table,
            path=path,
            sql=sql,
            grain=_names(header["grain"]),
            refresh=refresh,
            key=key,
            touches=_kind_by_column(header, "touches"),
            lookups=frozenset(_names(header["lookup"])),
            description=" ".join(header["description"]),
            touch_sql=touch_path.read_text(encoding="utf-8") if touch_path.exists() else None,
            after=tables_read(expression),
            clock=header["changes at"][0] if header["changes at"] else None,
            reading=header["ages at"][0] if header["ages at"] else None,
            later=header["pace"] == [LATER],
            is_view=is_view,
            replaces=next(iter(_kind_by_column(header, "replaces")), None),
            **_through(header, path.parent),
        )
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error


def _reject_unread(lookups: Iterable[str], expression: exp.Expression) -> None:
    """A look-up that is misspelt would be narrowed, and rows be missing."""
    read = {name for one in expression.find_all(exp.Table) for name in (_read_as(one), f"{one.db}.{one.name}")}
    for name in _names(lookups):
        if name not in read:
            raise ModelError(f"`-- lookup: {name}` is not read here")


def _read_as(table: exp.Table) -> str:
    """The name of a table, with the one it is read under."""
    return f"{table.db}.{table.name} AS {table.alias}"


def _read_header(sql: str) -> dict[str, list[str]]:
    header: dict[str, list[str]] = {key: [] for key in (*_HEADER_KEYS, "description")}
    for line in sql.splitlines():
        if line.strip() and not line.startswith("--"):
            break
        text = line.removeprefix("--").strip()
        key, colon, value = text.partition(":")
        if colon and key in _HEADER_KEYS:
            header[key].append(value.strip())
        elif colon and difflib.get_close_matches(key.lower(), _HEADER_KEYS, cutoff=0.75):
            raise ModelError(f"unknown header line {text!r}; known: {', '.join(_HEADER_KEYS)}")
        elif text:
            header["description"].append(text)
    for key in ("grain", "refresh", "description"):
        if not header[key]:
            missing = "a sentence on the table" if key == "description" else f"`-- {key}:`"
            raise ModelError(f"the header lacks {missing}")
    if header["refresh"] == [VIEW] and header["through"]:
        raise ModelError("what a function makes is kept as a table: `-- refresh: whole`")
    for key in ("refresh", "replaces", "changes at", "ages at", "pace", "through"):
        if len(header[key]) > 1:
            raise ModelError(f"`-- {key}:` is stated {len(header[key])} times")
    if header["ages at"] and header["refresh"] in ([WHOLE], [VIEW]):
        raise ModelError("`-- ages at:` is for tables refreshed by keys")
    if header["touches"] and header["refresh"] in ([WHOLE], [VIEW]):
        raise ModelError("`-- touches:` is for tables refreshed by keys; one made whole says which rows it `-- replaces:`")
    if header["replaces"] and (header["refresh"] == [VIEW] or header["through"]):
        raise ModelError("a view, or what a function makes, is replaced as it was made: no `-- replaces:`")
    if header["pace"] not in ([], [LATER]):
        raise ModelError(f"`-- pace: {header['pace'][0]}` is not `{LATER}`")
    return header


def _through(header: Mapping[str, list[str]], room: Path) -> dict[str, Any]:
    if not header["through"] and not header["returns"]:
        return {}
    name, text = "".join(header["through"]), ", ".join(line.rstrip(", ") for line in header["returns"])
    returns = dict(_COLUMN.findall(text))
    stated = _FUNCTION.match(name)
    if stated is None or not returns or _COLUMN.sub("", text).strip():
        raise ModelError("a table made by a function needs `-- through: module.function` and `-- returns: column TYPE, ...`")
    function, each = stated.groups(default="")
    by = header["refresh"][0].rpartition(" by ")[2]
    if each and (each not in returns or by not in (WHOLE, each)):
        raise ModelError(f"`-- through: {name}` is for a table made whole, or by that key, that has the column {each}")
    module = room.joinpath(*function.split(".")[:-1]).with_suffix(".py")
    if not module.exists():
        raise ModelError(f"`-- through: {name}`: there is no {module.name} in the room")
    return {
        "through": function,
        "through_each": each,
        "returns": returns,
        "function_sha": _room_sha(room),
    }


def _room_sha(room: Path) -> str:
    """Changes with any code or reference table of the room: a function may use all of it."""
    digest = hashlib.sha256()
    for path in sorted((*room.rglob("*.py"), *room.rglob("*.csv"))):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _names(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(name.strip() for value in values for name in value.split(",") if name.strip())


def _kind_by_column(header: Mapping[str, list[str]], key: str) -> tuple[Touch, ...]:
    matches = [(value, _BY.match(value)) for value in header[key]]
    for value, match in matches:
        if match is None:
            allowed = "`<kind> by <column>`" + (", `whole` or `view`" if key == "refresh" else "")
            raise ModelError(f"`-- {key}: {value}` is not {allowed}")
    return tuple(Touch(*match.groups()) for _, match in matches if match)


def _reject_bare_names(expression: exp.Expression) -> None:
    ctes = {one.alias for one in expression.find_all(exp.CTE)}
    for table in expression.find_all(exp.Table):
        if not table.db and table.name not in ctes:
            raise ModelError(f"{table.name or table.sql()!r} is neither a CTE nor a table with its schema (room.table)")


def load_models(rooms_dir: Path) -> dict[str, Model]:
    """Every model under `rooms_dir/<room>/`, by name; what reads a later table is one too. Raises ModelError on the first file
    that breaks a rule."""
    paths = sorted(path for path in rooms_dir.glob("*/*.sql") if not path.name.endswith(".touch.sql"))
    models = [read_model(path) for path in paths]
    later: set[str] = set()
    while found := {m.name for m in models if (m.later or not later.isdisjoint(m.after)) and m.name not in later}:
        later |= found
    return {model.name: replace(model, later=model.name in later) for model in models}


def order_models(models: Mapping[str, Model]) -> list[Model]:
    """The models, each after all it reads; alphabetical where that leaves a choice.

    Raises ModelError on a table that nobody makes (raw, kernel and ref tables come from elsewhere) and on a cycle.
    """
    waiting: dict[str, set[str]] = {}
    for model in models.values():
        inputs = {name for name in model.after if name.split(".")[0] not in EXTERNAL_SCHEMAS}
        for name in sorted(inputs - models.keys()):
            near = difflib.get_close_matches(name, models)
            raise ModelError(f"{model.name} reads {name}, which no model makes" + (f"; {near[0]}?" if near else ""))
        waiting[model.name] = inputs
    readers: dict[str, list[str]] = {name: [] for name in models}
    for name, inputs in waiting.items():
        for one in inputs:
            readers[one].append(name)
    ready = [name for name, inputs in waiting.items() if not inputs]
    heapq.heapify(ready)
    ordered: list[Model] = []
    while ready:
        name = heapq.heappop(ready)
        ordered.append(models[name])
        del waiting[name]
        for reader in readers[name]:
            waiting[reader].discard(name)
            if not waiting[reader]:
                heapq.heappush(ready, reader)
    if waiting:
        raise ModelError(f"models read each other in a circle: {' -> '.join(_circle(waiting))}")
    return ordered


def _circle(waiting: Mapping[str, set[str]]) -> list[str]:
    seen: list[str] = []
    name = min(waiting)
    while name not in seen:
        seen.append(name)
        name = min(one for one in waiting[name] if one in waiting)
    return [*seen[seen.index(name) :], name]


def bind(
    model: Model | str, as_of: datetime, thresholds: Mapping[str, Decimal | int | str], settings: Mapping[str, Value]
) -> exp.Expression:
    """A tree of the model (or of bare SQL) in which as_of(), threshold() and setting() are typed literals.

    `as_of` must carry a time zone. Raises ModelError naming the model and the unknown name.
    """
    where = model.name if isinstance(model, Model) else "SQL"
    if as_of.tzinfo is None:
        raise ModelError(f"{where}: as_of {as_of} has no time zone")
    known = {"threshold": thresholds, "setting": settings}
    expression = parse(model.sql if isinstance(model, Model) else model).copy()
    for call, kind, name in _pseudo_calls(expression, where):
        if kind == "as_of":
            call.replace(literal(as_of))
        elif name in known[kind]:
            call.replace(literal(known[kind][name]))
        else:
            near = difflib.get_close_matches(name, known[kind])
            raise ModelError(f"{where}: no {kind} is named {name!r}" + (f"; {near[0]!r}?" if near else ""))
    return expression


def _pseudo_calls(expression: exp.Expression, where: str) -> list[tuple[exp.Expression, str, str]]:
    found = []
    for call in list(expression.find_all(exp.Anonymous)):
        kind, arguments = call.name.lower(), call.expressions
        if kind == "as_of" and not arguments:
            found.append((call, kind, ""))
        elif kind in ("threshold", "setting") and len(arguments) == 1 and arguments[0].is_string:
            found.append((call, kind, arguments[0].name))
        elif kind in ("as_of", "threshold", "setting"):
            raise ModelError(f"{where}: {call.sql()} must be as_of(), threshold('name') or setting('name')")
    return found


def literal(value: Value) -> exp.Expression:
    """A value as a typed SQL literal: instants as TIMESTAMPTZ in UTC, dates as DATE, numbers exact, text quoted."""
    if isinstance(value, bool):
        return exp.Boolean(this=value)
    if isinstance(value, datetime):
        return exp.cast(exp.Literal.string(value.astimezone(UTC).isoformat(sep=" ")), "TIMESTAMPTZ")
    if isinstance(value, date):
        return exp.cast(exp.Literal.string(value.isoformat()), "DATE")
    if isinstance(value, int | Decimal):
        number = exp.Literal.number(format(abs(value), "f" if isinstance(value, Decimal) else "d"))
        return exp.Paren(this=exp.Neg(this=number)) if value < 0 else number
    if isinstance(value, str):
        return exp.Literal.string(value)
    raise ModelError(f"{value!r} ({type(value).__name__}) cannot be a SQL literal")


class UsedNames(NamedTuple):
    """The thresholds and settings that models name."""

    thresholds: frozenset[str]
    settings: frozenset[str]


def used_names(models: Iterable[Model]) -> UsedNames:
    """Every threshold and setting the models, or their touch queries, use."""
    used: dict[str, set[str]] = {"as_of": set(), "threshold": set(), "setting": set()}
    for model in models:
        for sql in filter(None, (model.sql, model.touch_sql)):
            for _, kind, name in _pseudo_calls(parse(sql), model.name):
                used[kind].add(name)
    return UsedNames(frozenset(used["threshold"]), frozenset(used["setting"]))


def scoped(
    expression: exp.Expression,
    model: Model,
    columns_of: Callable[[str], Collection[str]],
    touched_table: Callable[[str], str],
    kept: Mapping[str, str] | None = None,
    placed: Collection[str] = (),
) -> exp.Expression:
    """A copy that reads, of every input holding the model's key column, only the rows whose key is touched.

    `columns_of('raw.orders')` gives a table's columns; `touched_table('order')` the name of a table whose column `key`
    lists the touched keys; `kept` the tables that hold an input's rows of these keys and of others, where there are such.
    Look-ups, CTEs and inputs without the key column are read as they are. A row whose key is null is in no scope.

    Of inputs that are `placed` (DuckDB's own tables) the rows are found by their place: the key column alone is looked through.
    Asked for all columns, DuckDB reads those of nearly every block, for what it looks for keys by lets one in some hundred others
    through.
    """
    touched = exp.select("key").from_(touched_table(model.refresh), dialect="duckdb")
    return _narrowed(expression, model, columns_of, exp.column(model.key).isin(query=touched), kept or {}, placed)


def part_of(
    expression: exp.Expression, model: Model, columns_of: Callable[[str], Collection[str]], part: int, parts: int
) -> exp.Expression:
    """A copy that reads, of every input holding the model's key column, only the rows of one of so many ranges of keys: together
    the parts give what the whole gives. Rows without a key are in the first."""
    bounds = [f"{UUID(int=min(n * 2**128 // parts, 2**128 - 1))}" for n in (part, part + 1)]
    column, low, high = exp.column(model.key), *(exp.cast(exp.Literal.string(b), "UUID") for b in bounds)
    inside = [exp.GTE(this=column.copy(), expression=low)] if part else []
    inside += [exp.LT(this=column.copy(), expression=high)] if part < parts - 1 else []
    condition = exp.and_(*inside) if inside else exp.true()
    if not part:
        condition = exp.or_(condition, column.copy().is_(exp.null()))
    return _narrowed(expression, model, columns_of, condition, {})


def _narrowed(
    expression: exp.Expression,
    model: Model,
    columns_of: Callable[[str], Collection[str]],
    condition: exp.Expression,
    kept: Mapping[str, str],
    placed: Collection[str] = (),
) -> exp.Expression:
    if model.refresh == WHOLE:
        raise ModelError(f"{model.name} is refreshed whole: it cannot be scoped")
    narrowed = expression.copy()
    for table in list(narrowed.find_all(exp.Table)):
        name = f"{table.db}.{table.name}"
        is_whole = not model.lookups.isdisjoint((name, _read_as(table)))
        if not table.db or is_whole or model.key not in columns_of(name):
            continue
        source = exp.table_(kept[name]) if name in kept else exp.table_(table.name, db=table.db)
        inside = condition
        if name in placed and name not in kept:
            inside = exp.column("rowid").isin(query=exp.select("rowid").from_(source.copy()).where(condition.copy()))
        rows = exp.select("*").from_(source).where(inside.copy())
        inner = rows.subquery(table.alias_or_name)
        inner.set("joins", table.args.get("joins"))  # of a bracketed join
        table.replace(inner)
    return narrowed


def render(expression: exp.Expression, dialect: str = "duckdb") -> str:
    """The SQL text for an engine (`duckdb` or `spark`); for Spark the helper functions are written out."""
    if dialect == "spark":
        expression = expand_for_spark(expression)
    return expression.sql(dialect=dialect, comments=False)
