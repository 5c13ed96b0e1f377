"""Any function from a batch to embeddings as an encoder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from geodis.encoders.encoder import AbstractEncoder
from geodis.errors import ParameterError


class CallableEncoder(AbstractEncoder):
    """f(batch) = function(batch), a function of your own: `batch` items → array or tensor `(batch, D)`.

    Parameters
    ----------
    function : callable
        Batch of items, a slice of what the encoder is called with → `(batch, D)`; run without gradients.
    batch_size, verbose, name
        As in `AbstractEncoder`. Storing embeddings needs a name: a function may use anything, and it cannot be told
        when that changes.

    Examples
    --------
    >>> import numpy as np
    >>> CallableEncoder(lambda batch: np.asarray(batch) ** 2)([[1.0, 2.0]])
    array([[1., 4.]])
    """

    def __init__(
        self,
        function: Callable[[Any], Any],
        batch_size: int = 256,
        verbose: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(batch_size, verbose, name)
        self.function = function

    # no_grad and not inference_mode: a function may switch gradients on inside, for forces for example.
    @torch.no_grad()
    def _embed(self, batch: Any) -> Any:
        return self.function(batch)

    def _content(self) -> Any:
        raise ParameterError(
            "name", "a name for a function whose embeddings are stored", "none",
            'It cannot be told when a function changes: encode(function, name="mine-v1"), and change the name with it.',
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"CallableEncoder({getattr(self.function, '__name__', type(self.function).__name__)})"
