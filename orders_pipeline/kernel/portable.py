"""The portable subset: SQL that means the same in DuckDB and, transpiled by sqlglot, in Spark.

sqlglot warns of nothing, and a construct that changes its value without a word is worse than one that fails. The rules
are data (portable.yml): what is denied, why, and what to write instead. What no rule knows is denied too
(`unverified_function`), so that a new function enters by being compared first.

Where types decide (a decimal or a float under `/`?), those of literals, casts and helper functions are used, and
those of columns when a schema is given. What stays unknown counts as the worse case where there is an exact way to
write it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import sqlglot
import yaml
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify

from orders_pipeline.kernel import portable_nodes
from orders_pipeline.kernel.macros import MACROS
from orders_pipeline.kernel.portable_nodes import Node

Schema = Mapping[str, Mapping[str, str]]
PSEUDO_FUNCTIONS = frozenset({"as_of", "threshold", "setting"})
_ADDED = "added_by_lint"


@dataclass(frozen=True)
class Rule:
    """A denied construct: which nodes and function names, under what condition, why, and what to write instead."""

    id: str
    why: str
    instead: str
    nodes: tuple[type[Node], ...]
    functions: frozenset[str]
    denies: Callable[[Node], bool]
    typed: bool


@dataclass(frozen=True)
class Finding:
    """A denied construct in a text: rule, line (1-based, None when unknown) and a message with the alternative."""

    rule: str
    line: int | None
    message: str


@lru_cache(maxsize=1)
def rules() -> dict[str, Rule]:
    """The deny-list, by rule id."""
    return {name: _rule(name, **entry) for name, entry in _table()["rules"].items()}


@lru_cache(maxsize=1)
def _table() -> dict:
    return yaml.safe_load(Path(__file__).with_name("portable.yml").read_text(encoding="utf-8"))


def _rule(
    name: str, why: str, instead: str, nodes: tuple = (), functions: tuple = (), has: tuple = (), when: str = "",
    typed: bool = False,
) -> Rule:  # fmt: skip
    denies = getattr(portable_nodes, when) if when else lambda node: not has or any(node.args.get(one) for one in has)
    classes = tuple(getattr(exp, one) for one in nodes)
    return Rule(name, why, instead, classes, frozenset(functions), denies, typed)


@lru_cache(maxsize=1)
def _rules_by_node() -> dict[type[Node] | str, list[Rule]]:
    by_node: dict[type[Node] | str, list[Rule]] = {}
    for rule in rules().values():
        for key in (*rule.nodes, *rule.functions):
            by_node.setdefault(key, []).append(rule)
    return by_node


@lru_cache(maxsize=1)
def _verified() -> frozenset[type[Node]]:
    return frozenset(getattr(exp, one) for one in _table()["verified"])


def lint(sql: str, schema: Schema | None = None) -> list[Finding]:
    """Every denied construct in one SELECT, in the order of lines.

    `schema` ({table: {column: DuckDB type}}) lets the rules know the columns' types.
    """
    try:
        tree = sqlglot.parse_one(sql, read="duckdb")
    except SqlglotError as error:
        return [Finding("syntax", None, f"does not parse: {str(error).splitlines()[0]}")]
    found: dict[tuple[str, int | None, str], Finding] = {}
    for rule, node in (*_denied(tree, typed=False), *_denied(_with_types(tree, schema or {}), typed=True)):
        text = node.sql("duckdb", comments=False)
        short = text if len(text) <= 60 else text[:57] + "..."
        line = _line(node)
        found[rule.id, line, short] = Finding(rule.id, line, f"{short}: {rule.why}; instead: {rule.instead}")
    return sorted(found.values(), key=lambda one: (one.line or 0, one.rule))


def _denied(tree: Node, typed: bool) -> Iterator[tuple[Rule, Node]]:
    by_node = _rules_by_node()
    for node in tree.walk():
        if node.meta.get(_ADDED):
            continue
        unknown = isinstance(node, exp.Anonymous)
        applicable = by_node.get(node.name.lower() if unknown else type(node), [])
        denying = [rule for rule in applicable if rule.denies(node)]
        yield from ((rule, node) for rule in denying if rule.typed == typed)
        if not denying and not typed and _is_unverified(node):
            yield rules()["unverified_function"], node


def _is_unverified(node: Node) -> bool:
    if isinstance(node, exp.Anonymous):
        name = node.name.lower()
        return name not in MACROS and name not in PSEUDO_FUNCTIONS and name not in _rules_by_node()
    return isinstance(node, exp.Func) and type(node) not in _verified() and type(node) not in _rules_by_node()


def _with_types(tree: Node, schema: Schema) -> Node:
    """A copy in which nodes carry their types, as far as they can be known."""
    nested: dict[str, dict[str, dict[str, str]]] = {}
    for table, columns in schema.items():
        room, _, name = table.rpartition(".")
        nested.setdefault(room, {})[name] = dict(columns)
    tree = tree.copy()
    _state_types(tree)
    try:
        # Ties columns to their CTEs and tables; what it can not tie keeps an unknown type.
        tree = qualify(tree.copy(), schema=nested, dialect="duckdb", validate_qualify_columns=False, quote_identifiers=False)
    except SqlglotError:
        nested = {}
    return annotate_types(tree, schema=nested, dialect="duckdb")


def _state_types(tree: Node) -> None:
    """Wrap helper calls and decimal literals in casts to their types: the annotator knows neither."""
    for node in list(tree.find_all(exp.Anonymous, exp.Literal)):
        to = None
        if isinstance(node, exp.Anonymous):
            name = node.name.lower()
            to = MACROS[name].returns if name in MACROS else "TIMESTAMPTZ" if name == "as_of" else None
        elif not node.is_string and re.fullmatch(r"\d*\.\d+", node.name):
            to = f"DECIMAL(38, {len(node.name.partition('.')[2])})"
        if to:
            cast = exp.Cast(to=exp.DataType.build(to, dialect="duckdb"))
            cast.meta[_ADDED] = True
            node.replace(cast)
            cast.set("this", node)


def _line(node: Node) -> int | None:
    return min((one.meta["line"] for one in node.walk() if "line" in one.meta), default=None)
