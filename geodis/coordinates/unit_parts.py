"""Parts of a row on spheres of their own: no item's code may be small, whatever the other parts do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from geodis.errors import ParameterError, ShapeError

FLOOR = 1e-6  # a part of zeros stays one


@final
class UnitParts(nn.Module):
    """z = (z_1, z_2, …, rest) ↦ (z_1/|z_1|, z_2/|z_2|, …, rest), `(N, D) → (N, D)`.

    Orthogonal actions block by block commute with it, when each part holds whole blocks. Energies are shares of a
    variance over all items: without a norm they may be reached by a code that is large where the action shows well and
    nearly zero elsewhere.

    Parameters
    ----------
    sizes : sequence of int
        How many neighbouring features each part has; what follows them is left as it is.

    Raises
    ------
    ParameterError, ShapeError
        For a size below one; in `forward`, for rows with fewer features than the parts have.

    Examples
    --------
    >>> UnitParts((2, 1))(torch.tensor([[3.0, 4.0, -2.0, 7.0]])).tolist()
    [[0.6000000238418579, 0.800000011920929, -1.0, 7.0]]
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        if not sizes or any(isinstance(k, bool) or not isinstance(k, int) or k < 1 for k in sizes):
            raise ParameterError("UnitParts: sizes", "integers ≥ 1", sizes)
        self.sizes = tuple(sizes)

    def forward(self, z: Tensor) -> Tensor:
        """Rows (N, D) → (N, D)."""
        total = sum(self.sizes)
        if z.ndim != 2 or z.shape[1] < total:
            raise ShapeError("UnitParts", f"rows (N, at least {total})", tuple(z.shape))
        parts = z[:, :total].split(self.sizes, dim=1)
        return torch.cat([nn.functional.normalize(x, dim=1, eps=FLOOR) for x in parts] + [z[:, total:]], dim=1)
