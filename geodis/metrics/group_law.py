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
from geodis.groups.product import Product
from geodis.linalg import Array, check_finite, to_numpy
from geodis.metrics.cells import Operator, rounding
from geodis.metrics.least_motion import least_motion
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


def commutator_defect(
    rho: Operator, group: AbstractGroup, *, z: Any = None, n_pairs: int = 256, level: float = 0.95, seed: int = 0
) -> MetricResult:
    """RMS of ‖ρ(g)ρ(h) − ρ(h)ρ(g)‖_F / ‖·‖_F for g, h from different factors of a product: 0 if the factors commute.

    The norm below is the root mean square of those of ρ(g)ρ(h) and ρ(h)ρ(g). Independent Haar matrices score
    √(2 − 2/d²). With data `z` the defect is weighted by the directions that occur, as in `homomorphism_error`.

    Parameters
    ----------
    rho : callable
        Params (N, p) → matrices (N, d, d).
    group : AbstractGroup
        A direct product such as SO2() * Cyclic(3).
    z : array (N, d), optional
        Centred codes.
    n_pairs : int
        Pairs (g, h) drawn; pairs of factors take turns.
    level : float
        Confidence level.
    seed : int
        Seed of the pairs.

    Returns
    -------
    MetricResult
        Status ``degenerate`` where ρ is a multiple of 1 on either factor of every pair: that commutes with anything.

    Raises
    ------
    ParameterError, ShapeError, FiniteError
        For something else than a product, matrices or data of a wrong shape, NaN, no pair.

    Examples
    --------
    >>> from geodis.groups import SO2
    >>> torus = SO2() * SO2()
    >>> commutator_defect(torus.irrep("m=1⊗m=0") + torus.irrep("m=0⊗m=2"), torus).value < 1e-12
    True
    """
    _check(rho, group, n_pairs, level)
    if not isinstance(group, Product):
        raise ParameterError("group", "a direct product such as SO2() * Cyclic(3)", repr(group))
    first, second = (_matrices(rho, g) for g in _factor_pairs(group, n_pairs, np.random.default_rng(seed)))
    telling = ~(_is_scalar(first) | _is_scalar(second))
    left, right = first[telling] @ second[telling], second[telling] @ first[telling]
    if not telling.any() or not float(_norm(left).max()) > 0.0:
        return _degenerate("commutator_defect", n_pairs, level, "ρ is a multiple of 1 on one of the factors")
    notes: tuple[str, ...] = ()
    if not telling.all():
        notes = (f"{n_pairs - int(telling.sum())} pairs, where ρ is a multiple of 1 on a factor, are left out",)
    if z is not None:
        return _weighted(left, right, z, level, "commutator_defect (data-weighted)", notes)
    size = np.sqrt((_norm(left) ** 2 + _norm(right) ** 2) / 2)
    chance = {"random_orthogonal": math.sqrt(2.0 - 2.0 / left.shape[1] ** 2)}
    return _over_draws("commutator_defect", _norm(left - right) / size, level, notes, chance)


def faithfulness(
    rho: Operator, group: AbstractGroup, *, radius: float = 0.5, n_draws: int = 2048, seed: int = 0
) -> MetricResult:
    """Least ‖ρ(g) − I‖_F / √d over g at least `radius` from e: 0 if some g ≠ e does nothing.

    All elements of a finite group (of at most `n_draws` elements) but e are looked at, whatever the radius. Elsewhere
    elements are drawn and the two best are improved by a simplex search: an upper bound of the minimum, not a proof.

    Parameters
    ----------
    rho : callable
        Params (N, p) → matrices (N, d, d).
    group : AbstractGroup
        Where elements come from.
    radius : float
        In the unit of `geodis.groups.size.element_size`: nearer to e every continuous ρ is near 1.
    n_draws : int
        Elements drawn.
    seed : int
        Seed of the elements.

    Returns
    -------
    MetricResult
        Large is good. `baselines` has ``defining``, the same minimum for the group's own matrices. No interval: it is
        a minimum, not a mean.

    Raises
    ------
    ParameterError, ShapeError, FiniteError
        For something else than a group, matrices of a wrong shape, NaN, a radius that no element reaches.

    Examples
    --------
    >>> from geodis.groups import Cyclic
    >>> G = Cyclic(4)
    >>> faithfulness(G.irrep("k=2"), G).value, round(faithfulness(G.irrep("k=1"), G).value, 6)
    (0.0, 1.414214)
    """
    _check(rho, group, n_draws, 0.95)
    value, n = least_motion(lambda g: _from_identity(_matrices(rho, g)), group, radius, n_draws, seed)
    defining, _ = least_motion(lambda g: _from_identity(group.matrix(g)), group, radius, n_draws, seed)
    return MetricResult(
        "faithfulness", value, None, "none", 0.95, 0, n, {"defining": defining}, lower_is_better=False
    )  # fmt: skip


def _factor_pairs(group: Product, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Elements of two different factors each, (n, p) and (n, p), as elements of the product."""
    slices, start = [], 0
    for factor in group.groups:
        slices.append(slice(start, start + factor.n_params))
        start += factor.n_params
    drawn = (group.sample(n, seed=rng), group.sample(n, seed=rng))
    pairs = [(i, j) for i in range(len(slices)) for j in range(i + 1, len(slices))]
    g, h = group.identity(n), group.identity(n)
    for k in range(n):
        i, j = pairs[k % len(pairs)]
        g[k, slices[i]], h[k, slices[j]] = drawn[0][k, slices[i]], drawn[1][k, slices[j]]
    return g, h


def _is_scalar(matrices: Array) -> Array:
    """Which matrices are multiples of the identity, up to rounding: (n, d, d) → (n,)."""
    d = matrices.shape[1]
    mean = np.einsum("naa->n", matrices)[:, None, None] / d
    return np.asarray(_norm(matrices - mean * np.eye(d)) <= 1e-12 * np.maximum(_norm(matrices), 1e-300))


def _weighted(
    product: Array, direct: Array, z: Any, level: float, name: str = "homomorphism_error (data-weighted)",
    notes: tuple[str, ...] = (),
) -> MetricResult:  # fmt: skip
    rows = to_numpy(z)
    if rows.ndim != 2 or rows.shape[1] != direct.shape[1] or len(rows) == 0:
        raise ShapeError("homomorphism_error: z", f"(N, {direct.shape[1]})", rows.shape)
    if rows.dtype.kind != "f":
        rows = rows.astype(np.float64)
    check_finite(rows, "homomorphism_error: z")
    second = np.einsum("na,nb->ab", rows, rows, dtype=np.float64) / len(rows)
    error = _moved(product - direct, second)
    size = _moved(product, second) + _moved(direct, second)
    if not float(size.mean()) > max(rounding(rows), 0.0):
        return _degenerate(name, len(product), level, "the data is zero, or ρ maps it to zero")
    interval = ratio_clustered_t(error, size, level=level)
    per_pair = error / size.mean()
    return _result(
        name, float(per_pair.mean()), interval, per_pair, {"random_orthogonal": 1.0}, notes or _trivial_note(direct)
    )


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
