"""Independence: actions of different subgroups should move a code along different directions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from geodis.errors import LengthError, ParameterError, ShapeError
from geodis.groups.options import count
from geodis.linalg import Array, real_array, to_numpy
from geodis.metrics.block_importance import item_folds
from geodis.metrics.cells import rounding
from geodis.metrics.result import MetricResult, Status
from geodis.orbits import as_items
from geodis.statistics import check_level, clustered_t

FOLDS = 5
FOLLOWS = 0.5  # of the displacements' energy, left over by the best linear maps: above it, nothing linear acts
RIDGE = 1e-10  # of the mean variance


def independence_score(
    z: Any, moved: Any, subgroups: Any, *, n_null: int = 19, level: float = 0.95, seed: int = 0
) -> MetricResult:
    """1 − mean over pairs of subgroups of max |cos| between displacements ρ_a z − z, with ρ_a fitted on other items.

    See :doc:`/catalogue` for what fools the published score.

    Parameters
    ----------
    z : array (n, d)
        Codes of n items.
    moved : array (n, A, d)
        Codes of the same items after each of A actions.
    subgroups : array (A,)
        The subgroup that each action belongs to; at least two.
    n_null : int
        Draws of random directions in place of the displacements, which give ``chance``.
    level : float
        Confidence level of the interval over items.
    seed : int
        Seed of the draws.

    Returns
    -------
    MetricResult
        Higher is better. ``chance`` depends on d and on the number of actions: with one action a subgroup it is
        1 − Γ(d/2)/(√π Γ((d + 1)/2)). The notes tell the *equivariance error*, the share of the displacements' energy
        that the affine maps ρ_a leave on unseen items; above a half the status is ``partial``, as it is where an
        action moves nothing. Published without either check, random displacements in orthogonal planes score 1, and an
        action that moves nothing gives NaN. Status ``degenerate`` (NaN) where no action of a subgroup moves the code.

    Raises
    ------
    ShapeError, LengthError, FiniteError, ParameterError
        For arrays that do not fit together, NaN, a single subgroup.

    References
    ----------
    Painter, Prugel-Bennett and Hare, "Linear disentangled representations and unsupervised action estimation",
    NeurIPS 2020, arXiv:2008.07922.

    Examples
    --------
    >>> angles = np.random.default_rng(0).uniform(0, 6, (50, 2))
    >>> torus = lambda a: np.concatenate([np.cos(a), np.sin(a)], axis=-1)
    >>> moved = torus(angles[:, None] + np.array([[0.3, 0.0], [0.0, 0.3]]))
    >>> round(independence_score(torus(angles), moved, [0, 1]).value, 6)
    1.0
    """
    check_level(level)
    count(n_null, "independence_score: n_null", 1)
    codes, after, labels, tolerance = _checked(z, moved, subgroups)
    n, n_actions = after.shape[:2]
    names = np.unique(labels)
    groups = [np.flatnonzero(labels == name) for name in names]
    energy = ((after - codes[:, None]) ** 2).sum(axis=2)
    still = ~(energy.mean(axis=0) > tolerance)
    if any(still[g].all() for g in groups):
        return _unknown("no action of a subgroup moves the code", level, n, n_actions, "degenerate")
    if n < 2:
        return _unknown("one item: nothing is unseen", level, n, n_actions, "insufficient")
    predicted = _predicted(codes, after)
    error = float(((predicted - after) ** 2).sum() / energy.sum())
    # Where an action moves an item by rounding alone, so does its fit, in a direction that means nothing.
    moves = (energy > tolerance)[..., None]
    directions = _unit(np.where(moves, predicted - codes[:, None], 0.0))
    per_item = independence(directions, groups)
    known = np.isfinite(per_item)
    if not known.any():
        return _unknown("no item is moved by an action of every subgroup", level, n, n_actions, "degenerate")
    rng = np.random.default_rng(seed)
    # Actions that do not move an item have no direction in the null either.
    random = [independence(_unit(np.where(moves, rng.normal(size=after.shape), 0.0)), groups) for _ in range(n_null)]
    chance = float(np.mean([draw[known].mean() for draw in random]))
    value = float(per_item[known].mean())
    interval = clustered_t(per_item[known], level)
    notes = [f"equivariance error {error:.3f} of the displacements' energy, on unseen items"]
    status: Status = "ok"
    if error > FOLLOWS:
        status = "partial"
        notes.append("no linear action moves the code so: directions that are apart are no independent action")
    if still.any():
        status = "partial"
        notes.append(f"{int(still.sum())} of {n_actions} actions move nothing")
    known_ends = math.isfinite(interval.low)
    ci = (max(0.0, interval.low), min(1.0, interval.high)) if known_ends else (math.nan, math.nan)
    return MetricResult(
        "independence_score", value, ci, interval.method, level, n, n_actions,
        {"chance": chance}, skill=(value - chance) / (1.0 - chance) if chance < 1.0 else None,
        lower_is_better=False, status=status, notes=tuple(notes), per_item=per_item,
    )  # fmt: skip


def independence(directions: Array, groups: list[Array]) -> Array:
    """1 − mean over pairs of groups of max_{a, b} |⟨u_a, u_b⟩|: unit vectors (n, A, d), 0 for none → (n,).

    NaN where a group has no direction at all.

    Examples
    --------
    >>> independence(np.eye(2)[None], [np.array([0]), np.array([1])]).tolist()
    [1.0]
    """
    cosines = np.abs(np.einsum("nad,nbd->nab", directions, directions))
    moves = (directions**2).sum(axis=2) > 0.5
    pairs = [(g, h) for i, g in enumerate(groups) for h in groups[i + 1 :]]
    largest = np.mean([cosines[:, g][:, :, h].max(axis=(1, 2)) for g, h in pairs], axis=0)
    complete = np.all([moves[:, g].any(axis=1) for g in groups], axis=0)
    return np.where(complete, 1.0 - np.minimum(largest, 1.0), np.nan)


def _predicted(codes: Array, after: Array) -> Array:
    """ρ_a z + b_a, fitted by least squares on the items of the other folds: (n, A, d)."""
    n, n_actions, d = after.shape
    folds = item_folds(np.arange(n), FOLDS)
    out = np.empty_like(after)
    for fold in np.unique(folds):
        seen = folds != fold
        mean, target = codes[seen].mean(axis=0), after[seen].reshape(-1, n_actions * d)
        x = codes[seen] - mean
        gram = x.T @ x
        ridge = RIDGE * max(float(np.trace(gram)) / d, np.finfo(float).tiny)
        weights = np.linalg.solve(gram + ridge * np.eye(d), x.T @ (target - target.mean(axis=0)))
        fitted = (codes[~seen] - mean) @ weights + target.mean(axis=0)
        out[~seen] = fitted.reshape(-1, n_actions, d)
    return out


def _unit(steps: Array) -> Array:
    """Steps (..., d) at unit length; 0 stays."""
    sizes = np.linalg.norm(steps, axis=-1, keepdims=True)
    return np.asarray(steps / np.where(sizes > 0.0, sizes, 1.0))


def _checked(z: Any, moved: Any, subgroups: Any) -> tuple[Array, Array, Array, float]:
    what = "independence_score"
    codes = real_array(z, f"{what}: z", ("n", "d"))
    after = real_array(moved, f"{what}: moved", ("n", "A", "d"))
    labels = as_items(subgroups)
    if len(codes) != len(after):
        raise LengthError(z=len(codes), moved=len(after))
    if codes.shape[1] != after.shape[2]:
        raise ShapeError(f"{what}: moved", f"(n, A, {codes.shape[1]}), as z", after.shape)
    if len(labels) != after.shape[1]:
        raise ShapeError(f"{what}: subgroups", f"({after.shape[1]},), one for each action", labels.shape)
    if len(np.unique(labels)) < 2:
        raise ParameterError(f"{what}: subgroups", "at least two", "one")
    rows = to_numpy(z)
    kind = rows.dtype if rows.dtype.kind == "f" else np.dtype(np.float64)
    return codes, after, labels, rounding(codes.astype(kind))


def _unknown(why: str, level: float, n: int, n_actions: int, status: Status) -> MetricResult:
    return MetricResult(
        "independence_score", math.nan, (math.nan, math.nan), "none", level, n, n_actions, lower_is_better=False,
        status=status, notes=(why,),
    )  # fmt: skip
