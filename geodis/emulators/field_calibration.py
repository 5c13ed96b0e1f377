"""Is the spread of an ensemble of fields what its error is? Measured at every lead time, and made so by a factor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
import pandas as pd
from scipy import stats

from geodis.emulators.field_channels import channel_slices
from geodis.emulators.field_errors import over_runs
from geodis.errors import ParameterError, ShapeError
from geodis.linalg import Array, check_finite, to_numpy
from geodis.palette import FOUND, LINE, NULL
from geodis.statistics import check_level

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEVELS = (*(0.05 * k for k in range(1, 20)), 0.98, 0.99)


@final
@dataclass(frozen=True, eq=False)
class FieldCalibration:
    """(level, lead time, channel) ↦ how many spreads wide an interval must be on either side of the mean.

    Attributes
    ----------
    types : tuple of (order, parity, channels)
    levels : ndarray (levels,)
    factors : ndarray (levels, times, channels)
        The start first, where nothing is uncertain: zero.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> members, truth = rng.normal(size=(8, 20, 2, 1, 8, 8)), 2 * rng.normal(size=(20, 2, 1, 8, 8))
    >>> wide = FieldCalibration.of(members, truth, ((0, 1, 1),)).factor(0.9)[1, 0]
    >>> bool(3.0 < wide < 4.2)  # 2 · 1.645 spreads, more for a spread of eight members
    True
    """

    types: tuple[tuple[int, int, int], ...]
    levels: Array
    factors: Array

    @classmethod
    def of(cls, members: Any, truth: Any, types: Any) -> FieldCalibration:
        """Quantiles of |truth − mean| in units of the spread over runs and grid, on runs that no member has seen.

        Parameters
        ----------
        members : array (members, runs, times, components, *grid)
        truth : array (runs, times, components, *grid)
        types : tuple of (order, parity, channels)

        Raises
        ------
        ShapeError, FiniteError
            For arrays that do not fit together, fewer than two members.
        """
        every, true, parts = checked_ensemble(members, truth, types)
        mean, spread = mean_and_spread(every)
        factors = np.zeros((len(LEVELS), true.shape[1], len(parts)))
        with np.errstate(divide="ignore", invalid="ignore"):
            scores = np.where(true == mean, 0.0, np.abs(true - mean) / spread)
        scores[np.isnan(scores)] = np.inf
        for channel, part in enumerate(parts):
            for time in range(1, true.shape[1]):
                # "higher": what is infinite stays so, and small samples err on the wide side.
                factors[:, time, channel] = np.quantile(scores[:, time, part], LEVELS, method="higher")
        return cls(tuple(map(tuple, types)), np.array(LEVELS), factors)

    def factor(self, level: float) -> Array:
        """`(times, channels)` at a level between .05 and .99."""
        if not self.levels[0] <= level <= self.levels[-1]:
            raise ParameterError("level", f"a number in [{self.levels[0]:g}, {self.levels[-1]:g}]", level)
        above = int(np.clip(np.searchsorted(self.levels, level), 1, len(self.levels) - 1))
        share = (level - self.levels[above - 1]) / (self.levels[above] - self.levels[above - 1])
        below, over = self.factors[above - 1], self.factors[above]
        if share <= 0 or share >= 1:
            return np.asarray(below if share <= 0 else over)
        bounded = np.isfinite(over)  # where a member has left every bound, so has the interval
        return np.where(bounded, (1 - share) * below + share * np.where(bounded, over, 0.0), np.inf)


@final
@dataclass(frozen=True, repr=False, eq=False)
class EnsembleReport:
    """What `ensemble_report` measured; the start first, where shares and ratios are NaN.

    Attributes
    ----------
    spread_skill : ndarray (times,)
        Spread over root-mean-square error of the mean: 1 where the truth could be a member, less where an ensemble is
        too sure.
    coverage, raw_coverage : ndarray (runs, times)
        Share of the truth inside the intervals: calibrated, and of the bare ensemble.
    ranks : ndarray (times, members + 1)
        How often the truth has each rank among the members: level for a reliable ensemble, ∪ for one that is too sure.
    crps : ndarray (runs, times)
        In units of a channel's standard deviation in the truth; less is better.
    level : float
        Of the intervals.
    """

    spread_skill: Array
    coverage: Array
    raw_coverage: Array
    ranks: Array
    crps: Array
    level: float

    def table(self, level: float = 0.95) -> pd.DataFrame:
        """One row a lead time, coverage with ends of its t interval over runs at `level`."""
        rows = []
        for step in range(1, len(self.spread_skill)):
            low, high = over_runs(self.coverage[:, step], level)[:2]
            rows.append({
                "step": step, "spread_skill": self.spread_skill[step], "coverage": self.coverage[:, step].mean(),
                "coverage_low": low, "coverage_high": high, "raw_coverage": self.raw_coverage[:, step].mean(),
                "crps": self.crps[:, step].mean(),
            })  # fmt: skip
        return pd.DataFrame(rows)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Coverage against the step, calibrated and bare, beside the level that was asked for; the axes come back."""
        from matplotlib.figure import Figure

        axes = Figure(figsize=(5, 3.4)).subplots() if ax is None else ax
        steps = np.arange(1, len(self.spread_skill))
        axes.axhline(self.level, color=LINE, lw=0.8)
        for values, color, label in ((self.coverage, FOUND, "calibrated"), (self.raw_coverage, NULL, "bare ensemble")):
            axes.plot(steps, values[:, 1:].mean(0), "o-", color=color, ms=3, label=label)
        axes.set(xlabel="step", ylabel=f"truth inside {100 * self.level:g} % intervals", ylim=(0, 1.02))
        axes.legend(frameon=False)
        return axes

    def __repr__(self) -> str:
        runs, times = self.crps.shape
        last = f"spread/skill {self.spread_skill[-1]:.2f}, coverage {self.coverage[:, -1].mean():.2f}"
        return f"EnsembleReport({runs} runs, {times - 1} steps; at the last {last} of {self.level:g})"


def ensemble_report(
    members: Any, truth: Any, types: Any, *, calibration: FieldCalibration | None = None, level: float = 0.9
) -> EnsembleReport:
    """How an ensemble's spread stands to its errors on runs `(runs, times, components, *grid)`, at every lead time.

    Parameters
    ----------
    members : array (members, runs, times, components, *grid)
        Roll-outs from the same starts.
    truth : array (runs, times, components, *grid)
    types : tuple of (order, parity, channels)
    calibration : FieldCalibration, optional
        From other runs than these.
    level : float
        Of the intervals whose coverage is measured.

    Raises
    ------
    ShapeError, FiniteError, ParameterError
        For arrays that do not fit together, fewer than two members, a level out of range.

    References
    ----------
    Fortin, Abaza, Anctil, Turcotte, "Why should ensemble spread match the RMSE of the ensemble mean?", Journal of
    Hydrometeorology 15, 2014. Ferro, "Fair scores for ensemble forecasts", Q. J. R. Meteorol. Soc. 140, 2014.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> members, truth = rng.normal(size=(8, 6, 2, 1, 16, 16)), rng.normal(size=(6, 2, 1, 16, 16))
    >>> found = ensemble_report(members, truth, ((0, 1, 1),))
    >>> bool(abs(found.spread_skill[1] - 1) < 0.05), bool(abs(found.coverage[:, 1].mean() - 0.9) < 0.03)
    (True, True)
    """
    check_level(level)
    every, true, parts = checked_ensemble(members, truth, types)
    mean, spread = mean_and_spread(every)
    m, (_, times, _, _) = len(every), true.shape
    bare = raw_factor(m, level)
    widths = np.full((times, len(parts)), bare) if calibration is None else extended(calibration.factor(level), times)
    raw, wide, crps, ratios = [], [], [], []
    for channel, part in enumerate(parts):
        error, sure = np.abs(true[:, :, part] - mean[:, :, part]), spread[:, :, part]
        with np.errstate(invalid="ignore"):
            raw.append(_inside(error, bare * sure))
            wide.append(_inside(error, widths[:, channel][:, None, None] * sure))
            above = (error**2).mean((0, 2, 3))
            ratios.append(np.sqrt((m + 1) / m * (sure**2).mean((0, 2, 3)) / np.where(above > 0, above, np.nan)))
        size = np.sqrt(true[:, :, part].var(axis=(0, 1, 3)).mean())
        crps.append(_crps(every[:, :, :, part], true[:, :, part]) / (size if size > 0 else 1.0))
    found = np.mean(ratios, 0), _average(wide, parts), _average(raw, parts)
    for measured in found:
        measured[..., 0] = np.nan  # at the start all agree, to rounding
    return EnsembleReport(*found, _ranks(every, true), np.mean(crps, 0), level)


def raw_factor(n_members: int, level: float) -> float:
    """Spreads on either side of the mean of m members that hold one more draw of a Gaussian: t_{m−1} √(1 + 1/m)."""
    return float(stats.t.ppf((1 + level) / 2, n_members - 1) * np.sqrt(1 + 1 / n_members))


def extended(factors: Array, times: int) -> Array:
    """Factors (times, channels) for so many times: the last holds on."""
    return factors[np.minimum(np.arange(times), len(factors) - 1)]


def mean_and_spread(members: Array) -> tuple[Array, Array]:
    """Mean and standard deviation over members, infinite where one of them is."""
    with np.errstate(invalid="ignore", over="ignore"):
        mean, spread = members.mean(0), members.std(0, ddof=1)
    return np.where(np.isfinite(mean), mean, np.inf), np.where(np.isfinite(spread), spread, np.inf)


def checked_ensemble(members: Any, truth: Any, types: Any) -> tuple[Array, Array, list[slice]]:
    """Both in float64 with the grid as one axis, and the components of every channel."""
    every, true = to_numpy(members), to_numpy(truth)
    if every.ndim != true.ndim + 1 or every.shape[1:] != true.shape or len(every) < 2:
        raise ShapeError("members", f"(two or more, {', '.join(map(str, true.shape))})", every.shape)
    parts = channel_slices(true, "truth", types)
    check_finite(true, "truth")
    flat = every.reshape(*every.shape[:4], -1).astype(np.float64)
    return np.where(np.isnan(flat), np.inf, flat), true.reshape(*true.shape[:3], -1).astype(np.float64), parts


def _inside(error: Array, width: Array) -> Array:
    """Share of the grid inside, (runs, times)."""
    return np.asarray((error <= width).mean((2, 3)))


def _average(shares: list[Array], parts: list[slice]) -> Array:
    """The share over all components."""
    weights = np.array([part.stop - part.start for part in parts], dtype=np.float64)
    return np.asarray(np.average(shares, axis=0, weights=weights))


def _ranks(every: Array, true: Array) -> Array:
    """Frequencies (times, members + 1); the truth shares its rank with members that equal it."""
    below, equal = (every < true).sum(0), (every == true).sum(0)
    ranks = np.zeros((true.shape[1], len(every) + 1))
    for rank in range(len(every) + 1):
        ranks[:, rank] = (((below <= rank) & (rank <= below + equal)) / (equal + 1)).mean((0, 2, 3))
    return ranks


def _crps(every: Array, true: Array) -> Array:
    """Fair score ⟨|x_i − y|⟩ − Σ_{i<j} |x_i − x_j| / (m(m − 1)), (runs, times)."""
    m = len(every)
    weight = (2 * np.arange(1, m + 1) - m - 1).reshape(-1, 1, 1, 1, 1)  # of sorted members: all pairs at once
    with np.errstate(invalid="ignore"):
        apart = (weight * np.sort(every, 0)).sum(0) / (m * (m - 1))
        score = (np.abs(every - true).mean(0) - apart).mean((2, 3))
    return np.where(np.isfinite(score), score, np.inf)
