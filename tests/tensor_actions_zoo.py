"""The zoo of actions on point clouds and tensor fields, with items that they move."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from action_case import ActionCase

from geodis.actions import (
    FieldRotation,
    FieldShift,
    FieldSymmetries,
    GalileiAction,
    LorentzAction,
    OrthogonalAction,
    PermutationAction,
    RotationAction,
    TranslationAction,
    UnitsAction,
)
from geodis.groups import SO, Dihedral, Hyperoctahedral
from geodis.linalg import Array

SCALAR, PSEUDOSCALAR = (0, 1, 1), (0, -1, 1)
VECTOR, PSEUDOVECTOR = (1, 1, 1), (1, -1, 1)
FLOW = (SCALAR, VECTOR)
MIXED = (VECTOR, (0, -1, 2), (2, 1, 1), PSEUDOVECTOR)


def normal(*shape: int) -> Callable[[int], Array]:
    """White noise: what an exact action moves, however rough."""
    return lambda seed: np.random.default_rng(seed).standard_normal(shape)


def in_a_box(sides: tuple[float, ...], points: int, others: int) -> Callable[[int], Array]:
    """Positions uniform in [0, L), other channels normal."""

    def items(seed: int) -> Array:
        rng = np.random.default_rng(seed)
        positions = rng.uniform(size=(5, points, len(sides))) * sides
        return np.concatenate([positions, rng.standard_normal((5, points, others))], -1)

    return items


def waves(n: int, channels: int, grid: tuple[int, ...], largest: int = 3) -> Callable[[int], Array]:
    """Sums of plane waves of integer frequency on the periodic grid, next to nothing at its Nyquist frequency."""

    def items(seed: int) -> Array:
        noise = np.random.default_rng(seed).standard_normal((n, channels, *grid))
        for axis, side in enumerate(grid, start=2):
            modes = np.fft.fft(noise, axis=axis)
            frequency = np.abs(np.fft.fftfreq(side, 1 / side))
            damped = np.where(frequency <= largest, 1.0, 1e-6).reshape(-1, *(1,) * (len(grid) + 1 - axis))
            noise = np.fft.ifft(modes * damped, axis=axis).real
        return noise

    return items


def bumps(n: int, channels: int, side: int, width: float = 0.16) -> Callable[[int], Array]:
    """Gaussians near the centre, gone before the edge `(n, channels, side, side)`."""

    def items(seed: int) -> Array:
        rng = np.random.default_rng(seed)
        place, height = rng.uniform(-0.25, 0.25, (n, channels, 3, 2)), rng.standard_normal((n, channels, 3))
        axis = (np.arange(side) - (side - 1) / 2) / (side / 2)
        rows, columns = (np.exp(-((axis - place[..., a, None]) ** 2) / (2 * width**2)) for a in (0, 1))
        return np.einsum("nck,ncki,nckj->ncij", height, rows, columns)

    return items


POINT_CASES = [
    *(ActionCase(f"O({d})", lambda d=d: OrthogonalAction(d), normal(5, 7, d)) for d in (2, 3, 4, 5)),
    ActionCase("O(3), channels", lambda: OrthogonalAction(3, vectors=2, scalars=2), normal(5, 4, 8)),
    ActionCase("cube on points", lambda: OrthogonalAction(3, group=Hyperoctahedral(3)), normal(5, 4, 3)),
    ActionCase("hexagon on points", lambda: OrthogonalAction(2, 2, group=Dihedral(6)), normal(5, 4, 4)),
    *(ActionCase(f"rotation {d}", lambda d=d: RotationAction(d), normal(5, 7, d)) for d in (2, 3, 4)),
    ActionCase("rotation, SO(3)", lambda: RotationAction(3, 1, 1, group=SO(3)), normal(5, 7, 4)),
    ActionCase("Galilei, now", lambda: GalileiAction(3, scalars=1), normal(5, 7, 7)),
    ActionCase("Galilei, later", lambda: GalileiAction(2, time=1.5, vectors=3), normal(5, 7, 6)),
    ActionCase("translation", lambda: TranslationAction(3, vectors=2, scalars=1), normal(5, 7, 7)),
    ActionCase(
        "translation, box",
        lambda: TranslationAction(2, vectors=2, period=(1.0, 3.5)),
        in_a_box((1.0, 3.5), points=7, others=2),
    ),
    ActionCase("Lorentz", LorentzAction, normal(5, 7, 4)),
    ActionCase("Lorentz, channels", lambda: LorentzAction(2, 1, spread=2.0), normal(5, 3, 9)),
    ActionCase("permutation", lambda: PermutationAction(7), normal(5, 7, 4)),
    ActionCase("permutation, many points", lambda: PermutationAction(18), normal(5, 18, 1)),
]
UNITS_CASES = [
    ActionCase("units, one", lambda: UnitsAction([[1, -2, 0]], spread=0.5), normal(5, 3)),
    ActionCase("units, points", lambda: UnitsAction([[1, 0, 2, 0], [0, -1, 1, 0]], spread=0.5), normal(5, 7, 4)),
]
FIELD_CASES = [
    ActionCase("square on scalars", lambda: FieldSymmetries((SCALAR,), 2), normal(5, 1, 6, 6)),
    ActionCase("square on tensors", lambda: FieldSymmetries(MIXED, 2), normal(5, 10, 5, 5)),
    ActionCase("cube on a flow", lambda: FieldSymmetries(FLOW, 3), normal(4, 4, 4, 4, 4)),
    ActionCase("cube on tensors", lambda: FieldSymmetries((*MIXED, (3, -1, 1)), 3), normal(3, 44, 3, 3, 3)),
    ActionCase("field shift", lambda: FieldShift(FLOW, (9, 7)), normal(5, 3, 9, 7)),
    ActionCase("field shift in space", lambda: FieldShift((VECTOR,), (5, 3, 7)), normal(4, 3, 5, 3, 7)),
    ActionCase("field shift, even sides", lambda: FieldShift(FLOW, (16, 12)), waves(5, 3, (16, 12)), floor=1e-4),
    ActionCase("field rotation", lambda: FieldRotation(FLOW), bumps(3, 3, 32), floor=1e-3),
    ActionCase("field rotation, tensors", lambda: FieldRotation(((2, 1, 1), (1, 1, 2))), bumps(3, 8, 31), floor=1e-3),
]
CASES = [*POINT_CASES, *UNITS_CASES, *FIELD_CASES]
