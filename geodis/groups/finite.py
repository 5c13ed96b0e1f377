"""What finite groups share: an enumeration of their elements and everything that follows from it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from geodis.errors import ParameterError
from geodis.groups.group import AbstractGroup, Relabelling
from geodis.linalg import Array

INTEGER_TOLERANCE = 1e-6  # parameters are floats that carry integers
LARGEST_LISTING = 1_000_000


def distinct_draws(rng: np.random.Generator, order: int, n_items: int, n_elements: int) -> Array:
    """Enumeration indices for each item `(n_items, m)`: all if they fit, draws without replacement otherwise."""
    if order <= n_elements:
        return np.tile(np.arange(order), (n_items, 1))
    rows = [rng.choice(order, n_elements, replace=False) for _ in range(n_items)]
    return np.array(rows, dtype=np.int64).reshape(n_items, n_elements)


def is_integer(g: Tensor) -> Tensor:
    """Which entries are whole numbers up to float noise."""
    return (g - g.round()).abs() <= INTEGER_TOLERANCE


def permute_elements(
    rng: np.random.Generator, order: int, rank: Callable[[Tensor], Tensor], unrank: Callable[[Tensor], Tensor]
) -> Relabelling | None:
    """One random permutation of a finite group's elements, as a map of parameters."""
    if order > LARGEST_LISTING:
        return None
    permutation = torch.as_tensor(rng.permutation(order))

    def relabel(g: Array) -> Array:
        return unrank(permutation[rank(torch.as_tensor(np.asarray(g, dtype=np.float64)))]).numpy()

    return relabel


class AbstractFiniteGroup(AbstractGroup):
    """A finite group, its elements enumerated 0, …, |G| − 1 with the identity at 0.

    A subclass implements `_rank`, `_unrank` and the group law; sampling, orbits and relabellings follow.
    """

    order: int

    @abstractmethod
    def _rank(self, g: Tensor) -> Tensor:
        """Parameters `(..., p)` → enumeration index, int64 `(...)`."""

    @abstractmethod
    def _unrank(self, index: Tensor) -> Tensor:
        """Enumeration index `(...)` → canonical parameters `(..., p)`, float64."""

    def elements(self) -> Array:
        """All elements in the order of the enumeration: `(|G|, p)`."""
        if self.order > LARGEST_LISTING:
            raise ParameterError(f"{self!r}.elements", f"a group of at most {LARGEST_LISTING} elements", self.order)
        return self._unrank(torch.arange(self.order)).numpy()

    def _identity(self) -> Tensor:
        return self._unrank(torch.tensor(0))

    def _exp(self, a: Tensor) -> Tensor:
        return self._identity().to(a).expand(*a.shape[:-1], self.n_params).clone()

    def _log(self, g: Tensor) -> Tensor:
        return g.new_zeros((*g.shape[:-1], 0))

    def _draw(self, rng: np.random.Generator, n: int) -> Array:
        return self._unrank(torch.as_tensor(rng.integers(self.order, size=n))).numpy()

    def _orbit(self, rng: np.random.Generator, n_items: int, n_elements: int) -> Array:
        return self._unrank(torch.as_tensor(distinct_draws(rng, self.order, n_items, n_elements))).numpy()

    def _relabelling(self, rng: np.random.Generator, params: Array, factor: int) -> Relabelling | None:
        return permute_elements(rng, self.order, self._rank, self._unrank)

    def _quadrature(self, degree: int) -> tuple[Array, Array]:
        return self.elements(), np.full(self.order, 1 / self.order)
