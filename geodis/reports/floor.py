"""The discretisation floor: the equivariance error that an action's own interpolation makes, block by block."""

from __future__ import annotations

import numpy as np

from geodis.coordinates.energy import BlockCells, OrbitEnergy
from geodis.coordinates.latent import LatentCoordinates
from geodis.orbits import Orbits


def discretisation_floors(codes: Orbits, coordinates: LatentCoordinates, energy: OrbitEnergy) -> list[float]:
    """E|c(gh·x) − c(g·(h·x))|²/(2T) for every block, and for all that act together: NaN where nothing was measured.

    An action that interpolates breaks act(g, act(h, x)) = act(gh, x). An encoder that were exactly equivariant to every
    single step would still show this much error. For limited designs the floor, like the error, is relative to not
    acting.

    Parameters
    ----------
    codes : Orbits
        Coordinates of orbits whose `detours` hold the same items reached in one step and in two.
    coordinates : LatentCoordinates
        Whose blocks the columns are.
    energy : OrbitEnergy
        Of the same coordinates on the same orbits: what the floor is relative to.

    Returns
    -------
    list of float
        One floor a block, then the floor of all non-trivial blocks, each at unit variance a row.
    """
    n_blocks = len(coordinates.blocks)
    if codes.detours is None or not len(codes.detours.items):
        return [float("nan")] * (n_blocks + 1)
    apart = (codes.detours.direct - codes.detours.composed) ** 2
    floors, total = [], 0.0
    for block, cells in zip(coordinates.blocks, energy.cells, strict=True):
        own = float(apart[:, block.columns].sum(axis=1).mean())
        floors.append(_share(own, cells, coordinates.limited and not block.irrep.trivial))
        if not block.irrep.trivial:
            total += own * block.irrep.dim / max(cells.mean(cells.variation), 1e-300)
    overall = float("nan") if energy.total is None else _share(total, energy.total, coordinates.limited)
    return [*floors, overall]


def _share(squared: float, cells: BlockCells, limited: bool) -> float:
    below = cells.mean(cells.identity if limited else cells.variation)
    return squared / below if np.isfinite(below) and below > 0 else float("nan")
