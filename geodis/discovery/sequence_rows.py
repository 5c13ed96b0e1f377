"""Rows of embeddings as sequences: which frames belong together, and at which step each was taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np

from geodis.errors import FiniteError, LengthError, ParameterError, ShapeError
from geodis.linalg import Array, check_finite, to_numpy


@final
@dataclass(frozen=True, eq=False)
class Frames:
    """Frames in the order of sequences, and of steps within each; sums over a sequence are one `reduceat`.

    Attributes
    ----------
    z : ndarray (N, D)
        Embeddings, float64.
    steps : ndarray (N,)
        Integer times, counted from the middle of each sequence (so that phases at the middle are well determined).
    starts, counts : ndarray (n,)
        First row and number of rows of each sequence.
    labels : ndarray (n,)
        The user's name of each sequence.
    """

    z: Array
    steps: Array
    starts: Array
    counts: Array
    labels: Array

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def owner(self) -> Array:
        """The sequence of each row (N,)."""
        return np.repeat(np.arange(len(self)), self.counts)

    @property
    def gaps(self) -> Array:
        """Greatest common divisor of the step differences of each sequence (n,): frequencies are known mod 2π/gap."""
        return np.maximum(np.gcd.reduceat(self.steps - self.steps[self.starts][self.owner], self.starts), 1)

    def sums(self, x: Array) -> Array:
        """Sums over the frames of each sequence: (N, ...) → (n, ...)."""
        return np.add.reduceat(x, self.starts, axis=0)

    def means(self, x: Array) -> Array:
        """Means over the frames of each sequence: (N, ...) → (n, ...)."""
        return self.sums(x) / self.counts.reshape(-1, *[1] * (x.ndim - 1))

    def centred(self, x: Array) -> Array:
        """Frames minus the mean of their sequence."""
        return x - self.means(x)[self.owner]

    def within(self, x: Array) -> Self:
        """The same frames in other coordinates (N, q)."""
        return type(self)(x, self.steps, self.starts, self.counts, self.labels)

    def rows(self, kept: Array) -> Self:
        """Only the marked rows (N,); a sequence without any disappears."""
        counts = self.sums(kept.astype(np.int64))
        return self._cut(kept, counts)

    def sequences(self, kept: Array) -> Self:
        """Only the marked sequences (n,)."""
        return self._cut(kept[self.owner], np.where(kept, self.counts, 0))

    def shuffled(self, rng: np.random.Generator) -> Self:
        """Embeddings permuted within each sequence, steps kept: what a sequence without order looks like."""
        order = np.lexsort((rng.random(len(self.z)), self.owner))
        return self.within(self.z[order])

    def _cut(self, kept: Array, counts: Array) -> Self:
        stay = counts > 0
        sizes = counts[stay]
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
        return type(self)(self.z[kept], self.steps[kept], starts, sizes, self.labels[stay])


def read_frames(Z: Any, sequence: Any = None, step: Any = None, n_features: int | None = None) -> Frames:
    """Sequences of embeddings from rows with labels, or from an array with one axis for sequences.

    Parameters
    ----------
    Z : array (N, D) or (n, T, D)
        Embeddings. Without labels, (N, D) is one sequence.
    sequence : array (N,), optional
        The sequence of each row; none for an array (n, T, D).
    step : array (N,) or (n, T), optional
        Integer time of each row, in any order and with gaps; the order of the rows by default.
    n_features : int, optional
        The D that is expected.

    Raises
    ------
    ShapeError, LengthError, FiniteError, ParameterError
        For arrays that do not fit together, NaN, steps that are not integers.

    Examples
    --------
    >>> frames = read_frames(np.zeros((5, 2)), sequence=[1, 0, 1, 0, 1])
    >>> frames.counts.tolist(), frames.steps.tolist()
    ([2, 3], [0, 1, -1, 0, 1])
    """
    z = to_numpy(Z)
    if z.ndim not in (2, 3) or z.size == 0:
        raise ShapeError("sequences: Z", "(N, D) or (n_sequences, n_frames, D), not empty", z.shape)
    if z.dtype.kind not in "fiu":
        raise ParameterError("sequences: Z", "real numbers", f"dtype {z.dtype}")
    if z.ndim == 3 and sequence is not None:
        raise ParameterError("sequence", "none beside an array (n_sequences, n_frames, D)", "labels")
    if n_features is not None and z.shape[-1] != n_features:
        raise ShapeError("sequences: Z", f"(..., {n_features})", z.shape)
    rows = z.reshape(-1, z.shape[-1]).astype(np.float64)
    check_finite(rows, "sequences: Z")
    labels, owner = np.unique(_labels(z, sequence), return_inverse=True)
    order_in = _steps(step, len(rows))
    if order_in is None:
        order_in = _rank_within(owner)
    order = np.lexsort((order_in, owner))
    counts = np.bincount(owner)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    steps = order_in[order]
    middle = (steps[starts] + steps[starts + counts - 1]) // 2
    return Frames(rows[order], steps - np.repeat(middle, counts), starts, counts, labels)


def in_gaps(frames: Frames, gap: int) -> Frames:
    """The same frames with steps counted in units of `gap`, from the first frame of each sequence."""
    if gap == 1:
        return frames
    since = frames.steps - frames.steps[frames.starts][frames.owner]
    return Frames(frames.z, since // gap, frames.starts, frames.counts, frames.labels)


def _labels(z: Array, sequence: Any) -> Array:
    """One label a row."""
    if z.ndim == 3:
        return np.repeat(np.arange(len(z)), z.shape[1])
    if sequence is None:
        return np.zeros(len(z), dtype=np.int64)
    labels = to_numpy(sequence)
    if labels.ndim != 1:
        raise ShapeError("sequence", "(N,)", labels.shape)
    if len(labels) != len(z):
        raise LengthError(Z=len(z), sequence=len(labels))
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise FiniteError("sequence", int(np.count_nonzero(~np.isfinite(labels))))
    return labels


def _steps(step: Any, n: int) -> Array | None:
    """Integer steps, or none when they follow from the order."""
    if step is None:
        return None
    steps = to_numpy(step).ravel()
    if len(steps) != n:
        raise LengthError(Z=n, step=len(steps))
    if steps.dtype.kind not in "fiu":
        raise ParameterError("step", "integers", f"dtype {steps.dtype}")
    check_finite(steps, "step")
    if (np.abs(steps.astype(np.float64) - np.rint(steps)) > 0).any():
        raise ParameterError(
            "step", "integers: frames are counted in one unit of time", steps[steps != np.rint(steps)][0]
        )
    return np.rint(steps).astype(np.int64)


def _rank_within(owner: Array) -> Array:
    """0, 1, 2, … within each sequence, in the order of the rows."""
    order = np.argsort(owner, kind="stable")
    counts = np.bincount(owner)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    out = np.empty(len(owner), dtype=np.int64)
    out[order] = np.arange(len(owner)) - np.repeat(starts, counts)
    return out
