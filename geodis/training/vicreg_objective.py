"""VICReg as what an encoder is trained for: agreement, variance, decorrelation, without negatives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from torch import Tensor

from geodis.training.abstract_objective import AbstractObjective, with_first
from geodis.training.vicreg import vicreg


@final
@dataclass(frozen=True)
class VICReg(AbstractObjective):
    """`vicreg` between an item's first view and its others.

    Attributes
    ----------
    alignment_weight, variance_weight, covariance_weight : float
        λ, µ, ν.

    References
    ----------
    A. Bardes, J. Ponce, Y. LeCun, 2022, arXiv 2105.04906.

    Examples
    --------
    >>> import torch
    >>> spread = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])[:, None].expand(4, 2, 2)
    >>> VICReg()(spread, torch.zeros(4, 2, 1)).item(), VICReg()(0 * spread, torch.zeros(4, 2, 1)).item() > 1
    (0.0, True)
    """

    alignment_weight: float = 25.0
    variance_weight: float = 25.0
    covariance_weight: float = 1.0

    def __call__(self, h: Tensor, params: Tensor) -> Tensor:
        """The loss of features (n, m, F)."""
        weights = (self.alignment_weight, self.variance_weight, self.covariance_weight)
        return with_first(lambda a, b: vicreg(a, b, *weights), h)
