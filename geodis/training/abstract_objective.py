"""What an encoder is trained for: a loss of the features of several views of every item."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

from geodis.errors import ShapeError


class AbstractObjective(ABC):
    """A pure function (features (n, m, F), elements (n, m, p)) → loss.

    Attributes
    ----------
    chunks : int
        0 where every item is to be moved on its own; otherwise the number of chunks of a batch within which all items
        are moved by the same steps.
    """

    chunks: int = 0

    @abstractmethod
    def __call__(self, h: Tensor, params: Tensor) -> Tensor:
        """The loss, a tensor ()."""


def with_first(pair: Callable[[Tensor, Tensor], Tensor], h: Tensor) -> Tensor:
    """The mean of a loss of two views over the pairs (0, 1), (0, 2), … (0, m − 1) of `h` (n, m, F).

    Examples
    --------
    >>> with_first(lambda a, b: (a - b).square().mean(), torch.tensor([[[0.0], [1.0], [2.0]]])).item()
    2.5
    """
    if h.ndim != 3 or h.shape[1] < 2:
        raise ShapeError("objective: features", "(n items, m ≥ 2 views, F)", tuple(h.shape))
    return torch.stack([pair(h[:, 0], h[:, k]) for k in range(1, h.shape[1])]).mean()
