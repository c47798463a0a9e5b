"""What a model's columns are and where each comes from, read off its SQL."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, build_scope

from orders_pipeline.kernel.models import Model, ModelError, parse

Schema = Mapping[str, Mapping[str, str]]
Source = tuple[str, str]


def output_columns(model: Model) -> tuple[str, ...]:
    """The columns of the model's table, in order. Raises ModelError on a star or an unnamed column."""
    return tuple(model.returns) or _selected(model)


def _selected(model: Model) -> tuple[str, ...]:
    names = tuple(one.output_name for one in parse(model.sql).selects)
    for position, name in enumerate(names, 1):
        if name in ("", "*"):
            raise ModelError(f"{model.name}: column {position} has no name of its own; write `expression AS name`")
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ModelError(f"{model.name}: two columns are named {', '.join(twice)}")
    return names


def column_lineage(model: Model, schema: Schema) -> dict[str, list[Source]]:
    """For each output column the columns (`(table, column)`, sorted) its value is computed from; [] for a constant.

    Counted are the columns in the expression itself, window and aggregate filters included, through CTEs,
    subqueries and unions;
    not those that only decide which rows there are (WHERE, ON,
        GROUP BY). `schema` gives the columns of each table read:
    {table: {column: type}}. Raises ModelError on a column whose table cannot be told.
    """
    nested: dict[str, dict[str, dict[str, str]]] = {}
    for table in model.after:
        room, _, name = table.partition(".")
        nested.setdefault(room, {})[name] = dict(schema.get(table, {}))
    try:
        tree = qualify(
            parse(model.sql).copy(),
            schema=nested,
            dialect="duckdb",
            quote_identifiers=False,
            validate_qualify_columns=False,
        )
    except SqlglotError as error:
        raise ModelError(f"{model.name}: {str(error).splitlines()[0]}") from error
    root = build_scope(tree)
    if root is None:
        raise ModelError(f"{model.name}: no query to trace")
    trace = _Trace(model.name)
    traced = {name: sorted(trace.output(root, name)) for name in _selected(model)}
    if not model.through:
        return traced
    # What a function adds may come of any column it was given.
    everything = sorted({source for sources in traced.values() for source in sources})
    return {name: traced.get(name, everything) for name in model.returns}


class _Trace:
    """Follows columns down through the scopes of one query, each of them once."""

    def __init__(self, model: str) -> None:
        self.model = model
        self._known: dict[tuple[int, str], frozenset[Source]] = {}

    def output(self, scope: Scope, name: str) -> frozenset[Source]:
        """The sources of a scope's output column."""
        key = (id(scope), name)
        if key not in self._known:
            self._known[key] = frozenset()  # a recursive CTE meets itself
            self._known[key] = self._output(scope, name)
        return self._known[key]

    def _output(self, scope: Scope, name: str) -> frozenset[Source]:
        query = scope.expression
        if isinstance(query, exp.SetOperation):
            # The parts agree by position, and the first gives the names.
            position = query.named_selects.index(name)
            parts = (self.output(part, part.expression.named_selects[position]) for part in scope.set_operation_scopes)
            return frozenset().union(*parts)
        if not isinstance(query, exp.Select):
            return frozenset()  # VALUES: constants
        found: set[Source] = set()
        for projection in query.selects:
            if projection.alias_or_name == name:
                found |= self._expression(scope, projection)
        return frozenset(found)

    def _expression(self, scope: Scope, expression: exp.Expression) -> set[Source]:
        found: set[Source] = set()
        inner = {id(one.expression): one for one in scope.subquery_scopes}
        for node in expression.walk(prune=lambda one: isinstance(one, exp.Query) and not isinstance(one, exp.Subquery)):
            if isinstance(node, exp.Column):
                found |= self._column(scope, node)
            elif id(node) in inner and not isinstance(node.parent, (exp.Exists, exp.In)):
                subquery = inner[id(node)]
                for name in subquery.expression.named_selects:
                    found |= self.output(subquery, name)
        return found

    def _column(self, scope: Scope, column: exp.Column) -> frozenset[Source]:
        source = scope.sources.get(column.table)
        if isinstance(source, exp.Table):
            return frozenset({(f"{source.db}.{source.name}", column.name)})
        if isinstance(source, Scope):
            return self.output(source, column.name)
        raise ModelError(f"{self.model}: the table of column {column.sql()} cannot be told; write alias.{column.name}")
