"""Streaming moments: one pass over the rows, mergeable, with memory that does not grow with their number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from geodis.coordinates.fourier import analysis_weights, gram, half_dim, split_coefficients
from geodis.errors import DesignError, LengthError, ParameterError, ShapeError
from geodis.groups import AbstractGroup, Representation
from geodis.linalg import Array
from geodis.orbits import Stack, as_embeddings, as_items, as_params


@dataclass
class FoldMoments:
    """Additive sums of one fold of items, in homogeneous coordinates z̃ = (z − shift, 1).

    Attributes
    ----------
    n, n_paired : float
        Items, and items with at least two elements.
    second : ndarray (D+1, D+1)
        Σ_i C̃_i with C̃_i = mean_j z̃_ij z̃_ijᵀ.
    second_paired : ndarray (D+1, D+1)
        Σ_i C̃_i/(n_i − 1).
    kept : list of ndarray (h(q+1), h(q+1))
        Σ_i n_i/(n_i − 1) M̃_iᴴM̃_i, an irrep each.
    """

    n: float
    n_paired: float
    second: Array
    second_paired: Array
    kept: list[Array]

    def add(self, other: FoldMoments) -> None:
        """Add the sums of other items."""
        self.n += other.n
        self.n_paired += other.n_paired
        self.second += other.second
        self.second_paired += other.second_paired
        for mine, theirs in zip(self.kept, other.kept, strict=True):
            mine += theirs


@dataclass
class Part:
    """Rows of one item as they arrive."""

    item: Any
    cluster: Any
    z: list[Array]
    params: list[Array]


class Entry(NamedTuple):
    """One item of the reservoir, with its random key."""

    key: float
    z: Array
    params: Array
    fold: int
    item: Any
    cluster: Any


class Moments:
    """Sufficient statistics of embedded orbits for the spectral solver: `update` in batches, `merge` across machines.

    S = Σ_i ω_i [n_i M_iᴴM_i − I⊗C_i]/(n_i − 1) and T = I ⊗ Σ_i ω_i C_i are sums over *items*; they are kept per fold of
    items, so that cross-fitting needs no second pass.

    Parameters
    ----------
    group : AbstractGroup
        The group acting.
    reps : sequence of Representation
        The irreps to look for.
    n_features : int
        D.
    n_folds : int
        Folds of items.
    basis : ndarray (D, q), optional
        Orthonormal columns spanning the principal subspace in which irreps are sought; all of R^D by default.
    shift : ndarray (D,), optional
        A provisional centre. Any vector is right; one near the mean keeps the sums accurate.
    reservoir_rows : int
        How many rows of whole, randomly chosen items to remember for nulls and intervals.
    seed : int
        Seed of the folds and of the reservoir.

    Examples
    --------
    >>> import numpy as np
    >>> from geodis.groups import SO2
    >>> from geodis.coordinates import Moments
    >>> rng, G = np.random.default_rng(0), SO2()
    >>> moments = Moments(G, G.irreps(2), n_features=6)
    >>> for batch in range(3):
    ...     moments.update(rng.normal(size=(40, 6)), G.sample(40, batch), np.arange(40) // 4 + 10 * batch)
    >>> moments.n_items
    30
    """

    def __init__(
        self,
        group: AbstractGroup,
        reps: Sequence[Representation],
        n_features: int,
        *,
        n_folds: int = 5,
        basis: Array | None = None,
        shift: Array | None = None,
        reservoir_rows: int = 16384,
        seed: int = 0,
    ) -> None:
        if any(not rep.orthogonal or rep.cocycle is not None for rep in reps):
            raise ParameterError(
                "reps",
                "orthogonal linear irreps",
                [r.name for r in reps if not r.orthogonal],
                "Other representations need pairs of rows: use LinearCoordinates.fit on arrays.",
            )
        self.group, self.reps, self.n_features, self.n_folds = group, tuple(reps), n_features, n_folds
        self.basis = None if basis is None else np.asarray(basis, dtype=np.float64)
        self.shift = np.zeros(n_features) if shift is None else np.asarray(shift, dtype=np.float64)
        if self.shift.shape != (n_features,):
            raise ShapeError("shift", f"({n_features},)", self.shift.shape)
        self.seed = seed
        self.eps = float(np.finfo(np.float64).eps)  # of the rows as they came
        self.folds = [self._empty() for _ in range(n_folds)]
        self.reservoir = Reservoir(reservoir_rows, np.random.default_rng([seed, 1]))
        self._rng = np.random.default_rng([seed, 0])
        self._upcoming: list[int] = []
        self._closed: set[Any] = set()
        self._open: Part | None = None
        self._fold_of: dict[Any, int] = {}

    @property
    def n_items(self) -> int:
        """Items seen so far, the one that may continue in the next batch included."""
        return len(self._closed) + (self._open is not None)

    @property
    def labels(self) -> frozenset[Any]:
        """The items seen so far."""
        return frozenset(self._closed) | ({self._open.item} if self._open is not None else frozenset())

    def update(self, z: Any, params: Any, items: Any, clusters: Any = None) -> None:
        """Add a batch of rows: z (N, D), params (N, p), items (N,), clusters (N,) when coarser than items.

        The rows of one item come in one batch or in consecutive ones; the item that ends a batch may continue.
        """
        rows, elements, labels = as_embeddings(z), as_params(params, self.group), as_items(items)
        bunches = labels if clusters is None else as_items(clusters)
        if rows.shape[1] != self.n_features:
            raise ShapeError("z", f"(N, {self.n_features})", rows.shape)
        if not len(rows) == len(elements) == len(labels) == len(bunches):
            raise LengthError(z=len(rows), params=len(elements), items=len(labels), clusters=len(bunches))
        self.group.check(elements)
        whole = []
        for block in _runs(labels):
            whole.extend(
                self._take(
                    Part(_plain(labels[block.start]), _plain(bunches[block.start]), [rows[block]], [elements[block]])
                )
            )
        self._accumulate_parts(whole)

    def add_stack(self, stack: Stack) -> None:
        """Add whole items at once: the fast path for rows that are already sorted by item."""
        labels = stack.items.tolist()
        seen = self._closed.intersection(labels)
        if seen or len(set(labels)) != len(labels):
            raise DesignError(f"add_stack: expected new items, {next(iter(seen or labels))!r} was finished before.")
        self._closed.update(labels)
        self._accumulate(stack)

    def merge(self, other: Moments) -> None:
        """Add the sums of other items, gathered elsewhere with the same irreps, basis and shift."""
        self.finish()
        other.finish()
        same = (
            self.group == other.group
            and [r.name for r in self.reps] == [r.name for r in other.reps]
            and np.array_equal(self.shift, other.shift)
            and _same(self.basis, other.basis)
            and self.n_folds == other.n_folds
        )
        if not same:
            raise DesignError("merge: expected moments of the same group, irreps, basis, shift and folds.")
        shared = self._closed & other._closed
        if shared:
            raise DesignError(
                f"merge: expected different items, {len(shared)} are in both, e.g. {next(iter(shared))!r}."
            )
        for mine, theirs in zip(self.folds, other.folds, strict=True):
            mine.add(theirs)
        self.reservoir.merge(other.reservoir)
        self._closed |= other._closed
        self._fold_of |= other._fold_of
        self.eps = max(self.eps, other.eps)

    def finish(self) -> None:
        """Close the item that ended the last batch."""
        if self._open is not None:
            part, self._open = self._open, None
            self._closed.add(part.item)
            self._accumulate_parts([part])

    # --- items --------------------------------------------------------------------------------------------------
    def _take(self, part: Part) -> list[Part]:
        """Continue the open item, or close it (and return it) and open this one."""
        if self._open is not None and self._open.item == part.item:
            self._open.z.extend(part.z)
            self._open.params.extend(part.params)
            return []
        if part.item in self._closed:
            raise DesignError(
                f"update: expected the rows of an item in consecutive batches, item {part.item!r} was finished "
                "before. Sort the rows by item."
            )
        closed, self._open = self._open, part
        if closed is None:
            return []
        self._closed.add(closed.item)
        return [closed]

    def _accumulate_parts(self, parts: list[Part]) -> None:
        by_size: dict[int, list[Part]] = {}
        for part in parts:
            by_size.setdefault(sum(map(len, part.z)), []).append(part)
        for same in by_size.values():
            self._accumulate(
                Stack(
                    np.stack([np.concatenate(p.z) for p in same]),
                    np.stack([np.concatenate(p.params) for p in same]),
                    np.array([p.item for p in same]),
                    np.array([p.cluster for p in same]),
                )
            )

    # --- sums ---------------------------------------------------------------------------------------------------
    def _empty(self) -> FoldMoments:
        q = self.n_features if self.basis is None else self.basis.shape[1]
        size = self.n_features + 1
        kept = []
        for rep in self.reps:
            width = half_dim(rep) * (q + 1)
            kept.append(np.zeros((width, width), dtype=complex if rep.half is not None else float))
        return FoldMoments(0.0, 0.0, np.zeros((size, size)), np.zeros((size, size)), kept)

    def _accumulate(self, stack: Stack) -> None:
        n, m, d = stack.z.shape
        self.eps = max(self.eps, float(np.finfo(stack.z.dtype).eps))
        folds = self._folds_of(stack.clusters)
        order = np.argsort(folds, kind="stable")
        z = np.empty((n, m, d + 1))
        np.subtract(stack.z[order], self.shift, out=z[..., :d])
        z[..., d] = 1.0
        params = np.asarray(stack.params[order], dtype=np.float64)
        bounds = np.searchsorted(folds[order], np.arange(self.n_folds + 1))
        pieces = self._coefficients(params, z) if m >= 2 and self.reps else None
        for f in range(self.n_folds):
            items = slice(bounds[f], bounds[f + 1])
            if bounds[f] < bounds[f + 1]:
                self._add(self.folds[f], z[items].reshape(-1, d + 1), m, items, pieces)
        self.reservoir.offer(z, params, folds[order], stack.items[order], stack.clusters[order], self.basis)

    def _coefficients(self, params: Array, z: Array) -> list[Array]:
        weights = analysis_weights(self.reps, params)
        # Project whichever is shorter, the rows or their coefficients.
        if weights.shape[1] > z.shape[1]:
            return split_coefficients(self.reps, weights @ project(z, self.basis))
        return split_coefficients(self.reps, project(weights @ z, self.basis))

    def _add(self, sums: FoldMoments, rows: Array, m: int, items: slice, pieces: list[Array] | None) -> None:
        n = len(rows) // m
        second = gram(rows)
        sums.n += n
        sums.second += second / m
        if pieces is None:
            return
        sums.n_paired += n
        sums.second_paired += second / (m * (m - 1))
        for rep, kept, piece in zip(self.reps, sums.kept, pieces, strict=True):
            h = half_dim(rep)
            kept += (m / (m - 1)) * gram(piece[items.start * h : items.stop * h])

    def _folds_of(self, clusters: Array) -> Array:
        """The fold of each item: that of its cluster.

        Every run of n_folds new clusters is spread over all folds, in random order: balanced however they arrive.
        """
        out = []
        for cluster in clusters.tolist():
            if cluster not in self._fold_of:
                if not self._upcoming:
                    self._upcoming = self._rng.permutation(self.n_folds).tolist()
                self._fold_of[cluster] = self._upcoming.pop()
            out.append(self._fold_of[cluster])
        return np.array(out)


class Reservoir:
    """A uniformly random part of the items, kept whole, of at most `capacity` rows (or one item).

    Every item gets a random key and those with the smallest keys stay, so that two reservoirs merge into one.
    """

    def __init__(self, capacity: int, rng: np.random.Generator) -> None:
        self.capacity, self._rng = capacity, rng
        self._entries: list[Entry] = []
        self._threshold, self._rows, self.complete = np.inf, 0, True

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


def _runs(labels: Array) -> list[slice]:
    """The runs of equal labels."""
    change = np.flatnonzero(labels[1:] != labels[:-1]) + 1
    bounds = [0, *change.tolist(), len(labels)]
    return [slice(a, b) for a, b in pairwise(bounds)]


def _plain(label: Any) -> Any:
    return label.item() if isinstance(label, np.generic) else label


def _same(a: Array | None, b: Array | None) -> bool:
    return a is b or (a is not None and b is not None and np.array_equal(a, b))
