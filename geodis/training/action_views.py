"""Views made on the spot: items moved by an action, at elements that no step sees twice."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from geodis.actions import AbstractAction
from geodis.errors import ParameterError
from geodis.groups import AbstractGroup
from geodis.linalg import Array, check_finite, to_numpy
from geodis.training.views import AbstractViews, chunk_sizes


@final
class ActionViews(AbstractViews):
    """Views g_ij x_i of items x_i under an action.

    Elements are independent draws of `group.sample`; of a finite group without replacement, so that two views of an
    item always differ.

    Parameters
    ----------
    items : array (n, ...)
        The items as the action moves them, such as images (n, C, H, W); numpy or torch, floating-point, n ≥ 4.
    action : AbstractAction
        How the group moves them: any action on arrays.

    Raises
    ------
    ParameterError, FiniteError
        For something else than a floating-point array of four items, NaN, or no action.

    Examples
    --------
    >>> import numpy as np
    >>> from geodis.actions import ImageRotation
    >>> views = ActionViews(np.zeros((9, 1, 16, 16)), ImageRotation())
    >>> [tuple(part.shape) for part in views.draw(np.arange(4), 3, 0, np.random.default_rng(0))]
    [(4, 3, 1, 16, 16), (4, 3, 1)]
    """

    def __init__(self, items: Any, action: AbstractAction) -> None:
        if not isinstance(action, AbstractAction):
            raise ParameterError("action", "an action such as ImageRotation()", type(action).__name__)
        self.items = floating(items, "items")
        self.action = action
        self.group = action.group
        self.n_items, self.shape = len(self.items), self.items.shape[1:]

    def check_shared(self) -> None:
        """Any items can be moved by the same step: nothing to refuse."""

    def content(self) -> Any:
        """The items and the action's name."""
        return [self.items, repr(self.action)]

    def _draw(self, which: Array, n_elements: int, chunks: int, rng: np.random.Generator) -> tuple[Array, Array]:
        n = len(which)
        params = (
            moved_together(self.group, n, n_elements, chunks, rng) if chunks else self._elements(n, n_elements, rng)
        )
        m = params.shape[1]
        moved = self.action.act(params.reshape(n * m, -1), np.repeat(self.items[which], m, axis=0))
        return np.asarray(moved).reshape(n, m, *self.shape), params

    def _elements(self, n_items: int, n_elements: int, rng: np.random.Generator) -> Array:
        return apart(self.group, n_items, n_elements, rng)

    def __repr__(self) -> str:
        return f"ActionViews({self.n_items} items of shape {self.shape}, {self.action!r})"


def apart(group: AbstractGroup, n: int, m: int, rng: np.random.Generator) -> Array:
    """Elements (n, m, p), independent between items, distinct within them."""
    if group.order is not None:
        return np.asarray(group.orbit(n, m, seed=rng))
    return np.asarray(group.sample(n * m, seed=rng)).reshape(n, m, -1)


def moved_together(group: AbstractGroup, n: int, m: int, chunks: int, rng: np.random.Generator) -> Array:
    """Elements (n, m, p) with g_ij g_i0⁻¹ the same for all items of a chunk, g_i0 independent.

    Examples
    --------
    >>> from geodis.groups import SO2
    >>> g = moved_together(SO2(), 4, 2, 2, np.random.default_rng(0))[..., 0]
    >>> step = (g[:, 1] - g[:, 0]) % (2 * np.pi)
    >>> bool(np.isclose(step[0], step[1])), bool(np.isclose(step[1], step[2]))
    (True, False)
    """
    sizes = chunk_sizes(n, chunks)
    ends = apart(group, len(sizes), m, rng)
    steps = np.asarray(group.compose(ends, group.inverse(np.broadcast_to(ends[:, :1], ends.shape))))
    start = np.asarray(group.sample(n, seed=rng))[:, None]
    steps = np.repeat(steps, sizes, axis=0)
    return np.asarray(group.compose(steps, np.broadcast_to(start, steps.shape)))


def floating(items: Any, what: str) -> Array:
    """Four or more items as a finite floating-point array."""
    try:
        array = to_numpy(items)
    except (TypeError, ValueError) as error:
        raise ParameterError(what, "an array of numbers", f"{type(items).__name__} ({error})") from error
    if array.dtype.kind != "f":
        raise ParameterError(what, "floating-point numbers", array.dtype, "Convert them first: items.astype(float).")
    if array.ndim < 2 or len(array) < 4 or 0 in array.shape:
        raise ParameterError(what, "at least four items (n, ...), some of which are held out", f"shape {array.shape}")
    check_finite(array, what)
    return array
