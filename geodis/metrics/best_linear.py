"""The ceiling of an equivariance error: the best affine map per group step, fitted on some items, scored on others.

Never in sample: on independent codes the in-sample unexplained variance of a linear map is 1 − d/n, which looks like
equivariance, while on unseen items it is 1 + d/(n − d − 1). Folds are by item, and Gram matrices are additive, so that
cross-fitting reads the rows once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from geodis.errors import ParameterError, ShapeError
from geodis.linalg import Array, check_finite, to_numpy
from geodis.metrics.cells import Operator, OrbitCells, orbit_cells
from geodis.orbits import Orbits
from geodis.threads import one_blas_thread

RIDGES = (1e-8, 1e-4, 1e-2, 1e-1, 1.0)  # fractions of the features' mean square
MAX_GRAM = 1024  # columns of a crossed design's Gram matrix; more elements are thinned
MAX_BASIS = 16  # leading directions of the basis functions of the step
LAGS = 4  # random pairs a row in a nested design


def best_linear_error(
    orbits: Orbits,
    rho: Operator | None = None,
    *,
    basis: Callable[[Any], Any] | None = None,
    ridge: float | Literal["auto"] = "auto",
    n_folds: int = 5,
    seed: int = 0,
) -> float:
    """Mean squared error of c_k ≈ A(h)[c_j, 1] on items that A was not fitted on, h the step from j to k.

    Crossed designs get one map for each ordered pair of elements; nested ones A(h) = Σ_q φ_q(h)A_q with φ the basis.
    See :doc:`/catalogue` for what the same error says on the items that A was fitted on.

    Parameters
    ----------
    orbits : Orbits
        Codes.
    rho : callable, optional
        params (N, p) → (N, d, d); the basis of nested designs is 1 and the entries of ρ(g_k)ρ(g_j)⁻¹.
    basis : callable, optional
        Steps (N, p) → (N, q) instead of that.
    ridge : float or "auto"
        Fraction of the features' mean square; "auto" chooses on inner folds.
    n_folds : int
        Folds of items.
    seed : int
        Seed of folds and pairs.

    Returns
    -------
    float
        In the unit of |c|²; NaN for fewer than 4 items.

    Raises
    ------
    ShapeError, FiniteError, ParameterError
        For matrices or a basis that do not fit, NaN, a negative ridge or fewer than 2 folds.

    Examples
    --------
    >>> import numpy as np
    >>> from geodis.orbits import Orbits
    >>> from geodis.groups import Cyclic
    >>> z = np.random.default_rng(0).normal(size=(400, 2))
    >>> z = np.stack([z, z @ np.array([[2.0, 1.0], [0.0, 1.0]])], axis=1).reshape(-1, 2)
    >>> orbits = Orbits.from_arrays(z, np.tile([[0.0], [1.0]], (400, 1)), np.repeat(np.arange(400), 2), Cyclic(2))
    >>> best_linear_error(orbits) < 1e-6
    True
    """
    _check(ridge, n_folds)
    data = orbit_cells(orbits, rho)
    return best_linear_of(data, orbits, basis, ridge, n_folds, seed)


@one_blas_thread
def best_linear_of(
    data: OrbitCells,
    orbits: Orbits,
    basis: Callable[[Any], Any] | None = None,
    ridge: float | Literal["auto"] = "auto",
    n_folds: int = 5,
    seed: int = 0,
) -> float:
    """`best_linear_error` on cells that are already there."""
    if data.n_items < 4:
        return math.nan
    rng = np.random.default_rng(seed)
    folds = rng.permutation(data.n_items) % min(n_folds, data.n_items)
    if data.crossed:
        grams, sources, targets, pairs = _crossed(data, folds, rng)
    else:
        grams, sources, targets, pairs = _nested(data, orbits, basis, folds, rng)
    squares = 0.0
    for test in range(len(grams)):
        train = [gram for f, gram in enumerate(grams) if f != test]
        alpha = _choose(train, sources, targets) if ridge == "auto" else float(ridge)
        squares += _held_out(np.sum(train, axis=0), grams[test], sources, targets, alpha)
    return max(squares / pairs, 0.0)  # a mean square; the Gram form may round to −1e-17


def _crossed(data: OrbitCells, folds: Array, rng: np.random.Generator) -> tuple[list[Array], Array, Array, float]:
    """One row an item, x = (c_1, …, c_m, 1): each element's columns predict all others."""
    c = data.codes[0]
    n, m, d = c.shape
    if m * d > MAX_GRAM:
        m = max(2, MAX_GRAM // d)
        c = c[:, np.sort(rng.permutation(c.shape[1])[:m])]
    rows = np.concatenate([(c - c.mean(axis=(0, 1))).reshape(n, m * d), np.ones((n, 1))], axis=1)
    grams = [rows[folds == f].T @ rows[folds == f] for f in range(folds.max() + 1)]
    blocks = np.arange(m * d).reshape(m, d)
    sources = np.concatenate([blocks, np.full((m, 1), m * d)], axis=1)
    targets = np.stack([np.delete(blocks, j, axis=0).ravel() for j in range(m)])
    return grams, sources, targets, float(n * m * (m - 1))


def _nested(
    data: OrbitCells, orbits: Orbits, basis: Callable[[Any], Any] | None, folds: Array, rng: np.random.Generator
) -> tuple[list[Array], Array, Array, float]:
    """One row a pair, x = (φ(h) ⊗ (c_j, 1), c_k); an item's pairs weigh 1 together."""
    before, after, step, weight, item = _pairs(data, orbits, basis, rng)
    phi = _span(step)
    features = np.concatenate([before, np.ones((len(before), 1))], axis=1)
    x = np.einsum("nq,na->nqa", phi, features).reshape(len(phi), -1)
    rows = np.concatenate([x, after], axis=1) * np.sqrt(weight)[:, None]
    of_row = folds[item]
    grams = [rows[of_row == f].T @ rows[of_row == f] for f in range(folds.max() + 1)]
    f = x.shape[1]
    return grams, np.arange(f)[None], np.arange(f, rows.shape[1])[None], float(len(folds))


def _pairs(
    data: OrbitCells, orbits: Orbits, basis: Callable[[Any], Any] | None, rng: np.random.Generator
) -> tuple[Array, Array, Array, Array, Array]:
    """Random ordered pairs j → k of each item: c_j, c_k, basis of the step, weight, item."""
    centre = np.concatenate([c.reshape(-1, c.shape[2]) for c in data.codes]).mean(axis=0)
    parts: list[tuple[Array, ...]] = []
    start = 0
    for c, rho, inverse, params in zip(data.codes, data.operators, data.inverses, data.params, strict=True):
        n, m, d = c.shape
        lags = 1 + rng.permutation(m - 1)[:LAGS]
        for lag in lags:
            source = (np.arange(m) - lag) % m
            before, after = c[:, source] - centre, c - centre
            if basis is None:
                step = (rho @ inverse[:, source]).reshape(n * m, d * d)
            else:
                group = orbits.group
                h = group.compose(params, group.inverse(params[:, source]))
                step = _basis_values(basis, h.reshape(n * m, -1))
            weight = np.full(n * m, 1.0 / (m * len(lags)))
            item = np.repeat(start + np.arange(n), m)
            parts.append((before.reshape(n * m, d), after.reshape(n * m, d), step, weight, item))
        start += n
    before, after, step, weight, item = (np.concatenate(column) for column in zip(*parts, strict=True))
    return before, after, step, weight, item


def _span(step: Array) -> Array:
    """1 and an orthonormal basis of the span of the columns of `step`, at most MAX_BASIS of them."""
    centred = step - step.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred / len(step))
    seen = np.flatnonzero(values > 1e-10 * max(float(values[-1]), 1e-300))[::-1][:MAX_BASIS]
    return np.concatenate([np.ones((len(step), 1)), centred @ vectors[:, seen] / np.sqrt(values[seen])], axis=1)


def _choose(grams: list[Array], sources: Array, targets: Array) -> float:
    """The ridge with the smallest error from one half of the training folds to the other."""
    if len(grams) < 2:
        return RIDGES[2]
    half = len(grams) // 2
    test, train = np.sum(grams[:half], axis=0), np.sum(grams[half:], axis=0)
    errors = [_held_out(train, test, sources, targets, alpha) for alpha in RIDGES]
    return RIDGES[int(np.argmin(errors))]


def _held_out(train: Array, test: Array, sources: Array, targets: Array, alpha: float) -> float:
    """Σ|y − Bᵀx|² over the test rows, from Gram matrices alone; B solves the ridge problem of the training rows."""
    pairs = (sources[:, :, None], sources[:, None, :])
    cross = (sources[:, :, None], targets[:, None, :])
    normal = train[pairs].copy()
    width = sources.shape[1]
    penalty = alpha * np.trace(normal, axis1=1, axis2=2)[:, None] / width
    normal[:, np.arange(width), np.arange(width)] += penalty + 1e-300
    try:
        maps = np.linalg.solve(normal, train[cross])
    except np.linalg.LinAlgError:  # dead features without a ridge
        maps = np.linalg.pinv(normal, hermitian=True) @ train[cross]
    explained = 2.0 * maps * test[cross] - maps * (test[pairs] @ maps)
    return float(np.diagonal(test)[targets].sum() - explained.sum())


def _basis_values(basis: Callable[[Any], Any], steps: Array) -> Array:
    values = to_numpy(basis(steps))
    if values.ndim != 2 or len(values) != len(steps):
        raise ShapeError("basis(steps)", f"({len(steps)}, q)", values.shape)
    values = values.astype(np.float64)
    check_finite(values, "basis(steps)")
    return values


def _check(ridge: float | str, n_folds: int) -> None:
    number = isinstance(ridge, (int, float)) and not isinstance(ridge, bool) and 0.0 <= ridge < math.inf
    if ridge != "auto" and not number:
        raise ParameterError("ridge", "a fraction ≥ 0 or 'auto'", repr(ridge))
    if isinstance(n_folds, bool) or not isinstance(n_folds, (int, np.integer)) or n_folds < 2:
        raise ParameterError("n_folds", "an integer ≥ 2", n_folds)
