"""Which column for which slot: the assignment with the highest total, found exactly (Kuhn's method with potentials, O(n³))."""

from __future__ import annotations

from collections.abc import Sequence


def assign(gain: Sequence[Sequence[float]]) -> list[int | None]:
    """For each row the column it gets, or None; no column twice; the sum of gains is the largest there is.

    A gain of zero or less is never taken: leaving a row without a column costs nothing.
    """
    rows = len(gain)
    columns = len(gain[0]) if rows else 0
    if not columns:
        return [None] * rows
    # Every row has a column of its own beside the real ones, worth nothing: the way out.
    width = columns + rows
    cost = [[-max(0.0, g) for g in row] + [0.0] * rows for row in gain]
    price_row, price_column = [0.0] * (rows + 1), [0.0] * (width + 1)
    owner, way = [0] * (width + 1), [0] * (width + 1)
    for row in range(1, rows + 1):
        owner[0], at = row, 0
        least, seen = [float("inf")] * (width + 1), [False] * (width + 1)
        while True:
            seen[at] = True
            current, step, following = owner[at], float("inf"), 0
            for column in range(1, width + 1):
                if seen[column]:
                    continue
                reduced = cost[current - 1][column - 1] - price_row[current] - price_column[column]
                if reduced < least[column]:
                    least[column], way[column] = reduced, at
                if least[column] < step:
                    step, following = least[column], column
            for column in range(width + 1):
                if seen[column]:
                    price_row[owner[column]] += step
                    price_column[column] -= step
                else:
                    least[column] -= step
            at = following
            if owner[at] == 0:
                break
        while at:
            owner[at] = owner[way[at]]
            at = way[at]
    found: list[int | None] = [None] * rows
    for column in range(1, columns + 1):
        row = owner[column]
        if row and gain[row - 1][column - 1] > 0:
            found[row - 1] = column - 1
    return found
