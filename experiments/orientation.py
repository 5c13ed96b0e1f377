"""Question: from views of objects never seen, before and after the same turn in space, which rotation was it.

`DeepCoordinates` of SO(3) with irreps l ≤ 2, from pixels: perspective, lit from the camera, so that turns in the plane
turn the image, which the network knows (`polar_convnet`); everything else it learns. The rotation is read off the
coordinates alone: ĝ maximises Σ ⟨c(gx), ρ(ĝ)c(x)⟩ over all blocks, sought on a grid of rotations and then on ever finer
ones around the best. R²(G) = 1 − Σ|ĝ − g|²/Σ|g − ḡ|² over the entries of the matrices, unseen objects. As in the mixing
table (EbC's measure) 16 pairs share g; `so3.r2_one` is that of a single pair, where chance is −1: many objects look
alike from two sides.
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
from geodis.simulators import Orientation, Perspective, Renderer, Solids, headlight, solid_objects
from geodis.training import polar_convnet

SECONDS = 240.0
N_FIT, N_VIEWS, N_TEST = 8000, 12, 200
N_TRIALS, SHARED = 200, 16  # rotations that are sought, pairs of views that share one
COPIES, N_CONTENT = {"l=1": 6, "l=2": 3}, 16
SEE = Renderer(camera=Perspective(), light=headlight())
CHUNK = 5000
MEDIAN_OF_CHANCE = 132.3  # degrees, of the angle of a Haar-random rotation
VECTOR = SO3().irrep("l=1")
LEAST = 0.3  # energy of a block that is kept: weak ones weigh little in the estimate, and help
GRID = 2000  # starting rotations: about 15° apart


def rows(seed: int, seconds: float = SECONDS) -> dict[str, float]:
    """R² of the rotation from 16 pairs and from one, and the blocks' mean energy."""
    torch.set_num_threads(1)
    coordinates = trained(seed, seconds)
    acting = [block.energy for block in coordinates.blocks if not block.irrep.trivial]
    if not acting:  # nothing to tell rotations by: the best constant guess
        return {"so3.r2": 0.0, "so3.r2_one": 0.0, "so3.median_degrees": MEDIAN_OF_CHANCE, "so3.energy": 0.0}
    before, after, rotations = unseen(seed)
    start, end = (codes_of(coordinates, images) for images in (before, after))
    truth = np.asarray(VECTOR(rotations))
    many = np.asarray(VECTOR(estimated(correlations(start, end, coordinates, SHARED))))
    one = np.asarray(VECTOR(estimated(correlations(start[::SHARED], end[::SHARED], coordinates, 1))))
    angles = np.arccos(np.clip((np.einsum("nij,nij->n", truth, one) - 1) / 2, -1, 1))
    return {
        "so3.r2": r2(truth, many),
        "so3.r2_one": r2(truth, one),
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
    network = nn.Sequential(nn.Unflatten(1, (1, 32, 32)), polar_convnet(SO3(), COPIES, N_CONTENT, seed=seed))
    estimator = DeepCoordinates(
        SO3(), network, copies=COPIES, n_content=N_CONTENT, max_order=2, min_energy=LEAST, content=1.0, held_out=0.1,
        batch_items=64, batch_elements=6, learning_rate=3e-3, max_steps=UNLIMITED, max_seconds=seconds, patience=None,
        random_state=seed,
    )  # fmt: skip
    estimator.fit(flat(images), elements.reshape(n * m, 3), items=np.repeat(np.arange(n), m))
    return estimator.coordinates_


@cache
def fitted(seed: int) -> tuple[Array, Array]:
    """Training views: images (n, m, H, W) uint8 and rotations (n, m, 3)."""
    return views(solid_objects(N_FIT, seed), N_VIEWS, seed)


@cache
def unseen(seed: int) -> tuple[Array, Array, Array]:
    """Views of other objects before and after (N_TRIALS · SHARED, H, W), and the rotation of each trial."""
    rng = np.random.default_rng([seed, 31])
    objects, group = solid_objects(N_TEST, seed + 1000), SO3()
    who = np.concatenate([rng.choice(N_TEST, SHARED, replace=False) for _ in range(N_TRIALS)])
    rotations = group.sample(N_TRIALS, rng)
    start = group.sample(len(who), rng)
    end = group.compose(np.repeat(rotations, SHARED, axis=0), start)
    return seen(objects, who, start), seen(objects, who, end), rotations


def views(objects: Solids, m: int, seed: int) -> tuple[Array, Array]:
    """Each object at m independent rotations."""
    n = len(objects)
    elements = SO3().sample(n * m, seed=seed)
    images = seen(objects, np.repeat(np.arange(n), m), elements)
    return images.reshape(n, m, *images.shape[1:]), elements.reshape(n, m, 3)


def seen(objects: Solids, who: Array, elements: Array) -> Array:
    """Images (N, H, W) uint8."""
    action, parts = Orientation(), []
    for first in range(0, len(who), CHUNK):
        part = slice(first, first + CHUNK)
        images = SEE(action.act(elements[part], objects[who[part]]))[:, 0]
        parts.append(np.round(255 * images).astype(np.uint8))
    return np.concatenate(parts)


def codes_of(coordinates: LatentCoordinates, images: Array) -> Array:
    """Coordinates (N, p)."""
    return np.asarray(coordinates.transform(flat(images)), dtype=np.float64)


# --- the rotation between views ---------------------------------------------------------------------------------------
def estimated(moments: dict[str, Array]) -> Array:
    """Rotation vectors (N, 3) that carry the codes best: a grid, then ever finer ones."""
    group = SO3()
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


def correlations(start: Array, end: Array, coordinates: LatentCoordinates, n_shared: int) -> dict[str, Array]:
    """Σ over copies of an irrep and pairs that share g of c(gx)c(x)ᵀ, weighted by λ/(1 − λ): name → (N, d, d)."""
    out: dict[str, Array] = {}
    for block in coordinates.blocks:
        if block.irrep.trivial:
            continue
        weight = block.energy / max(1e-3, 1 - block.energy)
        moment = weight * np.einsum("na,nb->nab", end[:, block.columns], start[:, block.columns])
        shared = moment.reshape(-1, n_shared, *moment.shape[1:]).sum(axis=1)
        out[block.irrep.name] = out.get(block.irrep.name, 0.0) + shared
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
