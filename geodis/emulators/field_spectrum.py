"""The power of tensor fields in shells of equal wavenumber, on periodic grids of two or three axes."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from geodis.errors import ShapeError
from geodis.groups.options import count
from geodis.linalg import Array, to_numpy


def isotropic_power(fields: Any, dim: int = 2) -> Array:
    """Power of fields `(..., *grid)` in shells |k| = 1, 2, … up to half the longest side: `(..., shells)`.

    Wavenumbers count waves along the longest side, with points at equal distances along all axes. The sum over shells
    is the variance in space, but for waves in the corners that are shorter than two points of the grid. Fields that are
    not finite have infinite power.

    Raises
    ------
    ShapeError, ParameterError
        For fields of fewer axes, grids of fewer than four points a side.

    Examples
    --------
    >>> x = 2 * np.pi * np.arange(16) / 16
    >>> isotropic_power(np.cos(3 * x)[:, None] + np.zeros(16)).round(6).tolist()[:4]
    [0.0, 0.0, 0.5, 0.0]
    """
    array, dim = to_numpy(fields), count(dim, "dim", 2, 3)
    if array.ndim < dim or min(array.shape[-dim:]) < 4:
        raise ShapeError("fields", f"(..., {', '.join('N' * dim)}) with N ≥ 4", array.shape)
    sides = array.shape[-dim:]
    shell, weight = _shells(sides)
    with np.errstate(invalid="ignore", over="ignore"):
        transform = np.fft.rfftn(array.astype(np.float64), axes=range(-dim, 0)) / np.prod(sides)
        power = (weight * np.abs(transform) ** 2).reshape(-1, weight.size)
    last = max(sides) // 2
    flat = np.stack([np.bincount(shell, row, minlength=last + 1)[1 : last + 1] for row in power])
    return np.where(np.isfinite(flat), flat, np.inf).reshape(*array.shape[:-dim], last)


@lru_cache(maxsize=16)
def _shells(sides: tuple[int, ...]) -> tuple[Array, Array]:
    """Shell of every mode of the half space, and how many modes it stands for."""
    waves = [np.fft.fftfreq(side) for side in sides[:-1]] + [np.fft.rfftfreq(sides[-1])]
    squared = sum(k**2 for k in np.meshgrid(*waves, indexing="ij"))
    own = np.zeros(squared.shape[-1], dtype=bool)  # planes that are their own mirror image
    own[0], own[-1] = True, own[-1] or sides[-1] % 2 == 0
    return np.rint(np.sqrt(squared) * max(sides)).astype(int).ravel(), np.broadcast_to(
        np.where(own, 1.0, 2.0), squared.shape
    )
