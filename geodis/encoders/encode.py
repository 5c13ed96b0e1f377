"""The front door of encoders: one function that wraps whatever embeds the items."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from torch import Tensor, nn

from geodis.encoders.arrays import ArrayEncoder
from geodis.encoders.callables import CallableEncoder
from geodis.encoders.encoder import AbstractEncoder
from geodis.encoders.estimators import EstimatorEncoder
from geodis.encoders.fingerprints import is_called
from geodis.encoders.modules import ModuleEncoder
from geodis.encoders.onnx_session import OnnxEncoder, is_session
from geodis.encoders.pooling import Pooling, flatten
from geodis.encoders.prepare import Prepare, PreparedModel
from geodis.encoders.pretrained import is_transformer, transformer_encoder
from geodis.encoders.sentences import SentenceEncoder
from geodis.errors import ParameterError, ShapeError


def encode(
    model: Any = None,
    layer: str | int | None = None,
    *,
    pool: Pooling | None = None,
    prepare: Prepare | None = None,
    batch_size: int = 256,
    verbose: bool = False,
    name: str | None = None,
) -> AbstractEncoder:
    """A frozen encoder f: items → z `(n, D)` out of `model`.

    Parameters
    ----------
    model : nn.Module, transformers or sentence-transformers model, onnxruntime session, scikit-learn transformer, \
callable, array or None
        A module embeds tensors, or what `prepare` makes of items; an onnxruntime session likewise; a fitted
        scikit-learn transformer or pipeline embeds by `transform`; a sentence-transformers model embeds `str(item)`; a
        function maps a batch of items to `(batch, D)`. None means that the items are embeddings already, an array the
        same with its D columns. An encoder comes back as it is.
    layer : str or int, optional
        Of a module: the layer to read, a name from `module.named_modules()`, or the number of a hidden state of a
        transformers model. Of an onnxruntime session: the name of an output.
    pool : callable, optional
        Of a module or a session: activation `(batch, ...)` → `(batch, D)`. By default text models of transformers take
        the mean over tokens without padding, image models their pooled output or first token, others flatten.
        `geodis.encoders` has `mean_tokens`, `first_token`, `mean_grid` and `flatten`; an argument called `mask` is
        given the attention mask.
    prepare : callable, optional
        Of a module, session or scikit-learn transformer: batch of items → what it is called with, a tensor or a
        mapping of named arguments; ``texts_for(tokenizer)`` and ``images_for(processor)`` make one.
    batch_size : int
        Items per call of the model.
    verbose : bool
        Whether to show a progress bar.
    name : str, optional
        What stored embeddings are found by, instead of the model's weights; needed to store those of a function. Change
        the name when the model changes.

    Returns
    -------
    AbstractEncoder

    Raises
    ------
    ParameterError
        For a model of another kind, an estimator that is not fitted, or an option that the model has no use for.
    UnknownNameError
        When the module has no layer, or the session no output, called `layer`.

    Examples
    --------
    >>> f = encode(lambda batch: np.asarray(batch) * 2.0)
    >>> f([[1.0, 2.0]])
    array([[2., 4.]])
    """
    if isinstance(model, PreparedModel):
        prepare, model = prepare or model.prepare, model.module
    running: dict[str, Any] = {"batch_size": batch_size, "verbose": verbose, "name": name}
    reading: dict[str, Any] = {"layer": layer, "pool": pool, "prepare": prepare}
    if is_transformer(model):
        return transformer_encoder(model, **reading, **running)
    if is_session(model):
        return OnnxEncoder(model, **(reading | {"pool": pool or flatten}), **running)
    if isinstance(model, nn.Module) and not is_called(model, "SentenceTransformer", "sentence_transformers"):
        return ModuleEncoder(model, **(reading | {"pool": pool or flatten}), **running)
    _refuse_reading("layer and pool", layer, pool)
    if isinstance(model, BaseEstimator):
        return EstimatorEncoder(model, prepare=prepare, **running)
    _refuse_reading("prepare", prepare)
    return _plain(model, running)


def _plain(model: Any, running: dict[str, Any]) -> AbstractEncoder:
    """An encoder out of what has no layers and takes items as they are."""
    if isinstance(model, AbstractEncoder):
        if running["name"] is not None:
            raise ParameterError("name", "None for an encoder that is made already", repr(running["name"]))
        return model
    if model is None:
        return ArrayEncoder(**running)
    if isinstance(model, (np.ndarray, Tensor)):
        if model.ndim != 2:
            raise ShapeError("embeddings", "(n, D)", tuple(model.shape))
        return ArrayEncoder(model.shape[1], **running)
    if isinstance(model, nn.Module):
        return SentenceEncoder(model, **running)
    if callable(model):
        return CallableEncoder(model, **running)
    raise ParameterError(
        "model", "a torch module, a model of transformers, sentence-transformers, onnxruntime or scikit-learn, a "
        "function of a batch, an array or None",
        type(model).__name__, "Of an object with another method, pass the method: encode(model.transform).",
    )  # fmt: skip


def _refuse_reading(what: str, *values: Any) -> None:
    if any(value is not None for value in values):
        shown = values[0] if len(values) == 1 else values
        raise ParameterError(
            what, "None for a model that has no use for it", shown,
            "Wrap your own function that returns the layer's pooled activation.",
        )  # fmt: skip
