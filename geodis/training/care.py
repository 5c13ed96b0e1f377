"""CARE: contrast, and inner products that one transformation of many items keeps. Implicit equivariance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from geodis.errors import ParameterError
from geodis.training.abstract_objective import AbstractObjective, with_first
from geodis.training.contrastive import nt_xent, unit
from geodis.training.pair_invariants import gram_loss
from geodis.training.views import chunk_sizes


@final
@dataclass(frozen=True)
class CARE(AbstractObjective):
    """`nt_xent` + weight · mean over chunks of `gram_loss`, on the unit sphere.

    All items of a chunk are moved by the same step, which need not be known; where their inner products stay, it acts
    on the sphere by an orthogonal map.

    Attributes
    ----------
    weight : float
        Of the kept inner products; the authors' .01, for 16 rows a split, is .32 here.
    temperature : float
        τ of the contrast.
    chunks : int
        Steps a batch.

    References
    ----------
    S. Gupta, J. Robinson, D. Lim, S. Villar, S. Jegelka, 2023, arXiv 2306.13924.

    Examples
    --------
    >>> import torch
    >>> from geodis.training import SimCLR
    >>> z = torch.eye(4)
    >>> turned = torch.stack([z, z.roll(1, dims=1)], dim=1)  # one orthogonal map of all items
    >>> bool(CARE(weight=1.0, chunks=1)(turned, torch.zeros(4, 2, 1)) == SimCLR()(turned, torch.zeros(4, 2, 1)))
    True
    """

    weight: float = 0.32
    temperature: float = 0.5
    chunks: int = 8

    def __post_init__(self) -> None:
        if isinstance(self.chunks, bool) or not isinstance(self.chunks, int) or self.chunks < 1:
            raise ParameterError("CARE: chunks", "an integer ≥ 1", repr(self.chunks))

    def __call__(self, h: Tensor, params: Tensor) -> Tensor:
        """The loss of features (n, m, F), items in chunks as `chunk_sizes` says."""
        return with_first(self._pair, h)

    def _pair(self, a: Tensor, b: Tensor) -> Tensor:
        sizes = chunk_sizes(len(a), self.chunks)
        kept = [gram_loss(x, y) for x, y in zip(unit(a).split(sizes), unit(b).split(sizes), strict=True)]
        return nt_xent(a, b, self.temperature) + self.weight * torch.stack(kept).mean()
