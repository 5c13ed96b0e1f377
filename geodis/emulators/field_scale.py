"""Units of tensor fields: what normalization may do without breaking a symmetry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from geodis.actions.fields import Types, check_types
from geodis.emulators.geometric_conv import components
from geodis.errors import ShapeError
from geodis.groups.options import count
from geodis.linalg import check_finite, to_numpy


@final
@dataclass(frozen=True, eq=False)
class FieldScale:
    """(x − shift)/size channel by channel; only scalars have a shift, all components of a tensor one size.

    Attributes
    ----------
    types : tuple of (order, parity, channels)
    dim : int
        d.
    shift, size : Tensor (components,)

    Examples
    --------
    >>> import numpy as np
    >>> fields = np.random.default_rng(0).normal(size=(4, 3, 8, 8)) * [[[[2.0]], [[5.0]], [[5.0]]]] + 1.0
    >>> scale = FieldScale.of(fields, ((0, 1, 1), (1, 1, 1)))
    >>> bool(scale.shift[1] == 0), bool(scale.size[1] == scale.size[2])
    (True, True)
    """

    types: Types
    dim: int
    shift: Tensor
    size: Tensor

    @classmethod
    def of(cls, fields: Any, types: Any, dim: int = 2) -> FieldScale:
        """Means of scalars and root mean squares of everything over fields `(..., components, *grid)`.

        A channel that is zero everywhere keeps its size of one.

        Raises
        ------
        ShapeError, FiniteError
            For another number of components, NaN.
        """
        checked, array = check_types(types), to_numpy(fields)
        if array.ndim <= dim or array.shape[-dim - 1] != components(checked, count(dim, "dim", 2, 3)):
            raise ShapeError("fields", f"(..., {components(checked, dim)}, {', '.join('N' * dim)})", array.shape)
        check_finite(array, "fields")
        flat = torch.from_numpy(array.reshape(-1, *array.shape[-dim - 1 :])).to(torch.float64).flatten(2)
        shift, size, start = torch.zeros(flat.shape[1]), torch.ones(flat.shape[1]), 0
        for order, parity, channels in checked:
            for _ in range(channels):
                part = slice(start, start + dim**order)
                if (order, parity) == (0, 1):
                    shift[part] = flat[:, part].mean()
                found = (flat[:, part] - shift[part, None]).square().sum(1).mean().sqrt()
                size[part] = found if found > 0 else 1.0
                start = part.stop
        return cls(checked, dim, shift, size)

    def normalized(self, fields: Tensor) -> Tensor:
        """Fields `(..., components, *grid)` in units of their spread."""
        return (fields - self._at(self.shift, fields)) / self._at(self.size, fields)

    def restored(self, fields: Tensor) -> Tensor:
        """`normalized` undone."""
        return fields * self._at(self.size, fields) + self._at(self.shift, fields)

    def _at(self, values: Tensor, fields: Tensor) -> Tensor:
        return values.to(fields)[:, *(None,) * self.dim]
