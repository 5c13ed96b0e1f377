"""SharedTransformations: batches of pairs that share an element nobody names, one operator a batch."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted
from tqdm import tqdm

from geodis.discovery.batch_moments import BatchMoments, checked_pairs, fold_of_rows
from geodis.discovery.map_classes import AbstractMapClass, Ridge, others, ranks
from geodis.discovery.transformation_family import TransformationFamily
from geodis.errors import ParameterError
from geodis.linalg import Array
from geodis.statistics import Estimate, check_level, clustered_estimate

STILL = 1e-20  # |gz − z|² below this share of |z|² is rounding


class SharedTransformations(BaseEstimator):
    """One operator for each batch of pairs (z, gz) that share an unknown g: gz ≈ M_b z (+ t_b).

    Parameters
    ----------
    map_class : AbstractMapClass, optional
        ``Ridge()`` (any matrix, the default) or ``Procrustes()`` (orthogonal ones).
    affine : bool
        Whether to fit an offset, z ↦ M z + t, from moments about each batch's means.
    n_folds : int
        Parts that every batch is cut into: each is predicted from the others.
    level : float
        Confidence level of the intervals.
    random_state : int
        Seed of the parts.
    verbose : bool
        Whether to show progress.

    Attributes
    ----------
    family_ : TransformationFamily
        The frozen result: operators, held-out errors with their nulls, status of each batch.
    map_class_ : AbstractMapClass
        The class with the constants that were chosen (the ridge).
    status_ : str
        ``"ok"``, ``"partial"``, ``"insufficient"`` or ``"degenerate"``.

    Notes
    -----
    Batches are singular when they hold fewer pairs than dimensions, or points in a subspace. Their operator is fitted
    on the span of their points and is the identity outside it; the batch has status ``"partial"``.

    Examples
    --------
    >>> from geodis.discovery.map_classes import Procrustes
    >>> rng = np.random.default_rng(0)
    >>> batch = np.repeat([0, 1, 2], 50)
    >>> angle = np.array([0.5, 1.0, 2.0])[batch]
    >>> z = rng.normal(size=(150, 2))
    >>> c, s = np.cos(angle), np.sin(angle)
    >>> gz = np.stack([c * z[:, 0] - s * z[:, 1], s * z[:, 0] + c * z[:, 1]], axis=1)
    >>> family = SharedTransformations(map_class=Procrustes()).fit(z, gz, batch).family_
    >>> float(np.arctan2(family.operator(1)[1, 0], family.operator(1)[0, 0]).round(6)), family.differ
    (1.0, True)
    """

    def __init__(
        self,
        *,
        map_class: AbstractMapClass | None = None,
        affine: bool = False,
        n_folds: int = 10,
        level: float = 0.95,
        random_state: int = 0,
        verbose: bool = False,
    ) -> None:
        self.map_class = map_class
        self.affine = affine
        self.n_folds = n_folds
        self.level = level
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, z: Any, gz: Any, batches: Any) -> Self:
        """Fit the operators.

        Parameters
        ----------
        z, gz : array (N, D)
            Embeddings before and after.
        batches : array (N,)
            The batch of each pair; all pairs of a batch share their element. Batches need not be of equal size.

        Raises
        ------
        ShapeError, LengthError, FiniteError, ParameterError
            For other shapes or lengths, NaN, options outside their range.
        """
        before, after, labels = checked_pairs(z, gz, batches)
        self._check()
        parts = BatchMoments.folds(before, after, labels, self.n_folds, seed=self.random_state)
        chosen = (Ridge() if self.map_class is None else self.map_class).tuned(
            [part.centred() for part in parts] if self.affine else parts
        )
        fits = []
        for k in tqdm(range(self.n_folds), desc="folds", disable=not self.verbose):
            rest = others(parts, k)
            fits.append((*self._solve(chosen, rest), *self._solve(chosen, rest.pooled())))
        index = np.unique(labels, return_inverse=True)[1]
        fold = fold_of_rows(index, self.n_folds, self.random_state)
        rows = _row_errors(before, after, index, fold, fits)
        self.n_features_in_ = before.shape[1]
        self.map_class_ = chosen
        self.family_ = self._family(chosen, parts, fits, rows, index)
        self.status_ = self.family_.status
        return self

    def predict(self, z: Any, batches: Any) -> Array:
        """Rows z (N, D) moved by the operators of their batches (N,)."""
        check_is_fitted(self, "family_")
        return self.family_(z, batches)

    def _solve(self, chosen: AbstractMapClass, moments: BatchMoments) -> tuple[Array, Array]:
        """Operators and offsets."""
        if not self.affine:
            return chosen.solve(moments), np.zeros_like(moments.sz)
        operators = chosen.solve(moments.centred())
        shift = moments.sg - np.einsum("bij,bj->bi", operators, moments.sz)
        return operators, shift / np.maximum(moments.n, 1)[:, None]

    def _family(
        self, chosen: AbstractMapClass, parts: tuple[BatchMoments, ...], fits: list[Any], rows: Array, index: Array
    ) -> TransformationFamily:
        whole = parts[0] + others(parts, 0)
        operators, offsets = self._solve(chosen, whole)
        rank = ranks((whole.centred() if self.affine else whole).zz)
        own, still, pooled = (np.bincount(index, row) / whole.n for row in rows)
        pairs = [rows[:, index == b] for b in range(whole.n_batches)]
        single = np.where(whole.n < 2, np.nan, 1.0)
        return TransformationFamily(
            whole.labels, whole.n, operators, offsets,
            np.stack([fit[0] for fit in fits]), np.stack([fit[1] for fit in fits]),
            rank, own * single, still * single, pooled * single,
            np.array([self._ends(clustered_estimate(e, i)) for e, i, _ in pairs]),
            np.array([self._ends(clustered_estimate(p - e, i)) for e, i, p in pairs]),
            clustered_estimate(rows[2] - rows[0], rows[1]), _second_moment(whole), _batch_status(whole, rank, still),
            chosen, bool(self.affine), self.level,
        )  # fmt: skip

    def _ends(self, estimate: Estimate) -> tuple[float, float]:
        interval = estimate.interval(self.level)
        return interval.low, interval.high

    def _check(self) -> None:
        if self.map_class is not None and not isinstance(self.map_class, AbstractMapClass):
            raise ParameterError("map_class", "Ridge(), Procrustes() or None", repr(self.map_class))
        if not isinstance(self.affine, (bool, np.bool_)):
            raise ParameterError("affine", "True or False", repr(self.affine))
        check_level(self.level)


def _row_errors(z: Array, gz: Array, index: Array, fold: Array, fits: list[Any]) -> Array:
    """|gz − prediction|² of every row by its own batch's operator, the identity, the pooled operator: (3, N)."""
    out = np.empty((3, len(z)))
    out[1] = np.square(gz - z).sum(axis=1)
    for k, (operators, offsets, one, shift) in enumerate(fits):
        rows = np.flatnonzero(fold == k)
        out[2, rows] = np.square(gz[rows] - z[rows] @ one[0].T - shift[0]).sum(axis=1)
        order = rows[np.argsort(index[rows], kind="stable")]
        for some in np.split(order, np.flatnonzero(np.diff(index[order])) + 1):
            if len(some):
                b = index[some[0]]
                out[0, some] = np.square(gz[some] - z[some] @ operators[b].T - offsets[b]).sum(axis=1)
    return out


def _second_moment(moments: BatchMoments) -> Array:
    """Mean of (z, 1)(z, 1)ᵀ over all pairs."""
    total = max(int(moments.n.sum()), 1)
    mean = moments.sz.sum(axis=0) / total
    return np.block([[moments.zz.sum(axis=0) / total, mean[:, None]], [mean[None, :], np.ones((1, 1))]])


def _batch_status(moments: BatchMoments, rank: Array, still: Array) -> tuple[str, ...]:
    size = np.einsum("bii->b", moments.zz) / moments.n
    return tuple(
        "degenerate" if size_b == 0.0 or (r == 0 and n > 1)
        else "insufficient" if n < 2
        else "partial" if r < moments.dim
        else "still" if moved <= STILL * size_b
        else "ok"
        for n, r, size_b, moved in zip(moments.n, rank, size, still, strict=True)
    )  # fmt: skip
