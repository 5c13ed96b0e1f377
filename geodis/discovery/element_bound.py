"""How well any unbiased estimate of g from a pair of codes can do: Fisher information and the Cramér–Rao bound.

Both ends are noisy and the clean code a is unknown. The information about (a, ξ) is

    [[Σ₀⁻¹ + ρᵀΣ₁⁻¹ρ, ρᵀΣ₁⁻¹G], [GᵀΣ₁⁻¹ρ, GᵀΣ₁⁻¹G]],   G_i = d/dξ_i exp(ξ)(ρa + t)

and what is left for ξ when a is eliminated is J = Gᵀ(Σ₁ + ρΣ₀ρᵀ)⁻¹G, by Woodbury's identity.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from geodis.coordinates import Block, LatentCoordinates
from geodis.discovery.element_refinement import PairModel, pair_model
from geodis.errors import DesignError, LengthError, ParameterError, ShapeError
from geodis.linalg import Array, check_finite, real_array, to_numpy
from geodis.orbits import as_params

LEAST_VARIANCE = 1e-12  # of a block that the fit calls exact


def element_information(
    codes: Any, params: Any, coordinates: LatentCoordinates, *, noise: Any, noise_after: Any = None
) -> Array:
    """Fisher information about g in a noisy pair (c, g·c), the code c being unknown: `(N, p), (N, q) → (N, k, k)`.

    In coordinates ξ of the algebra: ĝ = exp(ξ)g. Its inverse is the Cramér–Rao bound on the covariance of ξ.

    Parameters
    ----------
    codes : array (N, p)
        Clean codes before the action.
    params : array (N, q)
        The elements.
    coordinates : LatentCoordinates
    noise, noise_after : float, array (n_blocks,) or array (p, p)
        Standard deviation of each entry, of each block's entries, or the covariance of the noise, before the action and
        after it (the same by default).

    Raises
    ------
    ShapeError, LengthError, FiniteError, ParameterError, DesignError

    Examples
    --------
    >>> from geodis.discovery.group_element import exact_coordinates
    >>> from geodis.groups import SO2
    >>> coordinates = exact_coordinates(SO2(), ["m=1", "m=3"])
    >>> element_information([[1.0, 0.0, 1.0, 0.0]], [[0.5]], coordinates, noise=0.1)[0].round(6).tolist()
    [[500.0]]
    """
    c = real_array(codes, "codes", ("N", coordinates.n_coordinates))
    g = as_params(params, coordinates.group)
    coordinates.group.check(g)
    if len(g) != len(c):
        raise LengthError(codes=len(c), params=len(g))
    model, columns = model_of(
        coordinates, covariance(noise, coordinates, "noise"), _after(noise, noise_after, coordinates)
    )
    return information_at(model, c[:, columns], g)


def element_bound(
    codes: Any, params: Any, coordinates: LatentCoordinates, *, noise: Any, noise_after: Any = None
) -> Array:
    """The Cramér–Rao bound J⁻¹ on the covariance of ξ: `(N, k, k)`; infinite along what does not show.

    Parameters as in `element_information`.

    Examples
    --------
    >>> from geodis.discovery.group_element import exact_coordinates
    >>> from geodis.groups import SO3
    >>> coordinates = exact_coordinates(SO3(), ["l=1"])
    >>> bound = element_bound([[0.0, 0.0, 1.0]], [[0.0, 0.0, 0.0]], coordinates, noise=0.1)[0]
    >>> np.diag(bound).round(4).tolist()
    [0.02, 0.02, inf]
    """
    information = element_information(codes, params, coordinates, noise=noise, noise_after=noise_after)
    return inverse_information(information)[0]


def information_at(model: PairModel, codes: Array, params: Array) -> Array:
    """J at clean codes `(N, p)` of the model's blocks."""
    rho, shift = model.move(params)
    tangents = model.tangents(np.einsum("nij,nj->ni", rho, codes) + shift)
    return np.asarray(tangents @ np.linalg.solve(model.variance(rho), np.swapaxes(tangents, 1, 2)))


def noise_information(model: PairModel, params: Array) -> Array:
    """What J is on average when the codes hold nothing but noise: the information that is none, `(N, k, k)`.

    b̂ then has the covariance ρΣ₀ρᵀV⁻¹Σ₁ of the weighted mean of two noises; drifts, which do not depend on the code,
    are no noise.
    """
    rho, _ = model.move(params)
    carried = rho @ model.before @ np.swapaxes(rho, 1, 2)
    inverse = np.linalg.inv(model.variance(rho))
    spread = carried @ inverse @ model.after
    # tr(X_i S X_jᵀ V⁻¹)
    n, k = len(params), len(model.generators)
    left = (model.generators @ spread[:, None]).reshape(n, k, rho[0].size)
    right = (inverse[:, None] @ model.generators).reshape(n, k, rho[0].size)
    return np.asarray(left @ np.swapaxes(right, 1, 2))


def inverse_information(information: Array, share: float = 1e-10) -> tuple[Array, Array]:
    """J⁻¹ with infinite variance along null directions, and the ranks: `(N, k, k) → (N, k, k), (N,)`."""
    values, vectors = np.linalg.eigh((information + np.swapaxes(information, 1, 2)) / 2)
    top = values[:, -1:] if values.shape[1] else np.zeros((len(values), 1))
    seen = values > share * np.maximum(top, 1e-300)
    inverse = np.einsum("nik,nk,njk->nij", vectors, np.where(seen, 1.0 / np.where(seen, values, 1.0), 0.0), vectors)
    # A parameter with a part in the null space is not known at all.
    blind = np.einsum("nik,nk->ni", vectors**2, ~seen) > 1e-8
    diagonal = np.arange(information.shape[1])
    inverse[:, diagonal, diagonal] = np.where(blind, np.inf, inverse[:, diagonal, diagonal])
    return inverse, seen.sum(axis=1)


# --- noise ------------------------------------------------------------------------------------------------------------
def covariance(noise: Any, coordinates: LatentCoordinates, what: str) -> Array:
    """The noise covariance (p, p) of all coordinates from a level, one a block, or a matrix."""
    given, p, n = to_numpy(noise), coordinates.n_coordinates, len(coordinates.blocks)
    if given.dtype.kind not in "fiu":
        raise ParameterError(what, f"a standard deviation, one a block ({n},), or a covariance ({p}, {p})", repr(noise))
    values = given.astype(np.float64)
    check_finite(values, what)
    if values.ndim == 2:
        return _matrix(values, p, what)
    if values.ndim > 1 or (values.ndim == 1 and len(values) != n):
        raise ShapeError(what, f"(), ({n},) or ({p}, {p})", values.shape)
    levels = np.broadcast_to(values, (n,))
    if (levels < 0).any():
        raise ParameterError(what, "standard deviations ≥ 0", levels.tolist())
    return np.diag(np.repeat(levels**2, [block.irrep.dim for block in coordinates.blocks]))


def model_of(coordinates: LatentCoordinates, before: Array, after: Array) -> tuple[PairModel, Array]:
    """The model of the blocks that move, and their columns."""
    moving: list[Block] = [block for block in coordinates.blocks if not block.irrep.trivial]
    if not moving:
        raise DesignError(
            f"Expected coordinates with a block that {coordinates.group!r} moves, got {coordinates!r}: invariant "
            "coordinates do not tell elements apart."
        )
    columns = np.array([row for block in moving for row in block.rows])
    before, after = (c[np.ix_(columns, columns)] for c in (before, after))
    if np.linalg.eigvalsh(before + after)[0] <= 0.0:
        raise ParameterError("noise", "some noise in every coordinate at one end at least", "none")
    return pair_model(coordinates.group, moving, before, after), columns


def covariance_of_fit(coordinates: LatentCoordinates, c0: Array, c1: Array) -> Array:
    """What the energies of the blocks say of the noise: (1 − λ) of the variance of a coordinate, at each end.

    Rows of oblique frames have unit variance. For isometric frames, the rows' own mean square is taken; for limited
    designs, where λ is a skill against no movement, half of (1 − λ)|c₁ − c₀|².
    """
    variances = []
    isometric = np.allclose(coordinates.analysis @ coordinates.analysis.T, np.eye(coordinates.n_coordinates), atol=1e-8)
    for block in coordinates.blocks:
        left, right = c0[:, block.columns], c1[:, block.columns]
        if coordinates.limited:
            scale = float(np.mean((right - left) ** 2)) / 2.0
        else:
            scale = float(np.mean(left**2) + np.mean(right**2)) / 2.0 if isometric else 1.0
        variances.append(scale * max(1.0 - block.energy, LEAST_VARIANCE))
    return np.diag(np.repeat(np.maximum(variances, LEAST_VARIANCE), [b.irrep.dim for b in coordinates.blocks]))


def _after(noise: Any, noise_after: Any, coordinates: LatentCoordinates) -> Array:
    if noise_after is None:
        return covariance(noise, coordinates, "noise")
    return covariance(noise_after, coordinates, "noise_after")


def _matrix(values: Array, p: int, what: str) -> Array:
    if values.shape != (p, p):
        raise ShapeError(what, f"({p}, {p})", values.shape)
    size = max(float(np.abs(values).max(initial=0.0)), math.ulp(0.0))
    if (
        not np.allclose(values, values.T, atol=1e-9 * size)
        or np.linalg.eigvalsh(values).min(initial=0.0) < -1e-9 * size
    ):
        raise ParameterError(what, "a symmetric positive semidefinite covariance", "another matrix")
    return np.asarray((values + values.T) / 2)
