"""Convolutions of tensor fields that commute with the symmetries of the grid: one call of torch's convolution."""

from __future__ import annotations

from math import sqrt
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional

from geodis.actions.fields import Types, check_types
from geodis.emulators.invariant_filters import invariant_filters
from geodis.errors import DesignError, ParameterError, ShapeError
from geodis.groups.options import count

CONVOLUTION = {2: functional.conv2d, 3: functional.conv3d}
PADDING = {"circular": "circular", "zero": "constant"}


@final
class GeometricConv(nn.Module):
    """Tensor fields of `types_in` ↦ tensor fields of `types_out`, commuting with B_d and with shifts of the grid.

    (A ∗ C)(i) = Σ_a A(i − a) contracted with C(a), where C runs over all `invariant_filters` of order k + k' and parity
    p p' for every pair of types: all such linear maps there are. The filters of all pairs are assembled into one dense
    kernel, so that a layer is one call of torch's convolution.

    A type of the output that no filter reaches (in the plane a 3 × 3 filter cannot turn scalars into pseudoscalars, a
    5 × 5 can) is an error and not a silent zero.

    Parameters
    ----------
    types_in, types_out : tuple of (order, parity, channels)
        As in `geodis.actions.FieldSymmetries`.
    size : int
        M, of the filter.
    dim : int
        d: 2 or 3.
    stride, dilation : int
        A grid is read at places that no symmetry moves off the grid; `forward` says so where there are none. Even
        grids and a stride of 2 want a filter of even size.
    boundary : {"circular", "zero"}
        Periodic, or zeros around.
    bias : bool
        Whether to add one: a number for scalars; for other types, which have no invariant constant, a multiple of the
        mean tensor of each channel.
    seed : int
        Seed of the starting weights.

    Raises
    ------
    ParameterError, DesignError
        For options out of range, or an output that no filter reaches.
    ShapeError
        In `forward`, for fields of other types or grids that stride and size do not fit.

    References
    ----------
    W. Gregory et al., *Equivariant geometric convolutions for dynamical systems on vector and tensor images*, Phil.
    Trans. R. Soc. A, 2024, arXiv:2305.12585.

    Examples
    --------
    >>> scalar, vector = (0, 1, 1), (1, 1, 1)
    >>> gradient = GeometricConv((scalar,), (vector,), size=3)
    >>> tuple(gradient(torch.zeros(2, 1, 16, 16)).shape)
    (2, 2, 16, 16)
    """

    def __init__(
        self,
        types_in: Any,
        types_out: Any,
        size: int = 3,
        *,
        dim: int = 2,
        stride: int = 1,
        dilation: int = 1,
        boundary: str = "circular",
        bias: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.types_in, self.types_out = check_types(types_in), check_types(types_out)
        self.size, self.dim = count(size, "size", 1), count(dim, "dim", 2, 3)
        self.stride, self.dilation = count(stride, "stride", 1), count(dilation, "dilation", 1)
        if boundary not in PADDING:
            raise ParameterError("boundary", f"one of {', '.join(PADDING)}", repr(boundary))
        self.boundary = boundary
        reach = self.dilation * (self.size - 1) + 1
        if reach < self.stride or (reach - self.stride) % 2:
            raise ParameterError(
                "size", f"dilation · (size − 1) + 1 − stride even and ≥ 0, for stride {self.stride} and dilation "
                f"{self.dilation}", self.size, "A stride of 2 wants an even size, for example 2 or 4.",
            )  # fmt: skip
        self.pad = (reach - self.stride) // 2
        self.weights = nn.ParameterList()
        self._fill(count(seed, "seed", 0))
        self.bias = nn.Parameter(torch.zeros(sum(c for _, _, c in self.types_out))) if bias else None

    def _fill(self, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        for place, (order, parity, channels) in enumerate(self.types_out):
            bases = [
                invariant_filters(self.size, order + k, parity * p, self.dim).to(torch.get_default_dtype())
                for k, p, _ in self.types_in
            ]
            # Each filter has norm one over d^order components: outputs then have the variance of the inputs.
            fan = sum(len(basis) * c for basis, (_, _, c) in zip(bases, self.types_in, strict=True))
            if not fan:
                raise DesignError(
                    f"GeometricConv: expected a filter of size {self.size} that maps {self.types_in} to order {order}, "
                    f"parity {parity}; there is none. Take a larger size, or add types to the input."
                )
            for start, (basis, (_, _, c)) in enumerate(zip(bases, self.types_in, strict=True)):
                self.register_buffer(f"basis_{place}_{start}", basis, persistent=False)
                weight = torch.empty(len(basis), channels, c)
                weight.normal_(std=sqrt(self.dim**order / fan), generator=generator)
                self.weights.append(nn.Parameter(weight))

    def kernel(self) -> Tensor:
        """The dense kernel (components out, components in, M, …, M)."""
        rows, weights = [], iter(self.weights)
        for place, (order, _, channels) in enumerate(self.types_out):
            row = []
            for start, (k, _, c) in enumerate(self.types_in):
                basis = getattr(self, f"basis_{place}_{start}")
                split = basis.reshape(len(basis), self.dim**order, self.dim**k, self.size**self.dim)
                block = torch.einsum("foc,fabx->oacbx", next(weights), split)
                row.append(block.reshape(channels * self.dim**order, c * self.dim**k, *(self.size,) * self.dim))
            rows.append(torch.cat(row, 1))
        return torch.cat(rows)

    def forward(self, field: Tensor) -> Tensor:
        """Fields `(batch, components in, *grid)` → `(batch, components out, *grid / stride)`."""
        self._check(field)
        padded = functional.pad(field, (self.pad,) * (2 * self.dim), PADDING[self.boundary]) if self.pad else field
        # torch correlates; a filter and its mirror image through the centre are both in the basis up to sign.
        out = CONVOLUTION[self.dim](padded, self.kernel(), stride=self.stride, dilation=self.dilation)
        return out if self.bias is None else out + self._shift(self.bias, out)

    def _shift(self, bias: Tensor, out: Tensor) -> Tensor:
        parts, start, at = [], 0, 0
        for order, parity, channels in self.types_out:
            width = channels * self.dim**order
            own = bias[at : at + channels].repeat_interleave(self.dim**order)[:, *(None,) * self.dim]
            if order == 0 and parity == 1:
                parts.append(own.expand(len(out), *own.shape))
            else:
                parts.append(own * out[:, start : start + width].mean(tuple(range(2, out.ndim)), keepdim=True))
            start, at = start + width, at + channels
        return torch.cat(parts, 1)

    def _check(self, field: Tensor) -> None:
        width = components(self.types_in, self.dim)
        if field.ndim != self.dim + 2 or field.shape[1] != width:
            raise ShapeError("fields", f"(batch, {width}, {', '.join('N' * self.dim)})", tuple(field.shape))
        for side in field.shape[2:]:
            if side % self.stride or (self.boundary == "circular" and side < self.pad):
                raise ShapeError(
                    "grid", f"sides that are multiples of the stride {self.stride} and ≥ {self.pad}",
                    tuple(field.shape[2:]),
                )  # fmt: skip


def components(types: Types, dim: int) -> int:
    """How many components fields of these types have: Σ channels · d^order.

    Examples
    --------
    >>> components(((0, 1, 2), (1, 1, 3)), 2)
    8
    """
    return sum(channels * dim**order for order, _, channels in types)
