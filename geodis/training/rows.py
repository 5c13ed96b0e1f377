"""Rows of codes as tensors that fit together: what every loss asks of its input."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

import torch
from torch import Tensor

from geodis.errors import ParameterError, ShapeError
from geodis.linalg import check_finite, to_tensor

Number = float | Tensor


def alike(arrays: Sequence[Any], what: str) -> tuple[Tensor, ...]:
    """The arrays as real tensors of one dtype on one device: that of the tensors among them.

    Numpy arrays are looked through for NaN. Tensors are not: they may live on another device, and a loss that is NaN
    says so itself.
    """
    for x in arrays:
        if not isinstance(x, Tensor):
            check_finite(to_tensor(x).numpy(), what)
    tensors = [to_tensor(x) for x in arrays]
    if any(x.is_complex() for x in tensors):
        raise ParameterError(what, "real numbers", "complex ones", "Stack real and imaginary parts.")
    given = [x for x in arrays if isinstance(x, Tensor)] or tensors
    dtype = to_tensor(given[0]).dtype
    for x in given[1:]:
        dtype = torch.promote_types(dtype, to_tensor(x).dtype)
    return tuple(x.to(device=given[0].device, dtype=dtype) for x in tensors)


def paired_rows(a: Any, b: Any, what: str, least: int = 1) -> tuple[Tensor, Tensor]:
    """Two stacks `(..., n, d)` of the same shape with n ≥ `least`, d ≥ 1; row i of one belongs to row i of the other.

    Raises
    ------
    ShapeError, ParameterError, FiniteError
        For other shapes, too few rows, complex numbers, or NaN in a numpy array.
    """
    first, second = alike((a, b), what)
    if first.ndim < 2 or first.shape[-1] < 1:
        raise ShapeError(what, "(..., n, d)", tuple(first.shape))
    if first.shape != second.shape:
        raise ShapeError(what, f"{tuple(first.shape)} twice", tuple(second.shape), "Row i of both is the same item.")
    enough_rows(first, what, least)
    return first, second


def enough_rows(x: Tensor, what: str, least: int) -> None:
    """Raise `ParameterError` when a stack `(..., n, d)` is empty or has fewer than `least` rows."""
    if x.shape[-2] < least or not x.numel():
        raise ParameterError(what, f"at least {least} row{'s' * (least > 1)}", f"shape {tuple(x.shape)}")


def positive(value: Number, what: str) -> Number:
    """A positive number, or a tensor of one element (a learned one is not looked at)."""
    if isinstance(value, Tensor):
        if value.numel() != 1:
            raise ShapeError(what, "()", tuple(value.shape))
        return value.reshape(())
    if not (isfinite(value) and value > 0):
        raise ParameterError(what, "a positive number", value)
    return value
