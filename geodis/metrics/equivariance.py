"""How equivariant, how invariant, how much moved: pair errors of codes against mismatch, identity and variance.

All functions take Orbits whose z are the codes c, and ρ as any callable params (N, p) → matrices (N, d, d). With
L = mean over items and pairs j ≠ k of |c_k − ρ(g_k)ρ(g_j)⁻¹c_j|², I the same with ρ = I, T = E|c − c̄|², and D_item the
error of predicting from *other* items (theory §1):

    equivariance_error = L / D_item      relative_equivariance = L / I      energy = 1 − L / 2T
    orbit_signal = I / D_item(ρ = I)     invariance_error = I / 2T
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from geodis.coordinates.pair_error import identity_error_cells, mismatch_cells
from geodis.linalg import Array
from geodis.metrics.baselines import ALL, Baseline, baseline_errors, check_baselines, shuffled_errors
from geodis.metrics.cells import Operator, OrbitCells, item_average, orbit_cells
from geodis.metrics.evaluate import ENERGY, ERROR, Compares, Scale, evaluate
from geodis.metrics.result import MetricResult, Status
from geodis.orbits import Orbits
from geodis.statistics import check_level, permutation_p


def equivariance_error(
    orbits: Orbits,
    rho: Operator,
    *,
    level: float = 0.95,
    seed: int = 0,
    center: bool = True,
    baselines: tuple[Baseline, ...] = ALL,
    n_draws: int = 99,
    basis: Callable[[Any], Any] | None = None,
) -> MetricResult:
    """L / D_item: 0 if and only if c(gx) = ρ(g)c(x) up to an offset, 1 for codes that know nothing of their item.

    Parameters
    ----------
    orbits : Orbits
        Codes c as z.
    rho : callable
        Params (N, p) → matrices (N, d, d), for example a `Representation`.
    level : float
        Confidence level: two-way t for crossed orbits, item-clustered t for nested ones.
    seed : int
        Seed of the baselines.
    center : bool
        Whether an unknown offset b of the code is fitted and subtracted (on full orbits, the mean of the rows).
    baselines : tuple of str
        Any of ``identity, mean, relabelled, random_orthogonal, best_linear``; all are errors over the same D_item.
    n_draws : int
        Permutations of the labels behind ``relabelled`` and `p_value`.
    basis : callable, optional
        Steps (N, p) → (N, q): functions of the step in the best linear map of nested designs.

    Returns
    -------
    MetricResult
        Status ``degenerate`` for codes without variation, ``pose-only`` where all items share one code.

    Raises
    ------
    ParameterError, ShapeError, FiniteError
        For something else than orbits, matrices that do not act on the codes, NaN, a level outside (0, 1).

    Notes
    -----
    Theory §1; D_item is measured as |ρ(g_k)(u_k − u_j)|² for ρ that is not orthogonal. See :doc:`/catalogue` for codes
    that fool errors without this unit.

    Examples
    --------
    >>> import numpy as np
    >>> from geodis.orbits import Orbits
    >>> from geodis.groups import SO2
    >>> G, rng = SO2(), np.random.default_rng(0)
    >>> g = G.orbit(20, 6, seed=0).reshape(-1, 1)
    >>> z = np.einsum("nab,nb->na", G.irrep("m=1")(g), np.repeat(rng.normal(size=(20, 2)), 6, axis=0))
    >>> orbits = Orbits.from_arrays(z, g, np.repeat(np.arange(20), 6), G)
    >>> equivariance_error(orbits, G.irrep("m=1")).value < 1e-12
    True
    """

    def denominator(data: OrbitCells) -> list[Array]:
        return mismatch_cells(data.canonical(center), data.operators, data.orthogonal, data.crossed)

    return _pair_metric(
        "equivariance_error", orbits, rho, denominator, ERROR, "items", "pose-only", "all items share one code",
        level=level, seed=seed, center=center, baselines=baselines, n_draws=n_draws, basis=basis,
    )  # fmt: skip


def relative_equivariance(
    orbits: Orbits,
    rho: Operator,
    *,
    level: float = 0.95,
    seed: int = 0,
    center: bool = True,
    baselines: tuple[Baseline, ...] = ALL,
    n_draws: int = 99,
    basis: Callable[[Any], Any] | None = None,
) -> MetricResult:
    """L / I, the error of ρ over the error of doing nothing: 0 if equivariant, 1 if no better than the identity.

    An invariant code has I = 0 and the status ``degenerate``. Parameters, result and errors as in
    `equivariance_error`.

    Examples
    --------
    >>> import numpy as np
    >>> from geodis.orbits import Orbits
    >>> from geodis.groups import Cyclic
    >>> z = np.repeat(np.arange(5.0), 2)[:, None]
    >>> orbits = Orbits.from_arrays(z, np.tile([[0.0], [1.0]], (5, 1)), np.repeat(np.arange(5), 2), Cyclic(2))
    >>> relative_equivariance(orbits, Cyclic(2).irrep("k=0")).status
    'degenerate'
    """

    def denominator(data: OrbitCells) -> list[Array]:
        return [identity_error_cells(c) for c in data.codes]

    return _pair_metric(
        "relative_equivariance", orbits, rho, denominator, ERROR, "pairs", "degenerate", "the code does not move: 0/0",
        level=level, seed=seed, center=center, baselines=baselines, n_draws=n_draws, basis=basis,
    )  # fmt: skip


def energy(
    orbits: Orbits,
    rho: Operator,
    *,
    level: float = 0.95,
    seed: int = 0,
    center: bool = True,
    baselines: tuple[Baseline, ...] = ALL,
    n_draws: int = 99,
    basis: Callable[[Any], Any] | None = None,
) -> MetricResult:
    """1 − L / 2T: the share of the codes' variance that follows ρ; 1 if equivariant, 0 at chance.

    On designs that are not full orbits or Haar an invariant code fakes energy (.91 on angles within ±30°): see the
    ``identity`` baseline and `relative_equivariance`. Parameters, result and errors as in `equivariance_error`.

    Examples
    --------
    >>> import numpy as np
    >>> from geodis.orbits import Orbits
    >>> from geodis.groups import Cyclic
    >>> z = np.tile([[1.0], [-1.0]], (5, 1)) * np.arange(1.0, 6.0).repeat(2)[:, None]
    >>> orbits = Orbits.from_arrays(z, np.tile([[0.0], [1.0]], (5, 1)), np.repeat(np.arange(5), 2), Cyclic(2))
    >>> energy(orbits, Cyclic(2).irrep("k=1"), baselines=()).value
    1.0
    """

    def denominator(data: OrbitCells) -> list[Array]:
        return data.variation(center)

    return _pair_metric(
        "energy", orbits, rho, denominator, ENERGY, "rows", "degenerate", "the code does not vary",
        level=level, seed=seed, center=center, baselines=baselines, n_draws=n_draws, basis=basis,
    )  # fmt: skip


def orbit_signal(orbits: Orbits, *, level: float = 0.95, seed: int = 0, n_draws: int = 19) -> MetricResult:
    """I / D_item(ρ = I): how far the group moves a code, in units of the distance between items; 0 = invariant.

    It stands beside every equivariance error: an invariant code has a perfect error for ρ = I, and signal 0.

    Parameters
    ----------
    orbits : Orbits
        Codes c as z.
    level : float
        Confidence level.
    seed : int
        Seed of the shuffles.
    n_draws : int
        Shuffles of the rows over items behind the baseline ``shuffled``.

    Returns
    -------
    MetricResult
        Status ``degenerate`` for codes without variation.

    Examples
    --------
    >>> import numpy as np
    >>> from geodis.orbits import Orbits
    >>> from geodis.groups import Cyclic
    >>> z = np.repeat(np.arange(5.0), 2)[:, None]
    >>> orbits = Orbits.from_arrays(z, np.tile([[0.0], [1.0]], (5, 1)), np.repeat(np.arange(5), 2), Cyclic(2))
    >>> orbit_signal(orbits).value
    0.0
    """
    return _motion("orbit_signal", orbits, _between_items, ERROR, False, level, seed, n_draws)


def invariance_error(orbits: Orbits, *, level: float = 0.95, seed: int = 0, n_draws: int = 99) -> MetricResult:
    """I / 2T: the share of the codes' variance that the group makes; 0 = invariant, 1 = the item is not seen.

    Parameters
    ----------
    orbits : Orbits
        Codes c as z.
    level : float
        Confidence level.
    seed : int
        Seed of the shuffles.
    n_draws : int
        Shuffles of the rows over items behind the baseline ``shuffled`` and `p_value` (is the item seen at all?).

    Returns
    -------
    MetricResult
        Status ``degenerate`` for codes without variation: a constant is not a good invariant.

    Examples
    --------
    >>> import numpy as np
    >>> from geodis.orbits import Orbits
    >>> from geodis.groups import Cyclic
    >>> z = np.random.default_rng(0).normal(size=(400, 3))
    >>> orbits = Orbits.from_arrays(z, np.tile([[0.0], [1.0]], (200, 1)), np.repeat(np.arange(200), 2), Cyclic(2))
    >>> 0.8 < invariance_error(orbits).value < 1.2
    True
    """

    def twice_variation(data: OrbitCells) -> list[Array]:
        mean = np.concatenate([c.mean(axis=1) for c in data.codes]).mean(axis=0)
        return [2.0 * ((c - mean) ** 2).sum(axis=2) for c in data.codes]

    return _motion("invariance_error", orbits, twice_variation, ERROR, True, level, seed, n_draws)


def _pair_metric(
    name: str,
    orbits: Orbits,
    rho: Operator,
    denominator: Callable[[OrbitCells], list[Array]],
    scale: Scale,
    compares: Compares,
    vanishing: Status,
    why: str,
    *,
    level: float,
    seed: int,
    center: bool,
    baselines: tuple[Baseline, ...],
    n_draws: int,
    basis: Callable[[Any], Any] | None,
) -> MetricResult:
    check_level(level)
    check_baselines(baselines, n_draws)
    data = orbit_cells(orbits, rho)
    if not data.codes:
        return evaluate(name, data, [], [], level=level, lower_is_better=scale is ERROR)
    variation, below = item_average(data.variation(True)), denominator(data)
    alive = variation > data.tolerance and item_average(below) > data.tolerance
    errors: dict[str, float] = {}
    p_value = None
    above = data.pair_errors(center)
    if alive:
        errors, p_value = baseline_errors(
            data, orbits, item_average(above), baselines, center=center, n_draws=n_draws, seed=seed, basis=basis
        )
    return evaluate(
        name, data, above, below, level=level, scale=scale, errors=errors, lower_is_better=scale is ERROR,
        vanishing=vanishing, varying=variation, p_value=p_value, notes=() if alive else (why,),
        compares=compares,
    )  # fmt: skip


def _between_items(data: OrbitCells) -> list[Array]:
    """The identity's error against other items."""
    return mismatch_cells(data.codes, crossed=data.crossed)


def _motion(
    name: str,
    orbits: Orbits,
    denominator: Callable[[OrbitCells], list[Array]],
    scale: Scale,
    lower_is_better: bool,
    level: float,
    seed: int,
    n_draws: int,
) -> MetricResult:
    check_level(level)
    check_baselines((), n_draws)
    data = orbit_cells(orbits, None)
    if not data.codes:
        return evaluate(name, data, [], [], level=level, lower_is_better=lower_is_better)
    variation, below = item_average(data.variation(True)), denominator(data)
    above = [identity_error_cells(c) for c in data.codes]
    errors: dict[str, float] = {}
    p_value, mean = None, item_average(below)
    if variation > data.tolerance and math.isfinite(mean):
        within, between = shuffled_errors(data, n_draws, seed)
        # Each shuffle has its own mismatch; T does not change.
        ratio = within / between if denominator is _between_items else within / mean
        errors["shuffled"] = float(ratio.mean()) * mean
        if lower_is_better:
            p_value = permutation_p(-item_average(above) / mean, -ratio)
    return evaluate(
        name, data, above, below, level=level, scale=scale, errors=errors, lower_is_better=lower_is_better,
        varying=variation, p_value=p_value, compares="items" if denominator is _between_items else "rows",
    )  # fmt: skip
