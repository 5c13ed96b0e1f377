"""Question: do pose, hue and light each get blocks of their own, in coordinates of objects never seen.

`DeepCoordinates` of SO(2) × SO(2) × SO(2) from RGB pixels; copies are assigned to irreps in which one factor acts, and
blocks of those are looked at. On unseen objects, each factor is then moved alone:

overlap     max over pairs of factors of ‖B_fᵀB_f'‖²/min dim, B_f the leading directions in which f moves the code
share       of what moves the blocks of factor f, the part that f itself moves: the least over factors
inflation   of the error, when the operator of a step is fitted on one object and used on others: the orthogonal map of
            a block (Procrustes), which is what the coordinates claim; `_free` by any 2 × 2 matrix
told        the inflation among objects that show the factor, and how many do: their orbit varies at least half as much
            as the mean orbit. Upright faces are lit alike from above and from below, so that many objects leave the
            light open; of these no operator of the light can be had.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
import torch
from baseline_training import UNLIMITED
from torch import nn

from geodis import DeepCoordinates, LatentCoordinates
from geodis.groups import SO2
from geodis.linalg import Array
from geodis.simulators import FactorAction, Hue, HueCircle, LightTurn, OutOfPlane, Renderer, Solids, solid_objects
from geodis.training import AssignedObjective, UnitParts, convnet

SECONDS = 240.0
N_FIT, N_VIEWS, N_TEST = 16_000, 6, 200
N_CONTENT, WIDTH = 16, 16
BATCH_ITEMS, BATCH_ELEMENTS = 64, 4  # small steps, many of them
# One factor acts in each. A copy alone is a circle: energies are shares of a variance over objects, and several copies
# of norm one together may leave to each object how large its kept ones are. Pose and hue show on every object; of the
# light's two copies one may say that it cannot be told.
COPIES = {"m=1⊗m=0⊗m=0": 1, "m=2⊗m=0⊗m=0": 1, "m=0⊗m=1⊗m=0": 1, "m=0⊗m=0⊗m=1": 2}
EVERY = COPIES | {"m=0⊗m=0⊗m=1": 1}  # a light named on every object
TOLD = 0.5  # of the mean variance of an orbit
NAMES = ("pose", "hue", "light")
N_STEPS = 24  # of a factor's orbit
ACTION = FactorAction((OutOfPlane(), Hue(), LightTurn()))
GROUP = SO2() * SO2() * SO2()
SEE = Renderer(colour=HueCircle())
CHUNK = 5000
Fit = Callable[[Array, Array], Array]  # codes before and after (n, m, p) → maps (n, p, p)

NOTHING = {
    "factors.overlap": 1.0, "factors.share_min": 0.0, "factors.swap_inflation": 1024.0,
    "factors.swap_inflation_free": 1024.0, "factors.swap_inflation_told": 1024.0,
    **{f"factors.{what}_{name}": value for name in NAMES
       for what, value in (("share", 0.0), ("told", 0.0), ("swap_inflation", 1024.0))},
}  # fmt: skip


def rows(seed: int) -> dict[str, float]:
    """Overlap, least share, inflation of the swap; how many blocks each factor has."""
    return measured(trained(seed), seed)


def every_rows(seed: int) -> dict[str, float]:
    """The same when a light has to be named on every object: what becomes of the light."""
    found = measured(trained(seed, EVERY), seed)
    return {f"factors.every.{name}": found[f"factors.{name}"] for name in ("share_light", "swap_inflation_light")}


def measured(coordinates: LatentCoordinates, seed: int) -> dict[str, float]:
    """All questions, on unseen objects."""
    blocks = {f: [b for b in coordinates.blocks if b.irrep.factors == (f,)] for f in range(3)}
    counts = {f"factors.blocks_{name}": float(len(blocks[f])) for f, name in enumerate(NAMES)}
    if not all(blocks.values()):  # a factor without a block is no disentanglement
        return NOTHING | counts
    rows_of = {f: [list(block.rows) for block in own] for f, own in blocks.items()}
    columns = {f: [row for block in own for row in block.rows] for f, own in blocks.items()}
    kept = [row for own in columns.values() for row in own]
    moved = [orbits_of(coordinates, f, seed) for f in range(3)]
    shares = [share(moved, f, columns[f]) for f in range(3)]
    inflations = [inflation(moved[f], rows_of[f], turn) for f in range(3)]
    told = [shown(moved[f][..., columns[f]]) for f in range(3)]
    by_factor = {
        f"factors.{what}_{name}": float(values[f])
        for f, name in enumerate(NAMES)
        for what, values in (("share", shares), ("swap_inflation", inflations), ("told", [np.mean(x) for x in told]))
    }
    whole = {
        "factors.overlap": overlap([x[..., kept] for x in moved], [len(columns[f]) for f in range(3)]),
        "factors.share_min": min(shares),
        "factors.swap_inflation": max(inflations),
        "factors.swap_inflation_told": max(inflation(moved[f][told[f]], rows_of[f], turn) for f in range(3)),
        "factors.swap_inflation_free": max(inflation(moved[f], rows_of[f], free_map) for f in range(3)),
    }
    return whole | by_factor | counts


def trained(seed: int, copies: Mapping[str, int] = COPIES, seconds: float = SECONDS) -> LatentCoordinates:
    """From pixels; views at independent random pose, hue and light. The copies of an irrep have norm one together."""
    torch.set_num_threads(1)
    images, elements = fitted(seed)
    n, m = elements.shape[:2]
    layout = AssignedObjective.of(GROUP, copies, N_CONTENT)
    network = nn.Sequential(
        nn.Unflatten(1, images.shape[2:]), convnet(layout.n_features, images.shape[2:], width=WIDTH, seed=seed),
        UnitParts([rep.dim * k for rep, k in layout.layout]),
    )  # fmt: skip
    estimator = DeepCoordinates(
        GROUP, network, copies=copies, elements=0.0, n_content=N_CONTENT, max_order=2, held_out=0.1,
        batch_items=BATCH_ITEMS, batch_elements=BATCH_ELEMENTS, max_steps=UNLIMITED, max_seconds=seconds,
        evaluate_every=400, patience=None, random_state=seed,
    )  # fmt: skip
    estimator.fit(flat(images), elements.reshape(n * m, 3), items=np.repeat(np.arange(n), m))
    return estimator.coordinates_


@cache
def fitted(seed: int) -> tuple[Array, Array]:
    """Training views: images (n, m, 3, H, W) uint8 and elements (n, m, 3)."""
    objects, elements = solid_objects(N_FIT, seed), GROUP.sample(N_FIT * N_VIEWS, seed=seed)
    who = np.repeat(np.arange(N_FIT), N_VIEWS)
    images = seen(objects, who, elements)
    return images.reshape(N_FIT, N_VIEWS, *images.shape[1:]), elements.reshape(N_FIT, N_VIEWS, 3)


def seen(objects: Solids, who: Array, elements: Array) -> Array:
    """Images (N, 3, H, W) uint8."""
    parts = []
    for start in range(0, len(who), CHUNK):
        part = slice(start, start + CHUNK)
        parts.append(np.round(255 * SEE(ACTION.act(elements[part], objects[who[part]]))).astype(np.uint8))
    return np.concatenate(parts)


def flat(images: Array) -> Array:
    """Rows in [0, 1]."""
    return images.reshape(-1, int(np.prod(images.shape[-3:]))).astype(np.float32) / np.float32(255)


def orbits_of(coordinates: LatentCoordinates, factor: int, seed: int) -> Array:
    """Codes (n, N_STEPS, p) of unseen objects while one factor makes a turn and the others stay."""
    rng = np.random.default_rng([seed, 17])
    objects = solid_objects(N_TEST, seed + 1000)
    elements = np.repeat(rng.uniform(-np.pi, np.pi, (N_TEST, 1, 3)), N_STEPS, axis=1)
    elements[..., factor] += 2 * np.pi * np.arange(N_STEPS) / N_STEPS
    images = seen(objects, np.repeat(np.arange(N_TEST), N_STEPS), elements.reshape(-1, 3))
    codes = np.asarray(coordinates.transform(flat(images)))
    return codes.reshape(N_TEST, N_STEPS, -1).astype(np.float64)


# --- what is asked ----------------------------------------------------------------------------------------------------
def overlap(moved: list[Array], dims: list[int]) -> float:
    """Max over pairs of factors of ‖B_fᵀB_f'‖_F²/min dim."""
    frames = []
    for codes, dim in zip(moved, dims, strict=True):
        rows = (codes - codes.mean(axis=1, keepdims=True)).reshape(-1, codes.shape[-1])
        frames.append(np.linalg.svd(rows, full_matrices=False)[2][:dim].T)
    pairs = [(a, b) for i, a in enumerate(frames) for b in frames[i + 1 :]]
    return max(float(np.linalg.norm(a.T @ b) ** 2 / min(a.shape[1], b.shape[1])) for a, b in pairs)


def share(moved: list[Array], factor: int, columns: list[int]) -> float:
    """Of the variances that each factor alone gives to these columns, the part of `factor`."""
    variances = [float(codes[..., columns].var(axis=1).mean()) for codes in moved]
    return variances[factor] / sum(variances)


def shown(codes: Array) -> Array:
    """Which objects' orbits (n, m, p) vary at least half as much as the mean one: (n,) bool."""
    variances = codes.var(axis=1).mean(axis=-1)
    return np.asarray(variances >= TOLD * variances.mean())


def inflation(codes: Array, blocks: list[list[int]], fitted_map: Fit) -> float:
    """E|c(hx') − A_x c(x')|² over E|c(hx) − A_x c(x)|² on elements that A_x was not fitted on, all steps h and blocks.

    A_x is the map of a step in one block, fitted on every other element of one object's orbit.
    """
    own = swapped = 0.0
    for h in range(1, codes.shape[1]):
        for columns in blocks:
            before, after = codes[..., columns], np.roll(codes[..., columns], -h, axis=1)
            for start in (0, 1):
                fit, test = slice(start, None, 2), slice(1 - start, None, 2)
                maps = fitted_map(before[:, fit], after[:, fit])
                squares = crossed_errors(before[:, test], after[:, test], maps)
                n = len(squares)
                own += float(np.trace(squares)) / n
                swapped += float(squares.sum() - np.trace(squares)) / (n * (n - 1))
    return swapped / own


def turn(x: Array, y: Array) -> Array:
    """The orthogonal A with xA ≈ y: (n, m, p) twice → (n, p, p)."""
    left, _, right = np.linalg.svd(np.einsum("nmp,nmq->npq", x, y))
    return np.asarray(left @ right)


def free_map(x: Array, y: Array) -> Array:
    """The A that minimises |xA − y|²; a plane that an object hardly has is not to blow it up."""
    gram = np.einsum("nmp,nmq->npq", x, x)
    gram += 1e-3 * np.trace(gram, axis1=1, axis2=2)[:, None, None] * np.eye(gram.shape[-1])
    return np.asarray(np.linalg.solve(gram, np.einsum("nmp,nmq->npq", x, y)))


def crossed_errors(before: Array, after: Array, maps: Array) -> Array:
    """Squared error (n, n) of the map of object x on object y."""
    errors = np.einsum("ymp,xpq->xymq", before, maps) - after[None]
    return np.asarray((errors**2).sum(axis=(2, 3)))
