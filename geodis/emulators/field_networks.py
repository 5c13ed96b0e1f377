"""Networks of tensor fields that commute with the grid's symmetries: residual, dilated, and U-shaped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import torch
from torch import Tensor, nn

from geodis.actions.fields import Types, check_types
from geodis.emulators.field_layers import AveragePool, Upsample
from geodis.emulators.geometric_conv import GeometricConv
from geodis.emulators.tensor_product import TensorProduct
from geodis.errors import ParameterError
from geodis.groups.options import count

START = 0.3  # of a block's paths beside the identity, before training


def hidden_types(channels: int, dim: int = 2, orders: int = 1) -> Types:
    """Scalars, vectors (and tensors up to `orders`) of both parities, `channels` of each.

    Examples
    --------
    >>> hidden_types(4)
    ((0, 1, 4), (0, -1, 4), (1, 1, 4))
    >>> hidden_types(2, dim=3)
    ((0, 1, 2), (1, -1, 2), (1, 1, 2))
    """
    channels, dim, orders = count(channels, "channels", 1), count(dim, "dim", 2, 3), count(orders, "orders", 1)
    # In the plane ε turns a pseudovector into a vector and back, in space a pseudotensor: one of the two is enough.
    first = ((0, 1, channels), (0, -1, channels), (1, 1, channels))
    space = ((0, 1, channels), (1, -1, channels), (1, 1, channels))
    return (first if dim == 2 else space) + tuple((k, 1, channels) for k in range(2, orders + 1))


@final
class BilinearBlock(nn.Module):
    """h ↦ h + L h + C P(A h, B h): a linear and a quadratic path beside the identity.

    L, A, B and C are `GeometricConv`, P is a `TensorProduct`: advection u·∇h and rotation f × u are in its reach, which
    gated convolutions never get to. Nothing is normalized on the way: how strong a flow is decides how it moves.

    Parameters
    ----------
    types : tuple of (order, parity, channels)
        All with the same number of channels.
    size, dilation : int
        Of the convolutions.
    dim, boundary, seed
        As in `GeometricConv`.

    Examples
    --------
    >>> block = BilinearBlock(hidden_types(2))
    >>> tuple(block(torch.zeros(1, 8, 8, 8)).shape)
    (1, 8, 8, 8)
    """

    def __init__(
        self, types: Any, size: int = 3, dilation: int = 1, *, dim: int = 2, boundary: str = "circular", seed: int = 0
    ) -> None:
        super().__init__()
        self.types = check_types(types)
        # One convolution for A, B and L: a call on many channels costs hardly more than one on few.
        self.paths = GeometricConv(
            self.types, 3 * self.types, size, dim=dim, dilation=dilation, boundary=boundary, seed=3 * seed
        )
        self.product = TensorProduct(self.types, dim=dim, seed=3 * seed + 1)
        self.out = GeometricConv(self.types, self.types, 1, dim=dim, boundary=boundary, seed=3 * seed + 2)
        with torch.no_grad():  # a new block is close to the identity
            for weight in self.out.weights:
                weight.mul_(START)
            for weight in self.paths.weights[2 * len(self.paths.weights) // 3 :]:
                weight.mul_(START)

    def forward(self, field: Tensor) -> Tensor:
        """Fields of `types` `(batch, components, *grid)` → the same."""
        left, right, linear = self.paths(field).chunk(3, 1)
        return field + linear + self.out(self.product(left, right))


@final
class GeometricResNet(nn.Module):
    """types_in ↦ types_out through blocks (`BilinearBlock`) of growing or equal dilation.

    Parameters
    ----------
    types_in, types_out : tuple of (order, parity, channels)
    channels : int
        Of every hidden type.
    dilations : sequence of int
        One block each: (1, 1) is a residual network, (1, 2, 4, 8, 4, 2, 1) a dilated one.
    size, dim, boundary, seed
        As in `GeometricConv`.

    Examples
    --------
    >>> height, flow, coriolis = (0, 1, 1), (1, 1, 1), (0, -1, 1)
    >>> network = GeometricResNet((height, flow, coriolis), (height, flow), channels=2)
    >>> tuple(network(torch.zeros(1, 4, 16, 16)).shape)
    (1, 3, 16, 16)
    """

    def __init__(
        self,
        types_in: Any,
        types_out: Any,
        channels: int = 4,
        dilations: Sequence[int] = (1, 1),
        *,
        size: int = 3,
        dim: int = 2,
        boundary: str = "circular",
        seed: int = 0,
    ) -> None:
        super().__init__()
        if not len(dilations):
            raise ParameterError("dilations", "at least one block", dilations)
        self.types_in, self.types_out = check_types(types_in), check_types(types_out)
        self.channels, self.dilations = channels, tuple(dilations)
        self.size, self.dim, self.boundary = size, dim, boundary
        inner = hidden_types(channels, dim)
        self.first = GeometricConv(types_in, inner, size, dim=dim, boundary=boundary, seed=seed)
        self.blocks = nn.Sequential(
            *(
                BilinearBlock(inner, size, dilation, dim=dim, boundary=boundary, seed=seed + i + 1)
                for i, dilation in enumerate(dilations)
            )
        )
        self.last = GeometricConv(inner, types_out, size, dim=dim, boundary=boundary, seed=seed + 1000)

    def forward(self, field: Tensor) -> Tensor:
        """Fields of `types_in` → fields of `types_out`, on the same grid."""
        return self.last(self.blocks(self.first(field)))


@final
class GeometricUNet(nn.Module):
    """types_in ↦ types_out through ever coarser grids and back, with a bridge at every size.

    Parameters
    ----------
    types_in, types_out : tuple of (order, parity, channels)
    channels : int
        Of every hidden type.
    depth : int
        How often the grid is halved; its sides must be multiples of 2^depth.
    size, dim, boundary, seed
        As in `GeometricConv`.

    Examples
    --------
    >>> network = GeometricUNet(((1, 1, 1),), ((1, 1, 1),), channels=2, depth=1)
    >>> tuple(network(torch.zeros(1, 2, 16, 16)).shape)
    (1, 2, 16, 16)
    """

    def __init__(
        self,
        types_in: Any,
        types_out: Any,
        channels: int = 4,
        depth: int = 2,
        *,
        size: int = 3,
        dim: int = 2,
        boundary: str = "circular",
        seed: int = 0,
    ) -> None:
        super().__init__()
        inner, depth = hidden_types(channels, dim), count(depth, "depth", 1)

        def block(number: int) -> BilinearBlock:
            return BilinearBlock(inner, size, dim=dim, boundary=boundary, seed=seed + number)

        self.first = GeometricConv(types_in, inner, size, dim=dim, boundary=boundary, seed=seed)
        self.down = nn.ModuleList(block(1 + i) for i in range(depth))
        self.middle = block(100)
        self.up = nn.ModuleList(block(200 + i) for i in range(depth))
        self.bridges = nn.ModuleList(_bridge(inner, dim, seed + 300 + i) for i in range(depth))
        self.pool, self.grow = AveragePool(2), Upsample(2)
        self.last = GeometricConv(inner, types_out, size, dim=dim, boundary=boundary, seed=seed + 1000)

    def forward(self, field: Tensor) -> Tensor:
        """Fields of `types_in` → fields of `types_out`, on the same grid."""
        field, kept = self.first(field), []
        for block in self.down:
            field = block(field)
            kept.append(field)
            field = self.pool(field)
        field = self.middle(field)
        for block, bridge in zip(self.up, self.bridges, strict=True):
            field = block(self.grow(field) + bridge(kept.pop()))
        return self.last(field)


def _bridge(types: Types, dim: int, seed: int) -> nn.Module:
    return GeometricConv(types, types, 1 if dim == 2 else 3, dim=dim, seed=seed, bias=False)
