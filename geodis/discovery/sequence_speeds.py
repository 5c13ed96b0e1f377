"""One speed on the torus for all planes of a sequence: the peak of their periodograms added along integer weights.

With weights W and noise σ_r² of the planes, log-likelihood up to constants is Σ_r |A_r(w_r·v)|²/(T σ_r²), A_r(ω) =
Σ_t e^{−iωt}c_{t,r}. All planes together know the speed better than any of them.
"""

from __future__ import annotations

import math

import numpy as np

from geodis.discovery.frequency_lattice import fitted_speeds
from geodis.discovery.frequency_peaks import (
    derivatives,
    grid_size,
    peak_frequencies,
    periodogram,
    standard_errors,
    wrapped,
)
from geodis.discovery.sequence_rows import Frames
from geodis.linalg import Array

NEWTON = 8
CELLS = 1 << 21


def joint_speeds(codes: Array, frames: Frames, weights: Array, noise: Array) -> Array:
    """Speeds v (n, k) of sequences with complex codes (N, R), in [−π, π); weights (R, k), noise power (R,).

    On a circle (k = 1) the highest peak is searched on a grid; on larger tori Newton's method starts where the planes'
    own frequencies point.

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
    sigma = np.maximum(noise, floor)
    if weights.shape[1] == 1:
        start = _on_grid(codes / np.sqrt(sigma), frames, weights[:, 0])
    else:
        own = peak_frequencies(codes, frames)
        start = fitted_speeds(own, np.maximum(standard_errors(own, codes, frames, sigma), 1e-9), weights)
    return wrapped(_climbed(start, codes, frames, weights, sigma))


def _on_grid(codes: Array, frames: Frames, weights: Array) -> Array:
    """The best speed (n, 1) on a grid that resolves the fastest plane."""
    size = grid_size(frames) * (1 << math.ceil(math.log2(max(1, int(np.abs(weights).max())))))
    at_once = max(1, CELLS // (size * codes.shape[1]))
    grid, found = np.arange(size), []
    for first in range(0, len(frames), at_once):
        chunk = (np.arange(len(frames)) >= first) & (np.arange(len(frames)) < first + at_once)
        part = frames.sequences(chunk)
        power = periodogram(codes[chunk[frames.owner]], part, size)
        total = sum(power[:, grid * int(w) % size, r] for r, w in enumerate(weights))
        found.append(2.0 * math.pi * np.argmax(total, axis=1) / size)
    return np.concatenate(found)[:, None]


def _climbed(speeds: Array, codes: Array, frames: Frames, weights: Array, noise: Array) -> Array:
    """Newton's method on Σ_r |A_r|²/σ_r², every step at most a quarter of a Rayleigh width of the fastest plane."""
    span = np.maximum(np.maximum.reduceat(frames.steps, frames.starts) - frames.steps[frames.starts], 1)
    most = 0.5 * math.pi / (span[:, None] * max(1, int(np.abs(weights).max())))
    for _ in range(NEWTON):
        _, slope, curve = derivatives(speeds @ weights.T, codes, frames)
        gradient = np.einsum("nr,ra->na", slope / noise, weights)
        hessian = np.einsum("nr,ra,rb->nab", np.abs(curve) / noise, weights, weights)
        scale = np.trace(hessian, axis1=1, axis2=2)[:, None, None] + np.finfo(float).tiny
        step = np.linalg.solve(hessian / scale + 1e-12 * np.eye(weights.shape[1]), gradient[..., None] / scale)[..., 0]
        speeds = speeds + np.clip(step, -most, most)
    return speeds
