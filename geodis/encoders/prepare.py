"""From items to what a model is called with: token ids of texts, pixel values of images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from geodis.errors import ParameterError, ShapeError
from geodis.linalg import Array, to_numpy

Prepare = Callable[[Any], Any]
UNLIMITED = 10**9  # tokenizers that know no longest text say 10³⁰


@dataclass(frozen=True)
class PreparedModel:
    """A module with what turns items into its inputs; `geodis.encode` takes it like a model.

    Parameters
    ----------
    module : nn.Module
        The model.
    prepare : callable
        Batch of items → a tensor, or a mapping of arguments by name.
    """

    module: nn.Module
    prepare: Prepare


@dataclass(frozen=True)
class TextInputs:
    """Texts → token ids and attention mask, by a transformers tokenizer; made by `texts_for`."""

    tokenizer: Any
    max_length: int | None = None

    def __call__(self, batch: Any) -> Mapping[str, Any]:
        """`str` of the items, padded on the right to the longest of the batch."""
        return self.tokenizer(
            [str(item) for item in batch],
            padding=True,
            # On the right: models that count positions would otherwise see padded texts elsewhere.
            padding_side="right",
            truncation=self.max_length is not None,
            max_length=self.max_length,
            return_tensors="pt",
        )


def texts_for(tokenizer: Any, max_length: int | None = None) -> TextInputs:
    """Items → `str` → token ids, for ``geodis.encode(model, prepare=texts_for(tokenizer))``.

    Parameters
    ----------
    tokenizer : transformers.PreTrainedTokenizerBase
        The tokenizer that the model was trained with.
    max_length : int, optional
        Longer texts are cut after so many tokens; by default after as many as the tokenizer says that the model takes.

    Returns
    -------
    TextInputs

    Raises
    ------
    ParameterError
        For a tokenizer without a token for padding, or something else than a tokenizer.

    Examples
    --------
    >>> texts_for("bert-base-uncased")
    Traceback (most recent call last):
    geodis.errors.ParameterError: tokenizer: expected a tokenizer of transformers, got str. ...
    """
    if not callable(tokenizer):
        raise ParameterError(
            "tokenizer", "a tokenizer of transformers", type(tokenizer).__name__, "Load it: AutoTokenizer."
        )
    if max_length is not None and (isinstance(max_length, bool) or not isinstance(max_length, int) or max_length < 1):
        raise ParameterError("max_length", "an integer ≥ 1 or None", repr(max_length))
    if getattr(tokenizer, "pad_token", "") is None:
        raise ParameterError(
            "tokenizer", "a token for padding", "none", "Set tokenizer.pad_token = tokenizer.eos_token; it is masked."
        )
    longest = getattr(tokenizer, "model_max_length", UNLIMITED)
    return TextInputs(tokenizer, max_length or (longest if longest < UNLIMITED else None))


@dataclass(frozen=True)
class ImageInputs:
    """Images → pixel values, by a transformers image processor; made by `images_for`."""

    processor: Any

    def __call__(self, batch: Any) -> Mapping[str, Any]:
        """Images `(n, C, H, W)` or grey `(n, H, W)`; real numbers are 0 … 1, integers 0 … 255."""
        images = [_three_channels(to_numpy(image)) for image in batch]
        options: dict[str, Any] = {
            "input_data_format": "channels_first",
            "data_format": "channels_first",
            "return_tensors": "pt",
        }
        if images[0].dtype.kind == "f":
            options["do_rescale"] = False
        if _has_size(self.processor, images[0].shape[1:]):
            # Some processors resize by way of 8-bit pixels, also to the size that the image has.
            options["do_resize"] = False
        return self.processor(images=images, **options)


def images_for(processor: Any) -> ImageInputs:
    """Images → pixel values, for ``geodis.encode(model, prepare=images_for(processor))``.

    Images are `(C, H, W)` with one or three channels, or grey `(H, W)`. Real numbers are taken as 0 … 1 and not scaled
    again, integers as 0 … 255. An image of the processor's size is not resized, only normalized; of others the
    processor resizes, which without torchvision goes through 8-bit pixels and rounds to 1/255.

    Parameters
    ----------
    processor : transformers.BaseImageProcessor
        The image processor that the model was trained with.

    Returns
    -------
    ImageInputs

    Raises
    ------
    ParameterError
        For something else than a processor.

    Examples
    --------
    >>> images_for(None)
    Traceback (most recent call last):
    geodis.errors.ParameterError: processor: expected an image processor of transformers, got NoneType. ...
    """
    if not callable(processor):
        kind = type(processor).__name__
        raise ParameterError("processor", "an image processor of transformers", kind, "Load it: AutoImageProcessor.")
    return ImageInputs(processor)


def _three_channels(image: Array) -> Array:
    stacked = image[None] if image.ndim == 2 else image
    if stacked.ndim != 3 or len(stacked) not in (1, 3) or stacked.dtype.kind not in "fiu":
        raise ShapeError("image", "(H, W), (1, H, W) or (3, H, W) of numbers", f"{image.shape} {image.dtype}")
    return np.repeat(stacked, 3, axis=0) if len(stacked) == 1 else stacked


def _has_size(processor: Any, shape: tuple[int, ...]) -> bool:
    """Whether the processor would resize an image of this height and width to itself."""
    size = dict(getattr(processor, "size", None) or {})
    if set(size) == {"height", "width"}:
        return (size["height"], size["width"]) == tuple(shape)
    return set(size) == {"shortest_edge"} and size["shortest_edge"] == min(shape)
