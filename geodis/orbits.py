"""Orbits: embeddings z = f(g·x) of items x under group elements g, with their parameters and their group."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors.numpy import save_file

from geodis.errors import FileFormatError, LengthError, ParameterError, ShapeError, UnknownNameError
from geodis.files import read_safetensors, write_atomically
from geodis.groups import AbstractGroup, parse
from geodis.linalg import Array, check_finite, to_numpy

FORMAT = "geodis.orbits"
VERSION = 1


class Stack(NamedTuple):
    """All items that have the same number m of elements: z (n, m, D), params (n, m, p), items and clusters (n,)."""

    z: Array
    params: Array
    items: Array
    clusters: Array


@dataclass(frozen=True, eq=False)
class Detours:
    """The same moved items reached in one step, f(gh·x), and by a detour, f(g·(h·x)): apart where an action is inexact.

    Attributes
    ----------
    direct, composed : ndarray (K, D)
        Embeddings in one step and in two.
    items : ndarray (K,)
        The item of each row.
    """

    direct: Array
    composed: Array
    items: Array

    def select(self, labels: Array) -> Detours:
        """The detours of the items in `labels`."""
        keep = np.isin(self.items, labels)
        return Detours(self.direct[keep], self.composed[keep], self.items[keep])

    def map(self, function: Callable[[Array], Any]) -> Detours:
        """Both embeddings replaced by `function` of them."""
        direct, composed = (as_embeddings(function(z), allow_empty=True) for z in (self.direct, self.composed))
        return replace(self, direct=direct, composed=composed)


@dataclass(frozen=True, eq=False)
class Orbits:
    """Embeddings of items under group elements, as rows sorted by item.

    Build with `from_arrays`, `from_pairs` or `sample_orbits`. Orbits may be crossed (all items share the elements) or
    nested (each has its own), regular or ragged.

    Attributes
    ----------
    z : ndarray (N, D)
        Embeddings, in the dtype they came in.
    params : ndarray (N, p)
        The group element of each row, in the group's convention.
    items : ndarray (N,)
        The item of each row: any labels that can be compared.
    group : AbstractGroup
        The group that the parameters belong to.
    clusters : ndarray (N,)
        What is drawn independently: items that resemble each other (sentences on one subject) share a cluster, and
        folds, splits and intervals go by cluster. Each item is its own cluster by default.
    detours : Detours or None
        What `sample_orbits` measured of the action's own inexactness (interpolation); None where nothing was measured.

    Examples
    --------
    >>> import numpy as np
    >>> from geodis import Orbits
    >>> from geodis.groups import Cyclic
    >>> z = np.random.default_rng(0).normal(size=(12, 5))
    >>> orbits = Orbits.from_arrays(z, np.tile(np.arange(3.0)[:, None], (4, 1)), np.repeat(np.arange(4), 3), Cyclic(3))
    >>> orbits
    Orbits(4 items × 3 elements, D = 5, group = Cyclic(3), crossed)
    """

    z: Array
    params: Array
    items: Array
    group: AbstractGroup
    clusters: Array
    detours: Detours | None = None

    @classmethod
    def from_arrays(cls, z: Any, params: Any, items: Any, group: AbstractGroup, clusters: Any = None) -> Orbits:
        """Orbits from one's own embeddings.

        Parameters
        ----------
        z : array (N, D)
            Embeddings, numpy or torch.
        params : array (N, p)
            Group elements; `(N,)` is read as `(N, 1)`.
        items : array (N,)
            Which item each row shows; rows may come in any order.
        group : AbstractGroup
            The group acting.
        clusters : array (N,), optional
            What is drawn independently, when that is coarser than items: the subject of a sentence, the patient of a
            scan. All rows of an item have one cluster.

        Raises
        ------
        ShapeError, LengthError, FiniteError, ParameterError
            For arrays that do not fit together, NaN, parameters outside the group, items in several clusters.
        """
        if not isinstance(group, AbstractGroup):
            raise ParameterError("group", "a group such as SO2()", type(group).__name__)
        rows = as_embeddings(z)
        elements = as_params(params, group)
        labels = as_items(items)
        bunches = labels if clusters is None else as_items(clusters)
        if not len(rows) == len(elements) == len(labels) == len(bunches):
            raise LengthError(z=len(rows), params=len(elements), items=len(labels), clusters=len(bunches))
        group.check(elements)
        if not (labels[1:] >= labels[:-1]).all():
            order = np.argsort(labels, kind="stable")
            rows, elements, labels, bunches = rows[order], elements[order], labels[order], bunches[order]
        if clusters is not None and ((bunches[1:] != bunches[:-1]) & (labels[1:] == labels[:-1])).any():
            raise ParameterError("clusters", "one cluster for all rows of an item", "an item in several clusters")
        return cls(rows, elements, labels, group, bunches)

    @classmethod
    def from_pairs(
        cls, z: Any, gz: Any, params: Any, group: AbstractGroup, items: Any = None, clusters: Any = None
    ) -> Orbits:
        """Orbits of two elements: pair i is item i seen at the identity (`z[i]`) and at `params[i]` (`gz[i]`)."""
        before, after = as_embeddings(z), as_embeddings(gz)
        if before.shape != after.shape:
            raise ShapeError("from_pairs: gz", str(before.shape), after.shape)
        elements = as_params(params, group)
        labels = np.arange(len(before)) if items is None else as_items(items)
        if not len(before) == len(elements) == len(labels):
            raise LengthError(z=len(before), params=len(elements), items=len(labels))
        return cls.from_arrays(
            np.concatenate([before, after]),
            np.concatenate([group.identity(len(before)).astype(elements.dtype), elements]),
            np.concatenate([labels, labels]),
            group,
            None if clusters is None else np.concatenate([as_items(clusters)] * 2),
        )

    # --- what is there --------------------------------------------------------------------------------------------
    @cached_property
    def _starts(self) -> Array:
        """First row of each item, and the number of rows at the end."""
        if len(self.items) == 0:
            return np.zeros(1, dtype=np.intp)
        change = np.flatnonzero(self.items[1:] != self.items[:-1]) + 1
        return np.concatenate([[0], change, [len(self.items)]])

    @property
    def labels(self) -> Array:
        """The items, one entry each, sorted: `(n_items,)`."""
        return self.items[self._starts[:-1]]

    @property
    def sizes(self) -> Array:
        """How many elements each item was seen at: `(n_items,)`."""
        return np.diff(self._starts)

    @property
    def n_items(self) -> int:
        """The number of items n."""
        return len(self._starts) - 1

    @property
    def n_features(self) -> int:
        """The embedding dimension D."""
        return int(self.z.shape[1])

    @property
    def regular(self) -> bool:
        """Whether all items were seen at equally many elements."""
        return self.n_items > 0 and bool((self.sizes == self.sizes[0]).all())

    @cached_property
    def crossed(self) -> bool:
        """Whether all items were seen at the same elements in the same order."""
        if not self.regular or self.n_items < 2:
            return False
        params = self.params.reshape(self.n_items, -1, self.group.n_params)
        return bool((params == params[:1]).all())

    def __len__(self) -> int:
        return len(self.items)

    def __repr__(self) -> str:
        sizes = self.sizes
        m = f"{sizes[0]}" if self.regular else (f"{sizes.min()}-{sizes.max()}" if len(sizes) else "0")
        design = "crossed" if self.crossed else "nested"
        return f"Orbits({self.n_items} items × {m} elements, D = {self.n_features}, group = {self.group!r}, {design})"

    def arrays(self) -> tuple[Array, Array, Array]:
        """`(Z, params, items)` as flat rows: (N, D), (N, p), (N,)."""
        return self.z, self.params, self.items

    def stacks(self) -> Iterator[Stack]:
        """The items grouped by their number of elements: one `Stack` per orbit size."""
        sizes, starts = self.sizes, self._starts[:-1]
        for m in np.unique(sizes):
            if self.regular:
                rows: Any = slice(None)
            else:
                rows = (starts[sizes == m][:, None] + np.arange(m)).ravel()
            n = int((sizes == m).sum())
            yield Stack(
                self.z[rows].reshape(n, m, -1),
                self.params[rows].reshape(n, m, -1),
                self.labels[sizes == m],
                self.clusters[starts[sizes == m]],
            )

    # --- other orbits from these ----------------------------------------------------------------------------------
    def select(self, labels: Any) -> Orbits:
        """The orbits of the items in `labels` only."""
        wanted = np.asarray(labels)
        unknown = wanted[~np.isin(wanted, self.items)]
        if len(unknown):
            raise UnknownNameError("item", unknown[0].item(), f"{self.n_items} items, {self.labels[:3].tolist()} …")
        keep = np.isin(self.items, wanted)
        return replace(
            self,
            z=self.z[keep],
            params=self.params[keep],
            items=self.items[keep],
            clusters=self.clusters[keep],
            detours=None if self.detours is None else self.detours.select(wanted),
        )

    def split(self, test_size: float = 0.3, seed: int = 0) -> tuple[Orbits, Orbits]:
        """`(train, test)`: a random share of the items is held out, whole clusters, never some rows of an item."""
        if not 0.0 < test_size < 1.0:
            raise ParameterError("test_size", "a share between 0 and 1", test_size)
        clusters = np.unique(self.clusters)
        if len(clusters) < 2:
            raise ParameterError("split", "at least 2 items (or clusters)", len(clusters), "There is nothing to split.")
        n_test = min(max(1, round(test_size * len(clusters))), len(clusters) - 1)
        shuffled = np.random.default_rng(seed).permutation(clusters)
        held_out = np.isin(self.clusters, shuffled[:n_test])
        return self.select(np.unique(self.items[~held_out])), self.select(np.unique(self.items[held_out]))

    def map(self, function: Callable[[Array], Any]) -> Orbits:
        """The same orbits with z replaced by `function(z)`: `(N, D) → (N, D')`."""
        z = as_embeddings(function(self.z), allow_empty=True)
        if len(z) != len(self):
            raise LengthError(z=len(z), params=len(self.params))
        return replace(self, z=z, detours=None if self.detours is None else self.detours.map(function))

    def relabel(self, params: Any) -> Orbits:
        """The same embeddings under other labels `params` (N, p), rows in the order of `arrays()`."""
        elements = as_params(params, self.group)
        if len(elements) != len(self):
            raise LengthError(params=len(elements), items=len(self))
        self.group.check(elements)
        return replace(self, params=elements)

    # --- on disk --------------------------------------------------------------------------------------------------
    def save(self, path: str | Path) -> None:
        """Write a safetensors file (to a temporary name, then moved)."""
        tensors = {"z": np.ascontiguousarray(self.z), "params": np.ascontiguousarray(self.params)}
        meta = {"format": FORMAT, "version": str(VERSION), "group": repr(self.group)}
        named = [("items", self.items), ("clusters", self.clusters)]
        if self.detours is not None:
            tensors["detours.direct"] = np.ascontiguousarray(self.detours.direct)
            tensors["detours.composed"] = np.ascontiguousarray(self.detours.composed)
            named.append(("detours.items", self.detours.items))
        for name, labels in named:
            if labels.dtype.kind in "iufb":
                tensors[name] = np.ascontiguousarray(labels)
            else:
                meta[name] = json.dumps(labels.tolist())
        write_atomically(path, lambda temporary: save_file(tensors, temporary, metadata=meta))

    @classmethod
    def load(cls, path: str | Path) -> Orbits:
        """Read what `save` wrote."""
        meta, tensors = read_safetensors(path, FORMAT, VERSION)
        try:
            labels = {
                name: tensors[name] if name in tensors else np.array(json.loads(meta[name]))
                for name in ("items", "clusters", "detours.items")
                if name in tensors or name in meta
            }
            orbits = cls.from_arrays(
                tensors["z"], tensors["params"], labels["items"], parse(meta["group"]), labels["clusters"]
            )
            if "detours.items" not in labels:
                return orbits
            detours = Detours(tensors["detours.direct"], tensors["detours.composed"], labels["detours.items"])
            return replace(orbits, detours=detours)
        except (KeyError, ValueError) as error:
            raise FileFormatError(path, "whole orbits", f"{type(error).__name__}: {error}") from error


# --- reading what users give ------------------------------------------------------------------------------------------
def as_embeddings(z: Any, allow_empty: bool = False) -> Array:
    """`z` as a finite float array (N, D)."""
    rows = to_numpy(z)
    if rows.ndim != 2 or (not allow_empty and 0 in rows.shape):
        raise ShapeError("embeddings z", "(N, D)", rows.shape, "One row per embedding, one column per feature.")
    if rows.dtype.kind in "iub":
        rows = rows.astype(np.float64)
    if rows.dtype.kind != "f":
        raise ParameterError("embeddings z", "real numbers", f"dtype {rows.dtype}")
    check_finite(rows, "embeddings z")
    return rows


def as_params(params: Any, group: AbstractGroup) -> Array:
    """`params` as a float64 array (N, p); `(N,)` is read as `(N, 1)` for a group of one parameter."""
    elements = to_numpy(params)
    if elements.dtype.kind in "iub":
        elements = elements.astype(np.float64)
    if elements.dtype.kind == "O":
        with suppress(TypeError, ValueError):  # numbers in a column of objects, as data frames have them
            elements = elements.astype(np.float64)
    if elements.dtype.kind != "f":
        raise ParameterError("params", "real numbers", f"dtype {elements.dtype}")
    if elements.ndim == 1 and group.n_params == 1:
        elements = elements[:, None]
    if elements.ndim != 2 or elements.shape[1] != group.n_params:
        raise ShapeError(f"params of {group!r}", f"(N, {group.n_params})", elements.shape)
    check_finite(elements, "params")
    return elements.astype(np.float64, copy=False)


def as_items(items: Any) -> Array:
    """`items` as a one-dimensional array of labels."""
    labels = to_numpy(items)
    if labels.ndim != 1:
        raise ShapeError("items", "(N,)", labels.shape)
    if labels.dtype.kind in "OMm" and any(_is_missing(label) for label in labels.tolist()):
        raise ParameterError("items", "a label for every row", "missing ones (None, NaN)", "They would be one item.")
    if labels.dtype.kind == "S":
        try:
            labels = np.char.decode(labels, "utf-8")
        except UnicodeDecodeError as error:
            raise ParameterError("items", "words in UTF-8", f"bytes: {error}") from error
    if labels.dtype.kind in "OMm":
        labels = labels.astype(str)
    if labels.dtype.kind not in "iufbU":
        raise ParameterError("items", "numbers or words", f"dtype {labels.dtype}")
    if labels.dtype.kind == "f":
        check_finite(labels, "items")
    return labels


def _is_missing(label: Any) -> bool:
    return label is None or (not isinstance(label, str) and str(label) in ("nan", "NaT", "<NA>"))
