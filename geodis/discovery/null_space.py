"""The null space of conditions on fields, with a confidence statement: how many symmetries are there, how sure.

The defect of a field is √(Σ|R_i θ|² / c Σ|D_i θ|²), c the mean of that ratio over random fields of the family: 0 for an
exact symmetry, 1 for a random field. Its stationary points are one generalized symmetric eigenproblem, solved in closed
form. Two bounds make the statement, both at confidence `level` for all directions together:

* the upper bound of a direction's defect is from items that the direction was not fitted on (cross-fitting), so that
  choosing it costs nothing;
* the lower bound of every other field's defect is the next eigenvalue of all items less its sampling error: the
  smallest eigenvalue is the least over fields, and errs downward only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from scipy import stats
from scipy.linalg import eigh, solve_triangular

from geodis.discovery.field_conditions import AbstractConditions, Values
from geodis.errors import LengthError, ParameterError
from geodis.linalg import Array, to_numpy
from geodis.statistics import check_level

TOLERANCE = 0.1  # of a random field's violation (root mean square)
GAP = 2.0  # the next defect is at least so many times the upper bound of the last generator's
VANISHING = 1e-10  # relative mean square of a field that vanishes on the data
FEWEST_ITEMS = 8
FLAT = 1e-20  # mean square violation of random fields, relative to their size: nothing is asked of them


@final
@dataclass(frozen=True, eq=False)
class NullSpace:
    """Fields in the order of their defects, and how many of them are symmetries.

    Attributes
    ----------
    directions : array (m, p)
        θ of every direction, fitted on all items.
    spectrum, low, high : array (m,)
        Cross-fitted defects of the directions (on average over the folds' fits), with intervals that hold together.
    floor : array (m,)
        What the noise of the rows alone adds to the defect (in squares); NaN where the noise is unknown. Nothing is
        subtracted.
    beyond : float
        Lower bound of the defect of every field outside the claimed span; NaN where there is none.
    n_generators : int
        How many directions are claimed.
    status : str
        ``"ok"``: so many and no more; ``"none"``: every field of the family violates it by more than `tolerance`;
        ``"undecided"``: at least `n_generators` (maybe 0); ``"insufficient"``: too few items; ``"degenerate"``:
        nothing is asked of the fields.
    level, tolerance : float
        As given.
    n_items, n_vanishing : int
        Independent items; fields of the family that vanish on the data, which were removed.
    angle : float
        Standard error [rad] of the claimed span by the jackknife over folds; NaN without a claim.
    notes : tuple of str
        What else to know.
    """

    directions: Array
    spectrum: Array
    low: Array
    high: Array
    floor: Array
    beyond: float
    n_generators: int
    status: str
    level: float
    tolerance: float
    n_items: int
    n_vanishing: int
    angle: float = math.nan
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        first = ", ".join(f"{v:.2g}" for v in self.spectrum[:6])
        return f"NullSpace(n_generators={self.n_generators}, status={self.status!r}, spectrum=[{first}, …])"


@dataclass(frozen=True, eq=False)
class Solution:
    """Directions (m, p), unit in the size form, with their squared defects (m,) and the random field's c."""

    directions: Array
    values: Array
    typical: float


def null_space(
    conditions: AbstractConditions,
    items: Any = None,
    *,
    level: float = 0.95,
    tolerance: float = TOLERANCE,
    n_folds: int = 5,
    seed: int = 0,
) -> NullSpace:
    """The fields that fulfil the conditions, with bounds that hold together for all directions.

    Parameters
    ----------
    conditions : AbstractConditions
        R_i and D_i.
    items : array (n,), optional
        What was drawn independently; every point by default.
    level : float
        Confidence that all intervals hold, hence at most 1 − level chance of any false claim.
    tolerance : float
        The largest defect of a symmetry, in units of a random field's, in (0, 1).
    n_folds : int
        Folds of items.
    seed : int
        Seed of the folds.

    Raises
    ------
    ParameterError, LengthError
        For options out of range, items of another length.

    Notes
    -----
    A generator is claimed if its upper bound is at most `tolerance` and the next defect is at least twice that bound:
    the small end of a continuum is no symmetry. Bounds are clustered t bounds of a ratio of means, Bonferroni over
    directions; upper ones are raised for skewness (Johnson) and never below Bernstein's bound with the empirical
    variance and range. What no sample tells: a violation in so small a share of the items (`unseen_share`) that none
    was met.

    References
    ----------
    Maurer and Pontil, "Empirical Bernstein bounds and sample variance penalization", COLT 2009, arXiv:0907.3740.
    Johnson, "Modified t tests and confidence intervals for asymmetrical populations", JASA 1978.
    """
    check_options(level, tolerance, n_folds)
    codes, n_items = item_codes(items, conditions.n_points)
    folds = np.random.default_rng([seed, 31]).permutation(n_items) % max(2, min(n_folds, n_items // 2))
    parts = [conditions.grams(np.flatnonzero(folds[codes] == f)) for f in range(folds.max() + 1)]
    total = np.sum([r for r, _ in parts], axis=0), np.sum([d for _, d in parts], axis=0)
    basis = present(total[1])
    empty = np.zeros((0, conditions.n_unknown))
    n_gone = conditions.n_unknown - len(basis)

    def result(status: str, note: str, directions: Array = empty) -> NullSpace:
        unknown = np.full(len(directions), math.nan)
        return NullSpace(
            directions, unknown, unknown, unknown, unknown, math.nan, 0, status, level, tolerance, n_items, n_gone,
            notes=(note,),
        )  # fmt: skip

    if not len(basis) or np.trace(total[0]) <= FLAT * np.trace(total[1]):
        return result("degenerate", "nothing is asked of the fields: all vanish, or every one is a symmetry")
    if n_items < FEWEST_ITEMS or conditions.n_equations * (len(parts) - 1) < len(parts) * len(basis):
        note = f"{n_items} items and {conditions.n_equations} equations for {len(basis)} fields"
        return result("insufficient", note)
    others = [solve(total[0] - r, total[1] - d, basis) for r, d in parts]
    held = _held_out(conditions, others, folds, codes, n_items)
    found = _judged(held, solve(*total, basis), conditions, codes, n_items, n_gone, level, tolerance)
    claimed = found.directions[: found.n_generators]
    return replace(found, angle=span_error(claimed, [other.directions for other in others], total[1]))


def unseen_share(n_items: int, n_directions: int, level: float) -> float:
    """The share of items in which a violation may hide without a single one among n, at that confidence.

    Examples
    --------
    >>> round(unseen_share(100, 1, 0.95), 3)
    0.036
    """
    return float(-math.expm1(math.log((1.0 - level) / (2 * max(n_directions, 1))) / max(n_items, 1)))


def solve(violation: Array, size: Array, basis: Array) -> Solution:
    """Stationary fields of the ratio of two forms (p, p), within the span of `basis` (m, p)."""
    factor = np.linalg.cholesky(basis @ size @ basis.T + 1e-14 * np.eye(len(basis)))
    inner = solve_triangular(factor, basis @ violation @ basis.T, lower=True)
    white = solve_triangular(factor, inner.T, lower=True)
    values, vectors = eigh((white + white.T) / 2)
    directions = solve_triangular(factor, vectors, lower=True, trans="T").T @ basis
    return Solution(directions, np.maximum(values, 0.0), float(max(np.trace(white) / len(white), 1e-300)))


def present(size: Array) -> Array:
    """A basis (m, p) of the fields that do not vanish on the data, scaled to sizes near 1."""
    scale = np.sqrt(np.diag(size))
    kept = np.where(scale > 0, scale, 1.0)
    values, vectors = np.linalg.eigh(size / np.outer(kept, kept))
    big = values > VANISHING * max(float(values[-1]), 1e-300)
    return np.asarray((vectors[:, big] / np.sqrt(values[big])).T / kept)


def item_codes(items: Any, n: int) -> tuple[Array, int]:
    """Items as numbers from 0, and how many there are."""
    if items is None:
        return np.arange(n), n
    labels = np.asarray(to_numpy(items)).ravel()
    if len(labels) != n:
        raise LengthError(points=n, items=len(labels))
    names, codes = np.unique(labels, return_inverse=True)
    return codes, len(names)


def check_options(level: float, tolerance: float, n_folds: int) -> None:
    """Raise `ParameterError` for options out of range."""
    check_level(level)
    if not 0.0 < tolerance < 1.0:
        raise ParameterError("tolerance", "a share of a random field's defect, between 0 and 1", tolerance)
    if isinstance(n_folds, bool) or not isinstance(n_folds, (int, np.integer)) or n_folds < 2:
        raise ParameterError("n_folds", "an integer ≥ 2", n_folds)


# --- bounds of ratios -------------------------------------------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class Ratio:
    """Σ num/Σ den per column with its standard error; `skew` and `range` are those of a row's linearized ratio."""

    value: Array
    error: Array
    skew: Array
    range: Array
    n: int

    @classmethod
    def of(cls, num: Array, den: Array) -> Ratio:
        """Of independent items (rows): num (C, m), den (C, m) or (C, 1)."""
        value = num.sum(axis=0) / den.sum(axis=0)
        influence = (num - value * den) / den.mean(axis=0)
        spread = influence.std(axis=0, ddof=1)
        third = np.mean((influence - influence.mean(axis=0)) ** 3, axis=0)
        skew = third / np.where(spread > 0, spread, 1.0) ** 3
        return cls(value, spread / math.sqrt(len(num)), skew, np.ptp(influence, axis=0), len(num))

    def upper(self, alpha: float) -> Array:
        """The larger of two upper bounds: t, raised for skewness, and Bernstein's with the range that was seen.

        Few items may carry all of a violation. A sample that has missed most of them looks too good: both terms make up
        for that, the second where hardly any was met.
        """
        q, weight = float(stats.t.isf(alpha, self.n - 1)), math.log(2.0 / alpha)
        lift = np.maximum(self.skew, 0.0) * (2 * q * q + 1) / (6 * math.sqrt(self.n))
        bernstein = self.error * math.sqrt(2 * weight) + 7 * self.range * weight / (3 * (self.n - 1))
        return np.asarray(self.value + np.maximum(self.error * (q + lift), bernstein))

    def lower(self, alpha: float) -> Array:
        """Lower bound."""
        return np.asarray(self.value - self.error * float(stats.t.isf(alpha, self.n - 1)))


# --- judging ----------------------------------------------------------------------------------------------------------
def _held_out(
    conditions: AbstractConditions, others: list[Solution], folds: Array, codes: Array, n_items: int
) -> Values:
    """Violation and size per item of directions that the other folds chose, in units of their random field's."""
    sums = np.zeros((3, n_items, len(others[0].values)))
    known = False
    for f, other in enumerate(others):
        index = np.flatnonzero(folds[codes] == f)
        violation, size, noise = conditions.values(index, other.directions)
        known = noise is not None
        for total, part in zip(sums, (violation, size * other.typical, noise), strict=True):
            if part is not None:
                np.add.at(total, codes[index], part)
    return Values(sums[0], sums[1], sums[2] if known else None)


def span_error(span: Array, others: list[Array], size: Array) -> float:
    """Standard error [rad] of a span (n, p) by the jackknife: `others` leave one fold out; in the metric of sizes."""
    n, k = len(span), len(others)
    if not n:
        return math.nan
    full = _unit_rows(span, size)
    cosines = [np.linalg.norm(full @ size @ _unit_rows(other[:n], size).T, ord=-2) for other in others]
    return math.sqrt((k - 1) / k * sum(max(0.0, 1.0 - c * c) for c in map(float, cosines)))


def _unit_rows(rows: Array, size: Array) -> Array:
    """Rows of the same span, orthonormal in a metric."""
    return np.asarray(solve_triangular(np.linalg.cholesky(rows @ size @ rows.T), rows, lower=True))


def _judged(
    held: Values, full: Solution, conditions: AbstractConditions, codes: Array, n_items: int, n_gone: int,
    level: float, tolerance: float,
) -> NullSpace:  # fmt: skip
    alpha = (1.0 - level) / (2 * len(full.values))
    out = Ratio.of(held.violation, held.size)
    low, spectrum, high = (np.sqrt(np.maximum(v, 0.0)) for v in (out.lower(alpha), out.value, out.upper(alpha)))
    others = np.sqrt(np.maximum(_in_sample(conditions, full, codes, n_items).lower(alpha), 0.0))
    unknown = np.full(len(spectrum), math.nan)
    floor = unknown if held.noise is None else np.sqrt(held.noise.sum(axis=0) / held.size.sum(axis=0))
    n, status, notes = verdict(spectrum, high, others, floor, tolerance)
    beyond = float(others[n]) if n < len(others) else math.nan
    return NullSpace(
        full.directions, spectrum, low, high, floor, beyond, n, status, level, tolerance, n_items,
        n_gone, notes=notes,
    )  # fmt: skip


def _in_sample(conditions: AbstractConditions, full: Solution, codes: Array, n_items: int) -> Ratio:
    sums = np.zeros((2, n_items, len(full.values)))
    values = conditions.values(np.arange(conditions.n_points), full.directions)
    np.add.at(sums[0], codes, values.violation)
    np.add.at(sums[1], codes, values.size * full.typical)
    return Ratio.of(sums[0], sums[1])


def verdict(
    spectrum: Array, high: Array, others: Array, floor: Array, tolerance: float
) -> tuple[int, str, tuple[str, ...]]:
    """How many generators are claimed, the status, and why; `others` are the lower bounds beyond r generators."""
    m = len(spectrum)
    run = int(np.cumprod(high <= tolerance).sum())
    apart = [r for r in range(1, run + 1) if r == m or spectrum[r] >= GAP * high[:r].max()]
    n, notes = (apart[-1] if apart else 0), []
    if run > n:
        notes.append(f"{run - n} more fields lie below the tolerance without a gap after them")
    noise = np.nan_to_num(floor)
    if n < m and noise[n] > tolerance:
        notes.append(f"the noise alone gives a defect of {noise[n]:.2g}: nothing below the tolerance can be seen")
    if n < m and others[n] ** 2 - noise[n] ** 2 <= tolerance**2:
        notes.append(f"other fields may have a defect down to {others[n]:.2g}: there may be more generators")
        return n, "undecided", tuple(notes)
    return n, "ok" if n else "none", tuple(notes)
