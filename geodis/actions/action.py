"""What every action can do: move a batch of items by a batch of group elements."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from geodis.errors import LengthError
from geodis.groups import AbstractGroup
from geodis.linalg import Array, to_numpy


class AbstractAction(ABC):
    """A left action of `group` on items: act(e, x) = x and act(g, act(h, x)) = act(gh, x).

    A subclass implements `_act`, and `__repr__` with all that determines what it does: the key of stored embeddings.

    Attributes
    ----------
    group : AbstractGroup
        The group that acts.
    exact : bool
        Whether the laws hold up to rounding. Where interpolation breaks them, `sample_orbits` measures by how much.
    """

    group: AbstractGroup
    exact: bool = True

    def act(self, params: Any, items: Any) -> Any:
        """Move item i by element i: params `(n, p)` and a batch of n items → a batch of n items."""
        elements = to_numpy(params)
        if elements.ndim == 1 and self.group.n_params == 1:
            elements = elements[:, None]
        self.group.check(elements)
        if len(elements) != len(items):
            raise LengthError(params=len(elements), items=len(items))
        return self._act(elements, items)

    def orbit(self, items: Any, n_elements: int, seed: int = 0) -> Array:
        """Elements that `sample_orbits` applies to each item `(n, m, p)`: those of `group.orbit`, for any items."""
        return self.group.orbit(len(items), n_elements, seed=seed)

    @abstractmethod
    def _act(self, params: Array, items: Any) -> Sequence[Any] | Array:
        """`act` on checked parameters."""
