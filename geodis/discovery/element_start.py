"""Where the search for a group element starts: closed forms of single irreps, else a net over the group.

Tori: the weighted trigonometric sum Σ_m Re(w_m e^{−imθ}) on a grid, by one FFT. Rotations of space: Wahba's problem
over all vector copies. Finite groups: all elements. Products: factor by factor, on the blocks that it moves alone.
Others: the best points of a net, far from each other, so that a second solution is seen where there is one.
"""

from __future__ import annotations

import math
from itertools import product as cartesian

import numpy as np
import torch

from geodis.discovery.element_refinement import PairModel
from geodis.groups import SO3, AbstractGroup, Product
from geodis.groups.finite import AbstractFiniteGroup
from geodis.groups.rotations import vector_of_matrix
from geodis.linalg import Array

N_STARTS = 6
N_NET = 768
NET_SEED = 20240917
NEAR = 0.03  # this share of the pairs of a net counts as near each other
MAX_GRID = 2**14  # points of the grid of a torus
SAMPLES_PER_TURN = 8
SWEEPS = 2  # over the factors of a product whose blocks are entangled
ENTRIES = 2**24  # of arrays that are held at a time


def starts(model: PairModel, c0: Array, c1: Array) -> Array:
    """Candidates `(N, K, q)` for each pair."""
    frequencies = torus_frequencies(model)
    if frequencies is not None:
        return torus_starts(model, c0, c1, frequencies)
    found = [factorwise_starts(model, c0, c1)]
    if isinstance(model.group, SO3) and "l=1" in {rep.name for rep in model.reps}:
        found.append(wahba(model, c0, c1)[:, None])
    candidates = np.concatenate(found, axis=1)
    return _shifted(model, c0, c1, candidates) if model.drifts.any() else candidates


# --- tori -------------------------------------------------------------------------------------------------------------
def torus_frequencies(model: PairModel) -> Array | None:
    """Turns of each plane in one period of each parameter `(blocks, k)`; None where the group is no torus."""
    periods, k = model.group.periods, model.group.tangent_dim
    if k == 0 or model.group.n_params != k or any(p is None for p in periods):
        return None
    if any(rep.dim != 2 or rep.half is None for rep in model.reps):
        return None
    starts_at = np.cumsum([0, *(rep.dim for rep in model.reps)])[:-1]
    turns = np.array([model.generators[:, s + 1, s] for s in starts_at]) * np.array(periods, dtype=float) / (2 * np.pi)
    return np.rint(turns).astype(int) if np.allclose(turns, np.rint(turns), atol=1e-6) else None


def torus_starts(model: PairModel, c0: Array, c1: Array, frequencies: Array) -> Array:
    """The highest local maxima of the weighted trigonometric sum on a grid."""
    k = frequencies.shape[1]
    shape = _grid_shape(frequencies)
    z0, z1 = _complex(c0), _complex(c1)
    weights = 1.0 / (_complex_variance(model.before) + _complex_variance(model.after))
    coefficients = np.zeros((len(c0), *shape), dtype=complex)
    for b, m in enumerate(frequencies):
        coefficients[(slice(None), *(m % shape))] += weights[b] * z0[:, b].conj() * z1[:, b]
    # Σ_m w_m e^{−imθ}: the forward transform at θ = 2πj/n.
    heights = np.fft.fftn(coefficients, axes=tuple(range(1, k + 1))).real
    highest = np.ones_like(heights, dtype=bool)
    for axis in range(1, k + 1):
        for side in (-1, 1):
            highest &= heights >= np.roll(heights, side, axis=axis)
    flat = np.where(highest, heights, -np.inf).reshape(len(c0), -1)
    best = np.argsort(-flat, axis=1, kind="stable")[:, : min(N_STARTS, flat.shape[1])]
    best = np.where(np.isfinite(np.take_along_axis(flat, best, axis=1)), best, best[:, :1])
    grid = np.stack(np.unravel_index(best, tuple(shape)), axis=-1) / shape
    return np.asarray(grid * np.array(model.group.periods, dtype=float))


def _grid_shape(frequencies: Array) -> Array:
    """Samples of each angle: some for every turn, as many in all as memory allows."""
    wanted = SAMPLES_PER_TURN * np.maximum(np.abs(frequencies).max(axis=0), 2)
    limit = int(MAX_GRID ** (1.0 / frequencies.shape[1]))
    return np.asarray(np.maximum(np.minimum(wanted, limit), 2 * np.abs(frequencies).max(axis=0) + 1))


def _complex(c: Array) -> Array:
    return np.asarray(c[:, 0::2] + 1j * c[:, 1::2])


def _complex_variance(covariance: Array) -> Array:
    return np.asarray(np.diag(covariance).reshape(-1, 2).mean(axis=1))


# --- rotations of space -----------------------------------------------------------------------------------------------
def wahba(model: PairModel, c0: Array, c1: Array) -> Array:
    """The rotation that takes all vector copies nearest to where they went, weighted by their noise: `(N, 3)`."""
    weights = 1.0 / np.diag(model.before + model.after)
    profile, start = np.zeros((len(c0), 3, 3)), 0
    for rep in model.reps:
        if rep.name == "l=1":
            cols = slice(start, start + 3)
            profile += weights[cols].mean() * c1[:, cols, None] * c0[:, None, cols]
        start += rep.dim
    left, _, right = np.linalg.svd(profile)
    left[:, :, -1] *= np.linalg.det(left @ right)[:, None]
    return vector_of_matrix(torch.from_numpy(left @ right)).numpy()


# --- nets -------------------------------------------------------------------------------------------------------------
def net(group: AbstractGroup) -> Array:
    """Elements that cover the group: all of a small finite one, N_NET drawn ones (and the identity) otherwise."""
    if isinstance(group, AbstractFiniteGroup):
        return group.elements()
    return np.concatenate([group.identity(), group.sample(N_NET, NET_SEED)])


def factorwise_starts(model: PairModel, c0: Array, c1: Array) -> Array:
    """The best of each factor's net on the blocks that it moves alone, in all combinations.

    Where a factor has no such block: the best of a net over the whole group, then each factor in turn with the others
    held.
    """
    factors = _factors(model.group)
    own = [_columns(model, f, len(factors)) for f in range(len(factors))]
    if all(columns.any() for columns in own):
        n_each = max(2, math.ceil(N_STARTS ** (1.0 / len(factors))))
        nets = [_embedded(model.group, part, net(group)) for group, part in factors]
        picks = [
            elements[choose(model, c0, c1, elements, columns, n_each)]
            for elements, columns in zip(nets, own, strict=True)
        ]
        return _crossed(model.group, factors, picks)
    columns = _judging(model)
    elements = net(model.group)
    beams = elements[choose(model, c0, c1, elements, columns, N_STARTS)]
    for _ in range(SWEEPS if len(factors) > 1 else 0):
        for group, part in factors:
            beams = np.stack([_swept(model, c0, c1, beam, group, part, columns) for beam in _beams(beams)], axis=1)
    return beams


def choose(model: PairModel, c0: Array, c1: Array, elements: Array, columns: Array, n: int) -> Array:
    """The indices `(N, n)` of the elements `(K, q)` with the least residual, none near another."""
    rho, shift = model.move(elements)
    variance = np.diag(model.after) + ((rho @ model.before) * rho).sum(axis=-1)
    near = _near(model.group, elements) if n > 1 else np.zeros((len(elements), len(elements)), dtype=bool)
    out = np.zeros((len(c0), min(n, len(elements))), dtype=int)
    step = max(1, ENTRIES // (len(elements) * c0.shape[1]))
    for a in range(0, len(c0), step):
        rows = slice(a, a + step)
        moved = (c0[rows] @ rho.reshape(-1, c0.shape[1]).T).reshape(-1, *shift.shape) + shift
        cost = (((c1[rows, None] - moved) ** 2 / variance)[..., columns]).sum(axis=-1)
        for pick in range(out.shape[1]):
            best = np.argmin(cost, axis=1)
            out[rows, pick] = best
            cost[near[best]] = np.inf
    return out


def _near(group: AbstractGroup, elements: Array) -> Array:
    """Which elements are near each other (K, K), each to itself."""
    if isinstance(group, AbstractFiniteGroup):
        return np.eye(len(elements), dtype=bool)
    flat = np.asarray(group.matrix(elements)).reshape(len(elements), -1)
    distance = (flat**2).sum(axis=1)[:, None] + (flat**2).sum(axis=1) - 2.0 * flat @ flat.T
    np.fill_diagonal(distance, 0.0)
    return np.asarray(distance <= np.quantile(distance, NEAR) + 1e-12)


def _swept(
    model: PairModel, c0: Array, c1: Array, beam: Array, group: AbstractGroup, part: slice, columns: Array
) -> Array:
    """Each row's element `(N, q)` with one factor replaced by the best of its net."""
    others = beam.copy()
    others[:, part] = group.identity()
    rho, shift = model.move(others)
    elements = _embedded(model.group, part, net(group))
    held = np.einsum("nij,nj->ni", rho, c0) + shift
    others[:, part] = elements[choose(model, held, c1, elements, columns, 1)[:, 0], part]
    return others


def _beams(candidates: Array) -> list[Array]:
    return [candidates[:, i] for i in range(candidates.shape[1])]


def _factors(group: AbstractGroup) -> list[tuple[AbstractGroup, slice]]:
    """The factors of a product and where their parameters lie."""
    parts = group.groups if isinstance(group, Product) else (group,)
    at = np.cumsum([0, *(part.n_params for part in parts)]).tolist()
    return [(part, slice(a, b)) for part, a, b in zip(parts, at[:-1], at[1:], strict=True)]


def _embedded(group: AbstractGroup, part: slice, elements: Array) -> Array:
    out = group.identity(len(elements))
    out[:, part] = elements
    return out


def _crossed(group: AbstractGroup, factors: list[tuple[AbstractGroup, slice]], picks: list[Array]) -> Array:
    """All combinations of the factors' picks `(N, n, q)`: `(N, Πn, q)`."""
    combinations = []
    for chosen in cartesian(*(range(pick.shape[1]) for pick in picks)):
        element = group.identity(len(picks[0]))
        for (_, part), pick, i in zip(factors, picks, chosen, strict=True):
            element[:, part] = pick[:, i, part]
        combinations.append(element)
    return np.stack(combinations, axis=1)


def _columns(model: PairModel, factor: int, n_factors: int) -> Array:
    """The coordinates that one factor alone moves; linear ones if there are any."""
    return _judging(model, None if n_factors == 1 else (factor,))


def _judging(model: PairModel, factors: tuple[int, ...] | None = None) -> Array:
    wanted = [factors is None or rep.factors == factors for rep in model.reps]
    linear = [use and rep.cocycle is None for use, rep in zip(wanted, model.reps, strict=True)]
    chosen = linear if any(linear) else wanted
    return np.repeat(np.array(chosen, dtype=bool), [rep.dim for rep in model.reps])


def _shifted(model: PairModel, c0: Array, c1: Array, candidates: Array) -> Array:
    """The candidates, and each of them translated so that positions fit."""
    affine = np.repeat([rep.cocycle is not None for rep in model.reps], [rep.dim for rep in model.reps])
    inverse = np.linalg.pinv(model.drifts[:, affine].T)
    moved = []
    for beam in _beams(candidates):
        rho, shift = model.move(beam)
        residual = (c1 - np.einsum("nij,nj->ni", rho, c0) - shift)[:, affine]
        moved.append(model.group.compose(model.group.exp(residual @ inverse.T), beam))
    return np.concatenate([np.stack(moved, axis=1), candidates], axis=1)
