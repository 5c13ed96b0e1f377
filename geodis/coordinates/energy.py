"""The energy of given coordinates on given orbits: 1 − L/(2T), or the skill 1 − L/I for limited designs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from geodis.coordinates.latent import Block, LatentCoordinates
from geodis.coordinates.pair_error import (
    canonical,
    identity_error_cells,
    item_mean,
    mismatch_cells,
    pair_error_cells,
    variation_cells,
)
from geodis.errors import ShapeError
from geodis.linalg import Array
from geodis.orbits import Orbits


@dataclass(frozen=True)
class BlockCells:
    """Errors of one block (or of all), cell by cell of the items × elements table, a list entry a stack.

    Attributes
    ----------
    loss : list of ndarray (n, m)
        Mean squared error of predicting a code from the item's other elements: its mean is L.
    identity : list of ndarray (n, m)
        The same without acting: I.
    variation : list of ndarray (n, m)
        2|c − mean|², whose mean is 2T.
    mismatch : list of ndarray (n, m)
        The error against other items: D_item.
    """

    loss: list[Array]
    identity: list[Array]
    variation: list[Array]
    mismatch: list[Array]

    def __add__(self, other: BlockCells) -> BlockCells:
        both = zip(self, other, strict=True)
        return BlockCells(*([a + b for a, b in zip(x, y, strict=True)] for x, y in both))

    def __iter__(self) -> Iterator[list[Array]]:
        return iter((self.loss, self.identity, self.variation, self.mismatch))

    def scaled(self, factor: float) -> BlockCells:
        """All errors times `factor`."""
        return BlockCells(*([factor * a for a in x] for x in self))

    def mean(self, cells: list[Array]) -> float:
        """Items weigh the same, whatever their number of elements."""
        per_item = np.concatenate([x.mean(axis=1) for x in cells]) if cells else np.zeros(0)
        return float(per_item.mean()) if len(per_item) else float("nan")


@dataclass(frozen=True)
class OrbitEnergy:
    """Energies of coordinates on orbits: the whole (non-trivial blocks at unit variance a row) and block by block."""

    energy: float
    blocks: tuple[float, ...]
    cells: tuple[BlockCells, ...]
    total: BlockCells | None


def orbit_energy(orbits: Orbits, coordinates: LatentCoordinates) -> OrbitEnergy:
    """1 − ΣL_b/Σ2T_b over the non-trivial blocks (1 − ΣL_b/ΣI_b for limited designs); 0 when no block was kept.

    An invariant block has 1 − L/2T in every design: not acting is all that it does.
    """
    if orbits.n_features != coordinates.n_features:
        raise ShapeError("orbits", f"embeddings of dimension {coordinates.n_features}", orbits.z.shape)
    codes = orbits.map(lambda z: coordinates.transform(z.astype(np.float64)))
    cells = tuple(block_cells(codes, block) for block in coordinates.blocks)
    values = tuple(
        _energy(c, coordinates.limited and not block.irrep.trivial)
        for c, block in zip(cells, coordinates.blocks, strict=True)
    )
    acting = [(c, b) for c, b in zip(cells, coordinates.blocks, strict=True) if not b.irrep.trivial]
    if not acting:
        return OrbitEnergy(0.0, values, cells, None)
    total = None
    for c, block in acting:
        unit = c.scaled(block.irrep.dim / max(c.mean(c.variation), 1e-300))
        total = unit if total is None else total + unit
    return OrbitEnergy(_energy(total, coordinates.limited), values, cells, total)


def block_cells(codes: Orbits, block: Block) -> BlockCells:
    """Cells of one block from the orbits of all coordinates."""
    rep = block.irrep
    stacks = [s for s in codes.stacks() if s.z.shape[1] >= 2]
    cs = [s.z[..., block.columns] for s in stacks]
    rhos = [np.asarray(rep(s.params)) for s in stacks]
    us = [
        canonical(c, rho, np.asarray(rep.translation(s.params)), rep.orthogonal)
        for c, rho, s in zip(cs, rhos, stacks, strict=True)
    ]
    mean = item_mean(cs) if cs else np.zeros(rep.dim)
    several = sum(len(c) for c in cs) >= 2
    mismatch = mismatch_cells(us, rhos, rep.orthogonal, codes.crossed) if several else []
    return BlockCells(
        [pair_error_cells(u, rho, rep.orthogonal) for u, rho in zip(us, rhos, strict=True)],
        [identity_error_cells(c) for c in cs],
        [2 * variation_cells(c, mean) for c in cs],
        mismatch or [np.full(c.shape[:2], np.nan) for c in cs],
    )


def _energy(cells: BlockCells | None, limited: bool) -> float:
    if cells is None or not cells.loss:
        return float("nan")
    below = cells.mean(cells.identity if limited else cells.variation)
    return 1.0 - cells.mean(cells.loss) / below if below > 0 else float("nan")
