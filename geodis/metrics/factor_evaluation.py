"""From an importance and a formula to a `MetricResult`: interval, chance, and whether the parts hold whole factors."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from geodis.errors import LengthError, ParameterError, ShapeError
from geodis.groups.options import count
from geodis.linalg import Array, real_array, to_numpy
from geodis.metrics.block_importance import held_out_r2, item_folds
from geodis.metrics.cells import rounding
from geodis.metrics.importance import AbstractImportance, Importance, equal_bins
from geodis.metrics.result import MetricResult, Status
from geodis.orbits import as_embeddings, as_items
from geodis.statistics import check_level, permutation_p

Formula = Callable[[Importance], float]

FEW = 8  # levels of a factor when it is asked whether a part holds it
WHOLE = 0.8  # of what the whole code tells linearly of these levels, told by one part: it holds the factor
TELLS = 0.02  # R² on unseen items below which the whole code tells nothing


@dataclass(frozen=True, eq=False)
class FactorCodes:
    """Codes (n, d) with factors (n, k) in float64, the item of each row, and the variance that rounding alone makes."""

    z: Array
    factors: Array
    items: Array
    tolerance: float

    @property
    def still(self) -> bool:
        """Whether the codes do not vary."""
        return not float(self.z.var(axis=0).sum()) > self.tolerance

    @property
    def n_items(self) -> int:
        """How many items there are."""
        return len(np.unique(self.items))

    @property
    def n_rows(self) -> int:
        """Rows of an item, the largest number."""
        return int(np.unique(self.items, return_counts=True)[1].max())


def factor_codes(z: Any, factors: Any, items: Any, what: str) -> FactorCodes:
    """Checked arrays: z (n, d), factors (n, k) or (n,), items (n,) or None for rows that are all independent."""
    rows = as_embeddings(z)
    columns = to_numpy(factors)
    if columns.ndim == 1:
        columns = columns[:, None]
    if columns.ndim != 2 or columns.size == 0:
        raise ShapeError(f"{what}: factors", "(n, k), one column a factor", columns.shape)
    columns = real_array(columns, f"{what}: factors", ("n", "k"), "Number the categories 0, 1, …")
    labels = np.arange(len(rows)) if items is None else as_items(items)
    if not len(rows) == len(columns) == len(labels):
        raise LengthError(z=len(rows), factors=len(columns), items=len(labels))
    constant = np.flatnonzero(columns.max(axis=0) == columns.min(axis=0))
    if len(constant):
        raise ParameterError(f"{what}: factors", "columns that vary", f"a constant column {int(constant[0])}")
    return FactorCodes(rows.astype(np.float64), columns, labels, rounding(rows))


def checked_importance(importance: Any, kind: type, what: str) -> Any:
    """`importance` if it is of the kind; ParameterError otherwise."""
    if not isinstance(importance, kind):
        names = "TreeImportance() or BlockImportance(blocks)"
        if kind is AbstractImportance:
            names = "MutualInformation(), SquaredCorrelation(), " + names
        raise ParameterError(f"{what}: importance", names, repr(importance))
    return importance


@dataclass(frozen=True, eq=False)
class Measurements:
    """An importance of all rows, of factors dealt to other rows, and with groups of items left out."""

    observed: Importance
    null: list[Importance]
    without: list[Importance]


def measurements(importance: AbstractImportance, data: FactorCodes, n_null: int, seed: int) -> Measurements:
    """Everything that formulas are taken of: measured once, however many formulas there are."""
    null = [importance.measure(data.z, permuted(data, seed, b), data.items) for b in range(n_null)]
    without = [
        importance.measure(data.z[keep], data.factors[keep], data.items[keep])
        for keep in left_out(data, importance.n_resamples)
    ]
    return Measurements(importance.measure(data.z, data.factors, data.items), null, without)


def importance_score(
    name: str, z: Any, factors: Any, items: Any, importance: Any, formula: Formula, n_null: int, level: float, seed: int
) -> MetricResult:
    """The formula of the importance of parts of z for factors, as a result: what the scores of one formula share."""
    checked_importance(importance, AbstractImportance, name)
    data = factor_codes(z, factors, items, name)
    check_options(name, n_null, level)
    importance.parts(data.z.shape[1])
    if data.still:
        return degenerate(name, data, level)
    return importance_result(name, data, importance, measurements(importance, data, n_null, seed), formula, level)


def importance_result(
    name: str, data: FactorCodes, importance: AbstractImportance, measured: Measurements, formula: Formula, level: float
) -> MetricResult:
    """The formula of a measured importance, in [0, 1], higher is better, with all that belongs to it."""
    value = formula(measured.observed)
    null = np.array([formula(m) for m in measured.null])
    # A factor whose second level was left out has no entropy.
    draws = np.array([formula(m) if (m.capacity > 0.0).all() else math.nan for m in measured.without])
    chance = float(null.mean())
    status, notes = holding(data, importance.parts(data.z.shape[1]))
    if not measured.observed.matrix.max() > 0.0:
        status, notes = "degenerate", ("no part of the code tells anything of any factor on unseen items",)
    if data.n_items < 2:
        status, notes = "insufficient", ("one item: nothing is unseen",)
    elif math.isnan(value):
        status, notes = "insufficient", ("one factor or one part alone has no such score",)
    independent = data.n_items == len(data.z) and not math.isnan(value)
    ci, method = jackknife_interval(value, draws, level), "jackknife over items" if len(draws) else "none"
    return MetricResult(
        name, value, ci, method, level, data.n_items, data.n_rows, {"chance": chance}, skill=skill(value, chance),
        lower_is_better=False, status=status, notes=notes, p_value=permutation_p(value, null) if independent else None,
    )  # fmt: skip


def degenerate(name: str, data: FactorCodes, level: float) -> MetricResult:
    """No value: the codes do not vary."""
    return MetricResult(
        name, math.nan, (math.nan, math.nan), "none", level, data.n_items, data.n_rows, lower_is_better=False,
        status="degenerate", notes=("the codes do not vary",),
    )  # fmt: skip


def permuted(data: FactorCodes, seed: int, draw: int) -> Array:
    """The factors dealt to other rows, all columns together: what ties them to each other stays."""
    return np.asarray(np.random.default_rng([seed, draw]).permutation(data.factors))


def left_out(data: FactorCodes, n_parts: int) -> list[Array]:
    """Rows that stay when each group of items is left out; none where a measurement is not repeated."""
    folds = item_folds(data.items, max(n_parts, 1))
    return [folds != g for g in range(int(folds.max()) + 1)] if folds.max() > 0 else []


def jackknife_interval(value: float, draws: Array, level: float) -> tuple[float, float] | None:
    """The t interval from the values with groups left out, within [0, 1]; None for no draws, NaN ends for unknown."""
    if not len(draws):
        return None
    n = len(draws)
    spread = math.sqrt((n - 1) / n * float(((draws - draws.mean()) ** 2).sum()))
    half = float(stats.t.ppf((1 + level) / 2, n - 1)) * spread
    return (max(0.0, value - half), min(1.0, value + half)) if math.isfinite(half) else (math.nan, math.nan)


def skill(value: float, chance: float) -> float | None:
    """0 at chance, 1 at the best value."""
    return (value - chance) / (1.0 - chance) if math.isfinite(value) and chance < 1.0 else None


def check_options(name: str, n_null: Any, level: float) -> None:
    """Refuses a level outside (0, 1) and a number of draws below one."""
    check_level(level)
    count(n_null, f"{name}: n_null", 1)


def holding(data: FactorCodes, parts: tuple[Array, ...]) -> tuple[Status, tuple[str, ...]]:
    """``partial`` where the whole code tells of a factor's levels, linearly, more than any single part does."""
    folds = item_folds(data.items, 5)
    notes = []
    for j, column in enumerate(data.factors.T):
        known, index = np.unique(column, return_inverse=True)
        levels = np.eye(FEW)[equal_bins(column, FEW)] if len(known) > FEW else np.eye(len(known))[index]
        whole = float(held_out_r2(data.z, [levels], folds, 1e-8)[0])
        best = max(float(held_out_r2(data.z[:, part], [levels], folds, 1e-8)[0]) for part in parts)
        if whole > TELLS and best < WHOLE * whole:
            notes.append(
                f"factor {j} is spread over several parts: the best alone tells {max(best, 0.0) / whole:.2f} of what "
                "all tell linearly; align the code and score its blocks (BlockImportance)"
            )
    return ("partial" if notes else "ok"), tuple(notes)
