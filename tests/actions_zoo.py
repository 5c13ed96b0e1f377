"""The zoo of actions that the laws run over: images and texts here, point clouds and fields from the tensor zoo."""

from __future__ import annotations

import numpy as np
from action_case import ActionCase
from tensor_actions_zoo import CASES as TENSOR_CASES

from geodis.actions import (
    HueRotation,
    ImageRotation,
    ImageScaling,
    ImageShift,
    MinimalPairs,
    OrderedSlotAction,
    QuarterTurns,
    SlotAction,
    SlotPairs,
    SlotText,
    SquareSymmetries,
)
from geodis.groups import Cyclic
from geodis.simulators.sentences import MONTHS

# What the laws of an exact action may miss by in float64: some hundred roundings.
EXACT = 1e-12
# Of the bumps in smooth images, in half widths of the frame: wide enough for the pixels, gone before the edge.
WIDTH = 0.12
NUMBERS = ("one", "two", "three", "four", "five", "six", "seven")
TEMPLATES = (("It is {slot}.", "It was {slot}."), ("Is it {slot}?", "Was it {slot}?"))
PAIRS = (("The film is good.", "The film is bad."), ("It was hot.", "It was cold."), ("She won.", "She lost."))


def random_images(*shape: int):
    """White noise: what an exact action moves, however rough."""
    return lambda seed: np.random.default_rng(seed).normal(size=shape)


def blob_parameters(n: int, n_blobs: int, seed: int):
    """Places (row, column) from the centre, in half widths of the frame, and heights of `n_blobs` bumps an image."""
    rng = np.random.default_rng(seed)
    radius, angle = 0.35 * np.sqrt(rng.uniform(size=(n, n_blobs))), rng.uniform(0, 2 * np.pi, (n, n_blobs))
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], -1), rng.normal(size=(n, n_blobs))


def blobs(places, heights, side: int, width: float = WIDTH):
    """Sums of Gaussians of the given width `(n, side, side)`: smooth, and gone before the edge of the frame."""
    axis = (np.arange(side) - (side - 1) / 2) / (side / 2)
    rows, columns = (np.exp(-((axis - places[..., a, None]) ** 2) / (2 * width**2)) for a in (0, 1))
    return np.einsum("nk,nki,nkj->nij", heights, rows, columns)


def smooth_images(n: int, side: int):
    return lambda seed: blobs(*blob_parameters(n, 4, seed), side)


def smooth_channels(n: int, channels: int, side: int):
    return lambda seed: smooth_images(n * channels, side)(seed).reshape(n, channels, side, side)


def slots_and_pairs():
    return SlotPairs(SlotAction(MONTHS), MinimalPairs(TEMPLATES))


def slot_texts_everywhere(values):
    values = tuple(values)
    return lambda seed: [SlotText("Now it is {slot}.", values, v) for v in range(len(values))]


IMAGE_CASES = [
    ActionCase("rotation", ImageRotation, smooth_images(6, 32), floor=1e-5),
    ActionCase("rotation, odd side", ImageRotation, smooth_images(6, 31), floor=1e-5),
    ActionCase("rotation, channels", ImageRotation, smooth_channels(3, 2, 32), floor=1e-5),
    ActionCase("shift", lambda: ImageShift(9, 13), random_images(6, 9, 13)),
    ActionCase("shift, one row", lambda: ImageShift(1, 7), random_images(3, 2, 1, 7)),
    ActionCase("shift, even sides", lambda: ImageShift(32, 32), smooth_images(6, 32), floor=1e-6),
    ActionCase("scaling", lambda: ImageScaling(0.1), smooth_images(6, 32), floor=1e-3),
    ActionCase("scaling, channels", lambda: ImageScaling(0.1), smooth_channels(3, 2, 31), floor=1e-3),
    ActionCase("hue", HueRotation, random_images(6, 3, 4, 5)),
    ActionCase("quarter turns", QuarterTurns, random_images(6, 6, 6)),
    ActionCase("quarter turns, channels", QuarterTurns, random_images(4, 2, 5, 5)),
    ActionCase("square", SquareSymmetries, random_images(6, 6, 6)),
    ActionCase("square, channels", SquareSymmetries, random_images(4, 2, 5, 5)),
]
TEXT_CASES = [
    ActionCase("months", lambda: SlotAction(MONTHS), slot_texts_everywhere(MONTHS)),
    ActionCase("seasons", lambda: SlotAction(MONTHS, Cyclic(4)), slot_texts_everywhere(MONTHS)),
    ActionCase("numbers", lambda: OrderedSlotAction(NUMBERS), slot_texts_everywhere(NUMBERS)),
    ActionCase("slots and pairs", slots_and_pairs, lambda seed: [*slots_and_pairs().firsts] * 3),
    ActionCase("pairs", lambda: MinimalPairs(PAIRS), lambda seed: [text for pair in PAIRS for text in pair]),
]
CASES = [*IMAGE_CASES, *TEXT_CASES, *TENSOR_CASES]
