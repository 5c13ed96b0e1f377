"""CARE's γ: how far an element changes the distances among items, relative to how far it moves them."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist

from geodis.groups.options import count
from geodis.linalg import Array
from geodis.metrics.result import MetricResult
from geodis.metrics.shared_elements import (
    STILL,
    PairCells,
    SharedElements,
    other_items,
    shared_elements,
    signal_note,
    without_value,
)
from geodis.orbits import Orbits
from geodis.statistics import check_level, two_way_estimate

MOST = 512  # items whose distances are taken: n² of them for each pair of elements


def care_gamma(orbits: Orbits, *, n_draws: int = 5, level: float = 0.95, seed: int = 0) -> MetricResult:
    """E[(|c_ik − c_i'k|² − |c_ij − c_i'j|²)²/(|c_ik − c_ij|² + |c_i'k − c_i'j|²)²] over items and elements: 0 if rigid.

    Not "lower is better" by itself: independent codes on the unit sphere score about 1/(2d), which falls to 0 with the
    dimension, and a nearly invariant code scores thousands. Hence ``chance`` and the orbit signal beside it.

    See :doc:`/catalogue` for what fools the published score.

    Parameters
    ----------
    orbits : Orbits
        Crossed: all items share their elements.
    n_draws : int
        Shuffles of the items behind the baseline ``chance``.
    level : float
        Confidence level of the two-way interval.
    seed : int
        Seed of pairs of elements, shuffles and of the 512 items that are taken of more.

    Returns
    -------
    MetricResult
        Baselines: ``chance`` (measured: one of the two elements shows other items) and ``isotropic``, 1/(2d). Status
        ``degenerate`` for codes that do not vary, do not move (0/0), or hardly move; the notes hold the orbit signal.

    Raises
    ------
    ParameterError, FiniteError, DesignError
        For something else than crossed orbits, NaN, a number of draws out of range.

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
    >>> care_gamma(orbits).value < 1e-12
    True
    """
    check_level(level)
    n_draws = count(n_draws, "n_draws", 1)
    data = shared_elements(orbits, "care_gamma")
    n, m, d = data.z.shape
    if int(data.clusters.max()) + 1 < 3 or m < 2:
        return without_value("care_gamma", data, level, "insufficient", "fewer than 3 items, or one element")
    isotropic = {"isotropic": 1.0 / (2 * d)}
    if data.constant:
        return without_value("care_gamma", data, level, "degenerate", "the code does not vary", isotropic)
    if data.moved(seed) <= data.tolerance:
        return without_value("care_gamma", data, level, "degenerate", "the code does not move: 0/0", isotropic)
    signal = data.orbit_signal(seed)
    used = _thinned(data, seed)
    cells = _cells(used, seed, None)
    value, rng = cells.mean, np.random.default_rng([seed, 5])
    chance = float(np.mean([_cells(used, seed, rng).mean for _ in range(n_draws)]))
    interval = two_way_estimate(used.by_cluster(cells.influence(pairs_of_items=True))).interval(level)
    notes = signal_note(signal)
    if len(used.z) < n:
        notes = (*notes, f"distances among {len(used.z)} of the items")
    return MetricResult(
        "care_gamma", value, (max(interval.low, 0.0), interval.high), interval.method, level, n, m,
        {"chance": chance} | isotropic, floor=data.tolerance / data.moved(seed), skill=1.0 - value / chance,
        status="ok" if signal >= STILL else "degenerate", notes=notes,
        per_item=cells.target.mean(axis=1), per_g=cells.target.mean(axis=0),
    )  # fmt: skip


def gamma_of_pairs(z: Array, gz: Array) -> Array:
    """Mean over i' ≠ i of γ's ratio for each row i: (n, d), (n, d) → (n,); pairs that do not move are left out.

    Examples
    --------
    >>> gamma_of_pairs(np.array([[0.0], [1.0]]), np.array([[1.0], [0.0]])).tolist()
    [0.0, 0.0]
    """
    before, after = cdist(z, z, "sqeuclidean"), cdist(gz, gz, "sqeuclidean")
    moved = ((gz - z) ** 2).sum(axis=1)
    below = (moved[:, None] + moved[None]) ** 2
    np.fill_diagonal(below, 0.0)
    seen = below > 0.0
    ratio = np.divide((after - before) ** 2, below, out=np.zeros_like(below), where=seen)
    return np.asarray(ratio.sum(axis=1) / np.maximum(seen.sum(axis=1), 1))


def _cells(data: SharedElements, seed: int, rng: np.random.Generator | None) -> PairCells:
    n, m, _ = data.z.shape
    cells = PairCells(n, m)
    for j, k in data.pairs(seed):
        target = data.z[:, k] if rng is None else data.z[other_items(n, rng), k]
        cells.add(j, k, gamma_of_pairs(data.z[:, j], target))
    return cells


def _thinned(data: SharedElements, seed: int) -> SharedElements:
    """At most 512 items, all of them where there are fewer."""
    if len(data.z) <= MOST:
        return data
    kept = np.sort(np.random.default_rng([seed, 9]).permutation(len(data.z))[:MOST])
    clusters = np.unique(data.clusters[kept], return_inverse=True)[1]
    return SharedElements(data.z[kept], clusters, data.tolerance)
