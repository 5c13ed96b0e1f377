"""How well a linear action holds for steps that it was not fitted on.

Errors are relative, √(E|c_k − ρ(h)c_j|² / T) with T the variance of the codes: an operator whose frequency is off by δ
has the error 2|sin(θδ/2)| at the angle θ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.base import clone

from geodis.coordinates.latent import LatentCoordinates
from geodis.coordinates.linear import LinearCoordinates
from geodis.errors import DesignError, ParameterError, ShapeError
from geodis.groups.options import count
from geodis.groups.size import element_size
from geodis.linalg import Array, check_finite, to_numpy
from geodis.metrics.cells import Operator, rounding
from geodis.metrics.relative import Design, relative_error, squares
from geodis.metrics.result import MetricResult
from geodis.metrics.splits import Unseen
from geodis.orbits import Orbits, Stack
from geodis.statistics import check_level

COLUMNS = ["size", "low", "high", "n_pairs", "error", "ci_low", "ci_high", "identity", "other", "unseen"]
FAR = 1e-9  # steps up to here beyond the largest trained one are rounding
DIGITS = 9  # of a size, relative to the largest

Predict = Callable[[Array, Array], Array]  # codes (N, d), steps (N, p) → codes (N, d)


@dataclass(frozen=True, eq=False)
class Extrapolation:
    """Errors on seen and unseen steps.

    Attributes
    ----------
    seen, unseen : MetricResult
        Relative error over the steps that the fit has seen, and over those it has not.
    table : DataFrame
        One row a bin of step sizes: size (mean), low, high, n_pairs, error with ci_low and ci_high, identity (not
        acting), other (another item's code, moved by the same step), and whether its steps are unseen.
    group : str
        The group's name.

    Examples
    --------
    >>> nothing = MetricResult("extrapolation_error", 0.1, None, "none", 0.95, 5, 8)
    >>> print(Extrapolation(nothing, nothing, pd.DataFrame(), "SO2()").unseen.value)
    0.1
    """

    seen: MetricResult
    unseen: MetricResult
    table: pd.DataFrame
    group: str


def extrapolation_error(
    train: Orbits,
    test: Orbits,
    estimator: LinearCoordinates,
    *,
    unseen: Unseen | None = None,
    n_bins: int = 12,
    level: float = 0.95,
    max_pairs: int = 20_000,
    seed: int = 0,
) -> Extrapolation:
    """Error of coordinates fitted on `train` on the steps between rows of other items, seen and unseen ones apart.

    Parameters
    ----------
    train, test : Orbits
        Of different items: what `split_extrapolate` and its like return, or one's own.
    estimator : LinearCoordinates
        Fitted anew on `train`; what is given stays as it is.
    unseen : callable, optional
        Steps (P, p) → which are unseen (P,); by default those larger than every step between rows of a training item.
    n_bins : int
        At most so many bins of step sizes.
    level : float
        Confidence level of the cluster-wise t intervals.
    max_pairs : int
        About so many pairs are looked at.
    seed : int
        Seed of their choice.

    Returns
    -------
    Extrapolation
        Status ``degenerate`` where no block that the group moves was found.

    Raises
    ------
    ParameterError, ShapeError
        For something else than orbits and an estimator, options out of range.
    OverlapError
        When a test item was trained on.

    Examples
    --------
    >>> from geodis import LinearCoordinates
    >>> from geodis.groups import SO2
    >>> from geodis.metrics import split_extrapolate
    >>> G, rng = SO2(), np.random.default_rng(0)
    >>> g = G.orbit(60, 12, seed=0).reshape(-1, 1)
    >>> c = np.einsum("nab,nb->na", G.irrep("m=1")(g), np.repeat(rng.normal(size=(60, 2)), 12, axis=0))
    >>> z = c @ rng.normal(size=(2, 6)) + 0.02 * rng.normal(size=(720, 6))
    >>> train, test, far = split_extrapolate(Orbits.from_arrays(z, g, np.repeat(np.arange(60), 12), G), 2.0)
    >>> found = extrapolation_error(train, test, LinearCoordinates(G, max_order=2, n_null=19), unseen=far)
    >>> bool(found.unseen.value < 0.1)
    True
    """
    for what, orbits in (("train", train), ("test", test)):
        if not isinstance(orbits, Orbits):
            raise ParameterError(what, "Orbits", type(orbits).__name__)
    if not isinstance(estimator, LinearCoordinates):
        raise ParameterError("estimator", "LinearCoordinates", type(estimator).__name__)
    coordinates = clone(estimator).fit_orbits(train).coordinates_
    coordinates.refuse_fitted(np.unique(test.items))
    judged = _beyond(train) if unseen is None else unseen
    codes, predict = _acting_codes(test, coordinates)
    return _extrapolation(codes, predict, judged, n_bins, level, max_pairs, seed)


def extrapolation_curve(
    orbits: Orbits,
    rho: Operator,
    *,
    unseen: Unseen,
    n_bins: int = 12,
    level: float = 0.95,
    max_pairs: int = 20_000,
    seed: int = 0,
) -> Extrapolation:
    """The same of codes and operators that are there: error of c_k ≈ ρ(g_k g_j⁻¹)c_j over pairs of an item's rows.

    Parameters
    ----------
    orbits : Orbits
        Codes as z, of items that ρ was not fitted on; ρ acts about their origin.
    rho : callable
        Params (N, p) → matrices (N, d, d).
    unseen : callable
        Steps (P, p) → which are unseen (P,).
    n_bins, level, max_pairs, seed
        As in `extrapolation_error`.

    Returns
    -------
    Extrapolation
        Status ``degenerate`` for codes without variation.

    Raises
    ------
    ParameterError, ShapeError, FiniteError, DesignError
        For something else than orbits and operators that act on them, NaN, options out of range, no pair.

    Examples
    --------
    >>> from geodis.groups import SO2
    >>> G = SO2()
    >>> g = G.orbit(30, 12, seed=0).reshape(-1, 1)
    >>> x = np.repeat(np.random.default_rng(0).normal(size=(30, 2)), 12, axis=0)
    >>> orbits = Orbits.from_arrays(np.einsum("nab,nb->na", G.irrep("m=1")(g), x), g, np.repeat(np.arange(30), 12), G)
    >>> off = lambda h: G.irrep("m=1")(1.1 * h)  # a frequency that is a tenth too high
    >>> table = extrapolation_curve(orbits, off, unseen=lambda h: np.abs(h[:, 0]) > 1.6).table
    >>> bool(np.abs(table.error - 2 * np.sin(0.05 * table["size"])).max() < 1e-12)
    True
    """
    if not isinstance(orbits, Orbits):
        raise ParameterError("orbits", "Orbits", type(orbits).__name__)
    for what, function in (("rho", rho), ("unseen", unseen)):
        if not callable(function):
            raise ParameterError(what, "a callable", type(function).__name__)

    def predict(c: Array, h: Array) -> Array:
        matrices = to_numpy(rho(h)).astype(np.float64)
        if matrices.shape != (len(h), c.shape[1], c.shape[1]):
            raise ShapeError("rho(params)", str((len(h), c.shape[1], c.shape[1])), matrices.shape)
        check_finite(matrices, "rho(params)")
        return np.einsum("nab,nb->na", matrices, c)

    return _extrapolation(orbits, predict, unseen, n_bins, level, max_pairs, seed)


def _beyond(train: Orbits) -> Unseen:
    """Steps that are larger than any between two rows of a training item."""
    group, reach = train.group, 0.0
    for stack in train.stacks():
        inverse = group.inverse(stack.params)
        for lag in range(1, stack.params.shape[1]):
            steps = group.compose(np.roll(stack.params, -lag, axis=1), inverse)
            reach = max(reach, float(element_size(group, steps).max()))
    return lambda steps: element_size(group, steps) > reach + FAR


def _acting_codes(orbits: Orbits, coordinates: LatentCoordinates) -> tuple[Orbits, Predict]:
    """Codes of the blocks that the group moves, each at unit variance a row, and their action."""
    z = orbits.z.astype(np.float64)
    columns = [b.columns for b in coordinates.blocks if not b.irrep.trivial]
    c = np.asarray(coordinates.transform(z))
    scale = np.ones(c.shape[1])
    for block in columns:
        spread = float(np.square(c[:, block] - c[:, block].mean(axis=0)).mean())
        scale[block] = 1.0 / np.sqrt(max(spread, 1e-300))
    kept = np.concatenate([np.arange(c.shape[1])[block] for block in columns]) if columns else np.zeros(0, dtype=int)

    def predict(codes: Array, steps: Array) -> Array:
        whole = np.zeros((len(codes), c.shape[1]))
        whole[:, kept] = codes / scale[kept]
        return np.asarray(coordinates.act(whole, steps))[:, kept] * scale[kept]

    return orbits.map(lambda z: np.asarray(coordinates.transform(z.astype(np.float64)))[:, kept] * scale[kept]), predict


class _Pairs(NamedTuple):
    """Flat rows, one a pair of rows of an item: squared errors and what they belong to."""

    item: Array
    size: Array
    unseen: Array
    loss: Array
    identity: Array
    other: Array


def _extrapolation(
    codes: Orbits, predict: Predict, unseen: Unseen, n_bins: int, level: float, max_pairs: int, seed: int
) -> Extrapolation:
    check_level(level)
    count(n_bins, "n_bins", 1)
    count(max_pairs, "max_pairs", 1)
    check_finite(codes.z, "codes")
    stacks = [s for s in codes.stacks() if s.z.shape[1] > 1]
    if not stacks:
        raise DesignError("Expected an item with two rows at least, every item has one.")
    rng = np.random.default_rng([seed, 37])
    first = np.cumsum([0, *(len(s.z) for s in stacks)])
    parts = [
        _pairs(s, codes, predict, unseen, max_pairs * len(s.z) // codes.n_items, start, rng)
        for s, start in zip(stacks, first, strict=False)
    ]
    pairs = _Pairs(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    mean = np.concatenate([s.z.mean(axis=1, dtype=np.float64) for s in stacks]).mean(axis=0)
    unit = np.concatenate([np.square(s.z - mean).sum(axis=2).mean(axis=1) for s in stacks])
    clusters = np.unique(np.concatenate([s.clusters for s in stacks]), return_inverse=True)[1]
    design = Design(unit, clusters, rounding(codes.z), max(s.z.shape[1] for s in stacks))
    rows = []
    for flag in (False, True):
        mine = np.flatnonzero(pairs.unseen == flag)
        for chosen in _bins(pairs.size[mine], n_bins):
            rows.append(_row(pairs, mine[chosen], design, level, flag))
    table = pd.DataFrame(rows, columns=COLUMNS).sort_values("size", ignore_index=True)
    seen, new = (_over(pairs, np.flatnonzero(pairs.unseen == flag), design, level) for flag in (False, True))
    return Extrapolation(seen, new, table, repr(codes.group))


def _pairs(
    stack: Stack, codes: Orbits, predict: Predict, unseen: Unseen, max_pairs: int, first: int, rng: np.random.Generator
) -> _Pairs:
    n, m, d = stack.z.shape
    source, target = np.nonzero(~np.eye(m, dtype=bool))
    kept = np.sort(rng.permutation(len(source))[: max(1, max_pairs // n)])
    j, k = source[kept], target[kept]
    group, c = codes.group, stack.z.astype(np.float64)
    steps = np.asarray(group.compose(stack.params[:, k], group.inverse(stack.params[:, j])))
    steps = steps.reshape(n * len(j), -1)
    before, after = c[:, j].reshape(len(steps), d), c[:, k].reshape(len(steps), d)
    partner = _partners(stack.clusters, rng)
    other = np.full(len(after), np.nan)
    if partner is not None:
        other = squares(after - predict(c[partner][:, j].reshape(len(steps), d), steps))
    flags = np.asarray(unseen(steps))
    if flags.shape != (len(steps),) or flags.dtype != bool:
        raise ShapeError("unseen(steps)", f"({len(steps)},) of booleans", f"{flags.shape} of {flags.dtype}")
    return _Pairs(
        np.repeat(np.arange(first, first + n), len(j)), element_size(group, steps), flags,
        squares(after - predict(before, steps)), squares(after - before), other,
    )  # fmt: skip


def _partners(clusters: Array, rng: np.random.Generator) -> Array | None:
    """An item of another cluster for each item; None where there is one cluster."""
    _, index, counts = np.unique(clusters, return_inverse=True, return_counts=True)
    if len(counts) < 2:
        return None
    order = np.argsort(index, kind="stable")
    place = np.empty(len(order), dtype=int)
    place[order] = np.arange(len(order))
    ends = np.cumsum(counts)
    # Sorted by cluster, what follows the end of one's own cluster (round the end) is another one.
    shift = rng.integers(0, len(order) - counts[index])
    return order[(ends[index] + shift) % len(order)]


def _bins(size: Array, n_bins: int) -> list[Array]:
    """Row indices of each bin by growing size: one a size where there are few, quantiles otherwise."""
    if len(size) == 0:
        return []
    rounded = np.round(size / max(float(size.max()), 1e-300), DIGITS)
    edges = np.unique(rounded)
    if len(edges) > n_bins:
        edges = np.unique(np.quantile(rounded, np.arange(n_bins) / n_bins, method="inverted_cdf"))
    which = np.searchsorted(edges, rounded, side="right") - 1
    return [np.flatnonzero(which == b) for b in range(len(edges)) if (which == b).any()]


def _row(pairs: _Pairs, rows: Array, design: Design, level: float, unseen: bool) -> tuple[Any, ...]:
    result, size = _over(pairs, rows, design, level), pairs.size[rows]
    low, high = result.ci or (np.nan, np.nan)
    return (
        float(size.mean()), float(size.min()), float(size.max()), len(rows), result.value, low, high,
        result.baselines.get("identity", np.nan), result.baselines.get("other", np.nan), unseen,
    )  # fmt: skip


def _over(pairs: _Pairs, rows: Array, design: Design, level: float) -> MetricResult:
    """The error over some of the pairs; items weigh the same, whatever their number of pairs."""
    here, index, counts = np.unique(pairs.item[rows], return_inverse=True, return_counts=True)
    means = [np.bincount(index, x[rows], len(here)) / counts for x in (pairs.loss, pairs.identity, pairs.other)]
    baselines = {"identity": means[1], "other": means[2]}
    return relative_error("extrapolation_error", means[0], baselines, design.of(here), level)
