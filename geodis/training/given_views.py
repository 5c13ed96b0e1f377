"""Views that exist already: rendered, measured or moved beforehand, a table of items × elements."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from geodis.errors import DesignError, LengthError, ParameterError, ShapeError
from geodis.groups import AbstractGroup
from geodis.groups.size import element_size
from geodis.linalg import Array, to_numpy
from geodis.orbits import Orbits
from geodis.training.action_views import floating
from geodis.training.views import AbstractViews, chunk_sizes

SAME = 1e-4  # two steps that differ by less are the same: elements may have been stored in single precision


@final
class GivenViews(AbstractViews):
    """Views x_ij of n items at the elements g_ij, M of each.

    Parameters
    ----------
    views : array (n, M, ...)
        The views, floating-point, n ≥ 4 and M ≥ 2.
    params : array (n, M, p)
        Their elements.
    group : AbstractGroup
        The group.

    Raises
    ------
    ShapeError, LengthError, ParameterError, FiniteError
        For arrays that do not fit together, or elements outside the group.

    Examples
    --------
    >>> import numpy as np
    >>> from geodis.groups import SO2
    >>> views = GivenViews(np.zeros((9, 6, 5)), SO2().orbit(9, 6), SO2())
    >>> [tuple(part.shape) for part in views.draw(np.arange(4), 2, 0, np.random.default_rng(0))]
    [(4, 2, 5), (4, 2, 1)]
    """

    def __init__(self, views: Any, params: Any, group: AbstractGroup) -> None:
        if not isinstance(group, AbstractGroup):
            raise ParameterError("group", "a group such as SO2()", repr(group))
        self.views, self.group = floating(views, "views"), group
        if self.views.ndim < 3 or self.views.shape[1] < 2:
            raise ShapeError("views", "(n items, M ≥ 2 views, ...)", self.views.shape)
        self.params = np.asarray(to_numpy(params), dtype=np.float64)
        if self.params.ndim != 3:
            raise ShapeError("params", f"({', '.join(map(str, self.views.shape[:2]))}, p)", self.params.shape)
        for i in (0, 1):
            if self.params.shape[i] != self.views.shape[i]:
                raise LengthError(views=self.views.shape[i], params=self.params.shape[i])
        group.check(self.params)
        self.n_items, self.shape = len(self.views), self.views.shape[2:]

    @classmethod
    def of_orbits(cls, orbits: Orbits) -> GivenViews:
        """The rows of orbits; of ragged ones every item shows as many elements as the smallest has.

        Raises
        ------
        DesignError
            When no item was seen at two elements.
        """
        stacks = [stack for stack in orbits.stacks() if stack.params.shape[1] >= 2]
        if not stacks:
            raise DesignError("training: expected items with at least two elements, every item has one.")
        m = min(stack.params.shape[1] for stack in stacks)
        z = np.concatenate([stack.z[:, :m] for stack in stacks])
        return cls(z, np.concatenate([stack.params[:, :m] for stack in stacks]), orbits.group)

    def content(self) -> Any:
        """The views and their elements."""
        return [self.views, self.params, repr(self.group)]

    def check_shared(self) -> None:
        """Raise unless the step from an item's first view to its k-th is the same for all items.

        Raises
        ------
        ParameterError
            Otherwise: no two items were moved by the same transformation.
        """
        first = np.broadcast_to(self.params[:, :1], self.params.shape)
        steps = np.asarray(self.group.compose(self.params, self.group.inverse(first)))
        own = np.broadcast_to(steps[:1], steps.shape)
        off = float(element_size(self.group, self.group.compose(steps, self.group.inverse(own))).max())
        if off > SAME:
            raise ParameterError(
                "params", "the same steps between an item's views for all items (a grid from a start of its own)",
                f"steps that differ by {off:.3g}", "A loss of shared transformations needs them; or use ActionViews.",
            )  # fmt: skip

    def _draw(self, which: Array, n_elements: int, chunks: int, rng: np.random.Generator) -> tuple[Array, Array]:
        sizes = chunk_sizes(len(which), chunks) if chunks else [1] * len(which)
        order = rng.random((len(sizes), self.views.shape[1])).argsort(axis=1)[:, :n_elements]
        at = np.repeat(order, sizes, axis=0)
        return self.views[which[:, None], at], self.params[which[:, None], at]

    def _elements(self, n_items: int, n_elements: int, rng: np.random.Generator) -> Array:
        return self.params[:n_items]

    def __repr__(self) -> str:
        return f"GivenViews({self.n_items} items × {self.views.shape[1]} views of shape {self.shape}, {self.group!r})"
