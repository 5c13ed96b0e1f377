"""Batched, gradient-safe numerics on torch tensors, and the bridge between numpy and torch.

A leaf of the import graph: it knows arrays, not groups.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geodis.errors import FiniteError, ParameterError, ShapeError

Array = NDArray[Any]


def to_tensor(x: Any) -> Tensor:
    """Tensor of `x`; numpy arrays, lists and numbers become float64, tensors keep their floating dtype and device."""
    if isinstance(x, Tensor):
        return x if x.is_floating_point() or x.is_complex() else x.to(torch.float64)
    return torch.from_numpy(np.array(x, dtype=np.float64))


def to_numpy(x: Any) -> Array:
    """Numpy array of `x`, without a copy where the memory allows it; gradients are dropped."""
    if isinstance(x, Tensor):
        return x.detach().cpu().numpy()
    return np.asarray(x)


def like(result: Tensor, *inputs: Any) -> Any:
    """`result` as a tensor if any input is one, else as a numpy array in the inputs' floating dtype."""
    if any(isinstance(x, Tensor) for x in inputs):
        return result
    array = result.detach().cpu().numpy()
    kinds = {x.dtype for x in inputs if isinstance(x, np.ndarray)}
    if array.dtype.kind == "f" and len(kinds) == 1 and (kind := kinds.pop()).kind == "f":
        return array.astype(kind, copy=False)
    return array


def check_finite(x: Array, what: str) -> None:
    """Raise `FiniteError` when `x` holds NaN or infinity."""
    # The sum is finite unless an entry is not (or the sum overflows): one cheap pass for the usual case.
    with np.errstate(all="ignore"):
        total = x.sum(dtype=np.float64) if x.dtype.kind == "f" else 0.0
    if not np.isfinite(total):
        bad = int(np.count_nonzero(~np.isfinite(x)))
        if bad:
            raise FiniteError(what, bad)


def real_array(x: Any, what: str, axes: tuple[str | int, ...], advice: str = "") -> Array:
    """Finite real numbers of the named shape in float64: axes are sizes, or letters that stand for one size ≥ 1 each.

    Raises
    ------
    ShapeError, ParameterError, FiniteError
        For another shape, something else than real numbers, NaN.

    Examples
    --------
    >>> real_array([[1, 2], [3, 4]], "matrix", ("D", "D")).dtype
    dtype('float64')
    """
    array = to_numpy(x)
    sizes: dict[str | int, int] = {axis: axis for axis in axes if isinstance(axis, int)}
    fits = array.ndim == len(axes) and array.size > 0
    for axis, size in zip(axes, array.shape, strict=False):
        fits = fits and sizes.setdefault(axis, size) == size
    if not fits:
        raise ShapeError(what, f"({', '.join(map(str, axes))}{',' if len(axes) == 1 else ''})", array.shape, advice)
    if array.dtype.kind not in "fiub":
        raise ParameterError(what, "real numbers", f"dtype {array.dtype}")
    numbers = array.astype(np.float64)
    check_finite(numbers, what)
    return numbers
