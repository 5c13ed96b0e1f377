"""Question: does an invertible map make edits of embeddings better than linear ones, and are they exact and reversible.

The dense layer of the digits classifier that geodis ships, digits rotated in the plane. Linear coordinates and those of
a coupling flow are fitted on the same digits; errors are of digits that neither they nor the classifier has seen,
nearly all by other writers. Used by `beyond_linear.py`. By itself it prints one seed:

    python experiments/invertible_edits.py

cycle              ‖φ⁻¹(φ(z)) − z‖/‖z‖ and ‖edit(edit(z, g), g⁻¹) − z‖/‖z‖ in the encoder's float32, the larger
rollout_inflation  E|edit by g₁, then … g₅₀ − z(g₅₀…g₁x)|² / E|edit(z, g) − z(gx)|², all elements random
energy             share of the blocks' variance that is equivariant, as `score` gives it
edit_error         E|edit(z, g) − z(gx)|² / E|z − z(gx)|², 1 for no edit; linear coordinates at the threshold of energy
                   that edits best on fitted digits which they did not see, and beside it at the default of .5
decoder_cycle      share of the images' variance that encode → decode loses; the decoder's edit error beside it
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from rich.pretty import pprint

from geodis import DeepCoordinates, LatentCoordinates, LinearCoordinates, Orbits, encode, sample_orbits
from geodis.actions import ImageRotation
from geodis.coordinates.energy import orbit_energy
from geodis.encoders import AbstractEncoder, load_digits_encoder
from geodis.groups import SO2
from geodis.linalg import Array
from geodis.simulators import digit_images, digit_split
from geodis.training import CouplingFlow, Plan, fit_decoder

LAYER, WIDTH = "dense", 64
N_ELEMENTS = 12  # angles a digit
N_DECODED = 6  # of them for the decoder
STEPS, DECODER_STEPS = 2100, 1200
ROLLOUT = 50
THRESHOLDS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
STEP = 5  # of the twelve angles, at which thresholds are compared


@dataclass(frozen=True)
class Unseen:
    """Embeddings z of unseen digits in random poses, of the same after one random element, and after fifty."""

    images: Array
    start: Array
    z: Array
    elements: Array  # (ROLLOUT, n, 1)
    one: Array
    all: Array

    @classmethod
    def of(cls, encoder: AbstractEncoder, images: Array, seed: int) -> Unseen:
        """Random poses and elements, drawn for these images."""
        rng, n = np.random.default_rng([seed, 8]), len(images)
        start = rng.uniform(0, 2 * np.pi, (n, 1))
        elements = rng.uniform(0, 2 * np.pi, (ROLLOUT, n, 1))

        def embedded(angles: Array) -> Array:
            return np.asarray(encoder(ImageRotation().act(angles, images)))

        moved = embedded(start + elements[0]), embedded(start + elements.sum(axis=0))
        return cls(images, start, embedded(start), elements, *moved)


def rows(seed: int) -> dict[str, float]:
    """All figures of one seed; about a minute and a half of one core."""
    torch.set_num_threads(1)
    rng = np.random.default_rng([seed, 7])
    encoder, images = encode(load_digits_encoder(), LAYER), digit_images()[0]
    fitted, held = (images[rng.permutation(part)] for part in digit_split())
    orbits = sample_orbits(encoder, fitted, ImageRotation(), N_ELEMENTS, seed)
    default = LinearCoordinates(SO2(), random_state=seed).fit_orbits(orbits).coordinates_
    linear = best_linear(orbits, seed)
    est = DeepCoordinates(
        SO2(), CouplingFlow(WIDTH, seed=seed), n_content=0, held_out=0.15, max_steps=STEPS, patience=None,
        random_state=seed,
    )  # fmt: skip
    curved = est.fit_orbits(orbits).coordinates_
    unseen = Unseen.of(encoder, held, seed)
    others = sample_orbits(encoder, held, ImageRotation(), N_ELEMENTS, seed)
    return {
        "invertible.cycle": cycle(curved, unseen),
        "invertible.rollout_inflation": rolled(curved, unseen) / squared(edited(curved, unseen), unseen.one),
        "invertible.energy": orbit_energy(others, curved).energy,
        "invertible.linear_energy": orbit_energy(others, default).energy,
        "invertible.edit_error": edit_error(curved, unseen),
        "invertible.linear_edit_error": edit_error(linear, unseen),
        "invertible.linear_default_edit_error": edit_error(default, unseen),
        **decoded(curved, encoder, fitted, unseen, seed),
    }


def best_linear(orbits: Orbits, seed: int) -> LatentCoordinates:
    """Linear coordinates of the fitted digits, at the threshold that edits best on some of them held out."""
    fit, held = orbits.split(0.15, seed=seed)

    def fitted(least: float, part: Orbits) -> LatentCoordinates:
        return LinearCoordinates(SO2(), min_energy=least, random_state=seed).fit_orbits(part).coordinates_

    return fitted(min(THRESHOLDS, key=lambda least: grid_error(fitted(least, fit), held)), orbits)


def grid_error(coordinates: LatentCoordinates, orbits: Orbits) -> float:
    """The error of edits by some steps of the grid of angles."""
    moved = np.roll(orbits.z.reshape(-1, N_ELEMENTS, WIDTH), -STEP, axis=1).reshape(-1, WIDTH)
    edited = coordinates.edit(orbits.z, [[2 * np.pi * STEP / N_ELEMENTS]])
    return squared(np.asarray(edited), moved) / squared(orbits.z, moved)


def cycle(coordinates: LatentCoordinates, unseen: Unseen) -> float:
    there = coordinates.lift.inverse(coordinates.lift(unseen.z))
    back = coordinates.edit(edited(coordinates, unseen), SO2().inverse(unseen.elements[0]))
    size = np.linalg.norm(unseen.z)
    return float(max(np.linalg.norm(there - unseen.z), np.linalg.norm(back - unseen.z)) / size)


def edited(coordinates: LatentCoordinates, unseen: Unseen) -> Array:
    return np.asarray(coordinates.edit(unseen.z, unseen.elements[0]))


def rolled(coordinates: LatentCoordinates, unseen: Unseen) -> float:
    z = unseen.z
    for element in unseen.elements:
        z = coordinates.edit(z, element)
    return squared(z, unseen.all)


def edit_error(coordinates: LatentCoordinates, unseen: Unseen) -> float:
    return squared(edited(coordinates, unseen), unseen.one) / squared(unseen.z, unseen.one)


def squared(a: Array, b: Array) -> float:
    return float(((a.astype(np.float64) - b) ** 2).sum(axis=1).mean())


def decoded(
    coordinates: LatentCoordinates, encoder: AbstractEncoder, fitted: Array, unseen: Unseen, seed: int
) -> dict[str, float]:
    """The way back to the image: what the dense layer has forgotten cannot come back."""
    act = ImageRotation().act
    angles = SO2().orbit(len(fitted), N_DECODED, seed=seed).reshape(-1, 1)
    poses = Orbits.from_arrays(
        act(angles, np.repeat(fitted, N_DECODED, axis=0)).reshape(len(angles), -1),
        angles,
        np.repeat(np.arange(len(fitted)), N_DECODED),
        SO2(),
    )
    shape = fitted.shape[1:]
    found, _ = fit_decoder(
        coordinates, poses.z.reshape(-1, *shape), poses.params, items=poses.items, encoder=encoder, seed=seed,
        plan=Plan(max_steps=DECODER_STEPS, patience=None, evaluate_every=100),
    )  # fmt: skip
    at, moved = act(unseen.start, unseen.images), act(unseen.start + unseen.elements[0], unseen.images)
    return {
        "invertible.decoder_cycle": found.cycle_error(at),
        "invertible.decoder_edit": found.edit_error(at, unseen.elements[0], moved),
    }


if __name__ == "__main__":
    pprint(rows(0))
