"""Codes whose equivariant blocks are known: the ground truth that every estimator has to find."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from geodis.errors import ParameterError, ShapeError
from geodis.groups.representation import Representation
from geodis.linalg import Array, check_finite, to_numpy


@dataclass(frozen=True, eq=False)
class PlantedBlock:
    """One copy of a representation: rows `columns` of the frame carry ρ(g) content_i + t(g).

    Attributes
    ----------
    representation : Representation
        ρ, with its translation t if it is affine.
    columns : slice
        Which columns of `PlantedCode.frame` span the block.
    content : ndarray (n, d)
        c_i, the canonical code of each item.
    """

    representation: Representation
    columns: slice
    content: Array


@dataclass(frozen=True, eq=False)
class PlantedCode:
    """Embeddings z_ij = Q (⊕_b ρ_b(g_ij) c_i^b + t_b(g_ij), junk_ij, 0) + noise·ε_ij, flat rows sorted by item.

    Attributes
    ----------
    z : ndarray (N, D)
        The embeddings, N = n·m rows.
    params : ndarray (N, p)
        The group element of each row.
    items : ndarray (N,)
        The item of each row, 0 … n − 1.
    frame : ndarray (D, D)
        Q, orthogonal; its first columns span the blocks, the next ones the junk.
    blocks : tuple of PlantedBlock
        The copies in the order of the columns.
    """

    z: Array
    params: Array
    items: Array
    frame: Array
    blocks: tuple[PlantedBlock, ...]

    def coordinates(self, block: PlantedBlock, z: Any = None) -> Array:
        """The rows of one block, read with the true frame: z `(N, D)` (this code's by default) → `(N, d)`."""
        return (self.z if z is None else to_numpy(z)) @ self.frame[:, block.columns]

    @property
    def multiplicities(self) -> dict[str, int]:
        """How many copies of each representation are planted, by name."""
        names = [block.representation.name for block in self.blocks]
        return {name: names.count(name) for name in dict.fromkeys(names)}


def planted(
    irreps: Sequence[tuple[Representation, int]],
    params: Any,
    *,
    n_features: int = 64,
    n_junk: int = 0,
    noise: float = 0.1,
    seed: int = 0,
) -> PlantedCode:
    """Plant z_ij = Q (⊕ ρ(g_ij) c_i + t(g_ij), junk_ij, 0) + noise·ε_ij.

    Every copy has its own content c_i ~ N(0, I_d), so a row of an orthogonal representation has unit variance. Trivial
    representations are invariant content. Junk is N(0, I), new in every row: no block holds it. ε ~ N(0, I_D) is added
    in all directions, so a block of unit variance has energy 1/(1 + noise²). The parts are drawn from separate streams:
    another noise level or another amount of junk leaves frame and content as they are.

    Parameters
    ----------
    irreps : sequence of (Representation, int)
        What to plant and how many copies of it.
    params : array (n, m, p)
        The elements at which each of n items is seen.
    n_features : int
        D, at least the sum of all dimensions and of `n_junk`.
    n_junk : int
        Directions of unit variance that follow no action.
    noise : float
        Standard deviation of the noise in every direction.
    seed : int
        Seed of frame, content, junk and noise.

    Returns
    -------
    PlantedCode

    Raises
    ------
    ShapeError, FiniteError, ParameterError
        For parameters that are not finite `(n, m, p)`, negative counts or noise, or blocks that do not fit in D.
    """
    elements = _as_elements(params)
    copies = [rep for rep, count in irreps for _ in range(_whole(count, "copies"))]
    n_code = sum(rep.dim for rep in copies)
    if _whole(n_features, "n_features") < n_code + _whole(n_junk, "n_junk"):
        what = f"an integer ≥ {n_code} + {n_junk} for the blocks and the junk"
        raise ParameterError("n_features", what, n_features)
    if not np.isfinite(noise) or noise < 0:
        raise ParameterError("noise", "a finite number ≥ 0", noise)
    contents, frames, junks, noises = np.random.default_rng(seed).spawn(4)
    n, m, p = elements.shape
    blocks = _blocks(copies, n, contents)
    latent = np.zeros((n, m, n_features))
    for block in blocks:
        latent[..., block.columns] = moved(block.representation, elements, block.content[:, None])
    latent[..., n_code : n_code + n_junk] = junks.normal(size=(n, m, n_junk))
    frame = random_orthogonal(n_features, frames)
    z = (latent @ frame.T).reshape(n * m, n_features)
    if noise > 0:
        z += noise * noises.normal(size=z.shape)
    return PlantedCode(z, elements.reshape(n * m, p), np.repeat(np.arange(n), m), frame, blocks)


def moved(representation: Representation, params: Array, content: Array) -> Array:
    """ρ(g)c + t(g): params `(..., p)` and c, which broadcasts to `(..., d)` → `(..., d)`."""
    return np.einsum(
        "...ab,...b->...a", representation(params), np.broadcast_to(content, (*params.shape[:-1], representation.dim))
    ) + representation.translation(params)


def random_orthogonal(n: int, rng: np.random.Generator) -> Array:
    """A Haar-random orthogonal matrix `(n, n)`."""
    q, r = np.linalg.qr(rng.normal(size=(n, n)))
    # QR alone is not Haar: the signs of r's diagonal are LAPACK's choice.
    return q * np.where(np.diagonal(r) < 0, -1.0, 1.0)


def _blocks(copies: list[Representation], n: int, rng: np.random.Generator) -> tuple[PlantedBlock, ...]:
    blocks, start = [], 0
    for rep in copies:
        blocks.append(PlantedBlock(rep, slice(start, start + rep.dim), rng.normal(size=(n, rep.dim))))
        start += rep.dim
    return tuple(blocks)


def _as_elements(params: Any) -> Array:
    elements = to_numpy(params).astype(np.float64)
    if elements.ndim != 3 or 0 in elements.shape:
        raise ShapeError("params", "(n_items, n_elements, p)", elements.shape)
    check_finite(elements, "params")
    return elements


def _whole(n: Any, what: str) -> int:
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 0:
        raise ParameterError(what, "an integer ≥ 0", n)
    return int(n)
