"""The last layer of an encoder that lives on the sphere: rows divided by their norm."""

from __future__ import annotations

from torch import Tensor, nn

FLOOR = 1e-12  # a row of zeros stays one


class UnitNorm(nn.Module):
    """z ↦ z/|z|, `(N, D) → (N, D)`: what contrastive losses compare is then what the encoder returns.

    Examples
    --------
    >>> import torch
    >>> UnitNorm()(torch.tensor([[3.0, 4.0]])).tolist()
    [[0.6000000238418579, 0.800000011920929]]
    """

    def forward(self, z: Tensor) -> Tensor:
        """Rows (N, D) → (N, D)."""
        return nn.functional.normalize(z, dim=-1, eps=FLOOR)
