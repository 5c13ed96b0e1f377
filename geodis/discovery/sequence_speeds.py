"""One speed on the torus for all planes of a sequence: the peak of their periodograms added along integer weights.

With weights W, noise σ_r² of the planes and F_r(ω) the power that a rotation by ω explains in plane r (the periodogram
over T where nothing leaks), the log-likelihood of a speed v is Σ_r F_r(w_r·v)/σ_r² up to constants. All planes together
know the speed better than any of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations, islice

import numpy as np

from geodis.discovery.frequency_lattice import fitted_speeds
from geodis.discovery.frequency_peaks import (
    chunks,
    derivatives,
    grid_size,
    peak_frequencies,
    peak_power,
    standard_errors,
    wrapped,
)
from geodis.discovery.sequence_rows import Frames
from geodis.linalg import Array

NEWTON = 8
MOST_STARTS = 60


def joint_speeds(codes: Array, frames: Frames, weights: Array, noise: Array, leak: Array | None = None) -> Array:
    """Speeds v (n, k) of sequences with complex codes (N, R), in [−π, π); weights (R, k), noise power (R,), leak (R,).

    On a circle (k = 1) the highest peak is searched on a grid; on larger tori Newton's method starts where the
    frequencies of the planes point.

    Examples
    --------
    >>> from geodis.discovery.sequence_rows import read_frames
    >>> frames = read_frames(np.zeros((1, 9, 1)))
    >>> codes = np.exp(1j * 0.7 * np.arange(9)[:, None] * np.array([1, 3]))
    >>> joint_speeds(codes, frames, np.array([[1], [3]]), np.full(2, 0.01)).round(9).tolist()
    [[0.7]]
    """
    if not weights.shape[1]:
        return np.zeros((len(frames), 0))
    floor = 1e-12 * np.maximum((np.abs(codes) ** 2).mean(axis=0), np.finfo(float).tiny)
    sigma, still = np.maximum(noise, floor), np.zeros(len(noise)) if leak is None else leak
    if weights.shape[1] == 1:
        start = _on_grid(codes / np.sqrt(sigma), frames, weights[:, 0], still)
    else:
        start = _from_peaks(codes, frames, weights, sigma, still)
    return wrapped(_climbed(start, codes, frames, weights, sigma, still))


def _from_peaks(codes: Array, frames: Frames, weights: Array, noise: Array, leak: Array) -> Array:
    """Of the speeds (n, k) that all planes' peaks, or those of k planes alone, point to, the best of each sequence.

    One plane with the wrong peak spoils the fit of all; some k planes have the right ones.
    """
    own, k = peak_frequencies(codes, frames, leak), weights.shape[1]
    sigma = np.maximum(standard_errors(own, codes, frames, noise), 1e-9)
    starts = [fitted_speeds(own, sigma, weights)]
    for some in islice(combinations(range(len(weights)), k), MOST_STARTS):
        minor = weights[list(some)]
        if abs(round(float(np.linalg.det(minor)))) == 1:
            starts.append(own[:, some] @ np.rint(np.linalg.inv(minor)).T)
    powers = [(derivatives(v @ weights.T, codes, frames, leak)[0] / noise).sum(axis=1) for v in starts]
    return np.stack(starts)[np.argmax(powers, axis=0), np.arange(len(frames))]


def speed_margins(codes: Array, frames: Frames, weights: Array, noise: Array, leak: Array) -> Array:
    """How far the best speed on a circle leads the next peak (n,): twice the difference in log-likelihood.

    An item with a stabilizer shows some harmonics only, and several speeds explain its sequence alike: v and v + π
    for one that looks the same after half a turn. Its margin is near zero. On larger tori (k > 1) NaN.
    """
    if weights.shape[1] != 1:
        return np.full(len(frames), np.nan)
    floor = 1e-12 * np.maximum((np.abs(codes) ** 2).mean(axis=0), np.finfo(float).tiny)
    scaled = codes / np.sqrt(np.maximum(noise, floor))
    found = []
    for part, total in _totals(scaled, frames, weights[:, 0], leak):
        size, best = total.shape[1], total.argmax(axis=1)
        span = np.maximum.reduceat(part.steps, part.starts) - part.steps[part.starts] + 1
        apart = np.abs(np.arange(size) - best[:, None])
        apart = np.minimum(apart, size - apart)
        beside = apart * span[:, None] > size  # beyond the main lobe of the first harmonic
        second = np.where(beside, total, -np.inf).max(axis=1)
        found.append(2.0 * (total.max(axis=1) - second))
    return np.concatenate(found)


def _on_grid(codes: Array, frames: Frames, weights: Array, leak: Array) -> Array:
    """The best speed (n, 1) on a grid that resolves the fastest plane."""
    found = [
        2.0 * math.pi * total.argmax(axis=1) / total.shape[1] for _, total in _totals(codes, frames, weights, leak)
    ]
    return np.concatenate(found)[:, None]


def _totals(codes: Array, frames: Frames, weights: Array, leak: Array) -> Iterator[tuple[Frames, Array]]:
    """Some sequences at a time with Σ_r F_r(w_r·v) on a grid of v: (n', size)."""
    size = grid_size(frames) * (1 << math.ceil(math.log2(max(1, int(np.abs(weights).max())))))
    grid = np.arange(size)
    for part, own in chunks(codes, frames, size):
        power = peak_power(own, part, size, leak)
        yield part, np.sum([power[:, grid * int(w) % size, r] for r, w in enumerate(weights)], axis=0)


def _climbed(speeds: Array, codes: Array, frames: Frames, weights: Array, noise: Array, leak: Array) -> Array:
    """Newton's method on the sum, every step at most a quarter of a Rayleigh width of the fastest plane."""
    span = np.maximum(np.maximum.reduceat(frames.steps, frames.starts) - frames.steps[frames.starts], 1)
    most = 0.5 * math.pi / (span[:, None] * max(1, int(np.abs(weights).max())))
    for _ in range(NEWTON):
        _, slope, curve = derivatives(speeds @ weights.T, codes, frames, leak)
        gradient = np.einsum("nr,ra->na", slope / noise, weights)
        hessian = np.einsum("nr,ra,rb->nab", np.abs(curve) / noise, weights, weights)
        scale = np.trace(hessian, axis1=1, axis2=2)[:, None, None] + np.finfo(float).tiny
        step = np.linalg.solve(hessian / scale + 1e-12 * np.eye(weights.shape[1]), gradient[..., None] / scale)[..., 0]
        speeds = speeds + np.clip(step, -most, most)
    return speeds
