"""The multiplication table of a finite set of unknown transformations, read from their fitted operators."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from scipy.stats import norm

from geodis.discovery.operator_relations import (
    Distance,
    Noisy,
    check_options,
    distance,
    identity,
    metric,
    noisy_operators,
    verdict,
)
from geodis.discovery.transformation_family import TransformationFamily
from geodis.errors import ParameterError
from geodis.linalg import Array
from geodis.palette import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NONE, UNDECIDED = -1, -2


@final
@dataclass(frozen=True, eq=False, repr=False)
class CompositionTable:
    """M_a M_b = M_c for the different elements of a family; element 0 is the identity, whether a batch shows it or not.

    Parameters
    ----------
    members : tuple of tuple
        The batches of each element: those whose operators differ by no more than noise.
    product : array (E, E)
        c, `NONE` (−1) if the product is none of the elements, `UNDECIDED` (−2) if noise does not tell.
    defects, upper : array (E, E)
        Distance of the product from the nearest element, over the distance of that element from its nearest
        neighbour, less the noise, and its upper bound (simultaneous).
    p_values : array (E, E)
        Of "the product is that element, but for the noise".
    operators : array (E, D + 1, D + 1)
        Mean operators on (z, 1).
    level : float
        Confidence of all entries together.
    """

    members: tuple[tuple[Any, ...], ...]
    product: Array
    defects: Array
    upper: Array
    p_values: Array
    operators: Array
    level: float

    @property
    def n_elements(self) -> int:
        """Number of elements E, the identity among them."""
        return len(self.members)

    @property
    def closed(self) -> float:
        """Share of the products of two elements that are elements."""
        return float((self.product >= 0).mean())

    @property
    def is_group(self) -> bool | None:
        """Whether the table is one of a group; None where an undecided product leaves it open."""
        if (self.product == NONE).any():
            return False
        if (self.product == UNDECIDED).any():
            return None
        rows = np.sort(self.product, axis=1) == np.arange(self.n_elements)
        columns = np.sort(self.product, axis=0) == np.arange(self.n_elements)[:, None]
        associative = self.product[self.product] == self.product[:, self.product]
        return bool(rows.all() and columns.all() and associative.all())

    @property
    def inverses(self) -> dict[int, int]:
        """Element → its inverse, where the table shows one."""
        return {int(a): int(b) for a, b in np.argwhere((self.product == 0) & (self.product.T == 0))}

    @property
    def orders(self) -> dict[int, int]:
        """Element → the least n with its n-th power the identity, where the table leads there."""
        found = {}
        for a in range(self.n_elements):
            power, n = a, 1
            while power > 0 and n <= self.n_elements:
                power, n = int(self.product[power, a]), n + 1
            if power == 0:
                found[a] = n
        return found

    @property
    def abelian(self) -> bool | None:
        """Whether all decided products commute; None if none but those with the identity are decided."""
        known = (self.product >= 0) & (self.product.T >= 0)
        if not known[1:, 1:].any():
            return None
        return bool((self.product == self.product.T)[known].all())

    def plot(self, ax: Axes | None = None) -> Axes:
        """The table as colours, one an element; products that are none of them, or undecided, stay white."""
        from matplotlib import pyplot as plt

        axes = plt.subplots(figsize=(3.6, 3.6))[1] if ax is None else ax
        axes.imshow(np.where(self.product < 0, np.nan, self.product), cmap="viridis", interpolation="nearest")
        for a, b in np.argwhere(self.product == UNDECIDED):
            axes.text(b, a, "?", ha="center", va="center", color=INK)
        axes.set(xlabel="b", ylabel="a", title="a·b")
        return axes

    def __repr__(self) -> str:
        undecided = int((self.product == UNDECIDED).sum())
        return (
            f"CompositionTable(elements={self.n_elements}, closed={self.closed:.3g}, undecided={undecided}, "
            f"is_group={self.is_group})"
        )


def composition_table(
    family: TransformationFamily, *, tolerance: float = 0.5, level: float = 0.95
) -> CompositionTable:  # fmt: skip
    """Merge batches that share an element, and find which element each product of two is.

    M_a M_b is element c when its distance from M_c is, with confidence, below `tolerance` times the distance from M_c
    to the nearest other element; it is none of them when the distance to the nearest is above.

    Parameters
    ----------
    family : TransformationFamily
        Fitted operators.
    tolerance : float
        At most ½: then no product can be two elements.
    level : float
        Simultaneous confidence of merging and of the entries (Bonferroni).

    Raises
    ------
    ParameterError
        For something else than a family, a tolerance outside (0, ½].

    Notes
    -----
    E elements cost E² products and E³ distances. What it does not say: that two batches are the same element is only
    that they are not told apart, so thin data merge neighbours; look at `members`.

    Examples
    --------
    >>> from geodis.discovery.map_classes import Procrustes
    >>> from geodis.discovery.shared_transformations import SharedTransformations
    >>> rng = np.random.default_rng(0)
    >>> batch = np.repeat([0, 1, 2, 3], 100)
    >>> z, angle = rng.normal(size=(400, 2)), np.array([1, 2, 2, 0])[batch] * 2 * np.pi / 3
    >>> c, s = np.cos(angle), np.sin(angle)
    >>> gz = np.stack([c * z[:, 0] - s * z[:, 1], s * z[:, 0] + c * z[:, 1]], axis=1) + 0.05 * rng.normal(size=(400, 2))
    >>> table = composition_table(SharedTransformations(map_class=Procrustes()).fit(z, gz, batch).family_)
    >>> table.members, table.is_group, table.orders
    (((3,), (0,), (1, 2)), True, {0: 1, 1: 3, 2: 3})
    """
    if not isinstance(family, TransformationFamily):
        raise ParameterError("family", "a TransformationFamily", type(family).__name__)
    check_options(tolerance, level)
    if tolerance > 0.5:
        raise ParameterError("tolerance", "at most ½, or a product may be two elements", tolerance)
    weight = metric(family)
    members, elements = _elements(family, weight, level)
    values = np.stack([element.value for element in elements])
    flat = (values @ weight).reshape(len(elements), -1)
    apart = np.linalg.norm(flat[:, None] - flat[None], axis=2) + np.diag(np.full(len(elements), np.inf))
    quantile = float(norm.isf((1.0 - level) / 2 / len(elements) ** 2))
    entries = [[_entry(a @ b, elements, flat, apart, weight, quantile, tolerance) for b in elements] for a in elements]
    product, defects, upper, p_values = np.moveaxis(np.array(entries), 2, 0)
    return CompositionTable(members, product.astype(int), defects, upper, p_values, values, level)


def _elements(family: TransformationFamily, weight: Array, level: float) -> tuple[Any, list[Noisy]]:
    """Groups of batches that are not told apart (complete linkage), their means; the identity first."""
    operators = [identity(family), *noisy_operators(family)]
    n = len(operators)
    alpha = (1.0 - level) / max(n * (n - 1) / 2, 1)
    unlike = np.zeros((n, n))
    for i in range(n):
        for j in range(i):
            unlike[i, j] = unlike[j, i] = 1.0 - distance(operators[i], operators[j], weight).p_value
    groups = fcluster(linkage(squareform(unlike, checks=False), "complete"), 1.0 - alpha, "distance")
    order = [groups[0], *(g for g in dict.fromkeys(groups[1:].tolist()) if g != groups[0])]
    found = [np.flatnonzero(groups[1:] == g) for g in order]
    labels = family.labels.tolist()
    means = [_mean([operators[i + 1] for i in some], family.n[some]) for some in found[1:]]
    return tuple(tuple(labels[i] for i in some) for some in found), [identity(family), *means]


def _mean(operators: list[Noisy], n: Array) -> Noisy:
    share = n / n.sum()
    value = np.einsum("i,iab->ab", share, np.stack([one.value for one in operators]))
    return Noisy(value, np.einsum("i,ikab->kab", share, np.stack([one.folds for one in operators])))


def _entry(
    word: Noisy, elements: list[Noisy], flat: Array, apart: Array, weight: Array, quantile: float, tolerance: float
) -> tuple[float, float, float, float]:
    """Which element a product is, how far from it over the distance to that one's neighbour, upper bound, p-value."""
    c = int(np.argmin(np.linalg.norm(flat - (word.value @ weight).ravel(), axis=1)))
    found: Distance = distance(word, elements[c], weight)
    unit = float(apart[c].min()) if len(elements) > 1 else math.sqrt(float(np.square(weight).sum()))
    low, high = (end / unit for end in found.ends(quantile))
    which = {"yes": c, "no": NONE, "undecided": UNDECIDED}[verdict(low, high, tolerance)]
    return float(which), math.sqrt(max(found.squared, 0.0)) / unit, high, found.p_value
