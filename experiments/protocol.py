"""How every method of the out-of-plane experiment is scored: (error ratio, content, dimension), in plain numpy.

Codes are arrays (objects, views, p), c(gx) of object x at element g. Three questions:

`error_ratio`        how far is c(g₂x) from ρ(h)c(g₁x), against doing nothing, for a method that has a representation ρ
`per_element_ratio`  the same for a method without one: the best ridge map of each h, fitted on other objects
`content_1nn`        is the nearest other code of the same object; distances minimised over the group where that helps

`scored` makes the choices that the protocol leaves to a method (own ρ or fitted maps, scaling, distance) on training
objects and scores the choice on unseen ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from element_maps import SIDE, STEPS, ElementMaps, element_ratio, fit_element_maps, per_element_ratio
from error_ratio import (
    ROUNDING,
    Blocks,
    ErrorRatio,
    Representation,
    as_a_whole,
    by_block,
    circle,
    error_ratio,
    planes,
    stacked,
)  # fmt: skip

from geodis.errors import ParameterError
from geodis.linalg import Array

__all__ = [
    "GALLERY", "Codes", "ElementMaps", "ErrorRatio", "Representation", "Scored", "circle", "content_1nn",
    "content_in_galleries", "element_ratio",
    "error_ratio", "fit_element_maps", "per_element_ratio", "planes", "scored", "scored_with_rho",
]  # fmt: skip

GALLERY = 40  # objects among which the nearest is sought: the more there are, the harder; others measured with 40

Scaling = Callable[[Array, Blocks], Array]


@dataclass(frozen=True)
class Codes:
    """One method's codes of the four sets of views; see `solid_data.SolidData`."""

    held: Array  # (n, SIDE, p) training objects that the encoder was not fitted on, offset grid
    held_angles: Array
    views: Array  # (n', m, p) unseen objects at random elements
    angles: Array
    steps: Array  # (n', SIDE, p) the same unseen objects on an offset grid
    content: Array  # (n', 8, p) the same unseen objects at 8 random elements


@dataclass(frozen=True)
class Scored:
    """A method's row. `chosen` says which operator, scaling and distance training objects preferred."""

    ratio: float
    content: float
    dim: int
    degenerate: bool
    content_plain: float
    content_aligned: float
    content_all: float  # among all unseen objects at once
    held_ratio: float
    held_content: float
    chosen: str

    @property
    def held_area(self) -> float:
        """(1 − ratio)·content on training objects: the area that the pair dominates; settings are chosen by it."""
        return 0.0 if self.degenerate else max(0.0, 1.0 - self.held_ratio) * self.held_content


# --- content ----------------------------------------------------------------------------------------------------------
def content_1nn(codes: Array, matrices: Array | None = None, offsets: Array | None = None) -> float:
    """Share of codes whose nearest other code is of the same object; chance (m − 1)/(nm − 1).

    Parameters
    ----------
    codes : ndarray (n, m, p)
        m views of n unseen objects.
    matrices, offsets : ndarray (K, p, p), (K, p), optional
        Distances are min over k of |c − (A_k c' + b_k)|: pass ρ on a grid of the group. Plain without.

    Ties count as their expected share, so that a constant code scores chance.
    """
    c = stacked(codes)
    n, m, p = c.shape
    if n < 2 or m < 2:
        raise ParameterError("codes", "two objects and two views at least", (n, m))
    rows = c.reshape(-1, p)
    power = (rows**2).sum(axis=1)
    if matrices is None:
        rows = rows - rows.mean(axis=0)
        power = (rows**2).sum(axis=1)
        distances = power[:, None] + power - 2 * rows @ rows.T
    else:
        distances = _least_distances(rows, power, matrices, offsets)
    np.fill_diagonal(distances, np.inf)
    near = distances <= distances.min(axis=1, keepdims=True) + 10 * ROUNDING * (c**2).sum(axis=-1).mean()
    item = np.arange(n).repeat(m)
    return float(((near & (item[:, None] == item)).sum(axis=1) / near.sum(axis=1)).mean())


def content_in_galleries(codes: Array, matrices: Array | None = None, offsets: Array | None = None) -> float:
    """Mean of `content_1nn` over disjoint sets of GALLERY objects (over all, where there are fewer)."""
    last = max(1, len(codes) - GALLERY + 1)
    found = [content_1nn(codes[i : i + GALLERY], matrices, offsets) for i in range(0, last, GALLERY)]
    return float(np.mean(found))


def _least_distances(rows: Array, power: Array, matrices: Array, offsets: Array | None) -> Array:
    least = np.full((len(rows), len(rows)), np.inf)
    for k, matrix in enumerate(matrices):
        moved = rows @ matrix.T if offsets is None else rows @ matrix.T + offsets[k]
        np.minimum(least, (moved**2).sum(axis=1) - 2 * (rows @ moved.T), out=least)
    return least + power[:, None]


# --- the protocol -----------------------------------------------------------------------------------------------------
def scored(codes: Codes, rho: Representation | None = None, grid: Array | None = None) -> Scored:
    """The row of a method: what the protocol leaves open is chosen on the held part of the training objects.

    Candidates are its own ρ, where it has one, scaled block by block, and fitted maps of each element, with codes
    scaled row by row or as a whole: the pair that dominates the larger area (1 − ratio)·content is taken. Pass
    `grid` (K, q), elements to minimise distances over, for another group than SO(2).
    """
    grid = circle() if grid is None else grid
    candidates = [] if rho is None else [scored_with_rho(codes, rho, grid)]
    candidates += [_with_maps(codes, *scaling) for scaling in (("row", by_block), ("whole", as_a_whole))]
    return max(candidates, key=lambda row: row.held_area)


def scored_with_rho(codes: Codes, rho: Representation, grid: Array | None = None) -> Scored:
    """The row of a method by its own ρ, blocks scaled by their training deviation; only the distance is chosen."""
    scales = by_block(codes.held, rho.blocks)
    held = error_ratio(codes.held, codes.held_angles, rho.matrices, scales=scales)
    test = error_ratio(codes.views, codes.angles, rho.matrices, scales=scales)
    on_grid = rho.matrices(circle() if grid is None else grid)
    return _row("own ρ", held, test, _few(codes.held) / scales, codes.content / scales, on_grid, None)


def _with_maps(codes: Codes, name: str, scaling: Scaling) -> Scored:
    p = codes.held.shape[-1]
    scales = scaling(codes.held, tuple((i,) for i in range(p)))
    every = fit_element_maps(codes.held / scales, range(1, SIDE))
    maps = every.of_steps(STEPS)
    test = element_ratio(codes.steps / scales, maps)
    matrices = np.concatenate([np.eye(p)[None], every.matrices])
    offsets = np.concatenate([np.zeros((1, p)), every.offsets])
    found = _few(codes.held) / scales, codes.content / scales
    return _row(f"maps, scaled by {name}", maps.crossfitted, test, *found, matrices, offsets)


def _few(held: Array) -> Array:
    """Eight random poses of three galleries: the situation in which content is asked for."""
    some = held[: 3 * GALLERY]
    order = np.random.default_rng(0).random(some.shape[:2]).argsort(axis=1)[:, :8]
    return np.take_along_axis(some, order[..., None], axis=1)


def _row(
    operator: str,
    held: ErrorRatio,
    test: ErrorRatio,
    kept: Array,
    unseen: Array,
    matrices: Array,
    offsets: Array | None,
) -> Scored:
    """Distances are chosen by the held objects' content (`kept`), both are reported for the `unseen` ones."""
    distances: dict[str, tuple[Array, ...]] = {"plain": (), "aligned": (matrices,)}
    if offsets is not None:
        distances["aligned"] = (matrices, offsets)
    on_held = {name: content_in_galleries(kept, *given) for name, given in distances.items()}
    on_test = {name: content_in_galleries(unseen, *given) for name, given in distances.items()}
    distance = max(on_held, key=lambda name: on_held[name])
    return Scored(
        ratio=test.value, content=on_test[distance], dim=unseen.shape[-1],
        degenerate=test.degenerate or held.degenerate,
        content_plain=on_test["plain"], content_aligned=on_test["aligned"],
        content_all=content_1nn(unseen, *distances[distance]), held_ratio=held.value,
        held_content=on_held[distance], chosen=f"{operator}, {distance} distance",
    )  # fmt: skip
