"""Embeddings that are already computed: the identity encoder."""

from __future__ import annotations

from typing import Any

import numpy as np

from geodis.encoders.encoder import AbstractEncoder
from geodis.errors import ShapeError
from geodis.linalg import Array, to_numpy


class ArrayEncoder(AbstractEncoder):
    """f(z) = z: the items are rows of embeddings computed before, `(n, D)` → `(n, D)`, checked.

    Parameters
    ----------
    n_features : int, optional
        The D that rows must have; any by default.
    batch_size, verbose, name
        As in `AbstractEncoder`.

    Raises
    ------
    ShapeError
        When called with rows of another length.

    Examples
    --------
    >>> ArrayEncoder()([[1.0, 2.0], [3.0, 4.0]]).shape
    (2, 2)
    """

    def __init__(
        self,
        n_features: int | None = None,
        batch_size: int = 4096,
        verbose: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(batch_size, verbose, name)
        self.n_features = n_features

    def _embed(self, batch: Any) -> Array:
        # A list may hold tensors, which numpy cannot stack by itself.
        z = np.stack([to_numpy(row) for row in batch]) if isinstance(batch, (list, tuple)) else to_numpy(batch)
        if self.n_features is not None and z.shape[1:] != (self.n_features,):
            raise ShapeError("items", f"(n, {self.n_features})", z.shape, "They are embeddings already.")
        return z

    def __repr__(self) -> str:
        return f"ArrayEncoder({'' if self.n_features is None else self.n_features})"
