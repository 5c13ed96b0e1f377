"""Layers of tensor fields that work pixel by pixel or resample: activations, normalization, pooling, upsampling."""

from __future__ import annotations

from math import sqrt
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional

from geodis.actions.fields import Types, check_types
from geodis.emulators.geometric_conv import components
from geodis.errors import ParameterError, ShapeError
from geodis.groups.options import count

EPSILON = 1e-6
LEAK = 0.1
POOLING = {2: (functional.avg_pool2d, functional.max_pool2d), 3: (functional.avg_pool3d, functional.max_pool3d)}


@final
class NormGate(nn.Module):
    """T ↦ T σ(w · norms + b): every tensor is scaled by a number that depends on the invariants of its pixel.

    The invariants are the scalars, and the norms of all other tensors; scalars themselves go through a GELU.

    Parameters
    ----------
    types : tuple of (order, parity, channels)
    dim : int
        d: 2 or 3.
    seed : int
        Seed of the starting weights.

    Examples
    --------
    >>> tuple(NormGate(((0, 1, 2), (1, 1, 2)))(torch.zeros(1, 6, 4, 4)).shape)
    (1, 6, 4, 4)
    """

    def __init__(self, types: Any, *, dim: int = 2, seed: int = 0) -> None:
        super().__init__()
        self.types, self.dim = check_types(types), count(dim, "dim", 2, 3)
        n, generator = sum(c for _, _, c in self.types), torch.Generator().manual_seed(count(seed, "seed", 0))
        self.weight = nn.Parameter(torch.empty(n, n).normal_(std=1 / sqrt(n), generator=generator))
        self.bias = nn.Parameter(torch.ones(n))

    def forward(self, field: Tensor) -> Tensor:
        """Fields `(batch, components, *grid)` → the same."""
        parts = split_types(field, self.types, self.dim)
        seen = [_invariant(part, kind) for part, kind in zip(parts, self.types, strict=True)]
        gates = torch.einsum("oc,bcx->box", self.weight, torch.cat(seen, 1)) + self.bias[:, None]
        out, start = [], 0
        for part, (order, parity, channels) in zip(parts, self.types, strict=True):
            gate = torch.sigmoid(gates[:, start : start + channels, None])
            out.append(functional.gelu(part) if (order, parity) == (0, 1) else part * gate)
            start += channels
        return join_types(out, field)


@final
class VectorNeuron(nn.Module):
    """T ↦ T − (1 − a) min(0, ⟨T, D⟩) D/|D|² with D a learned mix of channels: half of the tensors' space is damped.

    For scalars a leaky GELU-like bend, for pseudotensors and tensors of any order the same formula.

    Parameters
    ----------
    types : tuple of (order, parity, channels)
    dim : int
        d: 2 or 3.
    seed : int
        Seed of the starting weights.

    References
    ----------
    Deng, Litany, Duan, Poulenard, Tagliasacchi, Guibas, "Vector neurons", ICCV 2021, arXiv:2104.12229.

    Examples
    --------
    >>> layer = VectorNeuron(((1, 1, 2),))
    >>> a, b = torch.randn(2, 1, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    >>> bool(torch.allclose(layer(a + b), layer(a) + layer(b)))  # not linear
    False
    """

    def __init__(self, types: Any, *, dim: int = 2, seed: int = 0) -> None:
        super().__init__()
        self.types, self.dim = check_types(types), count(dim, "dim", 2, 3)
        generator = torch.Generator().manual_seed(count(seed, "seed", 0))
        self.weights = nn.ParameterList(
            nn.Parameter(torch.empty(c, c).normal_(std=1 / sqrt(c), generator=generator)) for _, _, c in self.types
        )

    def forward(self, field: Tensor) -> Tensor:
        """Fields `(batch, components, *grid)` → the same."""
        out = []
        for part, weight, kind in zip(split_types(field, self.types, self.dim), self.weights, self.types, strict=True):
            if kind[:2] == (0, 1):
                out.append(functional.gelu(part))
                continue
            direction = torch.einsum("oc,bcix->boix", weight, part)
            along = (part * direction).sum(2, keepdim=True)
            square = (direction * direction).sum(2, keepdim=True)
            out.append(part - (1 - LEAK) * along.clamp(max=0.0) / (square + EPSILON) * direction)
        return join_types(out, field)


@final
class FieldNorm(nn.Module):
    """Each type to unit root mean square over its channels and pixels, scalars centred before; learned scales after.

    Parameters
    ----------
    types : tuple of (order, parity, channels)
        Of any order.
    dim : int
        d: 2 or 3.

    Examples
    --------
    >>> norm = FieldNorm(((1, 1, 2),))
    >>> field = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    >>> bool(torch.allclose(norm(field), norm(10 * field), atol=1e-4))
    True
    """

    def __init__(self, types: Any, *, dim: int = 2) -> None:
        super().__init__()
        self.types, self.dim = check_types(types), count(dim, "dim", 2, 3)
        self.scale = nn.Parameter(torch.ones(sum(c for _, _, c in self.types)))
        self.shift = nn.Parameter(torch.zeros(sum(c for k, p, c in self.types if (k, p) == (0, 1))))

    def forward(self, field: Tensor) -> Tensor:
        """Fields `(batch, components, *grid)` → the same."""
        out, start, shifted = [], 0, 0
        for part, (order, parity, channels) in zip(split_types(field, self.types, self.dim), self.types, strict=True):
            scalar = (order, parity) == (0, 1)
            centred = part - part.mean((1, 3), keepdim=True) if scalar else part
            size = (centred.square().sum(2, keepdim=True).mean((1, 3), keepdim=True) + EPSILON).sqrt()
            scaled = centred / size * self.scale[start : start + channels, None, None]
            if scalar:
                scaled = scaled + self.shift[shifted : shifted + channels, None, None]
                shifted += channels
            out.append(scaled)
            start += channels
        return join_types(out, field)


@final
class AveragePool(nn.Module):
    """Means over blocks of pixels, `factor` a side, component by component.

    Examples
    --------
    >>> tuple(AveragePool(2)(torch.zeros(1, 3, 8, 8)).shape)
    (1, 3, 4, 4)
    """

    def __init__(self, factor: int = 2) -> None:
        super().__init__()
        self.factor = count(factor, "factor", 1)

    def forward(self, field: Tensor) -> Tensor:
        """Fields `(batch, components, *grid)` → `(batch, components, *grid / factor)`."""
        _check_blocks(field, self.factor)
        return POOLING[field.ndim - 2][0](field, self.factor)


@final
class NormMaxPool(nn.Module):
    """Of every block, `factor` pixels a side, the tensor of largest norm (of scalars the largest), per channel.

    Ties go to the mean of those that tie, so that no symmetry of the block changes the result.

    Examples
    --------
    >>> field = torch.zeros(1, 2, 2, 2)
    >>> field[0, :, 0, 1] = torch.tensor([3.0, 4.0])
    >>> NormMaxPool(((1, 1, 1),))(field).flatten().tolist()
    [3.0, 4.0]
    """

    def __init__(self, types: Any, factor: int = 2, *, dim: int = 2) -> None:
        super().__init__()
        self.types, self.dim, self.factor = check_types(types), count(dim, "dim", 2, 3), count(factor, "factor", 1)

    def forward(self, field: Tensor) -> Tensor:
        """Fields `(batch, components, *grid)` → `(batch, components, *grid / factor)`."""
        _check_blocks(field, self.factor)
        average, largest = POOLING[self.dim]
        grid, out = field.shape[2:], []
        for part, kind in zip(split_types(field, self.types, self.dim), self.types, strict=True):
            size = _invariant(part, kind).unflatten(2, grid)
            top = largest(size, self.factor)
            for axis in range(2, size.ndim):
                top = top.repeat_interleave(self.factor, axis)
            chosen = (size >= top).to(field)
            share = average(chosen, self.factor)[:, :, None]
            picked = part.unflatten(3, grid) * chosen[:, :, None]
            out.append((average(picked.flatten(1, 2), self.factor).unflatten(1, part.shape[1:3]) / share).flatten(1, 2))
        return torch.cat(out, 1)


@final
class Upsample(nn.Module):
    """Every pixel becomes a block of equal ones, `factor` a side.

    Examples
    --------
    >>> tuple(Upsample(2)(torch.zeros(1, 3, 4, 4)).shape)
    (1, 3, 8, 8)
    """

    def __init__(self, factor: int = 2) -> None:
        super().__init__()
        self.factor = count(factor, "factor", 1)

    def forward(self, field: Tensor) -> Tensor:
        """Fields `(batch, components, *grid)` → `(batch, components, *grid · factor)`."""
        return functional.interpolate(field, scale_factor=self.factor, mode="nearest")


def split_types(field: Tensor, types: Types, dim: int) -> list[Tensor]:
    """Fields as one tensor a type: (batch, channels, d^order, pixels).

    Raises
    ------
    ShapeError
        For another number of components or axes.
    """
    width = components(types, dim)
    if field.ndim != dim + 2 or field.shape[1] != width:
        raise ShapeError("fields", f"(batch, {width}, {', '.join('N' * dim)})", tuple(field.shape))
    flat, parts, start = field.flatten(2), [], 0
    for order, _, channels in types:
        end = start + channels * dim**order
        parts.append(flat[:, start:end].reshape(len(flat), channels, dim**order, flat.shape[2]))
        start = end
    return parts


def join_types(parts: list[Tensor], like: Tensor) -> Tensor:
    """`split_types` undone, with the grid of `like`."""
    return torch.cat([part.flatten(1, 2) for part in parts], 1).unflatten(2, like.shape[2:])


def _invariant(part: Tensor, kind: tuple[int, int, int]) -> Tensor:
    """(batch, channels, pixels): scalars themselves, norms of other tensors."""
    if kind[:2] == (0, 1):
        return part[:, :, 0]
    return (part.square().sum(2) + EPSILON**2).sqrt()


def _check_blocks(field: Tensor, factor: int) -> None:
    if field.ndim not in (4, 5):
        raise ShapeError("fields", "(batch, components, N, N) or with three axes", tuple(field.shape))
    if any(side % factor for side in field.shape[2:]):
        raise ParameterError("factor", f"a divisor of the grid {tuple(field.shape[2:])}", factor)
