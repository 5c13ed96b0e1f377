"""What "the error is below δ" and "for every g" need: one-sided bounds, equivalence tests. A leaf, plain arrays."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from geodis.errors import ParameterError, ShapeError
from geodis.linalg import Array
from geodis.statistics import Estimate, check_level, checked_array, clustered_estimate, two_way_estimate

MAX_T_DRAWS = 4000  # of the largest of several t variables: its 95 % quantile is then known to about 1 %


class SimultaneousBound(NamedTuple):
    """Upper bounds of several means that all hold together with confidence `level`."""

    values: Array
    upper: Array
    worst: int
    level: float
    method: str


class EquivalenceTest(NamedTuple):
    """Whether a mean lies within a margin: a small p says yes; `upper` is compared with the margin."""

    p_value: float
    value: float
    lower: float
    upper: float
    equivalent: bool


def simultaneous_bound(
    num: Any, den: Any = None, level: float = 0.95, n_draws: int = MAX_T_DRAWS, seed: int = 0
) -> SimultaneousBound:
    """Upper bounds for the mean of every column, all true together with confidence `level`: "for every g".

    A mean over elements hides one that is broken; these bounds do not. The bounds are mean + q·s/√n with q the quantile
    of the largest of m correlated t variables, and never above Bonferroni's.

    Parameters
    ----------
    num : array (n, m)
        Values of independent items (rows) at m elements (columns).
    den : array (n,) or (n, m), optional
        Denominators: the bounds are then for mean(num)/mean(den), column by column, (n,) being shared by all columns.
    level : float
        Confidence that no column's mean exceeds its bound.
    n_draws : int
        Draws of the largest t.
    seed : int
        Seed of the draws.

    Returns
    -------
    SimultaneousBound
        `worst` is the column with the largest bound. Bounds are NaN if n < 2 or a denominator vanishes.

    Raises
    ------
    ShapeError, FiniteError, ParameterError
        For arrays that do not fit together, NaN, a level outside (0, 1), fewer than 100 draws.

    References
    ----------
    Hothorn, Bretz and Westfall, "Simultaneous inference in general parametric models", Biometrical Journal 2008.

    Examples
    --------
    >>> import numpy as np
    >>> e = np.random.default_rng(0).normal(size=(50, 6)) + np.array([0, 0, 0, 3.0, 0, 0])
    >>> bound = simultaneous_bound(e)
    >>> bound.worst, bool((bound.upper > e.mean(axis=0)).all())
    (3, True)
    """
    check_level(level)
    if isinstance(n_draws, bool) or not isinstance(n_draws, (int, np.integer)) or n_draws < 100:
        raise ParameterError("simultaneous_bound: n_draws", "an integer ≥ 100", n_draws)
    values, influence = _columns(num, den)
    n, m = influence.shape
    if n < 2 or not np.isfinite(values).all():
        return SimultaneousBound(values, np.full(m, math.nan), int(np.argmax(values)), level, "max-t")
    spread = influence.std(axis=0, ddof=1)
    quantile = _largest_t(influence, spread, level, n_draws, np.random.default_rng(seed))
    upper = values + quantile * spread / math.sqrt(n)
    return SimultaneousBound(values, upper, int(np.argmax(upper)), level, "max-t")


def equivalence_test(
    e: Any, delta: float, den: Any = None, target: float | None = None, level: float = 0.95
) -> EquivalenceTest:
    """Whether the mean is below δ (or within δ of a target), with the burden of proof on saying so.

    The null is that it is not: a small p is evidence of a small error, whereas a large p of an ordinary test is
    evidence of nothing. `equivalent` holds if and only if the one-sided bound (both, with a target) lies inside.

    Parameters
    ----------
    e : array (n, m) or (n,)
        Errors of a crossed design, or of independent items.
    delta : float
        The margin.
    den : array like `e`, optional
        Denominators: the claim is then on mean(e)/mean(den).
    target : float, optional
        Two one-sided tests of |mean − target| < δ instead; none tests mean < δ.
    level : float
        1 − the accepted chance of a false claim.

    Returns
    -------
    EquivalenceTest
        NaN p and bounds, and no equivalence, where the design tells no variance (one item, one element).

    Raises
    ------
    ShapeError, FiniteError, ParameterError
        For arrays that do not fit together, NaN, a level outside (0, 1), a margin that is not positive.

    References
    ----------
    Schuirmann, "A comparison of the two one-sided tests procedure", J. Pharmacokinetics and Biopharmaceutics 1987.

    Examples
    --------
    >>> import numpy as np
    >>> e = 0.1 + 0.05 * np.random.default_rng(0).normal(size=(40, 1)) * np.ones((1, 4))
    >>> equivalence_test(e, delta=0.2).equivalent, equivalence_test(e, delta=0.1).equivalent
    (True, False)
    """
    if not (math.isfinite(delta) and delta > 0.0):
        raise ParameterError("equivalence_test: delta", "a positive number", delta)
    if target is not None and not math.isfinite(target):
        raise ParameterError("equivalence_test: target", "a finite number or None", target)
    estimate = _estimate(e, den)
    upper = estimate.interval(level, "upper").high
    if target is None:
        p, lower = estimate.p_below(delta), -math.inf
    else:
        lower = estimate.interval(level, "lower").low
        mirrored = estimate._replace(value=-estimate.value)
        p = max(estimate.p_below(target + delta), mirrored.p_below(delta - target))
    inside = upper < delta if target is None else target - delta < lower and upper < target + delta
    return EquivalenceTest(p, estimate.value, lower, upper, bool(inside))


def _estimate(e: Any, den: Any) -> Estimate:
    shape = np.shape(e)
    if len(shape) == 1:
        return clustered_estimate(e, den)
    return two_way_estimate(e, den)


def _columns(num: Any, den: Any) -> tuple[Array, Array]:
    """The mean (or ratio of means) of every column, and what every row adds to its error."""
    top = checked_array(num, "simultaneous_bound: num", 2)
    if den is None:
        return top.mean(axis=0), top - top.mean(axis=0)
    bottom = checked_array(den, "simultaneous_bound: den", 1 if np.ndim(den) == 1 else 2)
    if len(bottom) != len(top) or (bottom.ndim == 2 and bottom.shape != top.shape):
        raise ShapeError("simultaneous_bound: den", f"({len(top)},) or {top.shape}", bottom.shape)
    below = bottom[:, None] if bottom.ndim == 1 else bottom
    scale = below.mean(axis=0)
    if (scale == 0.0).any():
        return np.full(top.shape[1], math.nan), np.zeros_like(top)
    ratio = top.mean(axis=0) / scale
    return ratio, (top - ratio * below) / scale


def _largest_t(influence: Array, spread: Array, level: float, n_draws: int, rng: np.random.Generator) -> float:
    """The quantile of the largest of the columns' t variables, which are correlated as the columns are."""
    n, m = influence.shape
    moving = spread > 0.0
    bonferroni = float(stats.t.ppf(1 - (1 - level) / m, n - 1))
    if not moving.any():
        return bonferroni
    standard = influence[:, moving] / (spread[moving] * math.sqrt(n - 1))
    # One χ² for all columns: it stands for how well n items tell a spread.
    values, vectors = np.linalg.eigh(standard.T @ standard)
    factor = vectors * np.sqrt(np.maximum(values, 0.0))
    largest = (rng.normal(size=(n_draws, len(factor))) @ factor.T).max(axis=1)
    largest /= np.sqrt(rng.chisquare(n - 1, size=n_draws) / (n - 1))
    # The k-th largest with k/(n_draws + 1) ≤ 1 − level: the draws' own chance is counted against the bound.
    rank = min(n_draws, math.ceil(level * (n_draws + 1)))
    single = float(stats.t.ppf(level, n - 1))
    return min(max(float(np.sort(largest)[rank - 1]), single), bonferroni)
