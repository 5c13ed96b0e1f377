"""Do the operators obey the group law? For exact representations and for maps that were learned.

`rho` is any callable params (N, p) → matrices (N, d, d); elements and products come from the group. Elements
are drawn independently, so the interval is the ordinary t over draws. Errors are root mean squares: then independent
Haar matrices score √2 in every dimension (their mean norm is 1.34 for d = 2).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from geodis.errors import ParameterError, ShapeError
from geodis.groups.group import AbstractGroup
from geodis.linalg import Array, check_finite, to_numpy
from geodis.metrics.cells import Operator, rounding
from geodis.metrics.result import MetricResult, Status
from geodis.statistics import Interval, check_level, clustered_t, ratio_clustered_t

HAAR = math.sqrt(2.0)  # root mean square error of independent Haar orthogonal matrices, any d


def homomorphism_error(
    rho: Operator, group: AbstractGroup, *, z: Any = None, n_pairs: int = 256, level: float = 0.95, seed: int = 0
) -> MetricResult:
    """RMS of ‖ρ(g)ρ(g') − ρ(gg')‖_F / ‖ρ(gg')‖_F: 0 for a representation, √2 for independent Haar matrices.

    With data `z` the error is weighted by the directions that occur:
    E|(ρ(g)ρ(g') − ρ(gg'))z|² / E(|ρ(g)ρ(g')z|² + |ρ(gg')z|²), 1 for independent Haar matrices.

    Parameters
    ----------
    rho : callable
        Params (N, p) → matrices (N, d, d).
    group : AbstractGroup
        Where elements and products come from.
    z : array (N, d), optional
        Centred codes.
    n_pairs : int
        Pairs (g, g') drawn.
    level : float
        Confidence level.
    seed : int
        Seed of the pairs.

    Returns
    -------
    MetricResult
        `per_g` holds the error of each pair. Status ``degenerate`` where ρ vanishes (or the data does).

    Raises
    ------
    ParameterError, ShapeError, FiniteError
        For something else than a group, matrices or data of a wrong shape, NaN, no pair.

    Examples
    --------
    >>> from geodis.groups import SO3
    >>> homomorphism_error(SO3().irrep("l=1"), SO3()).value < 1e-12
    True
    """
    _check(rho, group, n_pairs, level)
    rng = np.random.default_rng(seed)
    g, h = group.sample(n_pairs, seed=rng), group.sample(n_pairs, seed=rng)
    product = _matrices(rho, g) @ _matrices(rho, h)
    direct = _matrices(rho, group.compose(g, h))
    if z is not None:
        return _weighted(product, direct, z, level)
    size = _norm(direct)
    if (size <= _floor(direct)).any():
        return _degenerate("homomorphism_error", n_pairs, level, "ρ(gg') = 0 for some pair")
    return _over_draws("homomorphism_error", _norm(product - direct) / size, level, _trivial_note(direct))


def inverse_error(
    rho: Operator, group: AbstractGroup, *, n_draws: int = 256, level: float = 0.95, seed: int = 0
) -> MetricResult:
    """Root mean square of ‖ρ(g⁻¹)ρ(g) − I‖_F / √d: 0 for a representation, √2 for independent Haar matrices.

    Parameters
    ----------
    rho : callable
        Params (N, p) → matrices (N, d, d).
    group : AbstractGroup
        Where elements and inverses come from.
    n_draws : int
        Elements drawn.
    level : float
        Confidence level.
    seed : int
        Seed of the elements.

    Examples
    --------
    >>> from geodis.groups import Cyclic
    >>> inverse_error(Cyclic(5).irrep("k=1"), Cyclic(5)).value < 1e-12
    True
    """
    _check(rho, group, n_draws, level)
    g = group.sample(n_draws, seed=seed)
    matrices = _matrices(rho, g)
    product = _matrices(rho, group.inverse(g)) @ matrices
    return _over_draws("inverse_error", _from_identity(product), level, _trivial_note(matrices))


def identity_error(rho: Operator, group: AbstractGroup) -> MetricResult:
    """‖ρ(e) − I‖_F / √d: one number, without interval; √2 for a Haar matrix.

    Parameters
    ----------
    rho : callable
        Params (N, p) → matrices (N, d, d).
    group : AbstractGroup
        Where e comes from.

    Examples
    --------
    >>> from geodis.groups import Cyclic
    >>> identity_error(Cyclic(5).irrep("k=1"), Cyclic(5)).value
    0.0
    """
    _check(rho, group, 1, 0.95)
    value = float(_from_identity(_matrices(rho, group.identity(1)))[0])
    return MetricResult("identity_error", value, None, "none", 0.95, 0, 1, {"random_orthogonal": HAAR})


def orthogonality_defect(
    rho: Operator, group: AbstractGroup, *, n_draws: int = 256, level: float = 0.95, seed: int = 0
) -> MetricResult:
    """Root mean square of ‖ρ(g)ᵀρ(g) − I‖_F / √d: 0 where ρ keeps lengths, and then inverses are transposes.

    Parameters
    ----------
    rho : callable
        Params (N, p) → matrices (N, d, d).
    group : AbstractGroup
        Where elements come from.
    n_draws : int
        Elements drawn.
    level : float
        Confidence level.
    seed : int
        Seed of the elements.

    Examples
    --------
    >>> from geodis.groups import Cyclic
    >>> orthogonality_defect(lambda g: 2.0 * Cyclic(5).irrep("k=1")(g), Cyclic(5)).value.__round__(6)
    3.0
    """
    _check(rho, group, n_draws, level)
    matrices = _matrices(rho, group.sample(n_draws, seed=seed))
    defect = _from_identity(np.swapaxes(matrices, 1, 2) @ matrices)
    return _over_draws("orthogonality_defect", defect, level, (), baselines={})


def _weighted(product: Array, direct: Array, z: Any, level: float) -> MetricResult:
    rows = to_numpy(z)
    if rows.ndim != 2 or rows.shape[1] != direct.shape[1] or len(rows) == 0:
        raise ShapeError("homomorphism_error: z", f"(N, {direct.shape[1]})", rows.shape)
    if rows.dtype.kind != "f":
        rows = rows.astype(np.float64)
    check_finite(rows, "homomorphism_error: z")
    second = np.einsum("na,nb->ab", rows, rows, dtype=np.float64) / len(rows)
    error = _moved(product - direct, second)
    size = _moved(product, second) + _moved(direct, second)
    name = "homomorphism_error (data-weighted)"
    if not float(size.mean()) > max(rounding(rows), 0.0):
        return _degenerate(name, len(product), level, "the data is zero, or ρ maps it to zero")
    interval = ratio_clustered_t(error, size, level=level)
    per_pair = error / size.mean()
    return _result(name, float(per_pair.mean()), interval, per_pair, {"random_orthogonal": 1.0}, _trivial_note(direct))


def _over_draws(
    name: str, values: Array, level: float, notes: tuple[str, ...], baselines: dict[str, float] | None = None
) -> MetricResult:
    chance = {"random_orthogonal": HAAR} if baselines is None else baselines
    interval = clustered_t(values**2, level)
    if math.isfinite(interval.low):
        interval = interval._replace(low=math.sqrt(max(interval.low, 0.0)), high=math.sqrt(interval.high))
    return _result(name, math.sqrt(float((values**2).mean())), interval, values, chance, notes)


def _result(
    name: str, value: float, interval: Interval, values: Array, baselines: dict[str, float], notes: tuple[str, ...]
) -> MetricResult:
    status: Status = "ok" if len(values) > 1 else "insufficient"
    low = max(interval.low, 0.0) if math.isfinite(interval.low) else math.nan
    return MetricResult(
        name, value, (low, interval.high), "t over draws", interval.level, 0, len(values), baselines,
        status=status, notes=notes, per_g=values,
    )  # fmt: skip


def _degenerate(name: str, n: int, level: float, why: str) -> MetricResult:
    return MetricResult(name, math.nan, (math.nan, math.nan), "none", level, 0, n, status="degenerate", notes=(why,))


def _trivial_note(matrices: Array) -> tuple[str, ...]:
    if (_from_identity(matrices) <= 1e-12).all():
        return ("ρ(g) = I for every element drawn: the law holds, and says nothing",)
    return ()


def _matrices(rho: Operator, params: Array) -> Array:
    matrices = to_numpy(rho(params))
    if matrices.ndim != 3 or len(matrices) != len(params) or matrices.shape[1] != matrices.shape[2]:
        raise ShapeError("rho(params)", f"({len(params)}, d, d)", matrices.shape)
    matrices = matrices.astype(np.float64)
    check_finite(matrices, "rho(params)")
    return matrices


def _norm(matrices: Array) -> Array:
    return np.sqrt(np.einsum("nab,nab->n", matrices, matrices))


def _moved(matrices: Array, second: Array) -> Array:
    """E|Az|² = tr(A E[zzᵀ] Aᵀ): (n, d, d), (d, d) → (n,)."""
    return np.einsum("nab,nab->n", matrices @ second, matrices)


def _from_identity(matrices: Array) -> Array:
    d = matrices.shape[-1]
    return _norm(matrices - np.eye(d)) / math.sqrt(d)


def _floor(matrices: Array) -> float:
    """Norms below this share of the largest are rounding."""
    return 1e-14 * float(_norm(matrices).max())


def _check(rho: Operator, group: AbstractGroup, n: int, level: float) -> None:
    if not callable(rho):
        raise ParameterError("rho", "a callable params (N, p) → matrices (N, d, d)", type(rho).__name__)
    if not isinstance(group, AbstractGroup):
        raise ParameterError("group", "a group such as SO2()", type(group).__name__)
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
        raise ParameterError("number of draws", "an integer ≥ 1", n)
    check_level(level)
