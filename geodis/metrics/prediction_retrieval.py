"""Is the nearest code a view from the predicted pose: the rotation between the true pose and the one that was found."""

from __future__ import annotations

from typing import Any

import numpy as np

from geodis.errors import LengthError, ParameterError
from geodis.linalg import Array, real_array
from geodis.metrics.galleries import Distance, Galleries, galleries_of
from geodis.metrics.result import MetricResult, Status
from geodis.metrics.row_items import bounded_interval, item_means, row_items
from geodis.statistics import check_level

UNIT = 1e-5  # how far a quaternion's norm may be from 1: float32 files round


def prediction_retrieval_error(
    predictions: Any,
    targets: Any,
    quaternions: Any,
    *,
    galleries: Any = None,
    items: Any = None,
    distance: Distance = "euclidean",
    level: float = 0.95,
) -> MetricResult:
    """1 − ⟨q_found, q_true⟩² of the pose of the target nearest to a prediction: 0 if right, up to 1.

    This is sin²(θ/2) of the angle θ between the two rotations. Ties count as their mean.

    See :doc:`/catalogue` for what fools the published score.

    Parameters
    ----------
    predictions, targets : array (n, d)
        Row i of `predictions` should be near row i of `targets`.
    quaternions : array (n, 4)
        The pose of each target as a unit quaternion, in any order of components and of either sign.
    galleries : array (n,), optional
        Predictions search targets of the same label only (the views of one object); all n by default.
    items : array (n,), optional
        What is drawn independently, for the interval; each row by default.
    distance : {"euclidean", "cosine"}
        Between codes.
    level : float
        Confidence level of the item-clustered interval.

    Returns
    -------
    MetricResult
        The baseline ``chance`` is measured: the mean error of a random candidate of these galleries. It is .75 for
        poses uniform on SO(3) and .626 for Euler angles uniform within ±90°; no constant fits all data. Status
        ``degenerate`` where predictions or targets do not vary: then the value is chance.

    Raises
    ------
    ShapeError, LengthError, FiniteError, ParameterError
        For codes that do not fit together, NaN, quaternions that are no unit vectors.

    References
    ----------
    Garrido, Najman, LeCun, "Self-supervised learning of Split Invariant Equivariant representations", ICML 2023,
    arXiv:2302.10283.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> z, q = rng.normal(size=(500, 3)), rng.normal(size=(500, 4))
    >>> q /= np.linalg.norm(q, axis=1, keepdims=True)
    >>> result = prediction_retrieval_error(z, z, q)
    >>> round(result.value, 12), 0.74 < result.baselines["chance"] < 0.76
    (0.0, True)
    """
    check_level(level)
    search = galleries_of(predictions, targets, "prediction", galleries, distance)
    q = _unit_quaternions(quaternions, len(search.sizes))
    index = row_items(items, len(q))
    at_random = _random_candidate(q, search)
    errors = at_random if search.constant else _nearest(q, search)
    per_item, chance = item_means(errors, index), float(item_means(at_random, index).mean())
    value = float(per_item.mean())
    status: Status = "ok"
    notes: tuple[str, ...] = ()
    if search.constant:
        status, notes = "degenerate", (f"the {search.constant} do not vary: every candidate is a tie",)
    if len(per_item) < 2 or int(search.sizes.max()) < 2:
        status, notes = "insufficient", (*notes, "one item, or one candidate: nothing competes")
    ci, method = bounded_interval(per_item, level)
    return MetricResult(
        "prediction_retrieval_error", value, ci, method, level, len(per_item), int(np.bincount(index).max()),
        {"chance": chance}, floor=float(np.finfo(np.float64).eps), skill=1.0 - value / chance if chance > 0.0 else None,
        status=status, notes=notes, per_item=per_item,
    )  # fmt: skip


def quaternion_error(q: Any, p: Any) -> Array:
    """1 − ⟨q, p⟩² = sin²(θ/2) of unit quaternions, row by row: (n, 4), (n, 4) → (n,); .75 on average at random.

    Parameters
    ----------
    q, p : array (n, 4)
        Unit quaternions in one order of components; q and −q are the same rotation.

    Raises
    ------
    ShapeError, FiniteError, ParameterError
        For arrays that do not fit together, NaN, rows that are no unit vectors.

    Examples
    --------
    >>> quaternion_error([[1.0, 0.0, 0.0, 0.0]], [[0.0, 1.0, 0.0, 0.0]]).tolist()
    [1.0]
    """
    first = real_array(q, "quaternions", ("n", 4))
    return _error(_unit_quaternions(first, len(first)), _unit_quaternions(p, len(first)))


def _error(q: Array, p: Array) -> Array:
    # By the smaller of |q − p|², |q + p|², whose digits do not cancel near 0: 1 − c² = s(1 − s/4) with s = 2 − 2|c|.
    s = np.minimum(((q - p) ** 2).sum(axis=-1), ((q + p) ** 2).sum(axis=-1))
    return np.asarray(s * (1.0 - s / 4.0))


def _nearest(q: Array, search: Galleries) -> Array:
    """The mean error of the candidates that are nearest to each row."""
    errors = np.empty(len(q))
    for rows, block, distances in search.chunks():
        tied = distances <= distances.min(axis=1, keepdims=True) + search.slack
        several = tied.sum(axis=1) > 1
        errors[rows] = _error(q[rows], q[block[tied.argmax(axis=1)]])
        for row, among in zip(rows[several], tied[several], strict=True):
            errors[row] = _error(q[row][None], q[block[among]]).mean()
    return errors


def _random_candidate(q: Array, search: Galleries) -> Array:
    """The mean error over all candidates: 1 − qᵀ E[ppᵀ] q."""
    errors = np.empty(len(q))
    for block in search.blocks:
        second = q[block].T @ q[block] / len(block)
        errors[block] = 1.0 - np.einsum("na,ab,nb->n", q[block], second, q[block])
    return np.maximum(errors, 0.0)


def _unit_quaternions(quaternions: Any, n: int) -> Array:
    q = real_array(quaternions, "quaternions", ("n", 4))
    if len(q) != n:
        raise LengthError(codes=n, quaternions=len(q))
    norms = np.linalg.norm(q, axis=1, keepdims=True)
    off = np.abs(norms - 1.0) > UNIT
    if off.any():
        raise ParameterError("quaternions", "unit vectors", f"{int(off.sum())} of another length", "Divide by norms.")
    return q / norms
