"""Question: from two views of an object never seen, turned in space, which rotation lies between them.

`DeepCoordinates` of SO(3) with irreps l ≤ 2, from pixels. The rotation between two views is read off the coordinates
alone: ĝ maximises Σ ⟨c(x₂), ρ(ĝ)c(x₁)⟩ over all blocks, sought on a grid of rotations and then on ever finer ones
around the best. R² = 1 − Σ|ĝ − g|²/Σ|g − ḡ|² over the entries of the matrices, unseen objects, all pairs of views.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from baseline_training import UNLIMITED
from out_of_plane import flat
from torch import nn

from geodis import DeepCoordinates, LatentCoordinates
from geodis.groups import SO3
from geodis.linalg import Array
from geodis.simulators import Orientation, Renderer, Solids, solid_objects
from geodis.training import convnet

SECONDS = 80.0
N_FIT, N_VIEWS, N_TEST, N_TEST_VIEWS = 8000, 12, 100, 6
N_ACTING, N_CONTENT = 16, 16
CHUNK = 5000
MEDIAN_OF_CHANCE = 132.3  # degrees, of the angle of a Haar-random rotation
GRID = 2000  # starting rotations: about 15° apart


def rows(seed: int, seconds: float = SECONDS) -> dict[str, float]:
    """R² of the rotation between two views of unseen objects, and the blocks' mean energy."""
    torch.set_num_threads(1)
    coordinates = trained(seed, seconds)
    images, elements = unseen(seed)
    n, m = elements.shape[:2]
    codes = np.asarray(coordinates.transform(flat(images))).reshape(n, m, -1).astype(np.float64)
    acting = [block.energy for block in coordinates.blocks if not block.irrep.trivial]
    if not acting:  # nothing to tell rotations by: the best constant guess
        return {"so3.r2": 0.0, "so3.median_degrees": MEDIAN_OF_CHANCE, "so3.energy": 0.0}
    truth, guess = between(codes, elements, coordinates)
    angles = np.arccos(np.clip((np.einsum("nij,nij->n", truth, guess) - 1) / 2, -1, 1))
    return {
        "so3.r2": r2(truth, guess),
        "so3.median_degrees": float(np.degrees(np.median(angles))),
        "so3.energy": float(np.mean(acting)),
    }


def r2(truth: Array, guess: Array) -> float:
    """1 − Σ|ĝ − g|²/Σ|g − ḡ|²."""
    return float(1 - ((truth - guess) ** 2).sum() / ((truth - truth.mean(0)) ** 2).sum())


def trained(seed: int, seconds: float) -> LatentCoordinates:
    """From pixels, views at independent random rotations."""
    images, elements = fitted(seed)
    n, m = elements.shape[:2]
    network = nn.Sequential(nn.Unflatten(1, (1, 32, 32)), convnet(N_ACTING + N_CONTENT, seed=seed))
    estimator = DeepCoordinates(
        SO3(), network, n_content=N_CONTENT, max_order=2, held_out=0.1, batch_items=85, batch_elements=N_VIEWS,
        max_steps=UNLIMITED, max_seconds=seconds, patience=None, random_state=seed,
    )  # fmt: skip
    estimator.fit(flat(images), elements.reshape(n * m, 3), items=np.repeat(np.arange(n), m))
    return estimator.coordinates_


@cache
def fitted(seed: int) -> tuple[Array, Array]:
    """Training views: images (n, m, H, W) uint8 and rotations (n, m, 3)."""
    return views(solid_objects(N_FIT, seed), N_VIEWS, seed)


@cache
def unseen(seed: int) -> tuple[Array, Array]:
    """Views of other objects."""
    return views(solid_objects(N_TEST, seed + 1000), N_TEST_VIEWS, seed + 1000)


def views(objects: Solids, m: int, seed: int) -> tuple[Array, Array]:
    """Each object at m independent rotations."""
    action, see = Orientation(), Renderer()
    n = len(objects)
    elements = SO3().sample(n * m, seed=seed)
    who = np.repeat(np.arange(n), m)
    parts = []
    for start in range(0, n * m, CHUNK):
        part = slice(start, start + CHUNK)
        images = see(action.act(elements[part], objects[who[part]]))[:, 0]
        parts.append(np.round(255 * images).astype(np.uint8))
    images = np.concatenate(parts)
    return images.reshape(n, m, *images.shape[1:]), elements.reshape(n, m, 3)


# --- the rotation between two views -----------------------------------------------------------------------------------
def between(codes: Array, elements: Array, coordinates: LatentCoordinates) -> tuple[Array, Array]:
    """`(true, estimated)` matrices in the vector irrep, for every ordered pair of views of an object."""
    group = SO3()
    vector = group.irrep("l=1")
    m = codes.shape[1]
    first, second = np.nonzero(~np.eye(m, dtype=bool))
    steps = group.compose(elements[:, second].reshape(-1, 3), group.inverse(elements[:, first].reshape(-1, 3)))
    start, end = codes[:, first].reshape(-1, codes.shape[-1]), codes[:, second].reshape(-1, codes.shape[-1])
    return np.asarray(vector(steps)), np.asarray(vector(estimated(start, end, coordinates)))


def estimated(start: Array, end: Array, coordinates: LatentCoordinates) -> Array:
    """Rotation vectors (N, 3) that carry `start` to `end` (N, p) best: a grid, then three rounds of a finer one."""
    group = SO3()
    moments = correlations(start, end, coordinates)
    grid = group.sample(GRID, seed=0)
    best = grid[agreement(moments, grid).argmax(axis=1)]
    for radius in (0.3, 0.12, 0.05, 0.02):
        nudges = np.concatenate([np.zeros((1, 3)), radius * _ball(80)])
        found = np.empty_like(best)
        for i in range(len(best)):
            tried = group.compose(nudges, np.repeat(best[i : i + 1], len(nudges), axis=0))
            one = {name: moment[i : i + 1] for name, moment in moments.items()}
            found[i] = tried[agreement(one, tried)[0].argmax()]
        best = found
    return best


def correlations(start: Array, end: Array, coordinates: LatentCoordinates) -> dict[str, Array]:
    """Σ over the copies of an irrep of c(x₂)c(x₁)ᵀ, weighted by λ/(1 − λ), for every pair: name → (N, d, d)."""
    out: dict[str, Array] = {}
    for block in coordinates.blocks:
        if block.irrep.trivial:
            continue
        weight = block.energy / max(1e-3, 1 - block.energy)
        moment = weight * np.einsum("na,nb->nab", end[:, block.columns], start[:, block.columns])
        out[block.irrep.name] = out.get(block.irrep.name, 0.0) + moment
    return out


def agreement(moments: dict[str, Array], rotations: Array) -> Array:
    """Σ ⟨ρ(g), moment⟩: (N, K) for N pairs and K rotations."""
    total: Array | float = 0.0
    for name, moment in moments.items():
        rho = np.asarray(SO3().irrep(name)(rotations))
        total = total + moment.reshape(len(moment), -1) @ rho.reshape(len(rho), -1).T
    return np.asarray(total)


def _ball(n: int) -> Array:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(n, 3))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True) * rng.uniform(size=(n, 1)) ** (1 / 3)
