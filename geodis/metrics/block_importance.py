"""Blocks: the importance of blocks of coordinates, by what ridge regression predicts of a factor on unseen items."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, final

import numpy as np

from geodis.errors import ParameterError, ShapeError
from geodis.groups.options import count, positive
from geodis.linalg import Array, check_finite, to_numpy
from geodis.metrics.importance import AbstractPredictiveImportance, Importance

NOISE = 6.0  # R² on unseen rows of x (n, d) without relation is −d/n ± 2√d/n
Embedding = Callable[[Array], Any]  # a factor's column (n, 1) → what is predicted, (n, ...)


@final
class BlockImportance(AbstractPredictiveImportance):
    """R² on unseen items of a factor's embedding, predicted from each block of coordinates by ridge regression.

    An R² within three standard errors of what a block without relation to the factor has, 6√d/n for d coordinates and
    n items, counts as 0: ratios of noise are no scores.

    Scores of single coordinates call an exact linear representation entangled, and change when the code is rotated.
    Blocks that a group turns into themselves do not: align first, with `LinearCoordinates` for example, whose blocks
    are `[block.rows for block in coordinates.blocks]`.

    Parameters
    ----------
    blocks : sequence of sequence of int
        The coordinates of each block; no coordinate twice.
    embeddings : sequence of (callable or None), optional
        For each factor, its column (n, 1) → what is predicted (n, ...): `circle_embedding` for an angle,
        `one_hot_embedding` for categories, an irrep such as `SO2().irrep("m=1")`. None, the default, predicts the
        factor itself.
    n_folds : int
        Folds over items.
    ridge : float
        Penalty as a share of the block's mean variance.

    Raises
    ------
    ParameterError, ShapeError
        For no blocks, empty ones, a coordinate that occurs twice or is no index, options outside their range.

    Examples
    --------
    >>> angles = 2 * np.pi * np.random.default_rng(0).random((300, 2))
    >>> z = np.hstack([circle_embedding(angles[:, :1]), circle_embedding(angles[:, 1:])])
    >>> both = BlockImportance([[0, 1], [2, 3]], [circle_embedding, circle_embedding])
    >>> both.measure(z, angles, np.arange(300)).matrix.round(6).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """

    def __init__(
        self,
        blocks: Sequence[Any],
        embeddings: Sequence[Embedding | None] | None = None,
        n_folds: int = 5,
        ridge: float = 1e-8,
    ) -> None:
        self.blocks = _partition(blocks)
        self.embeddings = None if embeddings is None else tuple(embeddings)
        if any(e is not None and not callable(e) for e in self.embeddings or ()):
            raise ParameterError("BlockImportance: embeddings", "a function or None for each factor", embeddings)
        self.n_folds = count(n_folds, "BlockImportance: n_folds", 2)
        self.ridge = positive(ridge, "BlockImportance: ridge")

    def parts(self, d: int) -> tuple[Array, ...]:
        """The blocks, checked against codes of d coordinates."""
        last = max(int(block.max()) for block in self.blocks)
        if last >= d:
            raise ParameterError("BlockImportance: blocks", f"coordinates below {d}, which the code has", last)
        return self.blocks

    def measure(self, z: Array, factors: Array, items: Array) -> Importance:
        """R² on unseen items, at least 0; a block that says everything has 1."""
        parts, folds = self.parts(z.shape[1]), item_folds(items, self.n_folds)
        targets = self._targets(factors)
        matrix = np.array([held_out_r2(z[:, part], targets, folds, self.ridge) for part in parts])
        noise = NOISE * np.sqrt([len(part) for part in parts]) / len(np.unique(items))
        return Importance(np.where(matrix > noise[:, None], matrix, 0.0), np.ones(len(targets)))

    def informativeness(self, z: Array, factors: Array, items: Array) -> Array:
        """R² on unseen items from all coordinates, blocks or not."""
        return held_out_r2(z, self._targets(factors), item_folds(items, self.n_folds), self.ridge)

    def _targets(self, factors: Array) -> list[Array]:
        k = factors.shape[1]
        chosen = (None,) * k if self.embeddings is None else self.embeddings
        if len(chosen) != k:
            raise ParameterError("BlockImportance: embeddings", f"one for each of the {k} factors", len(chosen))
        return [_embedded(factors[:, j : j + 1], embedding) for j, embedding in enumerate(chosen)]


def circle_embedding(angle: Array) -> Array:
    """(cos θ, sin θ) of an angle [rad] (n, 1): (n, 2).

    Examples
    --------
    >>> circle_embedding(np.array([[0.0]])).tolist()
    [[1.0, 0.0]]
    """
    return np.concatenate([np.cos(angle), np.sin(angle)], axis=1)


def one_hot_embedding(factor: Array) -> Array:
    """Which of its distinct values a factor (n, 1) has: (n, levels).

    Examples
    --------
    >>> one_hot_embedding(np.array([[3.0], [1.0]])).tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    return np.asarray(factor == np.unique(factor), dtype=np.float64)


def item_folds(items: Array, n_folds: int) -> Array:
    """Which fold each row is in (n,): whole items, in turn after a fixed shuffle."""
    known, index = np.unique(items, return_inverse=True)
    # Items may be sorted by factor, and a period of theirs may be that of the folds.
    order = np.random.default_rng(0).permutation(len(known))
    return np.asarray((order % min(n_folds, len(known)))[index])


def held_out_r2(x: Array, targets: list[Array], folds: Array, ridge: float) -> Array:
    """1 − SSE/SST of each target (n, e) from x (n, d) by ridge on the other folds, SST about their mean: (targets,).

    0 for a target or an x that is constant, and for a single fold.
    """
    counts = np.bincount(folds)
    if len(counts) < 2:
        return np.zeros(len(targets))
    order = np.argsort(folds, kind="stable")
    ends = np.cumsum(counts)[:-1]
    y = np.concatenate(targets, axis=1)
    xs, ys = (np.split((a - a.mean(axis=0))[order], ends) for a in (x, y))
    grams, crosses = [a.T @ a for a in xs], [a.T @ b for a, b in zip(xs, ys, strict=True)]
    sums = [(a.sum(axis=0), b.sum(axis=0)) for a, b in zip(xs, ys, strict=True)]
    left, total = np.zeros(y.shape[1]), np.zeros(y.shape[1])
    for a, b, gram, cross, (sum_x, sum_y) in zip(xs, ys, grams, crosses, sums, strict=True):
        # Over all rows both sums are 0: those of the other folds are what this one lacks.
        n = len(x) - len(a)
        mean_x, mean_y = -sum_x / n, -sum_y / n
        rest = sum(grams) - gram - n * np.outer(mean_x, mean_x)
        scale = float(np.trace(rest)) / len(rest)
        truth = b - mean_y
        total += (truth**2).sum(axis=0)
        if scale > 0.0:
            along = sum(crosses) - cross - n * np.outer(mean_x, mean_y)
            weights = np.linalg.solve(rest / scale + ridge * np.eye(len(rest)), along / scale)
            truth = truth - (a - mean_x) @ weights
        left += (truth**2).sum(axis=0)
    starts = np.cumsum([0, *(t.shape[1] for t in targets[:-1])])
    lost, all_of = np.add.reduceat(left, starts), np.add.reduceat(total, starts)
    return np.asarray(np.where(all_of > 0.0, 1.0 - lost / np.where(all_of > 0.0, all_of, 1.0), 0.0))


def _embedded(column: Array, embedding: Embedding | None) -> Array:
    if embedding is None:
        return column
    values = to_numpy(embedding(column))
    if values.ndim < 2 or len(values) != len(column) or values.dtype.kind not in "fiub":
        raise ShapeError("embedding of a factor", f"real numbers ({len(column)}, ...)", values.shape)
    flat = values.reshape(len(column), -1).astype(np.float64)
    check_finite(flat, "embedding of a factor")
    return flat


def _partition(blocks: Any) -> tuple[Array, ...]:
    if isinstance(blocks, (str, bytes)) or not isinstance(blocks, Sequence) or not len(blocks):
        raise ParameterError("BlockImportance: blocks", "a list of lists of coordinates", repr(blocks))
    parts = []
    for block in blocks:
        part = np.atleast_1d(to_numpy(block) if not isinstance(block, (list, tuple, range)) else np.array(block))
        if part.ndim != 1 or part.size == 0 or part.dtype.kind not in "iu" or part.min() < 0:
            raise ParameterError("BlockImportance: blocks", "lists of coordinates 0, 1, …, none empty", repr(block))
        parts.append(part.astype(np.int64))
    everything = np.concatenate(parts)
    if len(np.unique(everything)) < len(everything):
        raise ParameterError("BlockImportance: blocks", "every coordinate in one block at most", "one in several")
    return tuple(parts)
