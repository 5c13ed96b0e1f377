"""Batches of whole orbits: some items, some elements of each, drawn by the number of the step alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from geodis.errors import DesignError, ParameterError
from geodis.linalg import Array
from geodis.orbits import Orbits


@dataclass(frozen=True, eq=False)
class OrbitBatches:
    """Random sub-orbits of embedded (or raw) items.

    Attributes
    ----------
    z : Tensor (N, D)
        All rows, on the device where batches are needed, in the dtype of the network.
    params : Tensor (N, p)
        Their elements, float64.
    starts, sizes : ndarray (n,)
        First row and number of rows of every item that has at least m.
    n_items, n_elements : int
        Items a batch and elements an item, m.
    seed : int
        Batch t of a seed is always the same.
    """

    z: Tensor
    params: Tensor
    starts: Array
    sizes: Array
    n_items: int
    n_elements: int
    seed: int

    @classmethod
    def of(
        cls, orbits: Orbits, n_items: int, n_elements: int, seed: int = 0, device: torch.device | str = "cpu"
    ) -> OrbitBatches:
        """Batches from orbits: with ragged ones every item shows as many elements as the smallest has (at least two).

        Raises
        ------
        ParameterError, DesignError
            For sizes below two, or when no item has two elements.
        """
        for name, value in (("batch_items", n_items), ("batch_elements", n_elements)):
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 2:
                raise ParameterError(name, "an integer ≥ 2", repr(value))
        sizes = orbits.sizes
        paired = sizes >= 2
        if not paired.any():
            raise DesignError("training: expected items with at least two elements, every item has one.")
        m = int(min(n_elements, sizes[paired].min()))
        starts = np.cumsum(np.concatenate([[0], sizes]))[:-1][paired]
        return cls(
            torch.as_tensor(orbits.z, dtype=torch.float32, device=device),
            torch.as_tensor(orbits.params, dtype=torch.float64, device=device),
            starts,
            sizes[paired],
            int(min(n_items, len(starts))),
            m,
            seed,
        )

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        """Batch `step`: rows (n·m, D) and elements (n, m, p)."""
        rng = np.random.default_rng([self.seed, step])
        return self._rows(rng.choice(len(self.starts), self.n_items, replace=False), rng)

    def all(self, limit: int) -> tuple[Tensor, Tensor]:
        """One batch of up to `limit` items in order, each at its first m elements."""
        which = np.arange(min(limit, len(self.starts)))
        return self._take(self.starts[which][:, None] + np.arange(self.n_elements))

    def _rows(self, which: Array, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        # Without replacement: two equal elements would count as a pair that agrees.
        chosen = rng.random((len(which), int(self.sizes[which].max())))
        chosen[np.arange(chosen.shape[1]) >= self.sizes[which][:, None]] = 2.0
        order = np.argsort(chosen, axis=1)[:, : self.n_elements]
        return self._take(self.starts[which][:, None] + order)

    def _take(self, rows: Array) -> tuple[Tensor, Tensor]:
        index = torch.from_numpy(rows).to(self.z.device)
        return self.z[index.reshape(-1)], self.params[index]
