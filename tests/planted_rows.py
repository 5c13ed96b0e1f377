"""Rows and orbits of planted codes, with the planted frame as coordinates."""

import numpy as np

from geodis import Orbits
from geodis.coordinates import Block, LatentCoordinates


def frame_coordinates(code, group, limited):
    """The coordinates of the planted frame: what a perfect fit would find."""
    blocks, start = [], 0
    for block in code.blocks:
        rep = block.representation
        blocks.append(Block(rep, tuple(range(start, start + rep.dim)), 1.0, (1.0, 1.0)))
        start += rep.dim
    rows = code.frame[:, :start].T.copy()
    return LatentCoordinates(
        group, tuple(blocks), rows, rows.T.copy(), np.zeros(rows.shape[1]), "ok", limited, np.zeros(0, dtype=np.uint64)
    )


def plane(angles, d=8, seed=0, noise=0.05):
    """Rows of codes (n, m, 2) that turn with their angles (n, m), in R^d."""
    rng = np.random.default_rng(seed)
    start = rng.uniform(0, 2 * np.pi, size=(len(angles), 1))
    code = np.stack([np.cos(angles + start), np.sin(angles + start)], axis=-1)
    return rows_of(code, d, rng, noise)


def rows_of(code, d, rng, noise):
    frame = np.linalg.qr(rng.normal(size=(d, d)))[0][: code.shape[-1]]
    z = code.reshape(-1, code.shape[-1]) @ frame
    return z + noise * rng.normal(size=z.shape)


def orbits_of(z, params, group):
    """Orbits from flat rows and parameters (n, m, p)."""
    n, m, p = params.shape
    return Orbits.from_arrays(z, params.reshape(n * m, p), np.repeat(np.arange(n), m), group)


def acting(coordinates):
    return [block.irrep.name for block in coordinates.blocks if not block.irrep.trivial]
