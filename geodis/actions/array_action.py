"""What actions on arrays share: items are checked, the shape, dtype and kind of array come back."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from geodis.actions.action import AbstractAction
from geodis.errors import ParameterError, ShapeError
from geodis.linalg import Array, check_finite, to_numpy


class AbstractArrayAction(AbstractAction):
    """An action on batches of real arrays, numpy or torch; a subclass moves checked numpy arrays.

    What comes back has the shape, dtype and kind of the items; it is computed on the CPU, without gradients.

    Attributes
    ----------
    what : str
        What the items are called in errors.
    layout : str
        Their shape in words.
    """

    what: str
    layout: str

    def _act(self, params: Array, items: Any) -> Any:
        array = self._checked(items)
        moved = np.ascontiguousarray(self._move(params.astype(np.float64), array), dtype=array.dtype)
        return torch.from_numpy(moved).to(items.device) if isinstance(items, Tensor) else moved

    def _checked(self, items: Any) -> Array:
        try:
            array = to_numpy(items)
        except ValueError as error:
            raise ShapeError(self.what, self.layout, f"arrays of several shapes ({error})") from error
        if array.dtype.kind != "f":
            raise ParameterError(
                self.what, "floating-point numbers", array.dtype, "Convert them first: items.astype(float)."
            )
        self._check_shape(array)
        check_finite(array, self.what)
        return array

    @abstractmethod
    def _check_shape(self, items: Array) -> None:
        """Raise a named error unless the action knows how to move such items."""

    @abstractmethod
    def _move(self, params: Array, items: Array) -> Array:
        """Elements `(n, p)`, items `(n, ...)` → a new array of the same shape, in any floating dtype."""
