"""Which item each row shows: means over an item's rows, rows whose items are shuffled, and how much the rows vary."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from geodis.errors import LengthError
from geodis.linalg import Array, real_array, to_numpy
from geodis.metrics.cells import rounding
from geodis.orbits import as_items
from geodis.statistics import clustered_t


def code_rows(x: Any, what: str, d: str | int = "d") -> tuple[Array, float]:
    """Rows (n, d) in float64, and the mean square below which they are rounding in the dtype that they came in."""
    rows = real_array(x, what, ("n", d))
    came = to_numpy(x)
    return rows, rounding(came if came.dtype.kind == "f" else rows)


def row_items(items: Any, n: int) -> Array:
    """The index 0, 1, … of each row's item, (n,); every row is its own item if None."""
    if items is None:
        return np.arange(n)
    labels = as_items(items)
    if len(labels) != n:
        raise LengthError(rows=n, items=len(labels))
    return np.unique(labels, return_inverse=True)[1]


def item_means(values: Array, index: Array) -> Array:
    """Mean over the rows of each item."""
    return np.bincount(index, values) / np.bincount(index)


def shuffled_rows(index: Array, rng: np.random.Generator) -> Array:
    """A random order of the rows that moves whole items where all have as many rows, and single rows otherwise."""
    sizes = np.bincount(index)
    if (sizes != sizes[0]).any():
        return rng.permutation(len(index))
    by_item = np.argsort(index, kind="stable").reshape(len(sizes), -1)
    order = np.empty(len(index), dtype=int)
    order[by_item] = by_item[rng.permutation(len(sizes))]
    return order


def variance(rows: Array) -> float:
    """E‖z − mean‖²."""
    return float(((rows - rows.mean(axis=0)) ** 2).sum(axis=1).mean())


def narrow(rows: Array) -> Array:
    """Centred rows in at most n coordinates with the same Gram matrix."""
    centred = rows - rows.mean(axis=0)
    if centred.shape[1] <= len(centred):
        return centred
    values, vectors = np.linalg.eigh(centred @ centred.T)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


def bounded_interval(per_item: Array, level: float) -> tuple[tuple[float, float], str]:
    """The item-clustered t interval of a mean of numbers in [0, 1], and its method; NaN ends for one item.

    Where all items are 0 (or all 1) their variance says nothing: the exact binomial bound holds, 1 − (α/2)^(1/n).
    """
    interval, n = clustered_t(per_item, level), len(per_item)
    if math.isnan(interval.low):
        return (math.nan, math.nan), interval.method
    reach = 1.0 - ((1.0 - level) / 2.0) ** (1.0 / n)
    if not per_item.any():
        return (0.0, reach), "exact binomial bound"
    if (per_item == 1.0).all():
        return (1.0 - reach, 1.0), "exact binomial bound"
    return (max(interval.low, 0.0), min(interval.high, 1.0)), interval.method
