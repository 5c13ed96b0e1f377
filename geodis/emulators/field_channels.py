"""Which components of a state belong to which channel."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from geodis.actions.fields import Types, check_types
from geodis.emulators.geometric_conv import components
from geodis.errors import ShapeError
from geodis.linalg import Array


def channel_slices(array: Array, what: str, types: Any) -> list[slice]:
    """The components of every channel of states `(runs, times, components, *grid)`, or a named error.

    Examples
    --------
    >>> channel_slices(np.zeros((1, 1, 3, 4, 4)), "states", ((0, 1, 1), (1, 1, 1)))
    [slice(0, 1, None), slice(1, 3, None)]
    """
    checked = check_types(types)
    dim = array.ndim - 3
    if dim not in (2, 3) or array.size == 0 or array.shape[2] != components(checked, dim):
        width = components(checked, dim if dim == 3 else 2)
        raise ShapeError(what, f"(runs, times, {width}, *grid) with a grid of 2 or 3 axes", array.shape)
    ends = np.cumsum([0] + [dim**order for order, _, channels in checked for _ in range(channels)])
    return [slice(int(a), int(b)) for a, b in pairwise(ends)]


def scalar_components(types: Types, dim: int) -> list[int]:
    """The components that no symmetry changes: those of scalars of parity 1."""
    found, start = [], 0
    for order, parity, channels in types:
        found += list(range(start, start + channels)) if (order, parity) == (0, 1) else []
        start += channels * dim**order
    return found
