"""How far found subspaces are from true ones: mean over points of the largest principal angle of matched factors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from geodis.errors import LengthError, ParameterError, ShapeError
from geodis.linalg import Array, check_finite, to_numpy

N_CHANCE = 400  # random splits that chance is averaged over


def subspace_angle_score(found: Sequence[Any], truth: Sequence[Any]) -> float:
    """The aligned score of GEOMANCER [rad]: at each point, factors are matched at best and their angles averaged.

    The angle of a pair is the arccosine of the smallest principal cosine, π/2 where dimensions differ; factors without
    a counterpart count π/2.

    Parameters
    ----------
    found, truth : sequence of array (n, D, d_f)
        One array of orthonormal bases a factor, at the same points.

    Raises
    ------
    ParameterError, ShapeError, LengthError, FiniteError
        For no factor, arrays that are not bases at points, different points or spaces, NaN.

    References
    ----------
    Pfau, Higgins, Botev and Racanière 2020, arXiv 2006.12982.

    Examples
    --------
    >>> one, two = np.eye(4)[None, :, :2], np.eye(4)[None, :, 2:]
    >>> subspace_angle_score([two, one], [one, two])
    0.0
    """
    angles = _angles(found, truth)
    if angles.shape[:2] == (2, 2):  # the two ways to match, for all points at once
        ways = np.stack([angles[0, 0] + angles[1, 1], angles[0, 1] + angles[1, 0]])
        return float(ways.min(axis=0).mean() / 2)
    return float(np.mean([_matched(angles[..., i]) for i in range(angles.shape[2])]))


def consistent_angle_score(found: Sequence[Any], truth: Sequence[Any]) -> float:
    """The same with one matching for all points: factors must keep their names from point to point.

    Examples
    --------
    >>> e = np.eye(4)
    >>> one, two = np.stack([e[:, :2], e[:, 2:]]), np.stack([e[:, 2:], e[:, :2]])
    >>> swapped = np.stack([e[:, :2], e[:, :2]]), np.stack([e[:, 2:], e[:, 2:]])
    >>> round(consistent_angle_score(swapped, [one, two]), 3), subspace_angle_score(swapped, [one, two])
    (0.785, 0.0)
    """
    return _matched(_angles(found, truth).mean(axis=2))


def chance_angle(dimensions: Sequence[int], seed: int = 0) -> float:
    """The expected score [rad] of a random split of the tangent space, matched at best at each point."""
    rng, d = np.random.default_rng(seed), int(sum(dimensions))
    cuts = np.cumsum(dimensions)[:-1]
    turns = np.linalg.qr(rng.normal(size=(N_CHANCE, d, d)))[0]
    fixed = np.broadcast_to(np.eye(d), (N_CHANCE, d, d))
    return subspace_angle_score(np.split(turns, cuts, axis=2), np.split(fixed, cuts, axis=2))


def _angles(found: Sequence[Any], truth: Sequence[Any]) -> Array:
    """Largest principal angles (m, m', n)."""
    ones, twos = _bases(found, "found"), _bases(truth, "truth")
    if len(ones[0]) != len(twos[0]):
        raise LengthError(found=len(ones[0]), truth=len(twos[0]))
    if ones[0].shape[1] != twos[0].shape[1]:
        raise ShapeError("found and truth", "bases in one space", (ones[0].shape, twos[0].shape))
    return np.array([[_largest_angles(one, two) for two in twos] for one in ones])


def _bases(factors: Sequence[Any], what: str) -> list[Array]:
    arrays = [np.asarray(to_numpy(factor)) for factor in factors]
    if not arrays:
        raise ParameterError(what, "at least one factor", "none")
    for array in arrays:
        if array.ndim != 3 or array.shape[:2] != arrays[0].shape[:2] or array.size == 0:
            raise ShapeError(what, "(n, D, d_f) for each factor, n and D the same", array.shape)
        check_finite(array, what)
    return arrays


def _largest_angles(one: Array, two: Array) -> Array:
    if one.shape[2] != two.shape[2]:
        return np.full(len(one), math.pi / 2)
    # From the sine where the angle is small: the arccosine of a cosine rounded above 1 is NaN, and coarse below it.
    inner = np.swapaxes(one, 1, 2) @ two
    cosines = np.linalg.svd(inner, compute_uv=False)[:, -1]
    sines = np.linalg.svd(two - one @ inner, compute_uv=False)[:, 0]
    return np.asarray(np.arctan2(sines, cosines))


def _matched(angles: Array) -> float:
    """The least mean over matched factors of (m, m') angles; factors in excess count π/2."""
    rows, columns = linear_sum_assignment(angles)
    excess = max(angles.shape) - len(rows)
    return float((angles[rows, columns].sum() + excess * math.pi / 2) / max(angles.shape))
