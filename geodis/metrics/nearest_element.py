"""The group element whose matrix is nearest to a given one: from what a regression predicts to an element."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist

from geodis.groups.group import AbstractGroup
from geodis.linalg import Array
from geodis.metrics.differences import central_derivative

STARTS = 512  # elements among which the search starts; finite groups up to this order are searched whole
STEPS = 15  # of Newton's method, from the best start


def nearest_elements(group: AbstractGroup, matrices: Array, seen: Array, seed: int = 0) -> Array:
    """The g that minimizes ‖matrix(g) − A‖_F of each A: (n, a, a) → (n, p).

    The best of the starts, then Newton steps g·exp(x) where the group has an algebra.

    Parameters
    ----------
    group : AbstractGroup
        Where g is looked for.
    matrices : ndarray (n, a, a)
        Any real matrices, as large as `group.matrix` makes them.
    seen : ndarray (k, p)
        Elements that show where to start, beside random ones; all elements of a small finite group are looked at.
    seed : int
        Seed of the random starts.

    Examples
    --------
    >>> from geodis.groups import SO2
    >>> A = 3.0 * SO2().matrix(np.array([[0.7]])) + 0.1 * np.eye(2)
    >>> g = nearest_elements(SO2(), A, np.zeros((1, 1)))
    >>> bool(abs(g[0, 0] - np.arctan2(3 * np.sin(0.7), 3 * np.cos(0.7) + 0.1)) < 1e-9)
    True
    """
    starts = _starts(group, seen, seed)
    n = len(matrices)
    of_starts = group.matrix(starts).reshape(len(starts), -1)
    parts = np.array_split(matrices.reshape(n, -1), max(1, n * len(starts) // 2**22))
    g = starts[np.concatenate([cdist(part, of_starts, "sqeuclidean").argmin(axis=1) for part in parts])]
    return _descended(group, matrices, g) if group.tangent_dim else g


def _starts(group: AbstractGroup, seen: Array, seed: int) -> Array:
    if group.order is not None and group.order <= STARTS:
        return np.asarray(group.orbit(1, group.order)[0])
    rng = np.random.default_rng(seed)
    some = seen if len(seen) <= STARTS else seen[rng.permutation(len(seen))[:STARTS]]
    return np.concatenate([some, group.identity(1), group.sample(STARTS // 2, rng)])


def _descended(group: AbstractGroup, matrices: Array, g: Array) -> Array:
    """Damped Newton steps, kept where they come nearer.

    Gauss-Newton would creep: a regression that explains a tenth predicts matrices of a tenth of the size, and the
    residual that it neglects is the larger part.
    """
    X = _generators(group)
    squares = np.einsum("sab,tbc->stac", X, X)
    squares = (squares + squares.transpose(1, 0, 2, 3)) / 2
    damping = np.full(len(g), 1e-9)
    M = group.matrix(g)
    left = ((matrices - M) ** 2).sum(axis=(1, 2))
    for _ in range(STEPS):
        J = np.einsum("nab,tbc->tnac", M, X)
        normal = np.einsum("snac,tnac->nst", J, J)
        hessian = normal - np.einsum("nac,stac->nst", np.swapaxes(M, 1, 2) @ (matrices - M), squares)
        gradient = np.einsum("tnac,nac->nt", J, matrices - M)
        size = np.einsum("ntt->n", normal)[:, None, None] + 1e-300
        step = np.linalg.solve(hessian + damping[:, None, None] * size * np.eye(len(X)), gradient[..., None])[..., 0]
        # Farther than that, exp leaves the neighborhood in which the model holds.
        step /= np.maximum(1.0, np.linalg.norm(step, axis=1, keepdims=True))
        trial = group.compose(g, group.exp(step))
        there = group.matrix(trial)
        after = ((matrices - there) ** 2).sum(axis=(1, 2))
        better = after < left
        g, M = np.where(better[:, None], trial, g), np.where(better[:, None, None], there, M)
        left = np.where(better, after, left)
        damping = np.where(better, damping / 10, np.minimum(100 * damping, 1e3))
        if ((np.linalg.norm(step, axis=1) <= 1e-10) | (damping > 1.0)).all():
            break
    return np.asarray(g)


def _generators(group: AbstractGroup) -> Array:
    """d/dt matrix(exp(t·e_i)) at t = 0 for the axes e_i of the algebra: (tangent_dim, a, a)."""
    axes = np.eye(group.tangent_dim)
    return np.asarray(central_derivative(lambda t: group.matrix(group.exp(t * axes)))[0])
