"""Poolings: a layer's activation `(batch, ...)` → one row an item `(batch, D)`.

Any function of the activation is a pooling. One with a second argument called `mask` is given the attention mask
`(batch, tokens)` too, or None where the model's input has none.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable

from torch import Tensor

from geodis.errors import ShapeError

Pooling = Callable[..., Tensor]


def flatten(activation: Tensor) -> Tensor:
    """Keep every number: `(batch, ...)` → `(batch, D)`.

    Examples
    --------
    >>> import torch
    >>> flatten(torch.zeros(2, 3, 4, 4)).shape
    torch.Size([2, 48])
    """
    return activation.reshape(len(activation), -1) if activation.ndim else activation


def mean_tokens(activation: Tensor, mask: Tensor | None = None) -> Tensor:
    """The mean over the tokens that are no padding: `(batch, tokens, D)` → `(batch, D)`.

    Parameters
    ----------
    activation : tensor (batch, tokens, D)
        A layer of a transformer.
    mask : tensor (batch, tokens), optional
        The attention mask, 1 for tokens and 0 for padding; all are tokens by default.

    Returns
    -------
    tensor (batch, D)

    Raises
    ------
    ShapeError
        For an activation without tokens, or a mask of other tokens.

    Examples
    --------
    >>> import torch
    >>> mean_tokens(torch.tensor([[[1.0], [3.0], [9.0]]]), torch.tensor([[1, 1, 0]]))
    tensor([[2.]])
    """
    _check_tokens(activation)
    if mask is None:
        return activation.mean(1)
    if mask.shape != activation.shape[:2]:
        raise ShapeError("attention mask", str(tuple(activation.shape[:2])), tuple(mask.shape))
    keep = mask.bool()[..., None]
    # Padding may hold NaN, which a product with 0 would keep.
    return activation.where(keep, 0).sum(1) / keep.sum(1).clamp(min=1)


def first_token(activation: Tensor) -> Tensor:
    """The first token, where BERT and ViT put what stands for the whole: `(batch, tokens, D)` → `(batch, D)`.

    Raises
    ------
    ShapeError
        For an activation without tokens.

    Examples
    --------
    >>> import torch
    >>> first_token(torch.tensor([[[1.0], [3.0], [9.0]]]))
    tensor([[1.]])
    """
    _check_tokens(activation)
    return activation[:, 0]


def mean_grid(activation: Tensor) -> Tensor:
    """The mean over space: `(batch, C, *grid)` → `(batch, C)`, of convolutional layers.

    Raises
    ------
    ShapeError
        For an activation without a grid.

    Examples
    --------
    >>> import torch
    >>> mean_grid(torch.ones(2, 3, 4, 4)).shape
    torch.Size([2, 3])
    """
    if activation.ndim < 3:
        raise ShapeError("activation", "(batch, C, *grid)", tuple(activation.shape), "Name a convolutional layer.")
    return activation.flatten(2).mean(2)


def mean_of_text(activation: Tensor, mask: Tensor | None = None) -> Tensor:
    """The default of text models: `mean_tokens` of tokens, `(batch, D)` as it is.

    Examples
    --------
    >>> import torch
    >>> mean_of_text(torch.ones(2, 5, 8)).shape, mean_of_text(torch.ones(2, 8)).shape
    (torch.Size([2, 8]), torch.Size([2, 8]))
    """
    return activation if activation.ndim == 2 else mean_tokens(activation, mask)


def row_of_image(activation: Tensor) -> Tensor:
    """The default of image models: `first_token` of tokens, `mean_grid` of maps, `(batch, D)` as it is.

    Examples
    --------
    >>> import torch
    >>> row_of_image(torch.ones(2, 5, 8)).shape, row_of_image(torch.ones(2, 8, 4, 4)).shape
    (torch.Size([2, 8]), torch.Size([2, 8]))
    """
    if activation.ndim == 3:
        return first_token(activation)
    return activation if activation.ndim == 2 else mean_grid(activation)


def takes_mask(pool: Pooling) -> bool:
    """Whether a pooling has an argument called `mask`."""
    try:
        return "mask" in inspect.signature(pool).parameters
    except (TypeError, ValueError):  # a function of C without a signature
        return False


def _check_tokens(activation: Tensor) -> None:
    if activation.ndim != 3:
        raise ShapeError("activation", "(batch, tokens, D)", tuple(activation.shape), "Name a layer of tokens.")
