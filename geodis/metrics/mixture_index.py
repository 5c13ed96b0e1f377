"""Mixture index: how much of a two-dimensional feature lies on one line."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from geodis.errors import ParameterError
from geodis.groups.options import count, positive
from geodis.linalg import Array
from geodis.metrics.result import MetricResult
from geodis.metrics.separability import planar_feature
from geodis.statistics import check_level, clustered_t


def mixture_index(
    feature: Any, *, epsilon: float = 0.1, n_angles: int = 180, n_null: int = 3, level: float = 0.95, seed: int = 0
) -> MetricResult:
    """M_ε = max over lines of P(|v·f + c| < ε √E(v·f + c)²): the share of a feature that lies on one line.

    The best offset c is found exactly for each direction v: every row holds for an interval of c, and the most
    intervals that overlap are counted. Gradient ascent from c = 0, as published, stays there for symmetric features:
    on a circle it finds .045 where the maximum is .219, near a tangent.

    See :doc:`/catalogue` for what fools the published score.

    Parameters
    ----------
    feature : array (n, 2)
        A two-dimensional feature's values.
    epsilon : float
        Half the line's width in (0, 1), in root mean squares of v·f + c.
    n_angles : int
        Directions v within half a turn.
    n_null : int
        Draws of a Gaussian of as many rows, which is no mixture: their mean is ``chance``, in the limit 2Φ(ε) − 1.
    level : float
        Confidence level of the interval over rows, for the line that was found.
    seed : int
        Seed of the draws.

    Returns
    -------
    MetricResult
        Lower is better for a feature that should be irreducible. The notes tell the line. Status ``degenerate`` (NaN)
        for features that do not vary along two directions.

    Raises
    ------
    ShapeError, FiniteError, ParameterError
        For something else than (n, 2) finite numbers, options outside their range.

    References
    ----------
    Engels, Michaud, Liao, Gurnee and Tegmark, "Not all language model features are one-dimensionally linear", ICLR
    2025, arXiv:2405.14860.

    Examples
    --------
    >>> theta = 2 * np.pi * np.arange(3600) / 3600
    >>> round(mixture_index(np.stack([np.cos(theta), np.sin(theta)], axis=1), n_angles=8).value, 3)
    0.219
    """
    name = "mixture_index"
    check_level(level)
    epsilon = positive(epsilon, f"{name}: epsilon")
    if not epsilon < 1.0:
        raise ParameterError(f"{name}: epsilon", "a number below 1", epsilon)
    count(n_angles, f"{name}: n_angles", 1)
    count(n_null, f"{name}: n_null", 1)
    rows, flat = planar_feature(feature, name)
    n = len(rows)
    if flat:
        return MetricResult(
            name, math.nan, (math.nan, math.nan), "none", level, n, 1, status="degenerate", notes=(flat,)
        )
    centred = rows - rows.mean(axis=0)
    value, angle, offset = densest_line(centred, epsilon, n_angles)
    inside = near_line(centred @ [math.cos(angle), math.sin(angle)] + offset, epsilon)
    interval = clustered_t(inside.astype(np.float64), level)
    rng = np.random.default_rng(seed)
    null = [densest_line(_centred(rng.normal(size=rows.shape)), epsilon, n_angles)[0] for _ in range(n_null)]
    deviation = offset / math.sqrt(float((centred**2).sum(axis=1).mean()))
    return MetricResult(
        name, value, (max(0.0, interval.low), min(1.0, interval.high)), f"{interval.method} for the line found", level,
        n, 1, {"chance": float(np.mean(null))}, status="ok",
        notes=(f"line at {math.degrees(angle):.0f}°, c = {deviation:.3f} root mean squares of the feature",),
    )  # fmt: skip


def near_line(along: Array, epsilon: float) -> Array:
    """Which v·f + c (n,) are within ε root mean squares of 0.

    Examples
    --------
    >>> near_line(np.array([0.05, -1.0, 1.0]), 0.1).tolist()
    [True, False, False]
    """
    return np.asarray(np.abs(along) < epsilon * math.sqrt(float((along**2).mean())))


def densest_line(centred: Array, epsilon: float, n_angles: int) -> tuple[float, float, float]:
    """Largest share of the rows (n, 2), of mean 0, within ε root mean squares of a line; its angle [rad] and offset c.

    Examples
    --------
    >>> share, angle, c = densest_line(np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 3.0], [0.0, -3.0]]), 0.1, 4)
    >>> share, round(angle, 3)
    (0.5, 0.0)
    """
    best = (-1.0, 0.0, 0.0)
    for angle in np.arange(n_angles) * math.pi / n_angles:
        share, offset = densest_offset(centred @ [math.cos(angle), math.sin(angle)], epsilon)
        # Symmetric features have many equal lines: rounding shall not choose between them.
        if share > best[0] + 1e-12:
            best = (share, float(angle), offset)
    return best


def densest_offset(x: Array, epsilon: float) -> tuple[float, float]:
    """Largest over c of the share of x (n,), of mean 0, with |x + c| < ε √(mean x² + c²), and that c.

    |x_i + c| < ε √(s² + c²) holds for c between the roots (−x_i ± ε √(x_i² + s²(1 − ε²)))/(1 − ε²).
    """
    rest = 1.0 - epsilon**2
    half = epsilon * np.sqrt(x**2 + float((x**2).mean()) * rest)
    starts, ends = np.sort((-x - half) / rest), np.sort((-x + half) / rest)
    # Just after a start, so many intervals have begun, and those that ended are over; ends come after their starts.
    over = np.searchsorted(ends, starts, side="right")
    inside = np.arange(1, len(x) + 1) - over
    k = int(inside.argmax())
    after = min(float(ends[over[k]]), float(starts[k + 1]) if k + 1 < len(x) else math.inf)
    return float(inside[k]) / len(x), 0.5 * (float(starts[k]) + after)


def _centred(x: Array) -> Array:
    return np.asarray(x - x.mean(axis=0))
