"""Two regression tasks of the equivariance benchmarks: tensors of inertia, and an O(5)-invariant function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from geodis.errors import LengthError, ShapeError
from geodis.groups.options import count
from geodis.linalg import Array, check_finite, to_numpy


class Bodies(NamedTuple):
    """Point masses and their tensors of inertia.

    Attributes
    ----------
    positions : ndarray (n, k, 3)
        From the origin.
    masses : ndarray (n, k)
        Positive.
    inertia : ndarray (n, 3, 3)
        I = Σ m(|r|² 1 − r rᵀ).
    """

    positions: Array
    masses: Array
    inertia: Array


def random_bodies(n: int, points: int = 5, *, seed: int | Sequence[int] = 0) -> Bodies:
    """Bodies of `points` masses log(1 + e^z) at positions N(0, 1), z ~ N(0, 1): the inertia task of the benchmarks.

    Raises
    ------
    ParameterError
        For numbers below one.

    References
    ----------
    Finzi, Welling, Wilson, "A practical method for constructing equivariant multilayer perceptrons for arbitrary
    matrix groups", ICML 2021, arXiv:2104.09459.

    Examples
    --------
    >>> bodies = random_bodies(10)
    >>> bodies.positions.shape, bool((np.linalg.eigvalsh(bodies.inertia) > 0).all())
    ((10, 5, 3), True)
    """
    rng = np.random.default_rng(seed)
    n, points = count(n, "n", 1), count(points, "points", 1)
    masses = np.logaddexp(0.0, rng.standard_normal((n, points)))
    positions = rng.standard_normal((n, points, 3))
    return Bodies(positions, masses, inertia_tensors(positions, masses))


def inertia_tensors(positions: Any, masses: Any) -> Array:
    """I = Σ m(|r|² 1 − r rᵀ) about the origin: positions `(..., k, 3)`, masses `(..., k)` → `(..., 3, 3)`.

    Raises
    ------
    ShapeError, LengthError, FiniteError
        For other shapes, other numbers of masses, NaN.

    Examples
    --------
    >>> inertia_tensors([[1.0, 0.0, 0.0]], [2.0]).tolist()
    [[0.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 2.0]]
    """
    r, m = to_numpy(positions).astype(np.float64), to_numpy(masses).astype(np.float64)
    if r.ndim < 2 or r.shape[-1] != 3:
        raise ShapeError("positions", "(..., k, 3)", r.shape)
    if m.shape[-1:] != r.shape[-2:-1]:
        raise LengthError(positions=r.shape[-2], masses=m.shape[-1] if m.ndim else 0)
    check_finite(r, "positions")
    check_finite(m, "masses")
    second = np.einsum("...k,...ka,...kb->...ab", m, r, r)
    return np.trace(second, axis1=-2, axis2=-1)[..., None, None] * np.eye(3) - second


class InvariantSamples(NamedTuple):
    """Pairs of vectors and an invariant of theirs.

    Attributes
    ----------
    vectors : ndarray (n, 2, 5)
        x_1, x_2.
    target : ndarray (n,)
        The invariant.
    """

    vectors: Array
    target: Array


def o5_regression(n: int, *, seed: int | Sequence[int] = 0) -> InvariantSamples:
    """x_1, x_2 ~ N(0, 1) in R^5 and sin|x_1| − ½|x_2|³ + x_1·x_2/(|x_1||x_2|): the O(5) task of the benchmarks.

    Raises
    ------
    ParameterError
        For a number below one.

    References
    ----------
    Finzi, Welling, Wilson, ICML 2021, arXiv:2104.09459.

    Examples
    --------
    >>> samples = o5_regression(10)
    >>> samples.vectors.shape, samples.target.shape
    ((10, 2, 5), (10,))
    """
    x = np.random.default_rng(seed).standard_normal((count(n, "n", 1), 2, 5))
    return InvariantSamples(x, o5_target(x))


def o5_target(vectors: Any) -> Array:
    """sin|x_1| − ½|x_2|³ + cos∠(x_1, x_2): `(..., 2, d)` → `(...)`; the cosine of a zero vector is 0.

    Raises
    ------
    ShapeError, FiniteError
        For other shapes, or NaN.

    Examples
    --------
    >>> float(o5_target([[np.pi / 2, 0.0], [0.0, 2.0]]))
    -3.0
    """
    x = to_numpy(vectors).astype(np.float64)
    if x.ndim < 2 or x.shape[-2] != 2:
        raise ShapeError("vectors", "(..., 2, d)", x.shape)
    check_finite(x, "vectors")
    length = np.linalg.norm(x, axis=-1)
    unit = x / np.where(length > 0, length, 1.0)[..., None]
    cosine = (unit[..., 0, :] * unit[..., 1, :]).sum(-1)
    return np.sin(length[..., 0]) - 0.5 * length[..., 1] ** 3 + cosine
