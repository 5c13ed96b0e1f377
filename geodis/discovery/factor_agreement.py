"""Do two halves of the cloud find the same factors: fit on one, carry over to the other, compare."""

from __future__ import annotations

import math

import numpy as np

from geodis.discovery.decomposition import Neighbourhoods, connect, decompose
from geodis.discovery.factor_extension import extend_subspaces
from geodis.discovery.factor_score import consistent_angle_score
from geodis.errors import DesignError
from geodis.linalg import Array

MOST = 2500  # points of a half; more would make the estimate dearer, not better


def half_agreement(points: Array, size: Neighbourhoods, count: int, seed: int) -> float:
    """Mean largest angle [rad] between the factors of one half, carried to the other's points, and the other's own.

    Both halves are half as dense as the cloud, so the angle is an upper estimate of the error of the whole; π/2 when
    they disagree on dimensions, or a half falls into pieces.
    """
    order = np.random.default_rng([seed, 43]).permutation(len(points))[: 2 * MOST]
    halves = np.array_split(order, 2)
    if min(map(len, halves)) <= max(size.n_frame, size.n_graph):
        return math.pi / 2
    try:
        one, two = (_subspaces(points[half], size, count, seed) for half in halves)
    except DesignError:
        return math.pi / 2
    carried, _ = extend_subspaces(points[halves[1]], points[halves[0]], one, size.n_frame)
    return consistent_angle_score(carried, two)


def _subspaces(points: Array, size: Neighbourhoods, count: int, seed: int) -> tuple[Array, ...]:
    return decompose(connect(points, size, seed).given(count, seed), seed).subspaces
