"""A mixed integer program as HiGHS takes it, and how a large one is approached."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import highspy
    import numpy as np

#: Cents, and share of the cost, within which a solution is taken for proven.
PROVEN_CENTS, PROVEN_SHARE = 0.01, 0.00001
#: Columns from which a program is approached by its relaxation first: HiGHS by itself spends the time of a run on cuts before it
#: has anything better than the start.
LARGE = 10_000
#: Of the time: what the approach may take; and the share of the cost within which it need not look further.
APPROACH, APPROACH_SHARE = 0.4, 0.001


class Program:
    """Columns (numbers to choose) and rows (limits on their sums); the cost is to be least. Columns come part by part: those of
    one part are one decision."""

    def __init__(self) -> None:
        self.cost: list[float] = []
        self.upper: list[float] = []
        self.whole: list[bool] = []
        self.start: list[float] = []
        self.part: list[int] = []
        self.parts = 0
        self.rows: list[tuple[float, float, list[int], list[float]]] = []

    def begin(self) -> None:
        """The columns from here on are a part of their own."""
        self.parts += 1

    def column(self, cost: float, upper: float, whole: bool = True, start: float = 0.0) -> int:
        """A number from 0 to `upper`; `start` is its value in a solution that is known."""
        self.cost.append(cost)
        self.upper.append(upper)
        self.whole.append(whole)
        self.start.append(start)
        self.part.append(self.parts)
        return len(self.cost) - 1

    def row(self, low: float, high: float, columns: Sequence[int], values: Sequence[float]) -> None:
        self.rows.append((low, high, list(columns), list(values)))

    def run(self, seconds: float) -> tuple[list[float] | None, float]:
        """Values (None: nothing found in time, the start was none) and a bound no solution is below."""
        import highspy

        deadline = time.monotonic() + seconds
        start, known = self.start, float("-inf")
        if len(self.cost) >= LARGE:
            start, known = self._approach(seconds * APPROACH)
        lp = self._relaxation()
        lp.integrality_ = self._kinds()
        solver = self._solver(lp, deadline - time.monotonic(), PROVEN_SHARE)
        solution = highspy.HighsSolution()
        solution.col_value = start
        solver.setSolution(solution)
        solver.run()
        return _found(solver), max(known, float(solver.getInfo().mip_dual_bound), 0.0)

    def _approach(self, seconds: float) -> tuple[list[float], float]:
        """A better start, and a bound: what the relaxation decides in whole numbers stays so, other parts are decided exactly."""
        import highspy
        import numpy as np

        deadline = time.monotonic() + seconds
        lp = self._relaxation()
        relaxed = self._solver(lp, seconds, PROVEN_SHARE)
        relaxed.run()
        if relaxed.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            return self.start, float("-inf")
        bound, values = float(relaxed.getInfo().objective_function_value), np.array(relaxed.getSolution().col_value)
        whole, part, nearest = np.array(self.whole), np.array(self.part), np.round(values)
        undecided = np.unique(part[whole & (abs(values - nearest) > 1e-6)])
        fixed = whole & ~np.isin(part, undecided)
        lp.col_lower_ = np.where(fixed, nearest, lp.col_lower_)
        lp.col_upper_ = np.where(fixed, nearest, lp.col_upper_)
        lp.integrality_ = self._kinds()
        solver = self._solver(lp, deadline - time.monotonic(), APPROACH_SHARE)
        solver.run()
        found = _found(solver)
        if found is None or np.dot(self.cost, found) >= np.dot(self.cost, self.start):
            return self.start, bound
        return found, bound

    def _relaxation(self) -> highspy.HighsLp:
        import highspy
        import numpy as np

        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = len(self.cost), len(self.rows)
        lp.col_cost_, lp.col_upper_ = _numbers(self.cost), _numbers(self.upper)
        lp.col_lower_ = np.zeros(len(self.cost))
        lp.row_lower_, lp.row_upper_ = _numbers([r[0] for r in self.rows]), _numbers([r[1] for r in self.rows])
        starts = [0]
        for row in self.rows:
            starts.append(starts[-1] + len(row[2]))
        lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        lp.a_matrix_.start_ = np.array(starts, dtype=np.int32)
        lp.a_matrix_.index_ = np.array([c for row in self.rows for c in row[2]], dtype=np.int32)
        lp.a_matrix_.value_ = _numbers([v for row in self.rows for v in row[3]])
        return lp

    def _kinds(self) -> list[highspy.HighsVarType]:
        import highspy

        return [highspy.HighsVarType.kInteger if whole else highspy.HighsVarType.kContinuous for whole in self.whole]

    @staticmethod
    def _solver(lp: highspy.HighsLp, seconds: float, share: float) -> highspy.Highs:
        import highspy

        solver = highspy.Highs()
        # One thread and one seed: the same orders give the same answer.
        for name, value in {
            "output_flag": False,
            "threads": 1,
            "random_seed": 0,
            "time_limit": max(0.1, seconds),
            "mip_rel_gap": share,
            "mip_abs_gap": PROVEN_CENTS,
        }.items():
            solver.setOptionValue(name, value)
        solver.passModel(lp)
        return solver


def _numbers(values: Sequence[float]) -> np.ndarray:
    """As HiGHS reads them; infinity is its own."""
    import numpy as np

    return np.array(values, dtype=np.double)


def _found(solver: highspy.Highs) -> list[float] | None:
    """The values of the best solution, None where there is none."""
    import highspy

    is_found = solver.getModelStatus() == highspy.HighsModelStatus.kOptimal or solver.getInfo().primal_solution_status == 2
    return list(solver.getSolution().col_value) if is_found else None
