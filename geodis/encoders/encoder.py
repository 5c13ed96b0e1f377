"""What every encoder does: items → embeddings z (n, D), in batches, frozen, checked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from geodis.encoders.fingerprints import fingerprint
from geodis.errors import LengthError, ParameterError, ShapeError
from geodis.linalg import Array, check_finite, to_numpy


class AbstractEncoder(ABC):
    """A frozen map f: items → z `(n, D)`, z_i = f(x_i), the same for any batch size.

    Calling it embeds a batch of items of any length, `batch_size` at a time, without gradients, and checks what came
    out. A subclass embeds one batch in `_embed` and nothing else. The wrapped model is shared, never copied:
    scikit-learn's `clone` returns the same encoder.

    Parameters
    ----------
    batch_size : int
        Items per call of the model.
    verbose : bool
        Whether to show a progress bar.
    name : str, optional
        What stored embeddings are found by, instead of the model's content; to be changed whenever the model changes.

    Attributes
    ----------
    layer : str, int or None
        What of the model is read; its output by default.
    """

    layer: str | int | None = None

    def __init__(self, batch_size: int = 256, verbose: bool = False, name: str | None = None) -> None:
        if isinstance(batch_size, bool) or not isinstance(batch_size, (int, np.integer)) or batch_size < 1:
            raise ParameterError("batch_size", "an integer ≥ 1", repr(batch_size))
        if name is not None and (not isinstance(name, str) or not name):
            raise ParameterError("name", "a text that tells this model from others, or None", repr(name))
        self.batch_size = int(batch_size)
        self.verbose = verbose
        self.name = name

    def __call__(self, items: Any) -> Array:
        """Embed `items`, a sequence or an array of n items: → z `(n, D)` in the model's floating dtype.

        Raises
        ------
        ParameterError, ShapeError, LengthError, FiniteError
            For no items, or embeddings that are not one finite row of real numbers an item.
        """
        n = _count(items)
        parts = [self._checked(batch) for batch in self._batches(items, n)]
        widths = {part.shape[1] for part in parts}
        if len(widths) > 1:
            raise ShapeError("embeddings", "the same number of features for every batch", sorted(widths))
        return np.concatenate(parts) if len(parts) > 1 else parts[0]

    def fingerprint(self) -> str:
        """A hash of all that determines the embedding, the same in every process: what stored embeddings are found by.

        That is the model's architecture and weights, the layer, pooling and preparation; neither the batch size nor
        the device. With a `name`, the name stands for the model.

        Returns
        -------
        str
            64 hexadecimal digits.

        Raises
        ------
        ParameterError
            When it cannot be told what the model consists of: give the encoder a name.
        """
        own = type(self).__module__.partition(".")[0] == "geodis"
        kind = type(self).__qualname__ if own else type(self)
        if self.name is None:
            return fingerprint([kind, "content", self._content()])
        return fingerprint([kind, "name", self.name, self._settings()])

    def _content(self) -> Any:
        """All that determines the embedding."""
        return {key: value for key, value in vars(self).items() if key not in ("batch_size", "verbose", "name")}

    def _settings(self) -> Any:
        """What determines the embedding beside the named model."""
        return self.layer

    def _batches(self, items: Any, n: int) -> Iterator[Any]:
        starts = tqdm(range(0, n, self.batch_size), desc="embedding", disable=not self.verbose)
        return (items[start : start + self.batch_size] for start in starts)

    def _checked(self, batch: Any) -> Array:
        embedded = self._embed(batch)
        # numpy has no bfloat16, and half precision is too coarse for the moments that follow.
        if isinstance(embedded, Tensor) and embedded.dtype in (torch.bfloat16, torch.float16):
            embedded = embedded.float()
        z = to_numpy(embedded)
        if z.ndim != 2 or z.shape[1] == 0:
            raise ShapeError(
                "embeddings", "(batch, D)", z.shape, "Pool or flatten the model's output to one row an item."
            )
        if len(z) != len(batch):
            raise LengthError(items=len(batch), embeddings=len(z))
        if z.dtype.kind in "iub":
            z = z.astype(np.float64)
        if z.dtype.kind != "f":
            raise ParameterError("embeddings", "real numbers", f"dtype {z.dtype}")
        check_finite(z, "embeddings")
        return z

    @abstractmethod
    def _embed(self, batch: Any) -> Array | Tensor:
        """One batch of items → `(batch, D)`."""

    def __sklearn_clone__(self) -> AbstractEncoder:
        """Return the encoder itself: it is frozen, and a copy would cost the model's memory."""
        return self


def _count(items: Any) -> int:
    """The number of items; raises a named error where there are none to count."""
    if isinstance(items, (str, bytes)):
        raise ParameterError("items", "a sequence of items", "one string", "Put it into a list.")
    try:
        n = len(items)
    except TypeError:
        raise ParameterError("items", "a sequence or an array of items", type(items).__name__) from None
    if n == 0:
        raise ParameterError("items", "at least one item", "none")
    return n
