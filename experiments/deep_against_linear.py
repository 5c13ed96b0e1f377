"""Question: on a frozen encoder, how much of the error of linear coordinates does a learned map take away.

Both get the same embeddings of the same items, and both may hand out the same choices of blocks. The linear
coordinates hand out what does best on the fitted items by (1 − error ratio) · content; the deep ones the least error
ratio among choices that keep at least as much content there. The value is deep error ratio over linear error ratio, on
unseen items.

digits  the logits of the digits classifier that geodis ships, digits rotated in the plane, unseen writers; blocks that
        act above an energy, and so many invariant ones
solids  the last layer but one of a classifier of the 28 families, trained here; solids turned out of plane; blocks that
        act above one energy, invariant ones above another
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import torch
from baseline_training import UNLIMITED, Coder, Pixels, coder, embedded, run
from error_ratio import Representation
from out_of_plane import matrices, numbered
from protocol import GALLERY, Codes, Scored, scored_with_rho
from solid_data import SIDE, at_random, on_grid, out_of_plane
from torch import Tensor, nn

from geodis import DeepCoordinates, LatentCoordinates, LinearCoordinates, encode
from geodis.actions import ImageRotation
from geodis.encoders import load_digits_encoder
from geodis.groups import SO2
from geodis.linalg import Array
from geodis.simulators import digit_images, digit_split
from geodis.training import convnet

Thresholds = Sequence[tuple[float, float]]
Choice = tuple[int, ...]  # blocks that are handed out
Choices = Callable[[LatentCoordinates], set[Choice]]
ACTING = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)  # least energies of the blocks that act
INVARIANT = (0.2, 0.4, 0.6, 0.8, 2.0)  # and of the invariant ones; 2 leaves them out
EVERY = tuple(product(ACTING, INVARIANT))
NUMBERS = (0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 24)  # or the invariant ones of most energy
ENCODER_SECONDS = 50.0  # of the classifier of solids
SECONDS = 80.0  # of the learned map
N_FAMILIES = 28


def digits_rows(seed: int) -> dict[str, float]:
    """Rotated digits, from ten logits."""
    few = {"n_features": 48, "n_content": 8, "min_energy": 0.0}  # ten logits hold no more
    return compared("digits", *digits(seed), seed, by_number, few)


def solids_rows(seed: int) -> dict[str, float]:
    """Solids, from the last layer but one of their classifier."""
    data = out_of_plane(seed)
    codes = embedded(classifier(seed), data)
    fit = data.fit.images.reshape(-1, *data.fit.images.shape[2:])
    z = classifier(seed).codes(fit).reshape(*data.fit.images.shape[:2], -1)
    return compared("solids", z, data.fit.angles, codes, seed, by_energy, {"n_features": 64, "n_content": 24})


def compared(
    name: str, z: Array, angles: Array, codes: Codes, seed: int, choices: Choices, settings: Mapping[str, Any]
) -> dict[str, float]:
    """Embeddings (n, m, D) of the fitted items, and of the other sets, by linear and by deep coordinates."""
    torch.set_num_threads(1)
    n, m = z.shape[:2]
    rows, elements, items = z.reshape(n * m, -1), angles.reshape(n * m, 1), np.repeat(np.arange(n), m)
    linear = LinearCoordinates(SO2(), min_energy=0.0, random_state=seed).fit(rows, elements, items=items)
    deep = DeepCoordinates(
        SO2(), held_out=0.15, max_steps=UNLIMITED, max_seconds=SECONDS, patience=None, random_state=seed, **settings
    )  # fmt: skip
    deep.fit(rows, elements, items=items)
    straight = of_choices(linear.coordinates_, codes, choices)
    best = max(straight, key=lambda row: row.held_area)
    curved = of_choices(deep.coordinates_, codes, choices)
    enough = [row for row in curved if row.held_content >= best.held_content]
    chosen = min(enough, key=lambda row: row.held_ratio) if enough else max(curved, key=lambda row: row.held_content)
    return {
        f"deep_vs_linear.{name}": chosen.ratio / best.ratio,
        f"deep_vs_linear.{name}.ratio": chosen.ratio,
        f"deep_vs_linear.{name}.content": chosen.content,
        f"deep_vs_linear.{name}.linear_ratio": best.ratio,
        f"deep_vs_linear.{name}.linear_content": best.content,
    }


def of_choices(coordinates: LatentCoordinates, codes: Codes, choices: Choices) -> list[Scored]:
    """The rows of every choice of blocks of which some act."""
    found = []
    for choice in sorted(choices(coordinates)):
        kept = [coordinates.blocks[i] for i in choice]
        if any(not block.irrep.trivial for block in kept):
            rho = Representation(matrices(kept), numbered(kept))
            columns = [row for block in kept for row in block.rows]
            found.append(scored_with_rho(mapped(codes, coordinates, columns), rho))
    return found


def by_energy(coordinates: LatentCoordinates, thresholds: Thresholds = EVERY) -> set[Choice]:
    """Blocks that act above one energy, invariant ones above another."""
    blocks = coordinates.blocks
    return {
        tuple(i for i, b in enumerate(blocks) if b.energy >= (invariant if b.irrep.trivial else acting))
        for acting, invariant in thresholds
    }


def by_number(coordinates: LatentCoordinates) -> set[Choice]:
    """Blocks that act above an energy, and the k invariant ones of most energy."""
    blocks = coordinates.blocks
    still = sorted((i for i, b in enumerate(blocks) if b.irrep.trivial), key=lambda i: -blocks[i].energy)
    acting = [[i for i, b in enumerate(blocks) if not b.irrep.trivial and b.energy >= least] for least in ACTING]
    return {tuple(sorted(acts + still[:k])) for acts, k in product(acting, NUMBERS)}


def mapped(codes: Codes, coordinates: LatentCoordinates, columns: Sequence[int]) -> Codes:
    """The coordinates of all sets."""

    def of(z: Array) -> Array:
        c = np.asarray(coordinates.transform(z.reshape(-1, z.shape[-1])))
        return c[:, list(columns)].astype(np.float64).reshape(*z.shape[:2], -1)

    return Codes(
        of(codes.held), codes.held_angles, of(codes.views), codes.angles, of(codes.steps), of(codes.content)
    )  # fmt: skip


# --- frozen encoders --------------------------------------------------------------------------------------------------
@cache
def classifier(seed: int) -> Coder:
    """A classifier of the families, without its last layer: what a vision encoder usually is."""
    data = out_of_plane(seed)
    pixels, body = Pixels.of(data.fit), convnet(128, seed=seed)
    head = nn.utils.skip_init(nn.Linear, 128, N_FAMILIES)
    with torch.no_grad():
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
    families = torch.from_numpy(np.arange(len(data.fit.images)) % N_FAMILIES)  # they take turns
    views = data.fit.images.shape[1]

    def loss(step: int) -> Tensor:
        rng = np.random.default_rng([seed, step])
        who, at = rng.integers(len(families), size=512), rng.integers(views, size=512)
        return nn.functional.cross_entropy(head(torch.relu(body(pixels(data.fit.images[who, at])))), families[who])

    run(nn.ModuleList([body, head]), loss, ENCODER_SECONDS)
    return coder(nn.Sequential(body, nn.ReLU()), pixels)


def digits(seed: int) -> tuple[Array, Array, Codes]:
    """Logits of rotated digits: (fitted embeddings (n, m, 10), angles, the other sets)."""
    rng = np.random.default_rng([seed, 5])
    encoder, action = encode(load_digits_encoder(), "logits"), ImageRotation()
    images = digit_images()[0]
    fitted, unseen = (images[part] for part in digit_split())
    order = rng.permutation(len(fitted))
    held, fit = fitted[order[: 3 * GALLERY]], fitted[order[3 * GALLERY :]]
    test = unseen[rng.permutation(len(unseen))[: 5 * GALLERY]]

    def embeddings(images: Array, angles: Array) -> Array:
        n, m = angles.shape
        moved = action.act(angles.reshape(-1, 1), np.repeat(images, m, axis=0))
        return np.asarray(encoder(moved), dtype=np.float64).reshape(n, m, -1)

    sets = {
        "fit": (fit, on_grid(rng, len(fit), SIDE)), "held": (held, on_grid(rng, len(held), SIDE)),
        "views": (test, at_random(rng, len(test), SIDE)), "steps": (test, on_grid(rng, len(test), SIDE)),
        "content": (test, at_random(rng, len(test), 8)),
    }  # fmt: skip
    z = {name: embeddings(*given) for name, given in sets.items()}
    codes = Codes(
        z["held"], sets["held"][1][..., None], z["views"], sets["views"][1][..., None], z["steps"], z["content"]
    )  # fmt: skip
    return z["fit"], sets["fit"][1][..., None], codes
