"""Several objectives at once: implicit and explicit equivariance, say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from torch import Tensor

from geodis.errors import ParameterError
from geodis.training.abstract_objective import AbstractObjective
from geodis.training.hybrid import weighted_sum


@final
@dataclass(frozen=True)
class Hybrid(AbstractObjective):
    """Σ_k w_k L_k of objectives that see the same batch.

    Where one of them wants items moved together, all see such a batch: each item's elements are still independent of
    each other, so that an explicit score stays unbiased.

    Attributes
    ----------
    terms : tuple of (float, AbstractObjective)
        Weights and objectives.

    Raises
    ------
    ParameterError
        For no terms, a weight that is not finite, or two terms that want different numbers of chunks.

    Examples
    --------
    >>> from geodis.training import CARE, SimCLR
    >>> Hybrid(((1.0, CARE(chunks=4)), (0.5, SimCLR()))).chunks
    4
    """

    terms: tuple[tuple[float, AbstractObjective], ...]

    def __post_init__(self) -> None:
        weighted_sum({str(k): term for k, term in enumerate(self.terms)})
        wanted = {objective.chunks for _, objective in self.terms} - {0}
        if len(wanted) > 1:
            raise ParameterError("Hybrid: terms", "one number of chunks", sorted(wanted))

    @property
    def chunks(self) -> int:  # type: ignore[override]
        """Chunks of a batch that are moved together; 0 for none."""
        return max(objective.chunks for _, objective in self.terms)

    def __call__(self, h: Tensor, params: Tensor) -> Tensor:
        """The loss of features (n, m, F) at elements (n, m, p)."""
        total, _ = weighted_sum({str(k): term for k, term in enumerate(self.terms)})(h, params)
        return total
