"""Where self-supervised training gets its views: some items, each at several group elements."""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from geodis.errors import ParameterError
from geodis.groups import AbstractGroup
from geodis.linalg import Array


class AbstractViews(ABC):
    """Items 0 … n_items − 1, which can be shown at several elements of a group each.

    A subclass implements `_draw`, which moves or picks, and `_elements`, which tells what elements there are.

    Attributes
    ----------
    group : AbstractGroup
        The group acting.
    n_items : int
        How many items there are.
    shape : tuple of int
        The shape of one view.
    """

    group: AbstractGroup
    n_items: int
    shape: tuple[int, ...]

    def draw(self, which: Array, n_elements: int, chunks: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Views of some items: `(n, m, *shape)` in float32 and their elements `(n, m, p)` in float64.

        Parameters
        ----------
        which : ndarray (n,)
            The items.
        n_elements : int
            m, at most: of a finite group, or of views that are given, there may be fewer.
        chunks : int
            0: every item is moved on its own. Otherwise items come in so many chunks (`chunk_sizes`), within which
            the step from view 0 to view k, g_ik g_i0⁻¹, is the same for all items.
        rng : numpy.random.Generator
        """
        moved, params = self._draw(np.asarray(which), n_elements, chunks, rng)
        return (
            torch.from_numpy(np.ascontiguousarray(moved, dtype=np.float32)),
            torch.from_numpy(np.ascontiguousarray(params, dtype=np.float64)),
        )

    def elements(self, n_items: int, n_elements: int, seed: int = 0) -> Array:
        """Elements such as the views have, `(n, m, p)` with n ≤ `n_items`: what the design is read off."""
        return self._elements(min(n_items, self.n_items), n_elements, np.random.default_rng(seed))

    @property
    def size(self) -> int:
        """How many numbers one view is."""
        return prod(self.shape)

    @abstractmethod
    def check_shared(self) -> None:
        """Raise `ParameterError` where no step can be shared by items."""

    @abstractmethod
    def content(self) -> Any:
        """All that determines the views: what a checkpoint is recognised by."""

    @abstractmethod
    def _draw(self, which: Array, n_elements: int, chunks: int, rng: np.random.Generator) -> tuple[Array, Array]: ...

    @abstractmethod
    def _elements(self, n_items: int, n_elements: int, rng: np.random.Generator) -> Array: ...


def chunk_sizes(n_items: int, chunks: int) -> list[int]:
    """The sizes of so many chunks of n items, at least two items each where there are two.

    Examples
    --------
    >>> chunk_sizes(10, 3), chunk_sizes(5, 8)
    ([4, 3, 3], [3, 2])
    """
    if chunks < 1:
        raise ParameterError("chunks", "an integer ≥ 1", chunks)
    count = max(1, min(chunks, n_items // 2))
    return [n_items // count + (i < n_items % count) for i in range(count)]
