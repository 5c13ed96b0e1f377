"""Separability: whether a two-dimensional feature splits into two independent ones in some frame."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import stats

from geodis.groups.options import count
from geodis.linalg import Array, real_array
from geodis.metrics.block_importance import item_folds
from geodis.metrics.cells import rounding
from geodis.metrics.result import MetricResult, Status
from geodis.statistics import check_level, permutation_p

BOUND = 3.0  # root mean squares from the mean, where the outer bins end
GROUPS = 20  # of rows, left out in turn for the interval


def separability(
    feature: Any, *, n_bins: int = 20, n_angles: int = 90, n_null: int = 19, level: float = 0.95, seed: int = 0
) -> MetricResult:
    """S = min over rotations of the mutual information [bits] between the two coordinates of a feature.

    See :doc:`/catalogue` for what fools the published score.

    Parameters
    ----------
    feature : array (n, 2)
        A two-dimensional feature's values.
    n_bins : int
        Equal bins of each coordinate within ±3 root mean squares; the outer ones take what lies beyond.
    n_angles : int
        Rotations within a quarter turn.
    n_null : int
        Draws with the coordinates of the best frame dealt to each other anew, whose mean is ``chance``.
    level : float
        Confidence level of the jackknife interval over rows, at the best angle.
    seed : int
        Seed of the draws.

    Returns
    -------
    MetricResult
        Higher is better for a feature that should not split: 0 for independent parts such as a Gaussian's. The bias of
        the bins is taken off (Miller and Madow), so that the value may be slightly negative. The scale of the feature
        does not matter: as published, it is divided by its mean square instead of the root. Status ``degenerate``
        (NaN) for features that do not vary along two directions.

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
    >>> from geodis.metrics import circle_embedding
    >>> rng = np.random.default_rng(0)
    >>> circular = circle_embedding(rng.uniform(0, 7, (2000, 1)))
    >>> round(separability(circular).value, 1), round(separability(rng.normal(size=(2000, 2))).value, 1)
    (1.5, 0.0)
    """
    name = "separability"
    check_level(level)
    n_bins, n_angles = count(n_bins, f"{name}: n_bins", 2), count(n_angles, f"{name}: n_angles", 1)
    count(n_null, f"{name}: n_null", 1)
    rows, flat = planar_feature(feature, name)
    n = len(rows)
    if flat or n < 2 * GROUPS:
        status: Status = "degenerate" if flat else "insufficient"
        why = flat or f"fewer than {2 * GROUPS} rows"
        return MetricResult(
            name,
            math.nan,
            (math.nan, math.nan),
            "none",
            level,
            n,
            1,
            lower_is_better=False,
            status=status,
            notes=(why,),
        )
    unit = root_mean_square(rows)
    angles = np.arange(n_angles) * math.pi / (2 * n_angles)
    at = [corrected_information(unit @ rotation(a), n_bins) for a in angles]
    best = unit @ rotation(float(angles[int(np.argmin(at))]))
    value = float(min(at))
    folds = item_folds(np.arange(n), GROUPS)
    draws = np.array([corrected_information(best[folds != g], n_bins) for g in range(GROUPS)])
    spread = math.sqrt((GROUPS - 1) / GROUPS * float(((draws - draws.mean()) ** 2).sum()))
    half = float(stats.t.ppf((1 + level) / 2, GROUPS - 1)) * spread
    rng = np.random.default_rng(seed)
    null = np.array(
        [
            corrected_information(np.stack([best[:, 0], rng.permutation(best[:, 1])], axis=1), n_bins)
            for _ in range(n_null)
        ]
    )
    return MetricResult(
        name, value, (value - half, value + half), "jackknife over rows at the best angle", level, n, 1,
        {"chance": float(null.mean())}, lower_is_better=False, status="ok", p_value=permutation_p(value, null),
    )  # fmt: skip


# --- plain formulas ---------------------------------------------------------------------------------------------------
def rotation(angle: float) -> Array:
    """The matrix that turns rows by `angle` [rad] when they are multiplied from the left."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, -s], [s, c]])


def root_mean_square(feature: Array) -> Array:
    """A feature (n, 2) less its mean, divided by the root of the mean square of its entries."""
    centred = feature - feature.mean(axis=0)
    return np.asarray(centred / math.sqrt(float((centred**2).mean())))


def bounded_bins(x: Array, n_bins: int) -> Array:
    """The index of each x among equal bins on ±3; what lies beyond is in the outer ones."""
    return np.clip(np.floor((x + BOUND) / (2 * BOUND) * n_bins), 0, n_bins - 1).astype(np.int64)


def joint_counts(unit: Array, n_bins: int) -> Array:
    """Counts of the rows (n, 2) in the bins of both coordinates, (n_bins, n_bins)."""
    i, j = bounded_bins(unit.T, n_bins)
    return np.bincount(i * n_bins + j, minlength=n_bins**2).reshape(n_bins, n_bins)


def binned_information(counts: Array) -> float:
    """Mutual information [bits] of the two axes of a table of counts.

    Examples
    --------
    >>> binned_information(np.eye(4)), binned_information(np.ones((4, 4)))
    (2.0, 0.0)
    """
    joint = counts / counts.sum()
    product = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    seen = joint > 0.0
    return float((joint[seen] * np.log2(joint[seen] / product[seen])).sum())


def corrected_information(unit: Array, n_bins: int) -> float:
    """The same less its bias to first order, (cells − rows − columns + 1)/(2n ln 2), of those that are occupied."""
    counts = joint_counts(unit, n_bins)
    cells = np.count_nonzero(counts) - np.count_nonzero(counts.sum(0)) - np.count_nonzero(counts.sum(1)) + 1
    return binned_information(counts) - cells / (2.0 * len(unit) * math.log(2.0))


def planar_feature(feature: Any, name: str) -> tuple[Array, str]:
    """The feature (n, 2) in float64, and why it is no planar one, if it is none."""
    rows = real_array(feature, f"{name}: feature", ("n", 2))
    centred = rows - rows.mean(axis=0)
    s = np.linalg.svd(centred / math.sqrt(len(rows)), compute_uv=False)
    floor = math.sqrt(rounding(rows))
    if not s[0] > floor:
        return rows, "the feature does not vary"
    if len(s) < 2 or not s[1] > max(floor, 1e-10 * s[0]):
        return rows, "the feature varies along one direction only"
    return rows, ""
