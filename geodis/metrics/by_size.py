"""Error against the size of the group element: whether the linear action holds for large ones as for small ones."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from geodis.coordinates.latent import Block, LatentCoordinates
from geodis.coordinates.pair_error import canonical, identity_error_cells, item_mean, variation_cells
from geodis.errors import DesignError, ParameterError, ShapeError
from geodis.groups.size import element_size
from geodis.linalg import Array
from geodis.orbits import Orbits, Stack
from geodis.statistics import check_level, ratio_clustered_t

COLUMNS = ["size", "low", "high", "n_pairs", "error", "ci_low", "ci_high", "identity", "other"]
LEAST = 20  # pairs in a bin of many sizes
OTHERS = 4  # other items that each item is predicted from
DIGITS = 9  # of a size, relative to the largest: elements on a grid have few sizes


def row_sizes(orbits: Orbits) -> Array:
    """How far the element of each row is from the identity: `(N,)`, see `geodis.groups.size.element_size`.

    Examples
    --------
    >>> import numpy as np
    >>> from geodis.groups import Cyclic
    >>> from geodis.orbits import Orbits
    >>> row_sizes(Orbits.from_arrays(np.eye(4), np.arange(4.0), np.zeros(4), Cyclic(4))).tolist()
    [0.0, 1.0, 2.0, 1.0]
    """
    return element_size(orbits.group, orbits.params)


def error_by_size(
    orbits: Orbits,
    coordinates: LatentCoordinates,
    *,
    block: int | None = None,
    n_bins: int = 12,
    level: float = 0.95,
    max_pairs: int = 20_000,
    seed: int = 0,
) -> pd.DataFrame:
    """The error of h = g_k g_j⁻¹ over pairs of an item's rows, in bins of the size of h.

    The unit is that of `verify`: twice the variance of the codes, 2T (the mean error of not acting, I, for coordinates
    of limited designs), so that the mean over all pairs is the error that `verify` reports.

    Parameters
    ----------
    orbits : Orbits
        Embeddings of items that the coordinates were not fitted on.
    coordinates : LatentCoordinates
        What is judged.
    block : int, optional
        One block; by default all that the group moves, each at unit variance a row.
    n_bins : int
        At most so many bins: one for each size where there are few, otherwise quantiles of 20 pairs at least.
    level : float
        Confidence level of the cluster-wise t intervals.
    max_pairs : int
        At most about so many pairs are looked at, the same pairs of rows for all items.
    seed : int
        Seed of the choice of pairs.

    Returns
    -------
    DataFrame
        One row a bin: size (mean), low and high (smallest and largest), n_pairs, error |c_k − ρ(h)c_j|² with ci_low and
        ci_high, identity |c_k − c_j|², other (the code of another item in place of c_j; NaN with a single cluster).

    Raises
    ------
    ParameterError, ShapeError
        For something else than orbits and coordinates, another group or dimension, options outside their range, no
        block that the group moves.
    DesignError
        When no item has two rows.

    Examples
    --------
    >>> import numpy as np
    >>> from geodis import LinearCoordinates, Orbits
    >>> from geodis.groups import Cyclic
    >>> rng, step = np.random.default_rng(0), np.tile(np.arange(12.0), 40)
    >>> start = np.repeat(rng.uniform(0, 6.28, 40), 12) + np.pi / 6 * step
    >>> z = np.stack([np.cos(start), np.sin(start)], axis=1) @ rng.normal(size=(2, 6))
    >>> z = z + 0.05 * rng.normal(size=z.shape)
    >>> orbits = Orbits.from_arrays(z, step, np.repeat(np.arange(40), 12), Cyclic(12))
    >>> train, test = orbits.split(0.5)
    >>> table = error_by_size(test, LinearCoordinates(Cyclic(12)).fit_orbits(train).coordinates_)
    >>> table["size"].tolist(), bool(table.error.max() < 0.05 < table.identity.max())
    ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], True)
    """
    if not isinstance(orbits, Orbits):
        raise ParameterError("error_by_size: orbits", "Orbits", type(orbits).__name__)
    if not isinstance(coordinates, LatentCoordinates):
        raise ParameterError("error_by_size: coordinates", "LatentCoordinates", type(coordinates).__name__)
    if orbits.n_features != coordinates.n_features:
        raise ShapeError("orbits", f"embeddings of dimension {coordinates.n_features}", orbits.z.shape)
    codes = orbits.map(lambda z: coordinates.transform(z.astype(np.float64)))
    return code_error_by_size(
        codes, coordinates, block=block, n_bins=n_bins, level=level, max_pairs=max_pairs, seed=seed
    )


def code_error_by_size(
    codes: Orbits,
    coordinates: LatentCoordinates,
    *,
    block: int | None = None,
    n_bins: int = 12,
    level: float = 0.95,
    max_pairs: int = 20_000,
    seed: int = 0,
) -> pd.DataFrame:
    """`error_by_size` of codes that were computed before (`Report.codes`): z `(N, n_coordinates)`."""
    check_level(level)
    for what, value in (("n_bins", n_bins), ("max_pairs", max_pairs)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
            raise ParameterError(f"error_by_size: {what}", "an integer ≥ 1", value)
    if codes.group != coordinates.group:
        raise ParameterError("error_by_size: orbits", f"orbits of {coordinates.group!r}", repr(codes.group))
    blocks = _blocks(coordinates, block)
    stacks = [s for s in codes.stacks() if s.z.shape[1] >= 2]
    if not stacks:
        raise DesignError("error_by_size: expected an item with two rows at least, every item has one.")
    limited = coordinates.limited and not all(b.irrep.trivial for b in blocks)
    rng = np.random.default_rng(seed)
    parts = [_stack_pairs(s, codes, max_pairs * len(s.z) // codes.n_items, rng) for s in stacks]
    for b in blocks:
        _add_block(b, stacks, parts, limited)
    return _table(parts, n_bins, level)


class _Pairs(NamedTuple):
    """Pairs (j, k) of a stack's rows, the same for its n items; errors and units are summed up over blocks."""

    source: Array  # (P,)
    target: Array  # (P,)
    size: Array  # (n, P)
    loss: Array  # (n, P)
    identity: Array  # (n, P)
    other: Array  # (n, P)
    unit: Array  # (n,)
    partners: Array  # (s, n): other items in place of each
    clusters: Array  # (n,)


def _blocks(coordinates: LatentCoordinates, block: int | None) -> list[Block]:
    if block is None:
        acting = [b for b in coordinates.blocks if not b.irrep.trivial]
        if not acting:
            raise ParameterError("error_by_size: coordinates", "a block that the group moves", repr(coordinates))
        return acting
    known = range(len(coordinates.blocks))
    if isinstance(block, bool) or not isinstance(block, (int, np.integer)) or block not in known:
        raise ParameterError("error_by_size: block", f"an index below {len(known)}", block)
    return [coordinates.blocks[block]]


def _stack_pairs(stack: Stack, codes: Orbits, max_pairs: int, rng: np.random.Generator) -> _Pairs:
    n, m, _ = stack.z.shape
    source, target = np.nonzero(~np.eye(m, dtype=bool))
    n_kept = max(1, max_pairs // n)
    if n_kept < len(source):
        kept = np.sort(rng.choice(len(source), n_kept, replace=False))
        source, target = source[kept], target[kept]
    group, params = codes.group, stack.params[:1] if codes.crossed else stack.params
    step = np.asarray(group.compose(params[:, target], group.inverse(params[:, source])))
    shape = (n, len(source))
    sizes = np.broadcast_to(element_size(group, step), shape)
    zeros = np.zeros(shape)
    return _Pairs(
        source, target, sizes, zeros, zeros.copy(), zeros.copy(), np.zeros(n), _partners(stack.clusters), stack.clusters
    )


def _partners(clusters: Array) -> Array:
    """A few items of other clusters for each item `(s, n)`; none (0, n) where there is no other cluster."""
    order = np.argsort(clusters, kind="stable")
    n, largest = len(clusters), int(np.unique(clusters, return_counts=True)[1].max())
    # Sorted by cluster, no shift between the largest cluster's size and its complement stays within a cluster.
    shifts = np.unique(np.linspace(largest, n - largest, OTHERS).astype(int)) if 2 * largest <= n else np.zeros(0, int)
    partners = np.empty((len(shifts), n), dtype=int)
    for s, shift in enumerate(shifts):
        partners[s, order] = np.roll(order, shift)
    return partners


def _add_block(block: Block, stacks: list[Stack], parts: list[_Pairs], limited: bool) -> None:
    """Add the errors of one block at unit variance a row."""
    rep = block.irrep
    cs = [s.z[..., block.columns] for s in stacks]
    mean = item_mean(cs)
    variations = [2 * variation_cells(c, mean).mean(axis=1) for c in cs]
    scale = rep.dim / max(float(np.concatenate(variations).mean()), 1e-300)
    for stack, part, c, variation in zip(stacks, parts, cs, variations, strict=True):
        rho, shift = np.asarray(rep(stack.params)), np.asarray(rep.translation(stack.params))
        u = canonical(c, rho, shift, rep.orthogonal)
        j, k = part.source, part.target
        after, operator, moved = c[:, k] - shift[:, k], rho[:, k], u[:, j]
        part.loss[:] += scale * _squares(after - _applied(operator, moved))
        part.identity[:] += scale * _squares(c[:, k] - c[:, j])
        for partner in part.partners:
            # Another item at the same element g_j, moved by the same h.
            part.other[:] += scale / len(part.partners) * _squares(after - _applied(operator, moved[partner]))
        part.unit[:] += scale * (identity_error_cells(c).mean(axis=1) if limited else variation)


def _table(parts: list[_Pairs], n_bins: int, level: float) -> pd.DataFrame:
    first = np.cumsum([0, *(len(p.unit) for p in parts)])
    item = np.concatenate(
        [np.repeat(np.arange(a, a + len(p.unit)), len(p.source)) for p, a in zip(parts, first, strict=False)]
    )
    size = np.concatenate([p.size.ravel() for p in parts])
    errors = [np.concatenate([x.ravel() for x in column]) for column in (
        [p.loss for p in parts],
        [p.identity for p in parts],
        [p.other if len(p.partners) else np.full_like(p.other, np.nan) for p in parts],
    )]  # fmt: skip
    unit, clusters = np.concatenate([p.unit for p in parts]), np.concatenate([p.clusters for p in parts])
    rows = []
    for mine in _bins(size, n_bins):
        here, index, counts = np.unique(item[mine], return_inverse=True, return_counts=True)
        # Items weigh the same, whatever their number of pairs in the bin.
        means = [np.bincount(index, x[mine]) / counts for x in errors]
        rows.append(_row(size[mine], means, unit[here], clusters[here], level))
    return pd.DataFrame(rows, columns=COLUMNS)


def _bins(size: Array, n_bins: int) -> list[Array]:
    """Row indices of each bin, by growing size."""
    rounded = np.round(size / max(float(size.max()), 1e-300), DIGITS)
    distinct = np.unique(rounded)
    if len(distinct) > n_bins:
        n_bins = max(1, min(n_bins, len(size) // LEAST))
        distinct = np.unique(np.quantile(rounded, np.arange(n_bins) / n_bins, method="inverted_cdf"))
    which = np.searchsorted(distinct, rounded, side="right") - 1
    return [np.flatnonzero(which == b) for b in range(len(distinct)) if (which == b).any()]


def _row(size: Array, means: list[Array], unit: Array, clusters: Array, level: float) -> dict[str, float]:
    _, index = np.unique(clusters, return_inverse=True)
    interval = ratio_clustered_t(np.bincount(index, means[0]), np.bincount(index, unit), level=level)
    error, identity, other = (_ratio(x, unit) for x in means)
    return {
        "size": float(size.mean()),
        "low": float(size.min()),
        "high": float(size.max()),
        "n_pairs": len(size),
        "error": error,
        "ci_low": float(np.maximum(interval.low, 0.0)),
        "ci_high": interval.high,
        "identity": identity,
        "other": other,
    }


def _ratio(errors: Array, unit: Array) -> float:
    """Σ errors / Σ unit over the items that have an error."""
    known = np.isfinite(errors)
    total = float(unit[known].sum())
    return float(errors[known].sum()) / total if total > 0 else float("nan")


def _applied(operator: Array, code: Array) -> Array:
    return np.einsum("npab,npb->npa", operator, code)


def _squares(x: Array) -> Array:
    return np.einsum("npa,npa->np", x, x)
