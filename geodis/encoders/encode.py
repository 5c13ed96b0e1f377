"""The front door of encoders: one function that wraps whatever embeds the items."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor, nn

from geodis.encoders.arrays import ArrayEncoder
from geodis.encoders.callables import CallableEncoder
from geodis.encoders.encoder import AbstractEncoder
from geodis.encoders.modules import ModuleEncoder, Pooling, flatten
from geodis.encoders.sentences import SentenceEncoder
from geodis.errors import ParameterError, ShapeError


def encode(
    model: Any = None,
    layer: str | None = None,
    *,
    pool: Pooling | None = None,
    batch_size: int = 256,
    verbose: bool = False,
) -> AbstractEncoder:
    """A frozen encoder f: items → z `(n, D)` out of `model`.

    Parameters
    ----------
    model : SentenceTransformer, nn.Module, callable, array or None
        A sentence-transformers model embeds `str(item)`; a module embeds tensors; a function maps a batch of items to
        `(batch, D)`; None means that the items are embeddings already, an array the same with its D columns. An
        encoder comes back as it is.
    layer : str, optional
        Of a module: the layer to read, a name from `module.named_modules()`.
    pool : callable, optional
        Of a module: activation `(batch, ...)` → `(batch, D)`; flattens by default.
    batch_size : int
        Items per call of the model.
    verbose : bool
        Whether to show a progress bar.

    Returns
    -------
    AbstractEncoder

    Raises
    ------
    ParameterError
        For a model of another kind, or `layer` or `pool` for something that has no named layers.
    UnknownNameError
        When the module has no layer called `layer`.

    Examples
    --------
    >>> f = encode(lambda batch: np.asarray(batch) * 2.0)
    >>> f([[1.0, 2.0]])
    array([[2., 4.]])
    """
    if isinstance(model, nn.Module) and not _embeds_sentences(model):
        return ModuleEncoder(model, layer, pool=pool or flatten, batch_size=batch_size, verbose=verbose)
    if layer is not None or pool is not None:
        raise ParameterError(
            "layer and pool", "None unless the model is a torch module that takes tensors", (layer, pool),
            "Wrap your own function that returns the layer's pooled activation.",
        )  # fmt: skip
    if isinstance(model, AbstractEncoder):
        return model
    if model is None:
        return ArrayEncoder(batch_size=batch_size, verbose=verbose)
    if isinstance(model, (np.ndarray, Tensor)):
        if model.ndim != 2:
            raise ShapeError("embeddings", "(n, D)", tuple(model.shape))
        return ArrayEncoder(model.shape[1], batch_size, verbose)
    if _embeds_sentences(model):
        return SentenceEncoder(model, batch_size, verbose)
    if callable(model):
        return CallableEncoder(model, batch_size, verbose)
    raise ParameterError(
        "model", "a sentence-transformers model, a torch module, a function of a batch, an array or None",
        type(model).__name__, "Of an object with another method, pass the method: encode(model.transform).",
    )  # fmt: skip


def _embeds_sentences(model: Any) -> bool:
    """Whether `model` is a SentenceTransformer, told by the names of its classes: importing the package takes 7 s."""
    return any(
        cls.__name__ == "SentenceTransformer" and cls.__module__.partition(".")[0] == "sentence_transformers"
        for cls in type(model).__mro__
    )
