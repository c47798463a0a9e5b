"""Small faults to put into rules: what a slip of the pen makes of a SELECT or of a function.

Every fault is one change at one place. Of a SELECT: a comparison turned or moved by one, a condition dropped or negated, AND for OR,
a number one too large, + for -, another aggregate, a default or a branch of a CASE left out, a value missing from a list, an order
turned round, another join, half of a UNION. Of Python: the same where the language has it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from sqlglot import exp

from orders_pipeline.kernel import models as sql


@dataclass(frozen=True)
class Mutant:
    """One fault of a rule: what is done where, and the whole text with it (made when asked for: most are never tried)."""

    what: str
    make: Callable[[], str]


_COMPARISONS: dict[type[exp.Expression], type[exp.Expression]] = {
    exp.GT: exp.GTE, exp.GTE: exp.GT, exp.LT: exp.LTE, exp.LTE: exp.LT, exp.EQ: exp.NEQ, exp.NEQ: exp.EQ,
}  # fmt: skip
_SWAPS: dict[type[exp.Expression], type[exp.Expression]] = {
    exp.And: exp.Or, exp.Or: exp.And, exp.Add: exp.Sub, exp.Sub: exp.Add,
}  # fmt: skip
_CALLS: dict[type[exp.Expression], type[exp.Expression]] = {exp.Sum: exp.Max, exp.Min: exp.Max, exp.Max: exp.Min}

Edit = Callable[[exp.Expression], object]


def of_sql(text: str) -> list[Mutant]:
    """Every fault of a model, in the order of its tree."""
    header = "\n".join(line for line in text.splitlines() if line.startswith("--"))
    tree = sql.parse(text)
    found = []
    for at, node in enumerate(tree.walk()):
        for what, edit in _sql_edits(node):
            found.append(Mutant(f"{what}: {_place(node)}", partial(_mutated_sql, header, tree, at, edit)))
    return found


def _mutated_sql(header: str, tree: exp.Expression, at: int, edit: Edit) -> str:
    copy = tree.copy()
    node = next(one for number, one in enumerate(copy.walk()) if number == at)
    edited = edit(node)
    if node is copy and isinstance(edited, exp.Expression):
        copy = edited
    return f"{header}\n{copy.sql(dialect='duckdb', comments=False)}"


def _place(node: exp.Expression) -> str:
    cte = node.find_ancestor(exp.CTE)
    text = " ".join(node.sql(dialect="duckdb", comments=False).split())
    return f"[{cte.alias if cte else 'result'}] {text if len(text) < 150 else text[:147] + '...'}"


def _swap(other: type[exp.Expression]) -> Edit:
    return lambda node: node.replace(other(**{k: v.copy() if isinstance(v, exp.Expression) else v for k, v in node.args.items()}))


def _becomes(make: Callable[[exp.Expression], exp.Expression]) -> Edit:
    return lambda node: node.replace(make(node))


def _without(key: str, at: int) -> Edit:
    def edit(node: exp.Expression) -> None:
        node.set(key, [one for number, one in enumerate(node.args[key]) if number != at])

    return edit


def _set(key: str, value: object) -> Edit:
    return lambda node: node.set(key, value)


def _first_half(union: exp.Expression) -> exp.Expression:
    """The first SELECT of a UNION, with the CTEs of both."""
    half = union.this.copy()
    for key in ("with", "with_"):
        if union.args.get(key) is not None:
            half.set(key, union.args[key].copy())
    return half


def _sql_edits(node: exp.Expression) -> Iterator[tuple[str, Edit]]:
    kind = type(node)
    if kind in _COMPARISONS:
        yield f"{kind.__name__} -> {_COMPARISONS[kind].__name__}", _swap(_COMPARISONS[kind])
    if kind in _SWAPS:
        yield f"{kind.__name__} -> {_SWAPS[kind].__name__}", _swap(_SWAPS[kind])
    if kind in (exp.And, exp.Or):
        yield "left operand dropped", _becomes(lambda n: n.expression.copy())
        yield "right operand dropped", _becomes(lambda n: n.this.copy())
    if kind is exp.Not:
        yield "NOT dropped", _becomes(lambda n: n.this.copy())
    if kind is exp.Is and not isinstance(node.parent, exp.Not):
        yield "IS negated", _becomes(lambda n: exp.Not(this=exp.paren(n.copy())))
    if kind is exp.Mul:
        yield "factor dropped", _becomes(lambda n: n.this.copy())
    if kind is exp.Neg:
        yield "sign dropped", _becomes(lambda n: n.this.copy())
    if kind is exp.Literal and not node.is_string and node.find_ancestor(exp.DataType) is None and node.arg_key != "decimals":
        yield "number + 1", _becomes(lambda n: exp.Paren(this=exp.Add(this=n.copy(), expression=exp.Literal.number(1))))
    if kind is exp.Anonymous and node.name.lower() == "threshold":
        yield "threshold + 1", _becomes(lambda n: exp.Paren(this=exp.Add(this=n.copy(), expression=exp.Literal.number(1))))
    if kind in _CALLS:
        yield f"{kind.__name__} -> {_CALLS[kind].__name__}", _swap(_CALLS[kind])
    if kind in (exp.Greatest, exp.Least):
        other = exp.Least if kind is exp.Greatest else exp.Greatest
        yield f"{kind.__name__} -> {other.__name__}", _swap(other)
    if kind is exp.Coalesce and node.expressions:
        yield "last default dropped", _without("expressions", len(node.expressions) - 1)
    if kind is exp.Case:
        for at in range(len(node.args["ifs"]) if len(node.args["ifs"]) > 1 else 0):
            yield f"branch {at + 1} dropped", _without("ifs", at)
        if node.args.get("default") is not None:
            yield "ELSE dropped", _set("default", None)
    if kind is exp.In and len(node.expressions) > 1:
        for at in range(len(node.expressions)):
            yield f"value {at + 1} dropped", _without("expressions", at)
    if kind is exp.Ordered:
        yield "order turned round", _set("desc", not node.args.get("desc"))
    if kind is exp.Join and node.args.get("on") is not None:
        side = node.args.get("side")
        if not side:
            yield "INNER -> LEFT", lambda n: (n.set("kind", None), n.set("side", "LEFT"))
        elif side == "LEFT":
            yield "LEFT -> INNER", _set("side", None)
    if kind in (exp.Where, exp.Having) and node.parent is not None:
        yield f"{kind.__name__} dropped", lambda n: n.pop()
    if kind is exp.Union:
        yield "second half dropped", _becomes(_first_half)


# ---- Python


_PYTHON: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.In: ast.NotIn,
    ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.And: ast.Or, ast.Or: ast.And, ast.Add: ast.Sub, ast.Sub: ast.Add,
}  # fmt: skip
_NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}


def of_python(text: str) -> list[Mutant]:
    """Every fault of a module's functions; what is done when it is imported stays as it is."""
    found = []
    for at, (node, parent) in enumerate(_inside(ast.parse(text))):
        for number, (what, _) in enumerate(_python_edits(node, parent)):
            found.append(
                Mutant(f"{what}: line {node.lineno}: {ast.unparse(node)[:120]}", partial(_mutated_python, text, at, number))
            )
    return found


def _mutated_python(text: str, at: int, number: int) -> str:
    tree = ast.parse(text)
    node, parent = next(one for n, one in enumerate(_inside(tree)) if n == at)
    list(_python_edits(node, parent))[number][1]()
    return ast.unparse(ast.fix_missing_locations(tree))


def _inside(tree: ast.Module) -> Iterator[tuple[ast.expr, ast.AST]]:
    """Expressions in the bodies of functions, with what they are part of."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            for statement in function.body:
                for parent in ast.walk(statement):
                    for child in ast.iter_child_nodes(parent):
                        if isinstance(child, ast.expr) and not isinstance(parent, ast.Expr | ast.AnnAssign):
                            yield child, parent


def _python_edits(node: ast.expr, parent: ast.AST) -> Iterator[tuple[str, Callable[[], None]]]:
    if isinstance(node, ast.Compare):
        for n, one in enumerate(node.ops):
            other = _PYTHON.get(type(one))
            if other is not None:
                yield f"{type(one).__name__} -> {other.__name__}", lambda n=n, other=other: node.ops.__setitem__(n, other())
    if isinstance(node, ast.BoolOp):
        yield "and <-> or", lambda: setattr(node, "op", _PYTHON[type(node.op)]())
        yield "last operand dropped", lambda: node.values.pop() and None
    if isinstance(node, ast.BinOp) and type(node.op) in _PYTHON:
        yield "+ <-> -", lambda: setattr(node, "op", _PYTHON[type(node.op)]())
    if isinstance(node, ast.Constant) and type(node.value) is int:
        yield "number + 1", lambda: setattr(node, "value", node.value + 1)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
        yield "sign or not dropped", lambda: _replace(parent, node, node.operand)
    if isinstance(node, ast.Name) and node.id in _NAMES:
        yield f"{node.id} -> {_NAMES[node.id]}", lambda: setattr(node, "id", _NAMES[node.id])
    if isinstance(node, ast.IfExp):
        yield (
            "the other branch",
            lambda: (lambda a, b: (setattr(node, "body", b), setattr(node, "orelse", a)))(node.body, node.orelse),
        )


def _replace(parent: ast.AST, old: ast.expr, new: ast.expr) -> None:
    for name, value in ast.iter_fields(parent):
        if value is old:
            setattr(parent, name, new)
        elif isinstance(value, list):
            setattr(parent, name, [new if one is old else one for one in value])
