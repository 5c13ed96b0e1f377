"""Products of tensor fields, pixel by pixel: what makes u·∇h and f × u possible."""

from __future__ import annotations

from math import sqrt
from typing import Any, final

import torch
from torch import Tensor, nn

from geodis.actions.fields import check_types
from geodis.emulators.geometric_conv import components
from geodis.emulators.isotropic_tensors import isotropic_tensors
from geodis.errors import DesignError, ShapeError
from geodis.groups.options import count


@final
class TensorProduct(nn.Module):
    """(A, B) ↦ Σ w · contraction(A ⊗ B): all bilinear maps of tensors that commute with O(d), at every pixel.

    For types (k, p) of A and (k', p') of B and an output type (k'', p''), the maps are the `isotropic_tensors` of order
    k + k' + k'' and parity p p' p'': contractions by δ and, where parities differ, by Levi-Civita's ε. Channel i of A
    meets channel i of B (layers before and after mix channels); each has weights of its own.

    Norm-gated networks cannot form advection u·∇h or the Coriolis force f × u, which are of this form: a layer of this
    kind is what lets a network of few parameters follow a flow.

    Parameters
    ----------
    types : tuple of (order, parity, channels)
        Of A and B, all with the same number of channels.
    types_out : tuple of (order, parity, channels), optional
        Of the result, with that number of channels too; `types` by default.
    dim : int
        d: 2 or 3.
    seed : int
        Seed of the starting weights.

    Raises
    ------
    DesignError
        For unequal numbers of channels, or an output type that no product reaches.
    ShapeError
        In `forward`, for fields of other types.

    References
    ----------
    W. Gregory, J. Tonelli-Cueto, N. F. Marshall, A. S. Lee, S. Villar, *Tensor learning with orthogonal, Lorentz, and
    symplectic symmetries*, 2024, arXiv:2406.01552.

    Examples
    --------
    >>> vector, pseudoscalar = (1, 1, 2), (0, -1, 2)
    >>> product = TensorProduct((vector, pseudoscalar))
    >>> field = torch.zeros(3, 6, 8, 8)
    >>> tuple(product(field, field).shape), len(product.weights[0])  # f u, turned by ε, is a vector again
    ((3, 6, 8, 8), 2)
    """

    def __init__(self, types: Any, types_out: Any = None, *, dim: int = 2, seed: int = 0) -> None:
        super().__init__()
        self.types, self.dim = check_types(types), count(dim, "dim", 2, 3)
        self.types_out = self.types if types_out is None else check_types(types_out)
        numbers = {channels for _, _, channels in (*self.types, *self.types_out)}
        if len(numbers) > 1:
            raise DesignError(f"TensorProduct: expected one number of channels for all types, got {sorted(numbers)}.")
        self.channels, generator = numbers.pop(), torch.Generator().manual_seed(count(seed, "seed", 0))
        self.weights = nn.ParameterList()
        self.used: list[list[tuple[int, int, int]]] = []
        for place, (order, parity, _) in enumerate(self.types_out):
            maps = self._maps(order, parity)
            if not len(maps):
                raise DesignError(
                    f"TensorProduct: expected a product of {self.types} of order {order} and parity {parity}; there is "
                    "none. Add a type, or leave this output out."
                )
            self.register_buffer(f"maps_{place}", maps, persistent=False)
            self.used.append([(o, i, j) for o, i, j in torch.nonzero((maps != 0).any(0)).tolist()])
            weight = torch.empty(len(maps), self.channels).normal_(std=1 / sqrt(len(maps)), generator=generator)
            self.weights.append(nn.Parameter(weight))

    def _maps(self, order: int, parity: int) -> Tensor:
        """All maps (n, d^order, total, total) from two stacks of components to one of the output's."""
        d, widths = self.dim, [self.dim**k for k, _, _ in self.types]
        total, starts = sum(widths), [sum(widths[:i]) for i in range(len(widths))]
        found = []
        for a, (k, p, _) in enumerate(self.types):
            for b, (kk, pp, _) in enumerate(self.types):
                for tensor in isotropic_tensors(order + k + kk, parity * p * pp, d):
                    full = torch.zeros(d**order, total, total)
                    block = tensor.reshape(d**order, widths[a], widths[b])
                    full[:, starts[a] : starts[a] + widths[a], starts[b] : starts[b] + widths[b]] = block / block.norm()
                    found.append(full * sqrt(d**order))
        return torch.stack(found) if found else torch.zeros(0, d**order, total, total)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Two fields `(batch, components, *grid)` → one of `types_out`."""
        left, right = self._stacked(a).unbind(2), self._stacked(b).unbind(2)
        # Few of all pairs of components occur, and planes of one component stay in the cache: a sum over the pairs that
        # do is faster than any contraction of whole tensors.
        pairs: dict[tuple[int, int], Tensor] = {}
        outs = []
        for place, (weight, (order, _, _)) in enumerate(zip(self.weights, self.types_out, strict=True)):
            factors = torch.einsum("nc,noij->oijc", weight, getattr(self, f"maps_{place}"))
            rows: list[Tensor | None] = [None] * self.dim**order
            for o, i, j in self.used[place]:
                if (i, j) not in pairs:
                    pairs[i, j] = left[i] * right[j]
                term = pairs[i, j] * factors[o, i, j][:, None]
                known = rows[o]
                rows[o] = term if known is None else known + term
            outs.append(
                torch.stack([torch.zeros_like(left[0]) if row is None else row for row in rows], 2).flatten(1, 2)
            )
        return torch.cat(outs, 1).reshape(len(a), -1, *a.shape[2:])

    def _stacked(self, field: Tensor) -> Tensor:
        """(batch, channels, components of one channel, pixels)."""
        if field.ndim != self.dim + 2 or field.shape[1] != components(self.types, self.dim):
            expected = f"(batch, {components(self.types, self.dim)}, {', '.join('N' * self.dim)})"
            raise ShapeError("fields", expected, tuple(field.shape))
        flat = field.flatten(2)
        parts, start = [], 0
        for order, _, channels in self.types:
            width = channels * self.dim**order
            parts.append(flat[:, start : start + width].reshape(len(flat), channels, self.dim**order, -1))
            start += width
        return torch.cat(parts, 2)
