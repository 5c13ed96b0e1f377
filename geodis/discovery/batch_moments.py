"""Second moments of pairs (z, gz), one set a batch: all that a linear map shared by a batch can be fitted from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np

from geodis.errors import LengthError, ParameterError, ShapeError
from geodis.linalg import Array, check_finite, real_array, to_numpy

ROUNDING = 1e-12  # of Σ |z|²: less than that about the mean is none


@final
@dataclass(frozen=True, eq=False, repr=False)
class BatchMoments:
    """Sums over the pairs of each batch, in float64; the pairs of one batch share an element g that nobody names.

    Additive: the moments of two sets of rows, added, are the moments of all rows, and batches with one label merge.

    Parameters
    ----------
    labels : array (B,)
        The batches, sorted.
    n : array (B,)
        Pairs of each batch.
    zz, gz, gg : array (B, D, D)
        Σ z zᵀ, Σ gz zᵀ (moved times start, so that gz ≈ M zz) and Σ gz gzᵀ.
    sz, sg : array (B, D)
        Σ z and Σ gz.

    Examples
    --------
    >>> z = np.random.default_rng(0).normal(size=(60, 3))
    >>> turn = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    >>> moments = BatchMoments.of(z, z @ turn.T, np.repeat(["a", "b"], 30))
    >>> moments
    BatchMoments(batches=2, dim=3, pairs=60)
    >>> np.allclose(moments.gz @ np.linalg.inv(moments.zz), turn)
    True
    """

    labels: Array
    n: Array
    zz: Array
    gz: Array
    gg: Array
    sz: Array
    sg: Array

    @classmethod
    def of(cls, z: Any, gz: Any, batches: Any) -> Self:
        """The moments of pairs.

        Parameters
        ----------
        z, gz : array (N, D)
            Embeddings before and after; row i of `gz` is row i of `z`, moved.
        batches : array (N,)
            The batch of each pair.

        Raises
        ------
        ShapeError, LengthError, FiniteError, ParameterError
            For other shapes or lengths, NaN, numbers that are not real, no pair at all.
        """
        before, after, labels = checked_pairs(z, gz, batches)
        return cls._summed(before, after, *np.unique(labels, return_inverse=True))

    @classmethod
    def folds(cls, z: Any, gz: Any, batches: Any, n_folds: int = 2, *, seed: int = 0) -> tuple[Self, ...]:
        """The moments of `n_folds` disjoint parts of the rows; each part has its share of every batch.

        All parts carry all labels, and a part of a batch with fewer pairs than folds may hold none. Their sum is `of`.

        Parameters
        ----------
        z, gz, batches
            As in `of`.
        n_folds : int
            Number of parts, at least 2.
        seed : int
            Seed of the split.
        """
        before, after, rows = checked_pairs(z, gz, batches)
        labels, index = np.unique(rows, return_inverse=True)
        fold = fold_of_rows(index, n_folds, seed)
        return tuple(cls._summed(before[fold == k], after[fold == k], labels, index[fold == k]) for k in range(n_folds))

    @classmethod
    def _summed(cls, z: Array, gz: Array, labels: Array, index: Array) -> Self:
        order = np.argsort(index, kind="stable")
        n = np.bincount(index, minlength=len(labels))
        ends = np.cumsum(n)
        d = z.shape[1]
        zz, cross, gg = (np.zeros((len(labels), d, d)) for _ in range(3))
        sz, sg = (np.zeros((len(labels), d)) for _ in range(2))
        for b, (start, end) in enumerate(zip(ends - n, ends, strict=True)):
            x, y = z[order[start:end]], gz[order[start:end]]
            zz[b], cross[b], gg[b] = x.T @ x, y.T @ x, y.T @ y
            sz[b], sg[b] = x.sum(axis=0), y.sum(axis=0)
        return cls(labels, n, zz, cross, gg, sz, sg)

    @property
    def n_batches(self) -> int:
        """Number of batches B."""
        return len(self.labels)

    @property
    def dim(self) -> int:
        """Dimension D of the embedding."""
        return int(self.zz.shape[-1])

    def __add__(self, other: BatchMoments) -> BatchMoments:
        if self.dim != other.dim:
            raise ShapeError("BatchMoments: other", f"moments in dimension {self.dim}", other.dim)
        labels = np.union1d(self.labels, other.labels)
        here, there = np.searchsorted(labels, self.labels), np.searchsorted(labels, other.labels)
        sums = []
        for a, b in zip(self._sums(), other._sums(), strict=True):
            total = np.zeros((len(labels), *a.shape[1:]), dtype=a.dtype)
            total[here] += a
            total[there] += b
            sums.append(total)
        return BatchMoments(labels, *sums)

    def take(self, index: Any) -> BatchMoments:
        """The moments of some batches: positions or a mask, in the order given."""
        return BatchMoments(self.labels[index], *(a[index] for a in self._sums()))

    def pooled(self) -> BatchMoments:
        """All pairs as one batch, labelled 0: what is known when batches are ignored."""
        return BatchMoments(np.zeros(1, dtype=int), *(a.sum(axis=0, keepdims=True) for a in self._sums()))

    def reversed(self) -> BatchMoments:
        """The moments of the pairs (gz, z): each batch shares the inverse element."""
        return BatchMoments(self.labels, self.n, self.gg, np.swapaxes(self.gz, 1, 2), self.zz, self.sg, self.sz)

    def centred(self) -> BatchMoments:
        """Moments about each batch's own means, Σ (z − z̄)(z − z̄)ᵀ and so on, with zero sums: offsets removed."""
        share = 1.0 / np.maximum(self.n, 1)[:, None, None]
        outer = lambda a, b: a[:, :, None] * b[:, None, :] * share  # noqa: E731
        zz, cross, zero = self.zz - outer(self.sz, self.sz), self.gz - outer(self.sg, self.sz), np.zeros_like(self.sz)
        # Points that are all equal leave rounding, which is no direction.
        still = np.einsum("bii->b", zz) <= ROUNDING * np.einsum("bii->b", self.zz)
        zz[still], cross[still] = 0.0, 0.0
        return BatchMoments(self.labels, self.n, zz, cross, self.gg - outer(self.sg, self.sg), zero, zero)

    def projected(self, frame: Any) -> BatchMoments:
        """The moments of the rows F z, for a frame F (p, D)."""
        rows = to_numpy(frame)
        if rows.ndim != 2 or rows.shape[1] != self.dim:
            raise ShapeError("BatchMoments.projected: frame", f"(p, {self.dim})", rows.shape)
        zz, cross, gg = (rows @ a @ rows.T for a in (self.zz, self.gz, self.gg))
        return BatchMoments(self.labels, self.n, zz, cross, gg, self.sz @ rows.T, self.sg @ rows.T)

    def errors(self, operators: Array, offsets: Array | None = None) -> Array:
        """Σ |gz − M z − t|² of each batch (B,), for operators (B, D, D) or one (D, D), offsets (B, D) or (D,)."""
        M = np.broadcast_to(operators, self.zz.shape)
        inner = lambda a, b: np.einsum("bij,bij->b", a, b)  # noqa: E731
        value = np.einsum("bii->b", self.gg) - 2.0 * inner(M, self.gz) + inner(M @ self.zz, M)
        if offsets is not None:
            t = np.broadcast_to(offsets, self.sz.shape)
            shift = self.sg - np.einsum("bij,bj->bi", M, self.sz)
            value = value - 2.0 * np.einsum("bi,bi->b", t, shift) + self.n * np.square(t).sum(axis=1)
        return np.maximum(value, 0.0)  # a difference of sums may round below zero

    def _sums(self) -> tuple[Array, ...]:
        return self.n, self.zz, self.gz, self.gg, self.sz, self.sg

    def __repr__(self) -> str:
        return f"BatchMoments(batches={self.n_batches}, dim={self.dim}, pairs={int(self.n.sum())})"


def checked_pairs(z: Any, gz: Any, batches: Any) -> tuple[Array, Array, Array]:
    """Pairs as float64 rows with one label each, or a named error."""
    before, after = (real_array(x, name, ("N", "D")) for x, name in ((z, "z"), (gz, "gz")))
    labels = to_numpy(batches)
    if labels.ndim != 1:
        raise ShapeError("batches", "(N,)", labels.shape, "Give the batch of each pair.")
    if not len(before) == len(after) == len(labels):
        raise LengthError(z=len(before), gz=len(after), batches=len(labels))
    if before.shape[1] != after.shape[1]:
        raise ShapeError("gz", f"(N, {before.shape[1]})", after.shape, "Both sides of a pair live in one space.")
    if labels.dtype.kind in "fc":
        check_finite(labels, "batches")
    return before, after, labels


def fold_of_rows(index: Array, n_folds: int, seed: int) -> Array:
    """The fold of each row (N,): a random share of every batch, sizes equal up to one."""
    if isinstance(n_folds, bool) or not isinstance(n_folds, (int, np.integer)) or n_folds < 2:
        raise ParameterError("n_folds", "a whole number of at least 2", n_folds)
    rng = np.random.default_rng([seed, 61])
    shuffled = rng.permutation(len(index))
    order = shuffled[np.argsort(index[shuffled], kind="stable")]  # batch after batch, random within
    n = np.bincount(index)
    place = np.arange(len(index)) - np.repeat(np.cumsum(n) - n, n)
    # A random start for each batch, else the first folds get all the left-over rows.
    fold = (place + np.repeat(rng.integers(n_folds, size=len(n)), n)) % n_folds
    out = np.empty(len(index), dtype=int)
    out[order] = fold
    return out
