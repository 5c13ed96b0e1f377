"""Splits of orbits that leave out kinds of steps, not only items: what a fit has never seen, it has to extrapolate to.

A split is a set of unseen steps h = g_k g_j⁻¹. Training items keep rows between which no such step occurs; of the
other items, all rows are kept, and the pairs that are such a step are judged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from geodis.errors import DesignError, ParameterError
from geodis.groups.options import positive
from geodis.groups.product import Product
from geodis.groups.size import element_size
from geodis.linalg import Array
from geodis.orbits import Orbits

Unseen = Callable[[Array], Array]  # steps (P, p) → which are unseen (P,)

STILL = 1e-9  # element sizes below it are the identity


class StepSplit(NamedTuple):
    """Orbits to fit on, orbits of other items to judge, and which steps between their rows are judged."""

    train: Orbits
    test: Orbits
    unseen: Unseen


def split_items(orbits: Orbits, *, test_size: float = 0.3, seed: int = 0) -> StepSplit:
    """Unseen items: every step is judged.

    Parameters
    ----------
    orbits : Orbits
        What is split.
    test_size : float
        Share of the items (or clusters) that are judged.
    seed : int
        Seed of the choice.

    Raises
    ------
    ParameterError
        For something else than orbits, fewer than two items, a share outside (0, 1).

    Examples
    --------
    >>> from geodis.groups import Cyclic
    >>> z = np.random.default_rng(0).normal(size=(40, 3))
    >>> orbits = Orbits.from_arrays(z, np.tile(np.arange(4.0), 10), np.repeat(np.arange(10), 4), Cyclic(4))
    >>> split = split_items(orbits)
    >>> split.train.n_items, split.test.n_items
    (7, 3)
    """
    return StepSplit(*_checked(orbits).split(test_size, seed), lambda steps: np.ones(len(steps), dtype=bool))


def split_extrapolate(orbits: Orbits, reach: float, *, test_size: float = 0.3, seed: int = 0) -> StepSplit:
    """Steps larger than `reach` are unseen: training rows of an item lie within `reach` of each other.

    Parameters
    ----------
    orbits : Orbits
        What is split.
    reach : float
        The largest step to train on, in the unit of `geodis.groups.size.element_size`.
    test_size, seed
        As in `split_items`; the seed draws each item's first row, too.

    Raises
    ------
    ParameterError
        For something else than orbits, a reach that is not positive.
    DesignError
        When training items are left with single rows, or no step is unseen.

    Examples
    --------
    >>> from geodis.groups import Cyclic
    >>> z = np.random.default_rng(0).normal(size=(80, 3))
    >>> orbits = Orbits.from_arrays(z, np.tile(np.arange(8.0), 10), np.repeat(np.arange(10), 8), Cyclic(8))
    >>> split = split_extrapolate(orbits, 2.0)
    >>> int(split.train.sizes.max()), split.unseen(np.array([[2.0], [3.0]])).tolist()
    (3, [False, True])
    """
    reach, group = positive(reach, "reach"), _checked(orbits).group

    def unseen(steps: Array) -> Array:
        return element_size(group, steps) > reach + STILL

    return _without(orbits, unseen, test_size, seed)


def split_interpolate(orbits: Orbits, low: float, high: float, *, test_size: float = 0.3, seed: int = 0) -> StepSplit:
    """Steps of sizes from `low` to `high` are unseen, smaller and larger ones are seen.

    Parameters
    ----------
    orbits : Orbits
        What is split.
    low, high : float
        The band, in the unit of `geodis.groups.size.element_size`.
    test_size, seed
        As in `split_extrapolate`.

    Raises
    ------
    ParameterError
        For something else than orbits, a band that is empty or starts at 0.
    DesignError
        When training items are left with single rows, no step is unseen, or none beyond the band is seen.

    Examples
    --------
    >>> from geodis.groups import Cyclic
    >>> z = np.random.default_rng(0).normal(size=(120, 3))
    >>> orbits = Orbits.from_arrays(z, np.tile(np.arange(12.0), 10), np.repeat(np.arange(10), 12), Cyclic(12))
    >>> split_interpolate(orbits, 2.5, 3.5).unseen(np.array([[2.0], [3.0], [4.0]])).tolist()
    [False, True, False]
    """
    low, high, group = positive(low, "low"), positive(high, "high"), _checked(orbits).group
    if not low < high:
        raise ParameterError("low, high", "low < high", (low, high))

    def unseen(steps: Array) -> Array:
        sizes = element_size(group, steps)
        return (sizes > low - STILL) & (sizes < high + STILL)

    split = _without(orbits, unseen, test_size, seed)
    if not any((element_size(group, steps) > high).any() for steps in _item_steps(split.train)):
        raise DesignError(f"split_interpolate: expected seen steps beyond {high:g}, there are none: that extrapolates.")
    return split


def split_compose(orbits: Orbits, *, test_size: float = 0.3, seed: int = 0) -> StepSplit:
    """Steps that move several factors of a product at once are unseen: each was seen alone.

    Parameters
    ----------
    orbits : Orbits
        Of a product group, with rows that differ in one factor only.
    test_size, seed
        As in `split_extrapolate`.

    Raises
    ------
    ParameterError
        For something else than orbits, a group that is no product.
    DesignError
        When training items are left with single rows, or no step is unseen.

    Examples
    --------
    >>> from geodis.groups import Cyclic
    >>> group = Cyclic(3) * Cyclic(2)
    >>> g = np.array([[a, b] for a in range(3) for b in range(2)], dtype=float)
    >>> z = np.random.default_rng(0).normal(size=(60, 3))
    >>> orbits = Orbits.from_arrays(z, np.tile(g, (10, 1)), np.repeat(np.arange(10), 6), group)
    >>> split_compose(orbits).unseen(np.array([[1.0, 0.0], [1.0, 1.0]])).tolist()
    [False, True]
    """
    group = _checked(orbits).group
    if not isinstance(group, Product):
        raise ParameterError("split_compose: orbits", "orbits of a product such as SO2() * Cyclic(3)", repr(group))
    ends = np.cumsum([factor.n_params for factor in group.groups])[:-1]

    def unseen(steps: Array) -> Array:
        parts = zip(group.groups, np.split(steps, ends, axis=-1), strict=True)
        return np.sum([element_size(factor, part) > STILL for factor, part in parts], axis=0) > 1

    return _without(orbits, unseen, test_size, seed)


def _checked(orbits: Orbits) -> Orbits:
    if not isinstance(orbits, Orbits):
        raise ParameterError("orbits", "Orbits", type(orbits).__name__)
    return orbits


def _without(orbits: Orbits, unseen: Unseen, test_size: float, seed: int) -> StepSplit:
    train, test = orbits.split(test_size, seed)
    rng = np.random.default_rng([seed, 31])
    kept = np.concatenate([_compatible(train, params, unseen, rng) for params in _item_params(train)])
    left = Orbits.from_arrays(train.z[kept], train.params[kept], train.items[kept], train.group, train.clusters[kept])
    if left.sizes.max() < 2:
        raise DesignError("Expected training items with two rows between which the step is seen; there is none.")
    if not any(unseen(steps).any() for steps in _item_steps(test)):
        raise DesignError("Expected steps that are unseen between the rows of an item; there are none to judge.")
    return StepSplit(left, test, unseen)


def _item_params(orbits: Orbits) -> list[Array]:
    return np.split(orbits.params, np.cumsum(orbits.sizes)[:-1])


def _steps(orbits: Orbits, params: Array) -> Array:
    """g_k g_j⁻¹ of all pairs: (m, p) → (m, m, p), target first."""
    return np.asarray(orbits.group.compose(params[:, None], orbits.group.inverse(params)[None]))


def _item_steps(orbits: Orbits) -> list[Array]:
    return [_steps(orbits, params).reshape(-1, params.shape[1]) for params in _item_params(orbits)]


def _compatible(orbits: Orbits, params: Array, unseen: Unseen, rng: np.random.Generator) -> Array:
    """Which rows of an item to keep so that no unseen step lies between two: one after the other from a random one."""
    m = len(params)
    clash = unseen(_steps(orbits, params).reshape(m * m, -1)).reshape(m, m)
    clash |= clash.T
    kept = np.zeros(m, dtype=bool)
    first = int(rng.integers(m))
    for row in (first, *(int(i) for i in rng.permutation(m) if i != first)):
        kept[row] = not clash[row, kept].any()
    return kept
