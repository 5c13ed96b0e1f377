"""Later frames of sequences that the frame has not seen: the speed from the first half, against doing nothing.

Half of a sequence's frames (two at least) tell its frequencies; from the last of them the later ones are predicted, by
the rotation, by the identity, and by a linear map of the codes that is free for every sequence (least squares between
consecutive frames of the same half, with a small ridge where they are too few).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Self, final

import numpy as np

from geodis.discovery.frequency_peaks import peak_frequencies
from geodis.discovery.sequence_rows import Frames
from geodis.linalg import Array
from geodis.statistics import Interval, ratio_clustered_t

RIDGE = 1e-2  # of the mean power of a code, in the free map: without it noise makes its powers explode
STILL = 1e-20  # motion below which there is nothing to predict


class Misses(NamedTuple):
    """Squared errors summed over the later frames of each sequence (n,), and their spread; scaled planes."""

    model: Array
    identity: Array
    free: Array
    spread: Array

    @classmethod
    def of(cls, parts: list[Misses]) -> Self:
        """Several folds as one."""
        return cls(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


@final
@dataclass(frozen=True)
class ForwardErrors:
    """Errors of forward prediction on held-out sequences: E|predicted − c|²/E|c − c̄|², every plane weighing the same.

    Attributes
    ----------
    model, identity, free : float
        Rotation at the speed of the first half; no motion; a free linear map of the first half.
    interval, identity_interval, free_interval : Interval
        Sequences are the independent units.
    n_sequences : int
    """

    model: float
    identity: float
    free: float
    interval: Interval
    identity_interval: Interval
    free_interval: Interval
    n_sequences: int

    @property
    def skill(self) -> float:
        """1 − model/identity."""
        return 1.0 - self.model / self.identity if self.identity > 0.0 else 0.0

    @classmethod
    def of(cls, misses: Misses, level: float) -> Self:
        """From sums of sequences."""
        total = float(misses.spread.sum())
        if not total > STILL:
            nothing = Interval(np.nan, np.nan, level, "nothing moves", np.nan)
            return cls(np.nan, np.nan, np.nan, nothing, nothing, nothing, len(misses.model))
        parts = (misses.model, misses.identity, misses.free)
        model, identity, free = (float(x.sum()) / total for x in parts)
        own, still, fitted = (ratio_clustered_t(x, misses.spread, level=level) for x in parts)
        return cls(model, identity, free, own, still, fitted, len(misses.model))

    def __str__(self) -> str:
        low, high = self.interval.low, self.interval.high
        others = f"identity {self.identity:.3g}, free map {self.free:.3g}"
        return f"forward error {self.model:.3g} [{low:.3g}, {high:.3g}] ({others}; {self.n_sequences} sequences)"


def first_half(frames: Frames) -> Array:
    """The rows (N,) from which a sequence's speed is read: half of them, two at least, one left over at least."""
    place = np.arange(len(frames.z)) - frames.starts[frames.owner]
    known = np.minimum(np.maximum(frames.counts // 2, 2), frames.counts - 1)
    return np.asarray(place < known[frames.owner])


@final
@dataclass(frozen=True, eq=False)
class Halves:
    """Sequences cut into the frames that tell their speeds and the later ones."""

    known: Array
    early: Frames
    later: Frames
    last: Array
    owner: Array
    ahead: Array

    @classmethod
    def of(cls, frames: Frames) -> Self:
        """Of sequences of three frames or more."""
        known = first_half(frames)
        early, later = frames.rows(known), frames.rows(~known)
        last = early.starts + early.counts - 1
        owner = frames.owner[~known]
        return cls(known, early, later, last, owner, frames.steps[~known] - early.steps[last][owner])

    def summed(self, predicted: Array, codes: Array, scale: Array) -> Array:
        """Squared errors of the later frames, scaled planes, summed over each sequence (n,)."""
        return self.later.sums((np.abs(predicted - codes[~self.known]) ** 2 / scale).sum(axis=1))

    def still(self, codes: Array) -> Array:
        """The last known codes, as predictions."""
        return codes[self.known][self.last][self.owner]

    def turned(self, codes: Array, leak: Array | None = None) -> Array:
        """The last known codes turned on at the speed of the first half."""
        frequencies = peak_frequencies(codes[self.known], self.early, leak)
        return np.asarray(self.still(codes) * np.exp(1j * frequencies[self.owner] * self.ahead[:, None]))


def forward_skill(codes: list[Array], halves: list[Halves]) -> float:
    """1 − Σ model/Σ identity over folds of complex codes (N, R); 0 where nothing moves."""
    model = identity = 0.0
    for c, half in zip(codes, halves, strict=True):
        scale = _scale(c)
        model += float(half.summed(half.turned(c), c, scale).sum())
        identity += float(half.summed(half.still(c), c, scale).sum())
    return 1.0 - model / identity if identity > STILL else 0.0


def misses(codes: Array, frames: Frames, leak: Array | None = None) -> Misses:
    """Errors of complex codes (N, R) of sequences of three frames or more; `leak` (R,) as for the frequencies."""
    half, scale = Halves.of(frames), _scale(codes)
    free = _free(codes[half.known] / np.sqrt(scale), half.early, half.owner, half.ahead) * np.sqrt(scale)
    predictions = (half.turned(codes, leak), half.still(codes), free, np.broadcast_to(codes.mean(axis=0), free.shape))
    return Misses(*(half.summed(predicted, codes, scale) for predicted in predictions))


def _scale(codes: Array) -> Array:
    """The variance of each plane (R,)."""
    return np.maximum((np.abs(codes - codes.mean(axis=0)) ** 2).mean(axis=0), STILL)


def _free(codes: Array, early: Frames, owner: Array, ahead: Array) -> Array:
    """Predictions of the rows `owner`, `ahead` steps after the first half, by a linear map of each sequence."""
    real = np.concatenate([codes.real, codes.imag], axis=1)
    out = np.empty((len(owner), real.shape[1]))
    for s, (start, size) in enumerate(zip(early.starts, early.counts, strict=True)):
        x, steps = real[start : start + size], early.steps[start : start + size]
        unit = max(int(np.diff(steps).min()), 1) if size > 1 else 1
        pairs = np.flatnonzero(np.diff(steps) == unit)
        matrix = _ridge(x[pairs], x[pairs + 1]) if len(pairs) else np.eye(x.shape[1])
        mine = np.flatnonzero(owner == s)
        for i in mine:
            out[i] = x[-1] @ np.linalg.matrix_power(matrix, max(round(ahead[i] / unit), 0))
    half = codes.shape[1]
    return out[:, :half] + 1j * out[:, half:]


def _ridge(x: Array, y: Array) -> Array:
    """M (p, p) of least |y − xM|² + ridge."""
    gram = x.T @ x
    return np.asarray(np.linalg.solve(gram + (RIDGE * np.trace(gram) / len(gram) + STILL) * np.eye(len(gram)), x.T @ y))
