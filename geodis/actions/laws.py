"""How far an action misses its own laws: act(e, x) = x, act(g, act(h, x)) = act(gh, x), act(g⁻¹, act(g, x)) = x."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from geodis.actions.action import AbstractAction
from geodis.errors import ParameterError, ShapeError
from geodis.groups.options import count
from geodis.linalg import Array, to_numpy


@dataclass(frozen=True)
class LawErrors:
    """How far the laws are missed, relative to the size of the items.

    Attributes
    ----------
    identity, composition, inverse : float
        The worst ‖act(e, x) − x‖/‖x‖, ‖act(g, act(h, x)) − act(gh, x)‖/‖x‖ and ‖act(g⁻¹, act(g, x)) − x‖/‖x‖ over
        the items and elements tried; for items that are compared by equality (texts) 0 or 1.
    composition_rms : float
        The root mean square of the composition's deviation over the items and pairs tried.
    """

    identity: float
    composition: float
    inverse: float
    composition_rms: float

    @property
    def worst(self) -> float:
        """The largest deviation of the three laws."""
        return max(self.identity, self.composition, self.inverse)


def law_errors(action: AbstractAction, items: Any, n_pairs: int = 8, seed: int = 0) -> LawErrors:
    """How far `action` misses its laws on `items`.

    For each item x, elements h are taken from the orbit of x and one g from the orbit of each h·x, so that an action
    for which only some elements make sense at an item is asked for those alone.

    Parameters
    ----------
    action : AbstractAction
        The action under test.
    items : sequence
        Items that the action moves: an array or tensor, or objects that are compared with ``==``.
    n_pairs : int
        Elements h for each item (all of them, if the group has fewer).
    seed : int
        Seed of the elements.

    Returns
    -------
    LawErrors

    Raises
    ------
    ParameterError
        Without items, or for n_pairs < 1.
    ShapeError
        When the action returns arrays of another shape than it got.

    Examples
    --------
    >>> from geodis.actions import SlotAction, slot_texts
    >>> action = SlotAction(["Monday", "Tuesday", "Wednesday"])
    >>> law_errors(action, slot_texts(["See you on {slot}."], action.values)).worst
    0.0
    """
    n = len(items)
    if n == 0:
        raise ParameterError("items", "at least one item", "none")
    orbit = to_numpy(action.orbit(items, count(n_pairs, "n_pairs", 1), seed=seed))
    h, x = orbit.reshape(-1, orbit.shape[-1]), _take(items, np.repeat(np.arange(n), orbit.shape[1]))
    hx = action.act(h, x)
    g = to_numpy(action.orbit(hx, 1, seed=seed + 1))[:, 0]
    group = action.group
    composition = _deviation(action.act(g, hx), action.act(group.compose(g, h), x), x)
    return LawErrors(
        identity=float(_deviation(action.act(group.identity(n), items), items, items).max()),
        composition=float(composition.max()),
        inverse=float(_deviation(action.act(group.inverse(h), hx), x, x).max()),
        composition_rms=float(np.sqrt(np.mean(composition**2))),
    )


def _take(items: Any, rows: Array) -> Any:
    return items[rows] if isinstance(items, (np.ndarray, Tensor)) else [items[i] for i in rows]


def _deviation(got: Any, expected: Any, items: Any) -> Array:
    """‖got − expected‖/‖x‖ for each item x `(n,)`; 0 or 1 where items are compared by equality."""
    if not isinstance(items, (np.ndarray, Tensor)):
        return np.array([float(a != b) for a, b in zip(got, expected, strict=True)])
    a, b, x = (to_numpy(rows) for rows in (got, expected, items))
    if a.shape != x.shape or b.shape != x.shape:
        raise ShapeError("act", f"{x.shape}, that of the items", a.shape if a.shape != x.shape else b.shape)
    miss, size = (np.linalg.norm(rows.reshape(len(x), -1), axis=1) for rows in (a - b, x))
    # An item that is zero and stays zero misses nothing; one that does not has no scale to compare with.
    return np.divide(miss, size, out=np.where(miss > 0, np.inf, 0.0), where=size > 0)
