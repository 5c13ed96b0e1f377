"""Do the angles and lengths among items stay as they are under each element: Gram matrices before and after."""

from __future__ import annotations

import numpy as np

from geodis.groups.options import count
from geodis.linalg import Array
from geodis.metrics.result import MetricResult
from geodis.metrics.shared_elements import STILL, PairCells, SharedElements, shared_elements, signal_note, without_value
from geodis.orbits import Orbits
from geodis.statistics import check_level, two_way_estimate

ROUNDING = 64.0 * float(np.finfo(np.float64).eps)  # of sums of squares that cancel


def gram_error(orbits: Orbits, *, n_folds: int = 2, level: float = 0.95, seed: int = 0) -> MetricResult:
    """E(⟨c_ik, c_i'k⟩ − ⟨c_ij, c_i'j⟩)² over pairs of items, relative to shuffled items: 0 if one Q ∈ O(d) does it.

    The loss of CARE without its unit: 1 in expectation for codes that are independent at every element. Codes are
    centred at each element by the mean of the *other* folds of items, so that a common offset counts for nothing.

    See :doc:`/catalogue` for what fools the published score.

    Parameters
    ----------
    orbits : Orbits
        Crossed: all items share their elements.
    n_folds : int
        Folds of items for the means, at least 2.
    level : float
        Confidence level of the two-way interval.
    seed : int
        Seed of folds and pairs of elements.

    Returns
    -------
    MetricResult
        Baseline ``chance``: 1, the exact mean over all shuffles of the items. Status ``degenerate`` for codes that do
        not vary, or hardly move (an invariant code has error 0): the notes hold the orbit signal.

    Raises
    ------
    ParameterError, FiniteError, DesignError
        For something else than crossed orbits, NaN, fewer than two folds.

    References
    ----------
    Gupta et al., "Structuring Representation Geometry with Rotationally Equivariant Contrastive Learning", ICLR 2024,
    arXiv:2306.13924.

    Examples
    --------
    >>> from geodis.groups import Cyclic
    >>> z = np.random.default_rng(0).normal(size=(100, 2))
    >>> z = np.stack([z, z[:, ::-1]], axis=1).reshape(-1, 2)
    >>> orbits = Orbits.from_arrays(z, np.tile([[0.0], [1.0]], (100, 1)), np.repeat(np.arange(100), 2), Cyclic(4))
    >>> gram_error(orbits).value < 1e-12
    True
    """
    check_level(level)
    n_folds = count(n_folds, "n_folds", 2)
    data = shared_elements(orbits, "gram_error")
    m = data.z.shape[1]
    if int(data.clusters.max()) + 1 < 4 or m < 2:
        return without_value("gram_error", data, level, "insufficient", "fewer than 4 items, or one element")
    if data.constant:
        return without_value("gram_error", data, level, "degenerate", "the code does not vary")
    signal, codes = data.orbit_signal(seed), _centred(data, data.folds(n_folds, seed))
    loss, scale = _cells(data, codes, seed)
    below = scale.mean
    if below <= data.tolerance**2:
        return without_value("gram_error", data, level, "degenerate", "all items share one code")
    above, under = (data.by_cluster(cells.influence(pairs_of_items=True)) for cells in (loss, scale))
    interval = two_way_estimate(above, under).interval(level)
    return MetricResult(
        "gram_error", loss.mean / below, (max(interval.low, 0.0), interval.high), interval.method, level,
        len(data.z), m, {"chance": 1.0}, floor=ROUNDING,
        status="ok" if signal >= STILL else "degenerate", notes=signal_note(signal),
        per_item=loss.target.mean(axis=1) / below, per_g=loss.target.mean(axis=0) / below,
    )  # fmt: skip


def gram_difference(z: Array, gz: Array) -> Array:
    """Mean over i' ≠ i of (⟨gz_i, gz_i'⟩ − ⟨z_i, z_i'⟩)² of each row i: (n, d), (n, d) → (n,), in n·d² steps.

    Examples
    --------
    >>> gram_difference(np.eye(2), np.array([[1.0, 0.0], [1.0, 0.0]])).tolist()
    [1.0, 1.0]
    """
    own = (gz**2).sum(axis=1) - (z**2).sum(axis=1)
    total = _square(gz, gz) + _square(z, z) - 2.0 * _product(gz, z)
    return np.maximum(total - own**2, 0.0) / (len(z) - 1)


def _square(a: Array, b: Array) -> Array:
    """Σ_i' ⟨a_i, b_i'⟩² of each row."""
    return np.asarray(np.einsum("na,ab,nb->n", a, b.T @ b, a, optimize=True))


def _product(a: Array, b: Array) -> Array:
    """Σ_i' ⟨a_i, a_i'⟩⟨b_i, b_i'⟩ of each row."""
    return np.asarray(np.einsum("na,ab,nb->n", a, a.T @ b, b, optimize=True))


def _shuffled(z: Array, gz: Array) -> Array:
    """What each row adds to the mean of `gram_difference` over all orders of the rows of gz; its mean is that mean."""
    (before, squares), (after, moved) = _products(z), _products(gz)
    # Σ(a − b)² over independent orders: E a² + E b² − 2 E a E b.
    return squares + moved - before * after.mean() - after * before.mean()


def _products(z: Array) -> tuple[Array, Array]:
    """Mean over i' ≠ i of ⟨z_i, z_i'⟩ and of its square, of each row."""
    own = (z**2).sum(axis=1)
    return (z @ z.sum(axis=0) - own) / (len(z) - 1), (_square(z, z) - own**2) / (len(z) - 1)


def _centred(data: SharedElements, folds: Array) -> Array:
    """Codes less the mean of the other folds at the same element."""
    out = np.empty_like(data.z)
    for fold in range(int(folds.max()) + 1):
        out[folds == fold] = data.z[folds == fold] - data.z[folds != fold].mean(axis=0)
    return out


def _cells(data: SharedElements, codes: Array, seed: int) -> tuple[PairCells, PairCells]:
    n, m, _ = codes.shape
    loss, scale = PairCells(n, m), PairCells(n, m)
    for j, k in data.pairs(seed):
        loss.add(j, k, gram_difference(codes[:, j], codes[:, k]))
        scale.add(j, k, _shuffled(codes[:, j], codes[:, k]))
    return loss, scale
