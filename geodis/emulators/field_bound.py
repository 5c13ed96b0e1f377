"""A bound on roll-outs: no scale of a field gets stronger than training has ever seen it, times a factor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from geodis.actions.fields import Types, check_types
from geodis.emulators.geometric_conv import components
from geodis.errors import ShapeError
from geodis.groups.options import positive
from geodis.linalg import check_finite, to_numpy

CHUNK = 256


@final
@dataclass(frozen=True, eq=False)
class FieldBound:
    """x ↦ x with the power of every tensor in every shell of wavenumbers cut to `factor` · the largest in training.

    Errors of a learned step grow from scale to scale until a roll-out leaves every bound; where the training fields
    have no power, such as beyond a simulator's cut, none can gather. All components of a tensor and all directions of
    a shell get one factor: the bound commutes with shifts and with the symmetries of the grid. Means stay as they are.

    Attributes
    ----------
    types : tuple of (order, parity, channels)
    largest : Tensor (channels, shells)
        Largest power in training.
    factor : float

    Examples
    --------
    >>> import numpy as np
    >>> calm = np.cos(np.arange(8) * np.pi / 4) * np.ones((1, 1, 8, 1))
    >>> bound = FieldBound.of(calm, ((0, 1, 1),), factor=4.0)
    >>> bool(torch.allclose(bound(torch.from_numpy(10 * calm)), torch.from_numpy(2 * calm)))
    True
    """

    types: Types
    largest: Tensor
    factor: float

    @classmethod
    def of(cls, fields: Any, types: Any, factor: float = 4.0, dim: int = 2) -> FieldBound:
        """The bound that fields `(..., components, *grid)` set.

        Raises
        ------
        ShapeError, FiniteError, ParameterError
            For another number of components, NaN, a factor that is not positive.
        """
        checked, array = check_types(types), to_numpy(fields)
        if array.ndim <= dim or array.shape[-dim - 1] != components(checked, dim):
            raise ShapeError("fields", f"(..., {components(checked, dim)}, {', '.join('N' * dim)})", array.shape)
        check_finite(array, "fields")
        flat = torch.from_numpy(array.reshape(-1, *array.shape[-dim - 1 :]))
        largest = torch.stack(
            [
                _power(_spectrum(flat[i : i + CHUNK], dim), checked, array.shape[-1]).amax(0)
                for i in range(0, len(flat), CHUNK)
            ]
        ).amax(0)  # fmt: skip
        return cls(checked, largest, positive(factor, "factor"))

    def __call__(self, fields: Tensor) -> Tensor:
        """Fields `(batch, components, *grid)` → the same, bounded; what is not finite stays so."""
        dim = fields.ndim - 2
        spectrum = _spectrum(fields, dim)
        power = _power(spectrum, self.types, fields.shape[-1])
        shell = _shells(fields.shape[2:], spectrum.device)
        share = (self.factor * self.largest.to(power) / power.clamp_min(torch.finfo(power.dtype).tiny)).clamp_max(1.0)
        share = torch.cat([torch.ones_like(share[..., :1]), share.sqrt()], -1)  # the mean is shell 0
        widths = torch.tensor([dim**order for order, _, n in self.types for _ in range(n)], device=power.device)
        damped = spectrum * share.repeat_interleave(widths, 1)[..., shell]
        return torch.fft.irfftn(damped, s=fields.shape[2:], dim=tuple(range(2, fields.ndim)), norm="forward")


def _spectrum(fields: Tensor, dim: int) -> Tensor:
    return torch.fft.rfftn(fields, dim=tuple(range(fields.ndim - dim, fields.ndim)), norm="forward")


def _power(spectrum: Tensor, types: Types, last: int) -> Tensor:
    """Power `(batch, channels, shells)`, shells 1, 2, …, on a grid whose last side has `last` cells."""
    dim = spectrum.ndim - 2
    half, batch = spectrum.shape[-1], len(spectrum)
    weight = torch.full((half,), 2.0, dtype=spectrum.real.dtype, device=spectrum.device)
    weight[0] = 1.0
    if last % 2 == 0:
        weight[-1] = 1.0
    squares = (spectrum.real.square() + spectrum.imag.square()) * weight
    parts, start = [], 0
    for order, _, channels in types:
        for _ in range(channels):
            parts.append(squares[:, start : start + dim**order].sum(1))
            start += dim**order
    per_channel = torch.stack(parts, 1).flatten(2)
    shell = _frequency_shells(spectrum.shape[2:-1], half, spectrum.device).flatten()
    power = torch.zeros(batch, per_channel.shape[1], int(shell.max()) + 1, dtype=squares.dtype, device=squares.device)
    power.index_add_(2, shell, per_channel)
    return power[..., 1:]


def _shells(sides: Any, device: torch.device) -> Tensor:
    return _frequency_shells(tuple(sides[:-1]), sides[-1] // 2 + 1, device)


def _frequency_shells(sides: tuple[int, ...], half: int, device: torch.device) -> Tensor:
    """The shell of every frequency: |k| rounded, in waves a side."""
    axes = [torch.fft.fftfreq(n, 1 / n, device=device) for n in sides]
    axes.append(torch.arange(half, dtype=axes[0].dtype, device=device))
    return torch.stack(torch.meshgrid(*axes, indexing="ij")).square().sum(0).sqrt().round().long()
