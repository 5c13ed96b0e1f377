"""Rows that users give, as tensors to compute with, and results in the kind, dtype and device of what was given."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from geodis.errors import ParameterError, ShapeError
from geodis.linalg import Array, check_finite, to_numpy


def read_rows(x: Any, width: int, what: str) -> Tensor:
    """`x` as a finite floating tensor (N, width); gradients stay, half precision becomes double.

    Raises
    ------
    ShapeError, FiniteError, ParameterError
        For another shape, NaN, numbers that are not real.
    """
    rows = x if isinstance(x, Tensor) else _tensor(x, what)
    if rows.is_complex():
        raise ParameterError(what, "real numbers", f"dtype {rows.dtype}")
    if rows.ndim != 2 or rows.shape[1] != width:
        raise ShapeError(what, f"(N, {width})", tuple(rows.shape))
    if not rows.is_floating_point() or rows.dtype in (torch.float16, torch.bfloat16):
        rows = rows.to(torch.float64)
    check_finite(to_numpy(rows), what)
    return rows


def as_rows(x: Array, rows: Tensor) -> Tensor:
    """An array in the dtype and on the device of `rows`."""
    return torch.as_tensor(x, dtype=rows.dtype, device=rows.device)


def restore(result: Tensor, given: Any) -> Any:
    """`result` in the kind and dtype of what was given."""
    if isinstance(given, Tensor):
        return result.to(given.dtype) if given.is_floating_point() else result
    array = to_numpy(result)
    kind = to_numpy(given).dtype
    return array.astype(kind, copy=False) if kind.kind == "f" else array


def _tensor(x: Any, what: str) -> Tensor:
    array = to_numpy(x)
    if array.dtype.kind not in "fiub":
        raise ParameterError(what, "real numbers", f"dtype {array.dtype}")
    known = array.dtype.kind == "f" and array.dtype.itemsize <= 8
    # A copy where the memory is read-only: torch warns about tensors that nobody may write to.
    return torch.from_numpy(np.require(array if known else array.astype(np.float64), requirements=["C", "W"]))
