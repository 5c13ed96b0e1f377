"""Does one map per element carry the codes, fitted on some items and judged on others: over O(d), SO(d) or GL(d)."""

from __future__ import annotations

import numpy as np

from geodis.errors import ParameterError
from geodis.groups.options import count
from geodis.linalg import Array
from geodis.metrics.map_families import AbstractMapFamily, OrthogonalMap
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
from geodis.threads import one_blas_thread

ORTHOGONAL = OrthogonalMap()


def procrustes_error(
    orbits: Orbits,
    maps: AbstractMapFamily = ORTHOGONAL,
    *,
    n_folds: int = 2,
    n_draws: int = 5,
    level: float = 0.95,
    seed: int = 0,
) -> MetricResult:
    """Unexplained share E|c_k − M c_j|²/E|c_k|² of centred codes on items that M was not fitted on: 0 if exact.

    One M of the family for each pair of elements. In the sample of the fit, independent codes look half explained
    where d is half the number of items; on other items orthogonal maps of independent codes have error 2, any matrix
    1 + d/(n − d − 1).

    See :doc:`/catalogue` for what fools the published score.

    Parameters
    ----------
    orbits : Orbits
        Crossed: all items share their elements.
    maps : AbstractMapFamily
        `OrthogonalMap()`, `RotationMap()` (a true reflection is charged) or `LinearMap(ridge)`.
    n_folds : int
        Folds of items, at least 2.
    n_draws : int
        Shuffles of the items behind the baseline ``chance``.
    level : float
        Confidence level of the two-way interval.
    seed : int
        Seed of folds, pairs of elements and shuffles.

    Returns
    -------
    MetricResult
        Baselines: ``chance`` (measured: the same fit to shuffled items), ``mean`` (1), ``identity``. Status
        ``degenerate`` for codes that do not vary, or hardly move under the group (an invariant code has error 0 for
        M = 1): the notes hold the orbit signal.

    Raises
    ------
    ParameterError, FiniteError, DesignError
        For something else than crossed orbits or a family of maps, NaN, fewer than two folds.

    References
    ----------
    Gupta et al., "Structuring Representation Geometry with Rotationally Equivariant Contrastive Learning", ICLR 2024,
    arXiv:2306.13924 (there in the sample of the fit, not normalised, and over SO(d)).

    Examples
    --------
    >>> from geodis.groups import Cyclic
    >>> z = np.random.default_rng(0).normal(size=(100, 2))
    >>> z = np.stack([z, z @ np.array([[0.0, 1.0], [-1.0, 0.0]])], axis=1).reshape(-1, 2)
    >>> orbits = Orbits.from_arrays(z, np.tile([[0.0], [1.0]], (100, 1)), np.repeat(np.arange(100), 2), Cyclic(4))
    >>> procrustes_error(orbits).value < 1e-12
    True
    """
    check_level(level)
    if not isinstance(maps, AbstractMapFamily):
        raise ParameterError("maps", "OrthogonalMap(), RotationMap() or LinearMap()", repr(maps))
    n_folds, n_draws = count(n_folds, "n_folds", 2), count(n_draws, "n_draws", 1)
    data = shared_elements(orbits, "procrustes_error")
    n_clusters, m = int(data.clusters.max()) + 1, data.z.shape[1]
    if n_clusters < 4 or m < 2:
        return without_value("procrustes_error", data, level, "insufficient", "fewer than 4 items, or one element")
    if data.constant:
        return without_value("procrustes_error", data, level, "degenerate", "the code does not vary")
    folds, signal = data.folds(n_folds, seed), data.orbit_signal(seed)
    errors, spread, still = _cells(data, maps, folds, seed, None)
    below = spread.mean
    if below <= data.tolerance:
        return without_value("procrustes_error", data, level, "degenerate", "all items share one code")
    rng = np.random.default_rng([seed, 5])
    shuffled = [_cells(data, maps, folds, seed, rng)[:2] for _ in range(n_draws)]
    chance = float(np.mean([a.mean / b.mean for a, b in shuffled]))
    loss, scale = (cells.influence(pairs_of_items=False) for cells in (errors, spread))
    interval = two_way_estimate(data.by_cluster(loss), data.by_cluster(scale)).interval(level)
    return MetricResult(
        "procrustes_error", errors.mean / below, (max(interval.low, 0.0), interval.high), interval.method, level,
        len(data.z), m, {"chance": chance, "mean": 1.0, "identity": still.mean / below},
        floor=data.tolerance / below, status="ok" if signal >= STILL else "degenerate",
        notes=(f"{type(maps).__name__} on {n_folds} folds of items", *signal_note(signal)),
        per_item=errors.target.mean(axis=1) / below, per_g=errors.target.mean(axis=0) / below,
    )  # fmt: skip


def unexplained(maps: AbstractMapFamily, fitted: tuple[Array, Array], judged: tuple[Array, Array]) -> Array:
    """|t − t̄ − M(s − s̄)|² of each judged row, with M and the means s̄, t̄ of the fitted rows: (n,).

    Parameters
    ----------
    maps : AbstractMapFamily
        Where M comes from.
    fitted, judged : (array (n, d), array (n, d))
        Codes before and after, source first.

    Examples
    --------
    >>> z = np.random.default_rng(0).normal(size=(40, 3))
    >>> bool(unexplained(ORTHOGONAL, (z[:20], -z[:20]), (z[20:], -z[20:])).max() < 1e-24)
    True
    """
    source, target = (np.asarray(rows, dtype=np.float64) for rows in fitted)
    before, after = source.mean(axis=0), target.mean(axis=0)
    M = maps.fit(source - before, target - after)
    return np.asarray(((judged[1] - after - (judged[0] - before) @ M.T) ** 2).sum(axis=1))


@one_blas_thread
def _cells(
    data: SharedElements, maps: AbstractMapFamily, folds: Array, seed: int, rng: np.random.Generator | None
) -> tuple[PairCells, PairCells, PairCells]:
    """Loss of the fitted map, of the mean and of the identity."""
    n, m, _ = data.z.shape
    loss, scale, still = (PairCells(n, m) for _ in range(3))
    for j, k in data.pairs(seed):
        source, target = data.z[:, j], data.z[:, k]
        if rng is not None:
            target = target[other_items(n, rng)]
        errors = np.empty((3, n))
        for fold in range(int(folds.max()) + 1):
            test, train = folds == fold, folds != fold
            errors[0, test] = unexplained(maps, (source[train], target[train]), (source[test], target[test]))
            after = target[test] - target[train].mean(axis=0)
            errors[1, test] = (after**2).sum(axis=1)
            errors[2, test] = ((after - source[test] + source[train].mean(axis=0)) ** 2).sum(axis=1)
        for cells, values in zip((loss, scale, still), errors, strict=True):
            cells.add(j, k, values)
    return loss, scale, still
