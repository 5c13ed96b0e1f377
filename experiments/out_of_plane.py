"""Question: can coordinates of unseen objects, turned out of plane, be equivariant *and* tell the objects apart.

`DeepCoordinates` from pixels, with the network, the images and the CPU seconds that every baseline gets. One training a
seed; which blocks are handed out (those above an energy) is chosen on training objects that the network has not seen:
of all thresholds whose content is within .005 of the best, the one with the least error ratio.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from baseline_training import UNLIMITED, Coder, embedded
from protocol import Codes, Representation, Scored, scored_with_rho
from solid_data import SolidData, ambiguous, out_of_plane, xray
from torch import nn

from geodis import Block, DeepCoordinates, LatentCoordinates
from geodis.groups import SO2
from geodis.linalg import Array
from geodis.training import convnet

SECONDS = 160.0
THRESHOLDS = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9)
N_ACTING, N_CONTENT = 48, 32
SLACK = 0.005  # of content that a smaller error ratio may cost


def out_of_plane_rows(seed: int) -> dict[str, float]:
    """Identifiable depth: perspective."""
    return rows("outofplane", out_of_plane(seed), seed)


def ambiguous_rows(seed: int) -> dict[str, float]:
    """Depth that the image hardly shows: orthographic, lit from the camera."""
    return rows("ambiguous", ambiguous(seed), seed)


def xray_rows(seed: int) -> dict[str, float]:
    """Depth that the image does not show: orthographic and transparent."""
    return rows("xray", xray(seed), seed)


def rows(prefix: str, data: SolidData, seed: int, seconds: float = SECONDS) -> dict[str, float]:
    """Ratio, content and dimension of the chosen blocks."""
    torch.set_num_threads(1)
    coordinates = trained(data, seed, seconds)
    best = chosen([of_blocks(coordinates, least) for least in THRESHOLDS], data)
    found = {"ratio": best.ratio, "content": best.content, "dim": best.dim, "content_plain": best.content_plain}
    found["content_all"] = best.content_all
    return {f"{prefix}.{name}": float(value) for name, value in found.items()}


def trained(data: SolidData, seed: int, seconds: float) -> LatentCoordinates:
    """Train on the `fit` objects and solve the spectral layer on the tenth of them that the network did not see."""
    images = data.fit.images
    n, m = images.shape[:2]
    network = nn.Sequential(nn.Unflatten(1, (1, *images.shape[2:])), convnet(N_ACTING + N_CONTENT, seed=seed))
    estimator = DeepCoordinates(
        SO2(), network, n_content=N_CONTENT, held_out=0.1, max_steps=UNLIMITED, max_seconds=seconds, patience=None,
        random_state=seed,
    )  # fmt: skip
    estimator.fit(flat(images), data.fit.angles.reshape(n * m, 1), items=np.repeat(np.arange(n), m))
    return estimator.coordinates_


def flat(images: Array) -> Array:
    """Images (…, H, W) uint8 → rows (N, HW) float32 in [0, 1]."""
    return images.reshape(-1, images.shape[-2] * images.shape[-1]).astype(np.float32) / np.float32(255)


def of_blocks(coordinates: LatentCoordinates, least: float) -> Coder | None:
    """The blocks of at least this energy as a method with a representation; None when no block acts."""
    kept = [block for block in coordinates.blocks if block.energy >= least]
    if not any(not block.irrep.trivial for block in kept):
        return None
    columns = [row for block in kept for row in block.rows]

    def codes(images: Array) -> Array:
        return np.asarray(coordinates.transform(flat(images)))[:, columns].astype(np.float64)

    return Coder(codes, Representation(matrices(kept), numbered(kept)))


def numbered(blocks: Sequence[Block]) -> tuple[tuple[int, ...], ...]:
    """Rows of the blocks when they stand one after another."""
    starts = np.cumsum([0, *(block.irrep.dim for block in blocks)])
    return tuple(tuple(range(a, a + block.irrep.dim)) for a, block in zip(starts, blocks, strict=False))


def matrices(blocks: Sequence[Block]) -> Callable[[Array], Array]:
    """ρ of the blocks: (..., p) → (..., d, d)."""
    kept = tuple(replace(block, rows=rows) for block, rows in zip(blocks, numbered(blocks), strict=True))
    dim = sum(block.irrep.dim for block in kept)

    def rho(params: Array) -> Array:
        out = np.zeros((*np.shape(params)[:-1], dim, dim))
        for block in kept:
            out[..., block.columns, block.columns] = np.asarray(block.irrep(params))
        return out

    return rho


def chosen(coders: Sequence[Coder | None], data: SolidData) -> Scored:
    """Of the candidates whose content on held training objects is near the best, the least ratio there."""
    found = [scored_with_rho(codes_of(coder, data), coder.rho) for coder in coders if coder is not None and coder.rho]
    most = max(row.held_content for row in found)
    return min((row for row in found if row.held_content >= most - SLACK), key=lambda row: row.held_ratio)


def codes_of(coder: Coder, data: SolidData) -> Codes:
    """Codes of all sets."""
    return embedded(coder, data)
