"""The explicit objective: elements are known, and as many dimensions as possible are to follow their irreps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from torch import Tensor

from geodis.coordinates.design import read_design
from geodis.errors import DesignError
from geodis.orbits import Orbits
from geodis.training.abstract_objective import AbstractObjective
from geodis.training.objective import SpectralObjective
from geodis.training.views import AbstractViews

READ = 512  # items whose elements tell the design


@final
@dataclass(frozen=True, repr=False)
class Spectral(AbstractObjective):
    """−(spectral score of the acting features)/F + content · InfoNCE(the last `n_content` features).

    Attributes
    ----------
    objective : SpectralObjective
        The loss that `DeepCoordinates` are trained with.

    Examples
    --------
    >>> import numpy as np
    >>> from geodis.groups import SO2
    >>> from geodis.training import GivenViews
    >>> views = GivenViews(np.zeros((40, 8, 5)), SO2().orbit(40, 8), SO2())
    >>> Spectral.on(views, max_order=2, n_content=4)
    Spectral(m=1, m=2; spectral_score, content 0.3 in 4 features)
    """

    objective: SpectralObjective

    @classmethod
    def on(
        cls,
        views: AbstractViews,
        *,
        max_order: int = 4,
        n_content: int = 16,
        content: float = 0.3,
        temperature: float = 0.1,
        n_elements: int = 8,
    ) -> Spectral:
        """The objective that the views' group and elements need: pairs where they are a limited range.

        Raises
        ------
        AliasingError, ParameterError, DesignError
            For orders that the elements cannot tell apart, a group without irreps to reward, or one element an item.
        """
        params = views.elements(READ, n_elements)
        n, m, p = params.shape
        items = np.arange(n).repeat(m)
        stacks = list(Orbits.from_arrays(np.zeros((n * m, 1)), params.reshape(n * m, p), items, views.group).stacks())
        design = read_design(views.group, stacks, max_order)
        if not design.sufficient:
            raise DesignError("training: expected items at two different elements at least, every item is at one.")
        irreps = views.group.irreps(max_order)
        return cls(SpectralObjective.of(irreps, design.limited, n_content, content, temperature))

    def __call__(self, h: Tensor, params: Tensor) -> Tensor:
        """The loss of features (n, m, F) at elements (n, m, p)."""
        return self.objective(h, params)

    def __repr__(self) -> str:
        o = self.objective
        irreps, score = ", ".join(rep.name for rep in o.irreps), getattr(o.score, "__name__", "score")
        return f"Spectral({irreps}; {score}, content {o.content:g} in {o.n_content} features)"
