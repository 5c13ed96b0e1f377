"""What a flow should conserve, along roll-outs of an emulator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from geodis.actions.fields import check_types
from geodis.emulators.field_channels import channel_slices, scalar_components
from geodis.errors import ShapeError
from geodis.linalg import Array, to_numpy

Quantity = Callable[[Array], Any]


def conserved_drifts(states: Any, types: Any, quantities: Mapping[str, Quantity] | None = None) -> dict[str, Array]:
    """(Q(t) − Q(0)) / size of every conserved quantity along roll-outs `(runs, times, components, *grid)`.

    Scalars have their mean over the grid as ``"mean 0"``, ``"mean 1"``, …, as mass does, in units of the scalar's root
    mean square at the start; a given quantity is in units of its mean absolute value at the start. What is not finite
    has an infinite drift and is not offered to `quantities`.

    Parameters
    ----------
    states : array (runs, times, components, *grid)
    types : tuple of (order, parity, channels)
    quantities : mapping of str to callable, optional
        States `(runs, times, components, *grid)` → `(runs, times)`, for all runs at once.

    Returns
    -------
    dict of str to ndarray (runs, times)

    Raises
    ------
    ShapeError
        For other shapes, a quantity that is no number a run and time.

    Examples
    --------
    >>> states = np.ones((2, 3, 1, 8, 8)) * np.array([1.0, 1.0, 1.5])[:, None, None, None]
    >>> conserved_drifts(states, ((0, 1, 1),))["mean 0"][0].tolist()
    [0.0, 0.0, 0.5]
    """
    array = to_numpy(states).astype(np.float64)
    channel_slices(array, "states", types)
    finite = np.asarray(np.isfinite(array.reshape(*array.shape[:2], -1)).all(-1))
    # The start stands in for what is not finite: quantities may not take it.
    safe = np.where(finite.reshape(*finite.shape, *(1,) * (array.ndim - 2)), array, array[:, :1])
    drifts, over = {}, tuple(range(2, array.ndim - 1))
    for number, component in enumerate(scalar_components(check_types(types), array.ndim - 3)):
        field = safe[:, :, component]
        drifts[f"mean {number}"] = _drift(field.mean(over), np.sqrt((field[:, 0] ** 2).mean()))
    for name, quantity in (quantities or {}).items():
        values = to_numpy(quantity(safe))
        if values.shape != array.shape[:2]:
            raise ShapeError(f"quantity {name!r}", f"{array.shape[:2]}, a number a run and time", values.shape)
        drifts[name] = _drift(values, np.abs(values[:, 0]).mean())
    return {name: np.where(finite, drift, np.inf) for name, drift in drifts.items()}


def _drift(values: Array, size: float) -> Array:
    return (values - values[:, :1]) / (size if size > 0 else 1.0)
