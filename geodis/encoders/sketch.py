"""A fixed random projection that makes wide layers narrow: seeded by the widths alone, nothing is learned from data."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from geodis.errors import ParameterError, ShapeError

PARTS = 4  # independent parts of the sketch: an unlucky pair of numbers collides in one of them only


@dataclass(frozen=True)
class Sketch:
    """Rows of more than `width` numbers → `width` numbers; narrower rows come back as they are.

    A sparse linear map: the new row consists of four parts, and in each of them every old number is added, with a
    random sign, to one random place. Squared lengths are kept on average, with a relative error of about √(2/width),
    and whatever acts linearly on rows whose span is small against `width` acts linearly on the projected ones.

    Parameters
    ----------
    width : int
        A multiple of 4.

    Raises
    ------
    ParameterError
        For a width that is no positive multiple of 4.

    References
    ----------
    Nelson and Nguyen, "OSNAP: faster numerical linear algebra algorithms via sparser subspace embeddings", FOCS 2013.

    Examples
    --------
    >>> x = torch.ones(2, 1000)
    >>> Sketch(64)(x).shape, torch.equal(Sketch(64)(x), Sketch(64)(x)), Sketch(1000)(x) is x
    (torch.Size([2, 64]), True, True)
    """

    width: int

    def __post_init__(self) -> None:
        if isinstance(self.width, bool) or not isinstance(self.width, int) or self.width < PARTS or self.width % PARTS:
            raise ParameterError("width", f"a positive multiple of {PARTS}", repr(self.width))

    def __call__(self, rows: Tensor) -> Tensor:
        """`(n, D)` → `(n, min(D, width))`."""
        if rows.ndim != 2:
            raise ShapeError("rows", "(n, D)", tuple(rows.shape))
        if rows.shape[1] <= self.width:
            return rows
        places, signs = (part.to(rows.device) for part in _drawn(rows.shape[1], self.width))
        out = rows.new_zeros(len(rows), self.width)
        for place, sign in zip(places, signs.to(rows.dtype), strict=True):
            out.index_add_(1, place, rows * sign)
        return out / PARTS**0.5


@lru_cache(maxsize=64)
def _drawn(n: int, width: int) -> tuple[Tensor, Tensor]:
    """`(places, signs)`, each (4, n)."""
    rng = np.random.default_rng([n, width])
    size = width // PARTS
    places = rng.integers(0, size, (PARTS, n)) + size * np.arange(PARTS)[:, None]
    return torch.from_numpy(places), torch.from_numpy(rng.choice([-1.0, 1.0], (PARTS, n)))
