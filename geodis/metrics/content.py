"""Is the item still in the code? The item of the nearest other row."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from sklearn.neighbors import NearestNeighbors

from geodis.errors import ParameterError
from geodis.linalg import Array, check_finite
from geodis.metrics.cells import rounding
from geodis.metrics.result import MetricResult, Status
from geodis.orbits import Orbits
from geodis.statistics import check_level, clustered_t

NEIGHBORS = 8  # asked for at once; rows with more ties are resolved against all rows
TIE = 1e-12  # squared distances closer than this share of the variance are ties: brute-force distances round to 1e-15
CHUNK = 2**22  # distances held at once
ASKED = 1024  # rows that are asked for; all rows stay candidates


def content_retention(
    orbits: Orbits, *, level: float = 0.95, distance: Literal["euclidean", "cosine"] = "euclidean"
) -> MetricResult:
    """Share of rows whose nearest other row shows the same item; chance (m − 1)/(nm − 1).

    Ties count as their expected share, so that a constant code scores chance.

    Parameters
    ----------
    orbits : Orbits
        Codes as z.
    level : float
        Confidence level of the item-clustered interval.
    distance : {"euclidean", "cosine"}
        Choose it on training items.

    Returns
    -------
    MetricResult
        Higher is better. Status ``degenerate`` for codes without variation.

    Raises
    ------
    ParameterError, FiniteError
        For something else than orbits, an unknown distance, NaN, a level outside (0, 1).

    Notes
    -----
    Theory §9: with 8 elements an item, chance is 7/(8n − 1). Items of one element cannot be found and are not asked
    for; they stay among the candidates. Of many rows 1024 are asked for, spread evenly over items and elements.

    Examples
    --------
    >>> import numpy as np
    >>> from geodis.orbits import Orbits
    >>> from geodis.groups import Cyclic
    >>> z = np.repeat(np.arange(5.0), 2)[:, None]
    >>> orbits = Orbits.from_arrays(z, np.tile([[0.0], [1.0]], (5, 1)), np.repeat(np.arange(5), 2), Cyclic(2))
    >>> content_retention(orbits).value
    1.0
    """
    check_level(level)
    if not isinstance(orbits, Orbits):
        raise ParameterError("orbits", "an Orbits (Orbits.from_arrays(z, params, items, group))", type(orbits).__name__)
    if distance not in ("euclidean", "cosine"):
        raise ParameterError("distance", "'euclidean' or 'cosine'", repr(distance))
    check_finite(orbits.z, "embeddings z")
    sizes, n_rows = orbits.sizes, len(orbits)
    item = np.repeat(np.arange(orbits.n_items), sizes)
    asked = sizes[item] > 1
    notes: tuple[str, ...] = ()
    if not asked.all():
        notes = (f"{int((~asked).sum())} items with one element are not asked for",)
    status: Status = "ok" if orbits.n_items > 1 and asked.any() else "insufficient"
    if not asked.any():
        return MetricResult(
            "content_retention", math.nan, (math.nan, math.nan), "none", level, orbits.n_items, 1,
            lower_is_better=False, status=status, notes=(*notes, "no item has a second element"),
        )  # fmt: skip
    rows = np.flatnonzero(asked)
    rows = rows[_spread(len(rows), ASKED)]
    chance_rows = (sizes[item[rows]] - 1) / (n_rows - 1)
    z = orbits.z.astype(np.float64)
    centred = z - z.mean(axis=0)
    variance = float((centred**2).sum(axis=1).mean())
    if variance <= rounding(orbits.z):
        hits, status = chance_rows, "degenerate" if status == "ok" else status
        notes = (*notes, "the code is constant: every row is a tie")
    else:
        hits = _expected_hits(centred if distance == "euclidean" else _unit(z), item, rows)
    per_item = _means(hits, item[rows])
    interval = clustered_t(per_item, level)
    chance = float(_means(chance_rows, item[rows]).mean())
    value = float(per_item.mean())
    low, high = max(interval.low, 0.0), min(interval.high, 1.0)
    ci = (math.nan, math.nan) if math.isnan(interval.low) else (low, high)
    return MetricResult(
        "content_retention", value, ci, interval.method, level, orbits.n_items, int(sizes.max()), {"chance": chance},
        floor=None, skill=(value - chance) / (1.0 - chance) if chance < 1.0 else None, lower_is_better=False,
        status=status, notes=notes, per_item=per_item,
    )  # fmt: skip


def _spread(n: int, k: int) -> Array:
    """At most k of n indices, evenly spread and in step with no period of theirs: multiples of the golden ratio."""
    if n <= k:
        return np.arange(n)
    turns = np.arange(1, k + 1) * (np.sqrt(5.0) - 1.0) / 2.0 % 1.0
    return np.unique((turns * n).astype(int))


def _expected_hits(x: Array, item: Array, rows: Array) -> Array:
    """For each of `rows`, the share of its nearest other rows (ties) that show the same item: (len(rows),)."""
    n = len(x)
    slack = TIE * float((x**2).sum(axis=1).mean())
    k = min(NEIGHBORS, n - 1)
    distances, neighbors = NearestNeighbors(n_neighbors=k + 1).fit(x).kneighbors(x[rows])
    # The row itself is the first neighbor unless others tie with it; it goes, wherever it stands.
    own = neighbors == rows[:, None]
    own[~own.any(axis=1), -1] = True
    distances, neighbors = distances[~own].reshape(-1, k), neighbors[~own].reshape(-1, k)
    squares = distances**2
    tied = squares <= squares[:, :1] + slack
    hits = (tied & (item[neighbors] == item[rows][:, None])).sum(axis=1) / tied.sum(axis=1)
    # Where even the last neighbor asked for is a tie, there may be more.
    open_ended = np.flatnonzero(tied[:, -1]) if k < n - 1 else np.empty(0, dtype=int)
    for part in _chunks(open_ended, n):
        hits[part] = _hits_among_all(x, item, rows[part], slack)
    return hits


def _hits_among_all(x: Array, item: Array, rows: Array, slack: float) -> Array:
    norms = (x**2).sum(axis=1)
    squares = norms[rows, None] - 2.0 * x[rows] @ x.T + norms
    squares[np.arange(len(rows)), rows] = np.inf
    tied = squares <= np.maximum(squares.min(axis=1, keepdims=True), 0.0) + slack
    return (tied & (item[rows, None] == item)).sum(axis=1) / tied.sum(axis=1)


def _chunks(rows: Array, n: int) -> list[Array]:
    return np.array_split(rows, max(1, -(-len(rows) * n // CHUNK))) if len(rows) else []


def _means(values: Array, item: Array) -> Array:
    """Mean of each item that is asked for."""
    totals, counts = np.bincount(item, values), np.bincount(item)
    return totals[counts > 0] / counts[counts > 0]


def _unit(z: Array) -> Array:
    norms = np.linalg.norm(z, axis=1, keepdims=True)
    return z / np.where(norms > 0.0, norms, 1.0)
