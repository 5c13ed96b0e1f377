"""Streaming moments: one pass over the rows, mergeable, with memory that does not grow with their number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from geodis.coordinates.fourier import analysis_weights, gram, half_dim, split_coefficients
from geodis.coordinates.lift import AbstractLift, same_lift
from geodis.coordinates.reservoir import Reservoir, project
from geodis.coordinates.spread import Spread
from geodis.errors import DesignError, LengthError, ParameterError, ShapeError
from geodis.groups import AbstractGroup, Representation
from geodis.linalg import Array
from geodis.orbits import Stack, as_embeddings, as_items, as_params


@dataclass
class FoldMoments:
    """Additive sums of one fold of items, in homogeneous coordinates z̃ = (z − shift, 1).

    Attributes
    ----------
    size : int
        The length of z̃.
    grams : dict of int to ndarray (D+1, D+1)
        Σ z̃z̃ᵀ over the rows of all items with m elements, by m.
    items : dict of int to float
        How many items have m elements.
    kept : list of ndarray (h(q+1), h(q+1))
        Σ_i n_i/(n_i − 1) M̃_iᴴM̃_i, an irrep each.
    """

    size: int
    grams: dict[int, Array]
    items: dict[int, float]
    kept: list[Array]

    @property
    def n(self) -> float:
        """Items."""
        return sum(self.items.values())

    @property
    def n_paired(self) -> float:
        """Items with at least two elements."""
        return sum(n for m, n in self.items.items() if m >= 2)

    @property
    def second(self) -> Array:
        """Σ_i C̃_i with C̃_i = mean_j z̃_ij z̃_ijᵀ."""
        return sum((gram / m for m, gram in self.grams.items()), np.zeros((self.size, self.size)))

    @property
    def second_paired(self) -> Array:
        """Σ_i C̃_i/(n_i − 1) over the items with a pair."""
        paired = (gram / (m * (m - 1)) for m, gram in self.grams.items() if m >= 2)
        return sum(paired, np.zeros((self.size, self.size)))

    def add_rows(self, rows: Array, m: int, pieces: Sequence[Array] | None) -> None:
        """Add items of m elements: homogeneous rows (n·m, D+1), stacked coefficients of every irrep."""
        self.items[m] = self.items.get(m, 0.0) + len(rows) / m
        if m in self.grams:
            self.grams[m] += gram(rows)
        else:
            self.grams[m] = gram(rows)
        if pieces is not None:
            for kept, piece in zip(self.kept, pieces, strict=True):
                kept += (m / (m - 1)) * gram(piece)

    def add(self, other: FoldMoments) -> None:
        """Add the sums of other items."""
        for m, theirs in other.grams.items():
            self.grams[m] = self.grams[m] + theirs if m in self.grams else theirs.copy()
            self.items[m] = self.items.get(m, 0.0) + other.items[m]
        for mine, kept in zip(self.kept, other.kept, strict=True):
            mine += kept


def empty_fold(reps: Sequence[Representation], n_features: int, q: int) -> FoldMoments:
    """No items yet: D = n_features, irreps sought in q directions."""
    kept = []
    for rep in reps:
        width = half_dim(rep) * (q + 1)
        kept.append(np.zeros((width, width), dtype=complex if rep.half is not None else float))
    return FoldMoments(n_features + 1, {}, {}, kept)


@dataclass
class Part:
    """Rows of one item as they arrive."""

    item: Any
    cluster: Any
    z: list[Array]
    params: list[Array]


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
        D; the number of features F with a lift.
    n_folds : int
        Folds of items.
    basis : ndarray (D, q), optional
        Orthonormal columns spanning the principal subspace in which irreps are sought; all of R^D by default.
    shift : ndarray (D,), optional
        A provisional centre. Any vector is right; one near the mean keeps the sums accurate.
    reservoir_rows : int
        How many rows of whole, randomly chosen items to remember for nulls and intervals.
    expected_rows : int, optional
        How many rows will come, if that is known: the reservoir then takes few rows that it drops later.
    seed : int
        Seed of the folds and of the reservoir.
    lift : AbstractLift, optional
        φ: rows come as embeddings (N, D) and are summed as φ(z) (N, F), batch by batch.

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
        expected_rows: int | None = None,
        seed: int = 0,
        lift: AbstractLift | None = None,
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
        if lift is not None and lift.n_features != n_features:
            raise ShapeError("lift", f"n_features = {n_features}", lift.n_features)
        self.seed, self.lift = seed, lift
        self.spread: Spread | None = None  # of the rows before a lift
        self.eps = float(np.finfo(np.float64).eps)  # of the rows as they came
        q = n_features if self.basis is None else self.basis.shape[1]
        self.folds = [empty_fold(self.reps, n_features, q) for _ in range(n_folds)]
        self.reservoir = Reservoir(reservoir_rows, np.random.default_rng([seed, 1]), expected_rows)
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
    def n_features_in(self) -> int:
        """D, the dimension of the embeddings that come."""
        return self.n_features if self.lift is None else self.lift.n_features_in

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
        if rows.shape[1] != self.n_features_in:
            raise ShapeError("z", f"(N, {self.n_features_in})", rows.shape)
        if not len(rows) == len(elements) == len(labels) == len(bunches):
            raise LengthError(z=len(rows), params=len(elements), items=len(labels), clusters=len(bunches))
        self.group.check(elements)
        blocks = _runs(labels)
        if clusters is not None and any((bunches[b] != bunches[b.start]).any() for b in blocks):
            raise ParameterError("clusters", "one cluster for all rows of an item", "an item in several clusters")
        self._refuse_finished([_plain(labels[block.start]) for block in blocks])
        whole = []
        for block in blocks:
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
            and same_lift(self.lift, other.lift)
            and self.n_folds == other.n_folds
        )
        if not same:
            raise DesignError("merge: expected moments of the same group, irreps, lift, basis, shift and folds.")
        shared = self._closed & other._closed
        if shared:
            raise DesignError(
                f"merge: expected different items, {len(shared)} are in both, e.g. {next(iter(shared))!r}."
            )
        torn = [c for c, fold in other._fold_of.items() if self._fold_of.get(c, fold) != fold]
        if torn:
            raise DesignError(
                f"merge: expected the items of a cluster in one fold, those of {torn[0]!r} are in two. Stream whole "
                "clusters on one machine."
            )
        for mine, theirs in zip(self.folds, other.folds, strict=True):
            mine.add(theirs)
        if self.spread is not None and other.spread is not None:
            self.spread = self.spread + other.spread
        self.spread = self.spread or other.spread
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
        closed, self._open = self._open, part
        if closed is None:
            return []
        self._closed.add(closed.item)
        return [closed]

    def _refuse_finished(self, items: list[Any]) -> None:
        """Raise, before anything is added, when the rows of an item are not together."""
        last = None if self._open is None else self._open.item
        left: set[Any] = set()
        for item in items:
            if item in self._closed or item in left:
                raise DesignError(
                    f"update: expected the rows of an item in consecutive batches, item {item!r} was finished "
                    "before. Sort the rows by item."
                )
            if last is not None and item != last:
                left.add(last)
            last = item

    def _accumulate_parts(self, parts: list[Part]) -> None:
        # In the order of arrival, not of sizes: the folds do not depend on the batches.
        self._folds_of(np.array([part.cluster for part in parts]))
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
    def _accumulate(self, stack: Stack) -> None:
        n, m = stack.z.shape[:2]
        d = self.n_features
        if self.lift is not None:
            seen = Spread.of(stack.z.reshape(n * m, -1))
            self.spread = seen if self.spread is None else self.spread + seen
        self.eps = max(self.eps, float(np.finfo(stack.z.dtype).eps))
        folds = self._folds_of(stack.clusters)
        order = np.argsort(folds, kind="stable")
        z = np.empty((n, m, d + 1))
        np.subtract(lift_stack(stack.z[order], self.lift), self.shift, out=z[..., :d])
        z[..., d] = 1.0
        params = np.asarray(stack.params[order], dtype=np.float64)
        bounds = np.searchsorted(folds[order], np.arange(self.n_folds + 1))
        pieces = self._coefficients(params, z) if m >= 2 and self.reps else None
        for f in range(self.n_folds):
            items = slice(bounds[f], bounds[f + 1])
            if bounds[f] < bounds[f + 1]:
                mine = None if pieces is None else [_of_items(p, items, n) for p in pieces]
                self.folds[f].add_rows(z[items].reshape(-1, d + 1), m, mine)
        self.reservoir.offer(z, params, folds[order], stack.items[order], stack.clusters[order], self.basis)

    def _coefficients(self, params: Array, z: Array) -> list[Array]:
        weights = analysis_weights(self.reps, params)
        # Project whichever is shorter, the rows or their coefficients.
        if weights.shape[1] > z.shape[1]:
            return split_coefficients(self.reps, weights @ project(z, self.basis))
        return split_coefficients(self.reps, project(weights @ z, self.basis))

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


def lift_stack(z: Array, lift: AbstractLift | None) -> Array:
    """φ of stacked embeddings, in double precision: (…, D) → (…, F)."""
    if lift is None:
        return z
    return np.asarray(lift(z.reshape(-1, z.shape[-1]).astype(np.float64))).reshape(*z.shape[:-1], lift.n_features)


def _of_items(piece: Array, items: slice, n: int) -> Array:
    """The rows (h an item) of some of the n items."""
    h = len(piece) // n
    return piece[items.start * h : items.stop * h]


def _runs(labels: Array) -> list[slice]:
    """The runs of equal labels."""
    change = np.flatnonzero(labels[1:] != labels[:-1]) + 1
    bounds = [0, *change.tolist(), len(labels)]
    return [slice(a, b) for a, b in pairwise(bounds)]


def _plain(label: Any) -> Any:
    return label.item() if isinstance(label, np.generic) else label


def _same(a: Array | None, b: Array | None) -> bool:
    return a is b or (a is not None and b is not None and np.array_equal(a, b))
