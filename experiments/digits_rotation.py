"""Question: does a rotation of the image act linearly on the layers of an ordinary classifier of digits.

Coordinates are fitted on digits that the network was trained on and scored on digits that neither has seen, nearly all
by other writers. Layer and pooling are chosen on the fitted digits. Used by `modalities.py`. By itself it
prints all layers with two controls, one seed:

    python experiments/digits_rotation.py

("at the fit" is the cross-fitted error, the worst over m = 1, 2, by which layer and pooling are chosen.)
Pixels are the easy case: up to interpolation they turn by a linear map. The control without training has the same
architecture. Both show what is there before anything is learned.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch.nn.functional import adaptive_avg_pool2d

from geodis import LinearCoordinates, Orbits, encode, sample_orbits
from geodis.actions import ImageRotation
from geodis.coordinates.energy import orbit_energy
from geodis.encoders import AbstractEncoder, DigitsNet, load_digits_encoder
from geodis.groups import SO2
from geodis.linalg import Array
from geodis.reports.floor import discretisation_floors
from geodis.simulators import digit_images, digit_split

N_FITTED, N_UNSEEN = 300, 200
N_ELEMENTS = 24  # angles a digit: orders up to 4 are far from their aliases
MAX_ORDER = 4
ORDERS = ("m=1", "m=2")
COMPONENTS = 64
LEAST = 0.0  # energy of a kept block: the best one of a poor layer is wanted as well
CONVOLUTIONS, DENSE = ("conv1", "conv2", "conv3"), ("dense", "logits")
CHANNELS = {"conv1": 16, "conv2": 32, "conv3": 32}
GRIDS = (7, 4)  # a convolutional layer is read as means over so many windows a side
PIXEL_GRIDS = (14, 7)


@dataclass(frozen=True)
class Found:
    """Errors of the best block of every order found in a layer, cross-fitted and on unseen digits, and their floors."""

    grid: int | None
    fitted: dict[str, float]
    unseen: dict[str, float]
    floor: dict[str, float]


def worst(errors: dict[str, float]) -> float:
    return max(errors.get(order, 1.0) for order in ORDERS)


def conv_error(seed: int) -> float:
    """The best block's error on unseen digits, the worst over m = 1, 2, in the convolutional layer best at the fit."""
    return worst(best(convolutions(load_digits_encoder(), seed)).unseen)


def last_error(seed: int) -> float:
    """The same of the last layer, the logits; 1 where no block beats chance."""
    return worst(read(encode(load_digits_encoder(), DENSE[-1]), [None], seed)[0].unseen)


def best(found: list[Found]) -> Found:
    """Blocks of an order, layer and pooling are all chosen by their errors at the fit."""
    return min(found, key=lambda one: worst(one.fitted))


def convolutions(net: DigitsNet, seed: int) -> list[Found]:
    """Every convolutional layer, pooled in every way."""
    return [found for layer in CONVOLUTIONS for found in read(encode(net, layer), GRIDS, seed, CHANNELS[layer])]


def read(encoder: AbstractEncoder, grids: Sequence[int | None], seed: int, channels: int = 1) -> list[Found]:
    """Embed once; for every pooling fit, and score the best block of every order on unseen digits."""
    rows, fitted, unseen = digits(seed)
    labels = np.concatenate([fitted, unseen])
    both = sample_orbits(encoder, rows[labels], ImageRotation(), N_ELEMENTS, seed, item_ids=labels)
    found = []
    for grid in grids:
        orbits = both if grid is None else both.map(partial(pooled, channels=channels, grid=grid))
        found.append(measured(orbits.select(fitted), orbits.select(unseen), grid, seed))
    return found


def measured(fitted: Orbits, unseen: Orbits, grid: int | None, seed: int) -> Found:
    est = LinearCoordinates(
        SO2(), max_order=MAX_ORDER, min_energy=LEAST, max_components=COMPONENTS, random_state=seed
    ).fit_orbits(fitted)
    coordinates = est.coordinates_
    coordinates.refuse_fitted(unseen.labels)
    first = {b.irrep.name: i for i, b in reversed(list(enumerate(coordinates.blocks)))}
    energy = orbit_energy(unseen, coordinates)
    codes = unseen.map(lambda z: coordinates.transform(z.astype(np.float64)))
    floors = discretisation_floors(codes, coordinates, energy)
    return Found(
        grid,
        {name: 1 - coordinates.blocks[i].energy for name, i in first.items()},
        {name: 1 - energy.blocks[i] for name, i in first.items()},
        {name: floors[i] for name, i in first.items()},
    )


def pooled(z: Array, channels: int, grid: int) -> Array:
    """Means of a flattened activation over grid × grid windows."""
    side = math.isqrt(z.shape[1] // channels)
    maps = torch.from_numpy(np.ascontiguousarray(z)).reshape(len(z), channels, side, side)
    return adaptive_avg_pool2d(maps, grid).flatten(1).numpy()


@cache
def digits(seed: int) -> tuple[Array, Array, Array]:
    """Images, and which of them are fitted and unseen."""
    rng = np.random.default_rng([seed, 6])
    trained, unseen = digit_split()
    picked = (rng.choice(trained, N_FITTED, replace=False), rng.choice(unseen, N_UNSEEN, replace=False))
    return digit_images()[0], *picked


# --- layers and controls ----------------------------------------------------------------------------------------------
def pixels(batch: Array) -> Array:
    return batch.reshape(len(batch), -1)


def table(seed: int = 0) -> None:
    out = Table("network", "layer", *(f"m={m}" for m in range(MAX_ORDER + 1)), "at the fit", "floor m=1")
    out.title = f"errors on {N_UNSEEN} unseen digits"
    add(out, "–", "pixels", read(encode(pixels), PIXEL_GRIDS, seed))
    for name, net in (("trained", load_digits_encoder()), ("untrained", DigitsNet(seed + 1).eval())):
        for layer in CONVOLUTIONS:
            add(out, name, layer, read(encode(net, layer), GRIDS, seed, CHANNELS[layer]))
        for layer in DENSE:
            add(out, name, layer, read(encode(net, layer), [None], seed))
    Console(width=118).print(out)


def add(out: Table, network: str, layer: str, found: list[Found]) -> None:
    for one in found:
        windows = "" if one.grid is None else f", {one.grid} × {one.grid}"
        errors = [f"{one.unseen.get(f'm={m}', 1.0):.5f}" for m in range(MAX_ORDER + 1)]
        chosen = f"{worst(one.fitted):.5f}"
        out.add_row(network, f"{layer}{windows}", *errors, chosen, f"{one.floor.get('m=1', np.nan):.0e}")


if __name__ == "__main__":
    table()
