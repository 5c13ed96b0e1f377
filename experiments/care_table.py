"""Question: what do implicit, explicit and hybrid objectives give, in accuracy of a linear probe and in equivariance.

SimCLR, CARE, CARE with the spectral score (hybrid) and the spectral score alone train the same convolutional network on
the same images, from the same weights, for the same CPU seconds and with the same number of views a step. Three numbers
each, on unseen items:

probe    accuracy of a logistic regression on the frozen features, fitted on training items at several poses: the digit
         among ten (unseen writers), the family of a solid among 28 (unseen objects)
ratio    error ratio of the code, by `protocol.scored`
content  whose is the nearest other code

Every method gets the same candidates: its features with the best map of each element, and the blocks of
`LinearCoordinates` on its features, with their own ρ, above several energies; held-out training items choose.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # before numpy loads: budgets are CPU seconds of one thread

from collections.abc import Callable  # noqa: E402
from dataclasses import dataclass  # noqa: E402
from functools import cache, partial  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402
import torch  # noqa: E402
from baseline_training import UNLIMITED, Coder, embedded  # noqa: E402
from deep_against_linear import by_energy, of_choices  # noqa: E402
from harness import run  # noqa: E402
from out_of_plane import flat  # noqa: E402
from protocol import GALLERY, Codes, Scored, scored  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from solid_data import N_HELD, SIDE, SolidData, Views, at_random, on_grid, out_of_plane  # noqa: E402
from torch import nn  # noqa: E402

from geodis import LinearCoordinates  # noqa: E402
from geodis.actions import ImageRotation  # noqa: E402
from geodis.coordinates.unit_norm import UnitNorm  # noqa: E402
from geodis.groups import SO2  # noqa: E402
from geodis.linalg import Array  # noqa: E402
from geodis.simulators import digit_images, digit_split  # noqa: E402
from geodis.simulators.shapes import FAMILIES  # noqa: E402
from geodis.threads import one_blas_thread  # noqa: E402
from geodis.training import (  # noqa: E402
    CARE,
    AbstractObjective,
    AbstractViews,
    GivenViews,
    Hybrid,
    Plan,
    SimCLR,
    Spectral,
    convnet,
    train_encoder,
)  # fmt: skip

RESULTS = Path(__file__).parent / "results" / "care_table.json"
SEEDS = range(1)
LEAST = tuple((least, least) for least in (0.3, 0.5, 0.7, 0.8))  # energies of the blocks that are handed out
SECONDS = 30.0  # of CPU, one thread, a training
VIEWS = 256  # images a step
FEATURES, N_CONTENT, CHUNKS = 64, 16, 16
PIXELS = 32  # a side
PROBED = 3000  # training items that the probe is fitted on, at three poses each
SOLVED = 2000  # training items that the spectral layer is fitted on


# --- data -------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Labelled:
    """The five sets of `solid_data`, and the classes of the fitted and of the unseen items."""

    sets: SolidData
    fitted: Array
    unseen: Array


@cache
def solids(seed: int) -> Labelled:
    """Solids turned out of plane; families take turns."""
    sets = out_of_plane(seed)
    n, n_test = len(sets.fit.images), len(sets.content.images)
    numbers = np.arange(n + N_HELD + n_test) % len(FAMILIES)
    return Labelled(sets, numbers[:n], numbers[-n_test:])


@cache
def digits(seed: int) -> Labelled:
    """Digits turned in the plane; the unseen ones are of other writers."""
    rng = np.random.default_rng([seed, 5])
    images, labels = digit_images(PIXELS)
    trained, others = (rng.permutation(part) for part in digit_split())
    held, fit, test = trained[: 3 * GALLERY], trained[3 * GALLERY :], others[: 5 * GALLERY]

    def turned(who: Array, angles: Array) -> Views:
        n, m = angles.shape
        moved = ImageRotation().act(angles.reshape(-1, 1), np.repeat(images[who], m, axis=0))
        pixels = np.round(255 * moved.clip(0, 1)).astype(np.uint8)
        return Views(pixels.reshape(n, m, PIXELS, PIXELS), angles[..., None])

    sets = SolidData(
        fit=turned(fit, on_grid(rng, len(fit), SIDE)), held=turned(held, on_grid(rng, len(held), SIDE)),
        views=turned(test, at_random(rng, len(test), SIDE)), steps=turned(test, on_grid(rng, len(test), SIDE)),
        content=turned(test, at_random(rng, len(test), 8)),
    )  # fmt: skip
    return Labelled(sets, labels[fit], labels[test])


DATA: dict[str, Callable[[int], Labelled]] = {"digits": digits, "solids": solids}


# --- methods ----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Method:
    """An objective for given views, how many views an item it gets, and whether its code lives on the sphere."""

    objective: Callable[[AbstractViews], AbstractObjective]
    n_elements: int
    on_sphere: bool


def hybrid(views: AbstractViews) -> Hybrid:
    """CARE on all features, the spectral score on all but the last N_CONTENT."""
    explicit = Spectral.on(views, n_content=N_CONTENT, content=0.0)
    return Hybrid(((1.0, CARE(chunks=CHUNKS)), (1.0, explicit)))


METHODS = {
    "simclr": Method(lambda views: SimCLR(), 2, True),
    "care": Method(lambda views: CARE(chunks=CHUNKS), 2, True),
    "hybrid": Method(hybrid, 4, False),
    "spectral": Method(lambda views: Spectral.on(views, n_content=N_CONTENT), 4, False),
}


def trained(method: Method, data: SolidData, seed: int, seconds: float) -> Coder:
    """Train the network; the code is what it returns."""
    images = data.fit.images
    views = GivenViews(flat(images).reshape(*images.shape[:2], 1, *images.shape[2:]), data.fit.angles, SO2())
    layers = [convnet(FEATURES, (1, *images.shape[2:]), seed=seed), *[UnitNorm()] * method.on_sphere]
    encoder = train_encoder(
        nn.Sequential(*layers), views, method.objective(views),
        Plan(max_steps=UNLIMITED, max_seconds=seconds, evaluate_every=UNLIMITED, patience=None),
        batch_items=VIEWS // method.n_elements, batch_elements=method.n_elements, held_out=0.02, seed=seed,
    )  # fmt: skip

    def codes(pixels: Array) -> Array:
        return encoder(flat(pixels).reshape(-1, 1, *pixels.shape[-2:])).astype(np.float64)

    return Coder(codes)


# --- scores -----------------------------------------------------------------------------------------------------------
def accuracy(coder: Coder, data: Labelled) -> float:
    """Of a linear probe, on every view of every unseen item."""

    def features(views: Array, labels: Array) -> tuple[Array, Array]:
        n, m = views.shape[:2]
        return coder.codes(views.reshape(n * m, *views.shape[2:])), np.repeat(labels, m)

    poses = data.sets.fit.images[:PROBED]
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    probe.fit(*features(poses[:, :: poses.shape[1] // 3][:, :3], data.fitted[:PROBED]))
    return float(probe.score(*features(data.sets.content.images, data.unseen)))


def equivariance(coder: Coder, data: SolidData) -> Scored:
    """The best pair (error ratio, content) on held-out training items, measured on unseen ones."""
    codes: Codes = embedded(coder, data)
    images, angles = data.fit.images[:SOLVED], data.fit.angles[:SOLVED]
    n, m = images.shape[:2]
    z = coder.codes(images.reshape(n * m, *images.shape[2:]))
    linear = LinearCoordinates(SO2(), min_energy=0.0).fit(z, angles.reshape(n * m, 1), items=np.repeat(np.arange(n), m))
    choices = partial(by_energy, thresholds=LEAST)
    return max([scored(codes), *of_choices(linear.coordinates_, codes, choices)], key=lambda row: row.held_area)


@one_blas_thread
def measured(data: str, method: str, seed: int, seconds: float = SECONDS) -> dict[str, float]:
    """Three numbers of one method on one kind of data."""
    torch.set_num_threads(1)
    labelled = DATA[data](seed)
    coder = trained(METHODS[method], labelled.sets, seed, seconds)
    row = equivariance(coder, labelled.sets)
    found = {"probe": accuracy(coder, labelled), "ratio": row.ratio, "content": row.content}
    return {f"care.{data}.{method}.{name}": value for name, value in found.items()}


def measures(seconds: float = SECONDS) -> dict[str, Callable[[int], dict[str, float]]]:
    """One measure a kind of data and method, for `harness.run`."""
    return {
        f"care.{data}.{method}": partial(measured, data, method, seconds=seconds) for data in DATA for method in METHODS
    }


def rows(seed: int, seconds: float = SECONDS) -> dict[str, float]:
    """The whole table."""
    return {key: value for measure in measures(seconds).values() for key, value in measure(seed).items()}


if __name__ == "__main__":
    run(measures(), results=RESULTS, seeds=SEEDS)
