"""SimCLR: views of one item are to be near, those of others far; the code becomes invariant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from torch import Tensor

from geodis.training.abstract_objective import AbstractObjective, with_first
from geodis.training.contrastive import nt_xent


@final
@dataclass(frozen=True)
class SimCLR(AbstractObjective):
    """`nt_xent` between an item's first view and its others.

    Attributes
    ----------
    temperature : float
        τ.

    References
    ----------
    T. Chen, S. Kornblith, M. Norouzi, G. Hinton, 2020, arXiv 2002.05709.

    Examples
    --------
    >>> import torch
    >>> same = torch.eye(4)[:, None].expand(4, 2, 4)
    >>> bool(SimCLR()(same, torch.zeros(4, 2, 1)) < SimCLR()(torch.ones(4, 2, 4), torch.zeros(4, 2, 1)))
    True
    """

    temperature: float = 0.5

    def __call__(self, h: Tensor, params: Tensor) -> Tensor:
        """The loss of features (n, m, F)."""
        return with_first(lambda a, b: nt_xent(a, b, self.temperature), h)
