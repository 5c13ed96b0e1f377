"""A random part of the items, kept whole: what nulls and intervals look at when the rows themselves are gone."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from geodis.linalg import Array
from geodis.orbits import Stack


class Entry(NamedTuple):
    """One item of the reservoir, with its random key."""

    key: float
    z: Array
    params: Array
    fold: int
    item: Any
    cluster: Any


class Reservoir:
    """A uniformly random part of the items, kept whole, of at most `capacity` rows (or one item).

    Every item gets a random key and those with the smallest keys stay, so that two reservoirs merge into one.
    """

    def __init__(self, capacity: int, rng: np.random.Generator, expected_rows: int | None = None) -> None:
        self.capacity, self._rng = capacity, rng
        self._entries: list[Entry] = []
        self._threshold, self._rows, self.complete = np.inf, 0, True
        if expected_rows is not None and expected_rows > capacity:
            # A tenth more than fits, so that the reservoir is full in the end.
            self._threshold = min(1.0, 1.1 * capacity / expected_rows)

    def offer(self, z: Array, params: Array, folds: Array, labels: Array, clusters: Array, basis: Array | None) -> None:
        """Remember some of these items: z (n, m, D+1), params (n, m, p), folds, labels and clusters (n,)."""
        keys = self._rng.random(len(z))
        chosen = np.flatnonzero(keys < self._threshold)
        self.complete = self.complete and len(chosen) == len(z)
        for start in range(0, len(chosen), 64):
            part = chosen[start : start + 64]
            part = part[keys[part] < self._threshold]
            for i, row in zip(part, project(z[part], basis), strict=True):
                self._entries.append(Entry(float(keys[i]), row, params[i], int(folds[i]), labels[i], clusters[i]))
                self._rows += len(row)
            if self._rows > 2 * self.capacity:
                self._compact()

    def merge(self, other: Reservoir) -> None:
        """Keep the smallest keys of both."""
        self._threshold = min(self._threshold, other._threshold)
        self.complete = self.complete and other.complete
        self._entries = [e for e in self._entries + other._entries if e.key < self._threshold]
        self._rows = sum(len(e.z) for e in self._entries)
        self._compact()

    def stacks(self) -> list[tuple[Stack, Array]]:
        """`(Stack of homogeneous projected rows, folds)` for each orbit size."""
        self._compact()
        by_size: dict[int, list[Entry]] = {}
        for entry in sorted(self._entries, key=lambda e: e.key):
            by_size.setdefault(len(entry.z), []).append(entry)
        return [(_stacked(same), np.array([e.fold for e in same])) for _, same in sorted(by_size.items())]

    def _compact(self) -> None:
        if self._rows <= self.capacity:
            return
        self._entries.sort(key=lambda e: e.key)
        total = np.cumsum([len(e.z) for e in self._entries])
        keep = max(1, int(np.searchsorted(total, self.capacity, side="right")))
        if keep < len(self._entries):
            self._threshold, self.complete = self._entries[keep].key, False
        self._entries = self._entries[:keep]
        self._rows = int(total[keep - 1])


def project(z: Array, basis: Array | None) -> Array:
    """Homogeneous rows `(..., D+1)` in the principal subspace: `(..., q+1)`."""
    if basis is None:
        return z
    out = np.empty((*z.shape[:-1], basis.shape[1] + 1))
    flat = z.reshape(-1, z.shape[-1])
    out.reshape(-1, out.shape[-1])[:, :-1] = flat[:, :-1] @ basis
    out[..., -1] = z[..., -1]
    return out


def _stacked(entries: list[Entry]) -> Stack:
    return Stack(
        np.stack([e.z for e in entries]),
        np.stack([e.params for e in entries]),
        np.array([e.item for e in entries]),
        np.array([e.cluster for e in entries]),
    )
