"""What the columns of a file say about one another: sums, products, order of times, and what repeats within an order."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import duckdb

from orders_pipeline.ingest.suggest.profile import SAMPLE, Column, Profile
from orders_pipeline.ingest.suggest.settlement import Net, find_net
from orders_pipeline.ingest.suggest.tokens import Wording

#: A relation counts when it holds in this share of at least so many rows that are not trivially equal (zero, or times one).
HOLDS = 0.95
#: How improbable it must be that a price is divided by the pieces in every row.
_BY_CHANCE = 0.02
ROWS_MIN = 3
_LINES_MIN = 2
_MONEY_MAX = 14
_PARTS_MAX = 60
RELATED_ROWS = 400
_IDS_MAX = 12
UNIT = 10_000


@dataclass
class Relations:
    """Indexes of columns. `products`: (price, quantity, amount). `sums`: (parts …, whole). `differences`: (whole, less, rest).

    `before[a, b]`: share of rows with both times in which a is not after b. `keys`: columns that are filled and unique.
    `differs_in[key]`: column -> share of the key's values with several rows in which these differ. `same`: identifiers with the
    same cell in every row -> the first of them. `net`: the amounts
    of a row and what they make together. `multiples`: (amount, quantity) where the quantity divides the amount in every row,
    as it divides the total of pieces that cost the same, and a price only by chance. `values`: see `_numbers`.
    """

    products: list[tuple[int, int, int]] = field(default_factory=list)
    sums: list[tuple[int, ...]] = field(default_factory=list)
    before: dict[tuple[int, int], float] = field(default_factory=dict)
    differs_in: dict[int, dict[int, float]] = field(default_factory=dict)
    same: dict[int, int] = field(default_factory=dict)
    exclusive: set[frozenset[int]] = field(default_factory=set)
    multiples: set[tuple[int, int]] = field(default_factory=set)
    values: dict[int, Any] = field(default_factory=dict)
    net: Net | None = None


def find_relations(connection: duckdb.DuckDBPyConnection, profile: Profile, wording: Wording) -> Relations:
    """All relations of a profiled file; nothing is claimed from fewer than `ROWS_MIN` telling rows."""
    found = Relations()
    money = [c for c in profile.columns if _is_amount(c, profile.decimal)]
    telling = sorted((c for c in money if c.distinct > 1), key=lambda c: -c.distinct)[:_MONEY_MAX]
    counts = [c for c in money if c.share("integer") >= 0.95][:_MONEY_MAX]
    summed = money[:_PARTS_MAX]
    values = _numbers(connection, profile, {c.index for c in (*telling, *counts, *summed)})
    found.values = values
    for price in telling:
        for quantity in counts:
            for amount in telling:
                members = (price.index, quantity.index, amount.index)
                if len(set(members)) == 3:
                    p, q, a = (values[i] for i in members)
                    if holds(abs(p * q - a * UNIT) < UNIT * UNIT // 100, (q > UNIT) & (p != 0)):
                        found.products.append(members)
    for whole in telling:
        for one, two in combinations([c for c in telling if c is not whole], 2):
            a, b, w = values[one.index], values[two.index], values[whole.index]
            if holds(a + b == w, (a != 0) & (b != 0)):
                found.sums.append((one.index, two.index, whole.index))
    for one, two in combinations([c for c in money[: 2 * _MONEY_MAX] if c.count], 2):
        a, b = values[one.index], values[two.index]
        if holds((a == 0) | (b == 0), (a != 0) | (b != 0), share=1.0):
            found.exclusive.add(frozenset((one.index, two.index)))
    for quantity in counts:
        for amount in telling:
            if amount is not quantity and _is_multiple(values[amount.index] // (UNIT // 100), values[quantity.index] // UNIT):
                found.multiples.add((amount.index, quantity.index))
    found.net = find_net({c.index: values[c.index] for c in summed}, summed, wording, found.exclusive)
    _times(connection, profile, found)
    _groups(connection, profile, found)
    return found


def _number_of(profile: Profile) -> str:
    """The function that reads a number as this file writes it."""
    return "number_comma" if profile.decimal == "comma" else "number"


def _numbers(connection: duckdb.DuckDBPyConnection, profile: Profile, indexes: set[int]) -> dict[int, Any]:
    """Column index -> its numbers in the first rows, exact, in ten-thousandths; blank is zero."""
    if not indexes:
        return {}
    number = _number_of(profile)
    listed = ", ".join(f"coalesce(CAST({number}(c{i}) * {UNIT} AS BIGINT), 0) AS c{i}" for i in sorted(indexes))
    found = connection.execute(f"SELECT {listed} FROM {SAMPLE} ORDER BY r LIMIT {RELATED_ROWS}").fetchnumpy()
    return {i: found[f"c{i}"] for i in indexes}


def holds(true: Any, telling: Any, share: float | None = None) -> bool:
    """Whether a relation, `true` or not in each row, is so in nearly all of the rows that tell anything of it."""
    asked = int(telling.sum())
    return asked >= ROWS_MIN and int((true & telling).sum()) / asked >= (share or HOLDS)


def _is_multiple(cents: Any, pieces: Any) -> bool:
    """Whether amounts of several pieces are multiples of them, where those of one piece are so much less often."""
    import numpy as np

    several = (pieces > 1) & (cents != 0)
    if int(several.sum()) < ROWS_MIN or np.any(cents[several] % pieces[several]):
        return False
    single = cents[(pieces == 1) & (cents != 0)]
    by_chance = 1.0
    for count in pieces[several].tolist():
        by_chance *= (int((single % count == 0).sum()) + 2) / (len(single) + 2)
    return by_chance < _BY_CHANCE


def _is_amount(column: Column, decimal: str | None) -> bool:
    numeric = max(column.share("number"), column.share("comma") if decimal == "comma" else 0.0)
    if decimal == "comma":
        numeric = max(numeric, column.share("comma") + column.share("integer"))
    return column.count > 0 and numeric >= 0.95 and column.share("long_digits") < 0.2 and column.share("phone") < 0.9


def _times(connection: duckdb.DuckDBPyConnection, profile: Profile, found: Relations) -> None:
    times = [c for c in profile.columns if c.count and c.share("iso") >= 0.9][:16]
    pairs = [(a, b) for a in times for b in times if a is not b]
    if not pairs:
        return
    listed = ", ".join(f"instant({c.handle}) AS {c.handle}" for c in times)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {SAMPLE}_times AS SELECT {listed} FROM {SAMPLE} LIMIT {RELATED_ROWS}")
    asked = ", ".join(f"[count(*) FILTER ({a.handle} <= {b.handle}), count({a.handle} = {b.handle})]" for a, b in pairs)
    answers = connection.execute(f"SELECT {asked} FROM {SAMPLE}_times").fetchall()[0]
    for (a, b), (held, seen) in zip(pairs, answers, strict=True):
        if seen >= ROWS_MIN:
            found.before[a.index, b.index] = held / seen


def _groups(connection: duckdb.DuckDBPyConnection, profile: Profile, found: Relations) -> None:
    """What differs among the rows of an identifier that repeats, and which identifiers are the same."""
    numbers = [c for c in profile.columns if c.count >= ROWS_MIN and c.share("id") >= 0.9 and not c.constant][:_IDS_MAX]
    if not numbers:
        return
    first: dict[str, int] = {}
    listed = ", ".join(f"md5(string_agg(coalesce({c.handle}, ''), chr(31) ORDER BY r))" for c in numbers)
    for column, digest in zip(numbers, connection.execute(f"SELECT {listed} FROM {SAMPLE}").fetchall()[0], strict=True):
        found.same[column.index] = first.setdefault(digest, column.index)
    inner = ", ".join(f"count(DISTINCT {c.handle}) AS d{c.index}" for c in profile.columns)
    differing = ", ".join(f"count(*) FILTER (d{c.index} > 1)" for c in profile.columns)
    for key in (c for c in numbers if not c.unique):
        groups, *differ = connection.execute(
            f"SELECT count(*), {differing} FROM (SELECT {inner} FROM {SAMPLE} WHERE {key.handle} IS NOT NULL "
            f"GROUP BY {key.handle} HAVING count(*) > 1)"
        ).fetchall()[0]
        if groups >= ROWS_MIN:
            found.differs_in[key.index] = {c.index: d / groups for c, d in zip(profile.columns, differ, strict=True)}


def line_amounts(
    connection: duckdb.DuckDBPyConnection, profile: Profile, key: int, goods: tuple[str, str], asked: Collection[int]
) -> frozenset[int]:
    """Columns of `asked` that hold the line's amount though an order's rows show the same: nearer to what its goods come to.

    goods: handles of price and pieces. Told only by orders whose other rows cost something, by two rows at least.
    """
    number = _number_of(profile)
    cost = " * ".join(f"CAST({number}({handle}) AS DOUBLE)" for handle in goods)
    found = []
    for index in asked:
        rows, own = connection.execute(
            "SELECT count(*), count(*) FILTER (abs(a - own) < abs(a - whole)) FROM "
            "(SELECT a, own, sum(own) OVER (PARTITION BY k) AS whole, count(*) OVER (PARTITION BY k) AS n FROM "
            f"(SELECT c{key} AS k, {cost} AS own, CAST({number}(c{index}) AS DOUBLE) AS a FROM {SAMPLE} "
            f"WHERE c{key} IS NOT NULL)) WHERE n > 1 AND own > 0 AND whole > 1.05 * own AND a IS NOT NULL"
        ).fetchall()[0]
        if rows >= _LINES_MIN and own == rows:
            found.append(index)
    return frozenset(found)


def constant_within(connection: duckdb.DuckDBPyConnection, profile: Profile, key: int) -> tuple[int, frozenset[int]]:
    """(keys with several rows, columns that have one value in all rows of each such key).

    Rows that leave the cell blank do not count against a column: some platforms fill an order's cells on its first row only.
    """
    differs = ", ".join(f"max(d{c.index})" for c in profile.columns)
    inner = ", ".join(f"count(DISTINCT {c.handle}) AS d{c.index}" for c in profile.columns)
    answers = connection.execute(
        f"SELECT count(*), {differs} FROM (SELECT {inner} FROM {SAMPLE} WHERE c{key} IS NOT NULL "
        f"GROUP BY c{key} HAVING count(*) > 1)"
    ).fetchall()[0]
    groups = answers[0]
    if not groups:
        return 0, frozenset()
    return groups, frozenset(c.index for c, most in zip(profile.columns, answers[1:], strict=True) if (most or 0) <= 1)
