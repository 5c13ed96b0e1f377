"""Sampling orbits: items are moved by the action, embedded, and kept with the elements that moved them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from geodis.actions.action import AbstractAction
from geodis.encoders import AbstractEncoder, EmbeddingStore, encode, fingerprint
from geodis.errors import LengthError, ParameterError, ShapeError
from geodis.linalg import Array
from geodis.orbits import Detours, Orbits, as_embeddings, as_items

DETOURS = 256  # rows on which an inexact action's floor is measured


def sample_orbits(
    encoder: Callable[[Any], Any],
    items: Sequence[Any] | Array,
    action: AbstractAction,
    n_elements: int = 24,
    seed: int = 0,
    *,
    item_ids: Any = None,
    clusters: Any = None,
    batch_size: int = 256,
    verbose: bool = False,
    store: EmbeddingStore | str | Path | None = None,
) -> Orbits:
    """Embed g·x for every item x: z_ij = f(g_ij · x_i).

    Takes the full orbit of a finite group with at most `n_elements` elements (else draws without replacement), a
    regular grid with a random offset per item for SO(2) and periodic translations, independent draws otherwise; an
    action may have its own elements. Of an action that interpolates, up to 256 rows are embedded once more along a
    detour, f(g·(h·x)) beside f(gh·x): `verify` makes the discretisation floor of it.

    Parameters
    ----------
    encoder : callable
        Batch of transformed items → embeddings `(batch, D)`; see `geodis.encode`.
    items : sequence
        The items x, in the form that the action moves.
    action : AbstractAction
        How the group acts on items.
    n_elements : int
        Elements an item.
    seed : int
        Seed of the elements.
    item_ids : array (n,), optional
        Labels of the items; 0, 1, 2, … by default. Items of separate calls that meet later need distinct labels.
    clusters : array (n,), optional
        What is drawn independently, when that is coarser than items.
    batch_size : int
        Transformed items per encoder call.
    verbose : bool
        Whether to show a progress bar.
    store : EmbeddingStore or path, optional
        Folder that keeps the embeddings: a run that was stopped goes on where it was, an equal one is read. A function
        as encoder needs a name then: ``encode(function, name="mine-v1")``.

    Returns
    -------
    Orbits

    Examples
    --------
    >>> import numpy as np
    >>> import geodis
    >>> from geodis.actions import SlotAction, slot_texts
    >>> action = SlotAction(["spring", "summer", "autumn"])
    >>> texts = slot_texts(["The {slot} was long.", "We met in {slot}."], action.values)
    >>> geodis.sample_orbits(lambda batch: np.array([[len(str(t)), 1.0] for t in batch]), texts, action)
    Orbits(2 items × 3 elements, D = 2, group = Cyclic(3), crossed)
    """
    n = len(items)
    if n == 0:
        raise ParameterError("items", "at least one item", "none")
    ids = np.arange(n) if item_ids is None else as_items(item_ids)
    if len(ids) != n:
        raise LengthError(items=n, item_ids=len(ids))
    if len(np.unique(ids)) != n:
        raise ParameterError("item_ids", "one distinct label an item", "repeated labels")
    bunches = None if clusters is None else as_items(clusters)
    if bunches is not None and len(bunches) != n:
        raise LengthError(items=n, clusters=len(bunches))
    params = action.orbit(items, n_elements, seed=seed)
    embedded = _Embedding(encoder, items, action, _positive(batch_size, "batch_size"), verbose, _opened(store))
    m = params.shape[1]
    flat, which = params.reshape(n * m, -1), np.repeat(np.arange(n), m)
    z = embedded(which, [flat], "embedding orbits")
    owners = None if bunches is None else bunches[which]
    orbits = Orbits.from_arrays(z, flat, ids[which], action.group, owners)
    if action.exact or m < 2:
        return orbits
    return replace(orbits, detours=_detours(embedded, params, z, ids, seed))


@dataclass(frozen=True)
class _Embedding:
    """Items moved by one element after another, embedded batch by batch."""

    encoder: Callable[[Any], Any]
    items: Any
    action: AbstractAction
    batch_size: int
    verbose: bool
    store: EmbeddingStore | None

    def __call__(self, which: Array, steps: Sequence[Array], what: str) -> Array:
        """f(… steps[1] · (steps[0] · x)) for the items `which`: `(len(which), D)`."""
        starts = range(0, len(which), self.batch_size)
        if self.store is None:
            parts = [self._batch(which, steps, i) for i in tqdm(starts, desc=what, disable=not self.verbose)]
            if len({part.shape[1] for part in parts}) > 1:
                raise ShapeError("embeddings", "the same number of features for every batch", "several")
            return np.concatenate(parts)
        return self.store.embed(
            self._key(which, steps),
            len(starts),
            lambda i: self._batch(which, steps, starts[i]),
            verbose=self.verbose,
        )

    def _batch(self, which: Array, steps: Sequence[Array], start: int) -> Array:
        rows = slice(start, start + self.batch_size)
        mine = which[rows]
        batch = self.items[mine] if isinstance(self.items, np.ndarray) else [self.items[i] for i in mine]
        for step in steps:
            batch = self.action.act(step[rows], batch)
        z = as_embeddings(self.encoder(batch))
        if len(z) != len(mine):
            raise LengthError(items=len(mine), embeddings=len(z))
        return z

    def _key(self, which: Array, steps: Sequence[Array]) -> dict[str, str]:
        if type(self.action).__repr__ is object.__repr__:
            raise ParameterError(
                "store: action",
                "an action with a __repr__ that tells all that determines what it does",
                type(self.action).__name__,
                "Stored embeddings are found by it.",
            )
        encoder = self.encoder if isinstance(self.encoder, AbstractEncoder) else encode(self.encoder)
        return {
            "encoder": encoder.fingerprint(),
            "items": fingerprint(self.items),
            "action": repr(self.action),
            "which": fingerprint(which),
            "elements": " ".join(fingerprint(step) for step in steps),
            "batch_size": str(self.batch_size),
        }


def _detours(embedded: _Embedding, params: Array, z: Array, ids: Array, seed: int) -> Detours:
    """The element gh is of an item's orbit, h another one of the same orbit."""
    n, m = params.shape[:2]
    rng = np.random.default_rng([seed, 5])
    rows = np.sort(rng.choice(n * m, min(DETOURS, n * m), replace=False))
    item, k = np.divmod(rows, m)
    other = (k + rng.integers(1, m, len(rows))) % m
    first, whole = params[item, other], params[item, k]
    group = embedded.action.group
    second = group.compose(whole, group.inverse(first))
    return Detours(z[rows], embedded(item, [first, second], "measuring the floor"), ids[item])


def _opened(store: EmbeddingStore | str | Path | None) -> EmbeddingStore | None:
    return store if store is None or isinstance(store, EmbeddingStore) else EmbeddingStore(store)


def _positive(n: Any, what: str) -> int:
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
        raise ParameterError(what, "an integer ≥ 1", n)
    return int(n)
