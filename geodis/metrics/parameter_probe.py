"""Can the group element be read off a pair of codes, for items and elements that the probe has not seen."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np

from geodis.errors import LengthError, ParameterError, ShapeError
from geodis.groups.group import AbstractGroup
from geodis.groups.options import count
from geodis.groups.size import element_size
from geodis.linalg import Array, check_finite, to_numpy
from geodis.metrics.nearest_element import nearest_elements
from geodis.metrics.result import MetricResult, Status
from geodis.metrics.row_items import code_rows, item_means, row_items, variance
from geodis.metrics.two_way_folds import TwoWayFolds, held_out_predictions
from geodis.orbits import as_params
from geodis.statistics import check_level, clustered_t, permutation_p, ratio_clustered_t

Features = Callable[[Array, Array], Array]  # codes before and after (N, d), (N, d) → (N, q)
FEWEST = 3  # distinct elements: with fewer, none can be left out


@final
@dataclass(frozen=True, eq=False)
class ParameterProbe:
    """What a probe of the group element achieves on unseen items and elements.

    Attributes
    ----------
    error : MetricResult
        Mean distance ‖log(ĥ⁻¹h)‖ of the read element from the true one (`geodis.groups.size.element_size`).
    r_squared : MetricResult
        1 − E‖log(ĥ⁻¹h)‖²/E‖log(h̄⁻¹h)‖², with h̄ the best constant guess: the R² of the tangent coordinates.
    """

    error: MetricResult
    r_squared: MetricResult

    def __str__(self) -> str:
        return f"{self.error}\n{self.r_squared}"


def pair_concatenation(before: Array, after: Array) -> Array:
    """Both codes side by side, (N, d), (N, d) → (N, 2d): what published probes read.

    A linear map of them cannot tell how far a code has turned from an arbitrary start, see `pair_products`.

    Examples
    --------
    >>> pair_concatenation(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]])).tolist()
    [[1.0, 2.0, 3.0, 4.0]]
    """
    return np.concatenate([before, after], axis=1)


def pair_products(before: Array, after: Array) -> Array:
    """All products of a coordinate before and one after, (N, d), (N, d) → (N, d²).

    A relative rotation is linear in them, as ⟨z0, z⟩ and z0 × z are.

    Examples
    --------
    >>> pair_products(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]])).tolist()
    [[3.0, 4.0, 6.0, 8.0]]
    """
    return np.asarray((before[:, :, None] * after[:, None, :]).reshape(len(before), -1))


def parameter_probe(
    before: Any,
    after: Any,
    params: Any,
    group: AbstractGroup,
    *,
    items: Any = None,
    features: Features = pair_concatenation,
    n_folds: int = 5,
    n_draws: int = 19,
    level: float = 0.95,
    seed: int = 0,
) -> ParameterProbe:
    """A ridge regression from pairs of codes (z0, z) to the matrix of the element between them, read as an element.

    Cross-fitted by item *and* by element: what is predicted shares neither with what was fitted. Raw parameters are no
    target, as angles jump at ±π; the nearest element to the predicted matrix is read instead.

    See :doc:`/catalogue` for what fools the published score.

    Parameters
    ----------
    before, after : array (N, d)
        Codes z0 = f(x) and z = f(hx).
    params : array (N, p)
        h in the group's convention.
    group : AbstractGroup
        Which one.
    items : array (N,), optional
        The item of each row; each row by default.
    features : callable
        (z0, z) → (N, q), what the regression reads: `pair_concatenation` or `pair_products`, or your own.
    n_folds : int
        Folds of items, and of elements.
    n_draws : int
        Probes of shuffled elements behind the baseline ``chance`` and the p-value: within items where each has
        several rows, over all rows otherwise.
    level : float
        Confidence level of the item-clustered intervals.
    seed : int
        Seed of folds and shuffles.

    Returns
    -------
    ParameterProbe
        Geodesic error and R². Baselines: ``chance``, measured, and ``constant``, the best element without looking at
        codes. Status ``degenerate`` where features do not vary, ``insufficient`` for fewer than 3 elements or 2 items.

    Raises
    ------
    ShapeError, LengthError, FiniteError, ParameterError
        For arrays that do not fit together, NaN, parameters outside the group, options out of range.

    References
    ----------
    Garrido, Najman, LeCun, "Self-supervised learning of Split Invariant Equivariant representations", ICML 2023,
    arXiv:2302.10283 (whose R² pools all columns, and gives a constant predictor .96 where their means differ).

    Examples
    --------
    >>> from geodis.groups import SO2
    >>> rng, h = np.random.default_rng(0), SO2().sample(200)
    >>> z0 = rng.normal(size=(200, 2))
    >>> z0 /= np.linalg.norm(z0, axis=1, keepdims=True)
    >>> z = np.einsum("nab,nb->na", SO2().matrix(h), z0)
    >>> probe = parameter_probe(z0, z, h, SO2(), features=pair_products, n_draws=3)
    >>> probe.error.value < 1e-5, parameter_probe(z0, z, h, SO2(), n_draws=3).r_squared.value < 0.2
    (True, True)
    """
    check_level(level)
    n_folds, n_draws = count(n_folds, "n_folds", 2), count(n_draws, "n_draws", 1)
    first, rounding = code_rows(before, "before")
    second, rounding_after = code_rows(after, "after")
    if not isinstance(group, AbstractGroup):
        raise ParameterError("group", "a group such as SO2()", type(group).__name__)
    elements = as_params(params, group)
    group.check(elements)
    if not len(first) == len(second) == len(elements):
        raise LengthError(before=len(first), after=len(second), params=len(elements))
    index = row_items(items, len(first))
    kinds = np.unique(np.round(elements, 9), axis=0, return_inverse=True)[1].reshape(-1)
    n_items, n_group, n_kinds = int(index.max()) + 1, int(np.bincount(index).max()), int(kinds.max()) + 1
    still = variance(first) <= rounding and variance(second) <= rounding_after
    if still or n_items < 2 or n_kinds < FEWEST:
        status: Status = "degenerate" if still else "insufficient"
        why = "the codes do not vary" if still else f"{n_items} items and {n_kinds} distinct elements"
        return _nothing(n_items, n_group, level, status, why)
    x = _features(features, first, second)
    rng = np.random.default_rng(seed)
    item_fold = (rng.permutation(n_items) % min(n_folds, n_items))[index]
    element_fold = (rng.permutation(n_kinds) % min(n_folds, n_kinds))[kinds]
    distances = _distances(group, x, elements, TwoWayFolds(item_fold, element_fold), seed)
    null = []
    for _ in range(n_draws):
        order = _shuffle(index, rng)
        folds = TwoWayFolds(item_fold, element_fold[order])
        null.append(_scores(_distances(group, x, elements[order], folds, seed), index))
    return _probe(distances, index, np.array(null), n_group, level)


class _Distances(NamedTuple):
    """Of the read element and of the constant one from the truth, each (N,)."""

    read: Array
    constant: Array


def _distances(group: AbstractGroup, x: Array, elements: Array, folds: TwoWayFolds, seed: int) -> _Distances:
    matrices = group.matrix(elements)
    target = matrices.reshape(len(elements), -1)
    predicted, constant = held_out_predictions(x, target, folds)
    seen = np.unique(elements, axis=0)
    inverse, found = group.inverse(elements), []
    for guess in (predicted, constant):
        # The constant guess is one a cell of folds.
        distinct, place = np.unique(guess, axis=0, return_inverse=True)
        read = nearest_elements(group, distinct.reshape(-1, *matrices.shape[1:]), seen, seed)[place.reshape(-1)]
        found.append(element_size(group, group.compose(inverse, read)))
    return _Distances(*found)


def _scores(distances: _Distances, index: Array) -> tuple[float, float]:
    """Mean error and R²."""
    read, constant = item_means(distances.read**2, index).mean(), item_means(distances.constant**2, index).mean()
    return float(item_means(distances.read, index).mean()), float(1.0 - read / constant)


def _probe(distances: _Distances, index: Array, null: Array, n_group: int, level: float) -> ParameterProbe:
    error, r_squared = _scores(distances, index)
    per_item = item_means(distances.read, index)
    above, below = item_means(distances.read**2, index), item_means(distances.constant**2, index)
    of_error, of_ratio = clustered_t(per_item, level), ratio_clustered_t(above, below, level=level)
    chance, n_items = null.mean(axis=0), len(per_item)
    constant = float(item_means(distances.constant, index).mean())
    return ParameterProbe(
        MetricResult(
            "parameter_probe, error", error, (max(of_error.low, 0.0), of_error.high), of_error.method, level, n_items,
            n_group, {"chance": float(chance[0]), "constant": constant}, skill=1.0 - error / float(chance[0]),
            per_item=per_item, p_value=permutation_p(-error, -null[:, 0]),
        ),
        MetricResult(
            "parameter_probe, R²", r_squared, (1.0 - of_ratio.high, min(1.0 - of_ratio.low, 1.0)), of_ratio.method,
            level, n_items, n_group, {"chance": float(chance[1]), "constant": 0.0}, lower_is_better=False,
            p_value=permutation_p(r_squared, null[:, 1]),
        ),
    )  # fmt: skip


def _nothing(n_items: int, n_group: int, level: float, status: Status, why: str) -> ParameterProbe:
    return ParameterProbe(
        *(
            MetricResult(
                f"parameter_probe, {name}", math.nan, (math.nan, math.nan), "none", level, n_items, n_group,
                lower_is_better=lower, status=status, notes=(why,),
            )
            for name, lower in (("error", True), ("R²", False))
        )
    )  # fmt: skip


def _shuffle(index: Array, rng: np.random.Generator) -> Array:
    """A random order of the rows: within items where each has several, over all otherwise."""
    if np.bincount(index).min() < 2:
        return rng.permutation(len(index))
    order = np.empty(len(index), dtype=int)
    order[np.argsort(index, kind="stable")] = np.lexsort((rng.random(len(index)), index))
    return order


def _features(features: Features, before: Array, after: Array) -> Array:
    x = to_numpy(features(before, after))
    if x.ndim != 2 or len(x) != len(before):
        raise ShapeError("features(z0, z)", f"({len(before)}, q)", x.shape)
    x = x.astype(np.float64)
    check_finite(x, "features(z0, z)")
    return x
