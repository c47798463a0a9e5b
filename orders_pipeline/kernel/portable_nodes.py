"""Questions about one node of parsed SQL, asked by the rules of portable.yml under `when`.

Nodes carry types where those are known; a question about an unknown type is answered with no, but `is_whole` too is a
question: what is not surely a whole number counts as a fraction.
"""

from __future__ import annotations

import re

from sqlglot import exp

Node = exp.Expression
Types = exp.DataType.Type

_INTEGERS = (
    *(Types.TINYINT, Types.SMALLINT, Types.INT, Types.BIGINT, Types.INT128),
    *(Types.UTINYINT, Types.USMALLINT, Types.UINT, Types.UBIGINT),
)
_FLOATS = (Types.DOUBLE, Types.FLOAT)
_INSTANTS = (Types.TIMESTAMPTZ, Types.TIMESTAMPLTZ)
_GIVE_WHOLE_NUMBERS = (
    *(exp.Floor, exp.Ceil, exp.Count, exp.CountIf, exp.Length, exp.StrPosition),
    *(exp.RowNumber, exp.Rank, exp.DenseRank, exp.Ntile),
    *(exp.Extract, exp.Year, exp.Month, exp.Day, exp.Hour, exp.Minute, exp.Second),
    *(exp.Predicate, exp.Not, exp.Null),
)
_KEEP_WHOLE_NUMBERS = (
    *(exp.Add, exp.Sub, exp.Mul, exp.Mod, exp.IntDiv, exp.Neg, exp.Abs, exp.Sum, exp.Min, exp.Max),
    *(exp.Coalesce, exp.Nullif, exp.Greatest, exp.Least),
    *(exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue, exp.IgnoreNulls),
)
_ORDERED_WINDOWS = (
    *(exp.RowNumber, exp.Rank, exp.DenseRank, exp.PercentRank, exp.CumeDist, exp.Ntile),
    *(exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue, exp.NthValue),
)


def unwrapped(node: Node | None) -> Node | None:
    """The node inside its brackets."""
    while isinstance(node, exp.Paren):
        node = node.this
    return node


def _has_type(node: Node | None, *types: Types) -> bool:
    node = unwrapped(node)
    return node is not None and node.type is not None and node.type.this in types


# ---- numbers


def is_whole(node: Node | None) -> bool:
    """Whether a value is surely a whole number (or a truth value): a cast to an integer neither rounds nor cuts it."""
    node = unwrapped(node)
    if node is None or _has_type(node, *_INTEGERS, Types.BOOLEAN) or isinstance(node, _GIVE_WHOLE_NUMBERS):
        return True
    if isinstance(node, exp.Literal):
        return bool(re.fullmatch(r"\d+", node.name))
    if isinstance(node, exp.Round):
        return _digits_kept(node) <= 0
    if isinstance(node, exp.Case):
        return all(is_whole(one) for one in (*(one.args["true"] for one in node.args["ifs"]), node.args.get("default")))
    if isinstance(node, exp.If):
        return is_whole(node.args.get("true")) and is_whole(node.args.get("false"))
    if isinstance(node, (exp.Window, exp.Filter)):
        return is_whole(node.this)
    if isinstance(node, _KEEP_WHOLE_NUMBERS):
        return all(is_whole(one) for one in (node.this, node.args.get("expression"), *node.expressions))
    return False


def _digits_kept(rounding: Node) -> int:
    """The digits a ROUND keeps; 0 when not stated, many when they are not a literal."""
    digits = rounding.args.get("decimals")
    if digits is None:
        return 0
    text = digits.sql().replace(" ", "")
    return int(text) if re.fullmatch(r"-?\d+", text) else 99


def _is_float(node: Node | None) -> bool:
    """Whether a value is surely a float: by its type, or because a part of the sum or product is one."""
    node = unwrapped(node)
    if isinstance(node, (exp.Add, exp.Sub, exp.Mul, exp.Neg)) and not _has_type(node, *_FLOATS):
        return _is_float(node.this) or _is_float(node.args.get("expression"))
    return _has_type(node, *_FLOATS)


def sums_floats(node: Node) -> bool:
    return _is_float(node.this)


def divides_unsafely(node: Node) -> bool:
    """`/` is the same in both engines when one side is a float and the divisor cannot be 0."""
    divisor = unwrapped(node.expression)
    if isinstance(divisor, exp.Cast):
        divisor = unwrapped(divisor.this)
    is_number = isinstance(divisor, exp.Literal) and not divisor.is_string
    never_zero = isinstance(divisor, exp.Nullif) or (is_number and float(divisor.name) != 0)
    return not (never_zero and (_is_float(node.this) or _is_float(node.expression)))


def divides_fractions(node: Node) -> bool:
    return not (is_whole(node.this) and is_whole(node.expression))


def casts_fraction_to_integer(node: Node) -> bool:
    return node.is_type(*_INTEGERS) and not is_whole(node.this)


def rounds_unknown_to_digits(node: Node) -> bool:
    return _digits_kept(node) > 0 and not _has_type(node.this, Types.DECIMAL, *_INTEGERS)


def is_outside_cast(node: Node) -> bool:
    parent = node.parent
    while isinstance(parent, exp.Paren):
        parent = parent.parent
    return not isinstance(parent, exp.Cast)


# ---- shape of the query


def is_final_star(node: Node) -> bool:
    """Whether a SELECT with a star gives the model's rows (itself or in a union, not as a CTE or a subquery)."""
    parent = node.parent
    while isinstance(parent, (exp.SetOperation, exp.Subquery)):
        if isinstance(parent, exp.Subquery) and not isinstance(parent.parent, (exp.SetOperation, type(None))):
            return False
        parent = parent.parent
    return parent is None and any(one.is_star for one in node.expressions)


def orders_by_all(node: Node) -> bool:
    return isinstance(node.this, exp.Var) and node.this.name.upper() == "ALL"


def names_an_alias(node: Node) -> bool:
    projections = node.parent.expressions if isinstance(node.parent, exp.Select) else ()
    aliases = {one.alias for one in projections if isinstance(one, exp.Alias)}
    return any(not one.table and one.name in aliases for one in node.find_all(exp.Column))


def has_materialized_hint(node: Node) -> bool:
    return node.args.get("materialized") is not None


def selects_bare_null(node: Node) -> bool:
    return any(isinstance(unwrapped(one.unalias()), exp.Null) for one in node.expressions)


def is_in_subquery_as_value(node: Node) -> bool:
    clause = node.find_ancestor(exp.Where, exp.Having, exp.Qualify, exp.Join, exp.Select)
    return bool(node.args.get("query")) and isinstance(clause, (exp.Select, type(None)))


def is_tuple_in(node: Node) -> bool:
    return isinstance(unwrapped(node.this), exp.Tuple)


def casts_to_json(node: Node) -> bool:
    return node.is_type(Types.JSON)


# ---- windows and aggregates


def is_unordered_window(node: Node) -> bool:
    inner = node.this.this if isinstance(node.this, exp.IgnoreNulls) else node.this
    return isinstance(inner, _ORDERED_WINDOWS) and not node.args.get("order") and not node.args.get("alias")


def is_distinct_window(node: Node) -> bool:
    inner = node.this.this if isinstance(node.this, exp.Filter) else node.this
    return isinstance(inner, exp.AggFunc) and isinstance(inner.this, exp.Distinct)


def is_odd_frame(node: Node) -> bool:
    return str(node.args.get("kind")).upper() == "GROUPS" or bool(node.args.get("exclude"))


def is_outside_frame(node: Node) -> bool:
    return node.find_ancestor(exp.WindowSpec) is None


def is_unordered_text(node: Node) -> bool:
    return not isinstance(node.this, exp.Order)


# ---- times and text


def subtracts_from_date(node: Node) -> bool:
    return _has_type(node.this, Types.DATE) and not _has_type(node.expression, *_INTEGERS)


def extracts_odd_part(node: Node) -> bool:
    return node.name.lower() not in {"year", "month", "day", "hour", "minute", "quarter", "doy"}


def is_odd_time_format(node: Node) -> bool:
    text = node.args.get("format")
    usual = {"%Y", "%m", "%d", "%H", "%M", "%S"}
    return text is None or not text.is_string or not set(re.findall(r"%-?.", text.name)) <= usual


def casts_float_or_instant_to_text(node: Node) -> bool:
    return node.is_type(*exp.DataType.TEXT_TYPES) and _has_type(node.this, *_FLOATS, *_INSTANTS)


def concatenates_float_or_instant(node: Node) -> bool:
    return any(_has_type(one, *_FLOATS, *_INSTANTS) for one in (node.this, node.expression))


def has_backslash_pattern(node: Node) -> bool:
    if isinstance(node.parent, exp.Escape):
        return False
    return not node.expression.is_string or "\\" in node.expression.name


def has_odd_pattern(node: Node) -> bool:
    pattern = node.args.get("expression")
    return pattern is None or not pattern.is_string or bool(re.search(r"(?<!\\)\$", pattern.name))


def has_odd_replacement(node: Node) -> bool:
    replacement, flags = node.args.get("replacement"), node.args.get("modifiers")
    plain = replacement is not None and replacement.is_string and not re.search(r"[\\$]", replacement.name)
    return not plain or flags is None or flags.name != "g"


def has_odd_start(node: Node) -> bool:
    start, length = node.args.get("start"), node.args.get("length")
    zero = isinstance(start, exp.Literal) and start.name == "0"
    return zero or isinstance(start, exp.Neg) or isinstance(length, exp.Neg)


def has_negative_length(node: Node) -> bool:
    return isinstance(node.expression, exp.Neg)
