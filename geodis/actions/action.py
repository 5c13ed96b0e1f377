"""What every action can do: move a batch of items by a batch of group elements."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from geodis.errors import LengthError
from geodis.groups import AbstractGroup
from geodis.linalg import Array, to_numpy


class AbstractAction(ABC):
    """A left action of `group` on items: act(e, x) = x and act(g, act(h, x)) = act(gh, x)."""

    group: AbstractGroup

    def act(self, params: Any, items: Any) -> Any:
        """Move item i by element i: params `(n, p)` and a batch of n items → a batch of n items."""
        elements = to_numpy(params)
        if elements.ndim == 1 and self.group.n_params == 1:
            elements = elements[:, None]
        self.group.check(elements)
        if len(elements) != len(items):
            raise LengthError(params=len(elements), items=len(items))
        return self._act(elements, items)

    @abstractmethod
    def _act(self, params: Array, items: Any) -> Sequence[Any] | Array:
        """`act` on checked parameters."""
