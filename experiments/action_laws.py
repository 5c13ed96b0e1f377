"""Question: how far do the actions miss their laws, to rounding or by interpolation.

A deviation is ‖act(g, act(h, x)) − act(gh, x)‖/‖x‖, and likewise for the identity and the inverse. Used by
`modalities.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from geodis.actions import (
    AbstractAction,
    FieldShift,
    FieldSymmetries,
    GalileiAction,
    HueRotation,
    ImageRotation,
    ImageShift,
    LawErrors,
    LorentzAction,
    MinimalPairs,
    OrderedSlotAction,
    OrthogonalAction,
    PermutationAction,
    QuarterTurns,
    RotationAction,
    SlotAction,
    SlotText,
    SquareSymmetries,
    TranslationAction,
    UnitsAction,
    law_errors,
)
from geodis.simulators import month_sentences, month_tense_sentences
from geodis.simulators.digits import digit_images
from geodis.simulators.sentences import MONTHS

N_ITEMS = 20
N_PAIRS = 20
PAIRS = (("The film is good.", "The film is bad."), ("It was hot.", "It was cold."))
TYPES = ((0, 1, 1), (0, -1, 1), (1, 1, 1), (1, -1, 1), (2, 1, 1))  # a scalar of each parity, a vector, a tensor
N_DIGITS = 200


def exact_actions(seed: int) -> Iterator[tuple[AbstractAction, Any]]:
    """Every action of the package whose laws hold to rounding, with random items in float64."""
    rng = np.random.default_rng(seed)

    def noise(*shape: int) -> np.ndarray:
        return rng.standard_normal((N_ITEMS, *shape))

    yield ImageShift(15, 21), noise(2, 15, 21)
    yield HueRotation(), noise(3, 16, 16)
    yield QuarterTurns(), noise(16, 16)
    yield SquareSymmetries(), noise(16, 16)
    yield SlotAction(MONTHS), month_sentences().texts[:N_ITEMS]
    yield OrderedSlotAction(MONTHS), [SlotText("The {} one.", MONTHS, value) for value in rng.integers(0, 12, N_ITEMS)]
    composed = month_tense_sentences()
    yield composed.action, composed.texts[:N_ITEMS]
    yield MinimalPairs(PAIRS), [text for pair in PAIRS for text in pair]
    for dim in (2, 3, 4):
        yield OrthogonalAction(dim, vectors=2, scalars=1), noise(10, 2 * dim + 1)
        yield RotationAction(dim, vectors=2, scalars=1), noise(10, 2 * dim + 1)
        yield TranslationAction(dim, vectors=2), noise(10, 2 * dim)
        yield GalileiAction(dim, time=1.5), noise(10, 2 * dim)
    yield LorentzAction(), noise(10, 4)
    yield PermutationAction(10), noise(10, 3)
    for dim, side in ((2, 12), (3, 6)):
        channels = sum(copies * dim**order for order, _, copies in TYPES)
        yield FieldSymmetries(TYPES, dim), noise(channels, *(side,) * dim)
        yield FieldShift(TYPES, (side + 1,) * dim), noise(channels, *(side + 1,) * dim)
    yield UnitsAction([[1, 0, 1], [0, 1, -1]], spread=0.5), noise(10, 3)


def exact_max(seed: int) -> float:
    """The worst deviation from any law over all exact actions, elements and items."""
    return max(law_errors(action, items, N_PAIRS, seed=seed).worst for action, items in exact_actions(seed))


def floor_rotation(seed: int) -> float:
    """Root mean square deviation from the group law of rotated digits: what interpolation and their edges cost."""
    return rotated_digits(seed).composition_rms


def rotated_digits(seed: int) -> LawErrors:
    """The laws of `ImageRotation` on random digits, in float64 so that only interpolation counts."""
    images, _ = digit_images()
    chosen = np.random.default_rng(seed).choice(len(images), N_DIGITS, replace=False)
    return law_errors(ImageRotation(), images[chosen].astype(np.float64), N_PAIRS, seed=seed)
