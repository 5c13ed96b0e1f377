"""What DeepCoordinates maximise: the spectral score of acting features, and content kept in invariant ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from geodis.errors import ParameterError
from geodis.groups import Representation
from geodis.training.contrastive import info_nce
from geodis.training.spectral_score import pair_score, spectral_score

Score = Callable[[Tensor, Tensor, Sequence[Representation]], Tensor]


@dataclass(frozen=True)
class SpectralObjective:
    """loss = −score(acting features)/F + content · InfoNCE(invariant features).

    The score counts equivariant dimensions and cannot be met by collapse, but a code of the pose alone meets it, too:
    which item it is need not be in there. The last `n_content` features keep that: canonical codes of the trivial
    irrep, ρ = 1, in which two views of an item are to lie closer than views of other items.

    Attributes
    ----------
    irreps : tuple of Representation
        The non-trivial irreps that may appear.
    score : callable
        `spectral_score` for Haar-like designs, `pair_score` for limited ones and non-compact groups.
    n_content : int
        How many of the features are to be invariant.
    content : float
        The weight of the contrast.
    temperature : float
        Of the contrast.
    """

    irreps: tuple[Representation, ...]
    score: Score
    n_content: int
    content: float
    temperature: float = 0.1

    @classmethod
    def of(
        cls, irreps: Sequence[Representation], limited: bool, n_content: int, content: float, temperature: float
    ) -> SpectralObjective:
        """The objective that a design needs."""
        acting = tuple(rep for rep in irreps if not rep.trivial and rep.cocycle is None)
        if not acting:
            raise ParameterError("max_order", "an order with non-trivial irreps", "none", "Raise max_order.")
        return cls(acting, pair_score if limited else spectral_score, n_content, content, temperature)

    def __call__(self, h: Tensor, params: Tensor) -> Tensor:
        """The loss of features (n, m, F) at elements (n, m, p)."""
        acting = h[..., : h.shape[-1] - self.n_content]
        loss = -self.score(acting, params, self.irreps) / acting.shape[-1]
        if self.n_content == 0 or self.content == 0.0:
            return loss
        return loss + self.content * view_contrast(h[..., -self.n_content :], self.temperature)


def view_contrast(h: Tensor, temperature: float) -> Tensor:
    """InfoNCE between views 2k and 2k + 1 of every item, averaged over k and both directions: h (n, m, F) → ()."""
    first, second = h[:, 0::2], h[:, 1::2]
    pairs = [(first[:, k], second[:, k]) for k in range(second.shape[1])]
    terms = [info_nce(a, b, temperature) + info_nce(b, a, temperature) for a, b in pairs]
    return torch.stack(terms).mean() / 2
