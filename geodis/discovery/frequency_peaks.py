"""The frequency of each sequence in a plane, in closed form: the highest peak of its periodogram.

For complex codes c_t of one sequence the rotation that explains them best, min over a and ω of Σ_t |c_t − a·e^{iωt}|²,
has ω = argmax |Σ_t e^{−iωt} c_t|²: a trigonometric sum. An FFT on a fine grid finds its highest peak, Newton's method
the last digits.

A still part of a sequence that leaks into the plane is an error common to its frames: their covariance is then
σ²(1 + ℓ 11ᵀ) with ℓ the `leak`, and generalised least squares maximizes |e*Kc|²/(e*Ke), e_t = e^{iωt}, K = 1 − κ 11ᵀ/T
with κ = Tℓ/(1 + Tℓ). Without it a code that mostly stays where it is has its peak at ω = 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from geodis.discovery.sequence_rows import Frames
from geodis.linalg import Array

FINE = 8  # grid points to a Rayleigh width 2π/T: the peak is within 1/16 of it, where |A|² is concave
NEWTON = 6
CELLS = 1 << 21  # of the padded array that is transformed at once
LEAST = 1e-6  # share of a wave that is not still, below which its frequency is not told
UNKNOWN = math.pi / math.sqrt(3.0)  # standard deviation of a phase that is uniform: nothing is known


def wrapped(phase: Array) -> Array:
    """The same angles in [−π, π)."""
    return np.mod(np.asarray(phase) + math.pi, 2.0 * math.pi) - math.pi


def periodogram(codes: Array, frames: Frames, size: int) -> Array:
    """|Σ_t e^{−iωt}c_t|² at ω = 2πj/size: complex codes (N, r) → (n, size, r)."""
    padded = np.zeros((len(frames), size, codes.shape[1]), dtype=np.complex128)
    np.add.at(padded, (frames.owner, frames.steps % size), codes)
    spectrum = np.fft.fft(padded, axis=1)
    return spectrum.real**2 + spectrum.imag**2


def grid_size(frames: Frames) -> int:
    """Grid points that resolve the longest sequence: a power of two."""
    span = int((np.maximum.reduceat(frames.steps, frames.starts) - frames.steps[frames.starts]).max()) + 1
    return 1 << math.ceil(math.log2(max(FINE * span, 16)))


def peak_frequencies(codes: Array, frames: Frames, leak: Array | None = None, n_newton: int = NEWTON) -> Array:
    """The frequency of the highest peak of each sequence and plane: (N, r) complex → (n, r) in [−π/gap, π/gap).

    `leak` (r,) is the variance of a still part in units of the noise of a frame; none by default.

    Examples
    --------
    >>> from geodis.discovery.sequence_rows import read_frames
    >>> t = np.arange(7)
    >>> frames = read_frames(np.zeros((2, 7, 1)))
    >>> codes = np.exp(1j * np.concatenate([0.3 * t, -2.0 * t + 1.0]))[:, None]
    >>> peak_frequencies(codes, frames).round(12).tolist()
    [[0.3], [-2.0]]
    """
    size = grid_size(frames)
    leak = np.zeros(codes.shape[1]) if leak is None else leak
    # A sequence that cannot tell two grid points apart (a still one, gaps) takes the slower: ties go to small ω.
    slow = np.argsort(np.minimum(np.arange(size), size - np.arange(size)), kind="stable")
    found = []
    for part, own in chunks(codes, frames, size):
        power = peak_power(own, part, size, leak)
        best = (power >= power.max(axis=1, keepdims=True) * (1.0 - 1e-9))[:, slow].argmax(axis=1)
        found.append(_polished(2.0 * math.pi * slow[best] / size, own, part, leak, n_newton))
    gap = 2.0 * math.pi / frames.gaps[:, None]
    raw = np.concatenate(found)
    return np.mod(raw + gap / 2.0, gap) - gap / 2.0


def chunks(codes: Array, frames: Frames, size: int) -> Iterator[tuple[Frames, Array]]:
    """Sequences in parts whose padded arrays stay small, with their codes."""
    at_once = max(1, CELLS // (size * codes.shape[1]))
    for first in range(0, len(frames), at_once):
        chunk = np.zeros(len(frames), dtype=bool)
        chunk[first : first + at_once] = True
        yield frames.sequences(chunk), codes[chunk[frames.owner]]


def peak_power(codes: Array, frames: Frames, size: int, leak: Array) -> Array:
    """|e*Kc|²/(e*Ke) on the grid: (n, size, r); the periodogram over T where nothing leaks."""
    if not leak.any():
        return periodogram(codes, frames, size) / frames.counts[:, None, None]
    kappa = _kappa(frames, leak)
    above = periodogram(codes - (kappa * frames.means(codes))[frames.owner], frames, size)
    ones = periodogram(np.ones((len(codes), 1), dtype=np.complex128), frames, size)
    t = frames.counts[:, None, None]
    return np.asarray(above / np.maximum(t - kappa[:, None] * ones / t, LEAST * t))


def _kappa(frames: Frames, leak: Array) -> Array:
    weight = frames.counts[:, None] * leak
    return weight / (1.0 + weight)


def _polished(start: Array, codes: Array, frames: Frames, leak: Array, n_steps: int) -> Array:
    """Newton's method, no further than a grid cell from where it started."""
    omega, radius = start.copy(), 2.0 * math.pi / grid_size(frames)
    for _ in range(n_steps):
        _, slope, curve = derivatives(omega, codes, frames, leak)
        step = np.divide(-slope, curve, out=np.zeros_like(slope), where=curve < 0.0)
        moved = np.clip(omega + step, start - radius, start + radius)
        done = np.abs(moved - omega).max() < 1e-15
        omega = moved
        if done:
            break
    return omega


def derivatives(frequencies: Array, codes: Array, frames: Frames, leak: Array) -> tuple[Array, Array, Array]:
    """|e*Kc|²/(e*Ke) with its first and, at a peak, its second derivative in ω: three arrays (n, r)."""
    if not leak.any():
        t = frames.counts[:, None]
        value, slope, curve = _square(frequencies, codes, frames)
        return value / t, slope / t, curve / t
    kappa, t = _kappa(frames, leak), frames.counts[:, None]
    above = _square(frequencies, codes - (kappa * frames.means(codes))[frames.owner], frames)
    ones = _square(frequencies, np.ones_like(codes), frames)
    below = np.maximum(t - kappa * ones[0] / t, LEAST * t)
    value = above[0] / below
    return value, (above[1] + value * kappa * ones[1] / t) / below, (above[2] + value * kappa * ones[2] / t) / below


def _square(frequencies: Array, codes: Array, frames: Frames) -> tuple[Array, Array, Array]:
    """|A|², A = Σ_t e^{−iωt}c_t, with its first and second derivative in ω."""
    t = frames.steps[:, None].astype(np.float64)
    turned = np.exp(-1j * frequencies[frames.owner] * t) * codes
    a, b, c = (frames.sums(x) for x in (turned, t * turned, t * t * turned))
    slope = 2.0 * (a.conj() * (-1j) * b).real
    curve = 2.0 * (np.abs(b) ** 2 - (a.conj() * c).real)
    return np.abs(a) ** 2, slope, curve


def canonical(frequencies: Array, codes: Array, frames: Frames) -> Array:
    """e^{−iωt}c_t (N, r): constant over a sequence that rotates."""
    return np.exp(-1j * frequencies[frames.owner] * frames.steps[:, None]) * codes


def noise_and_leak(codes: Array, frames: Frames) -> tuple[Array, Array]:
    """Noise power E|e|² of each plane (r,) and the variance of still parts in its unit (r,), from all sequences.

    Each sequence of five frames or more is fitted by b + a·e^{iωt}; what is left over its freedom is noise, and the
    mean of |b|² beyond its own error is the leak. Without such sequences nothing leaks, and the noise is what
    a·e^{iωt} leaves.
    """
    long = frames.counts >= 5
    if not long.any():
        omega = peak_frequencies(codes, frames)
        left = (np.abs(frames.centred(canonical(omega, codes, frames))) ** 2).sum(axis=0)
        return left / max(float(np.maximum(frames.counts - 1.5, 0.0).sum()), 1.0), np.zeros(codes.shape[1])
    part, own = frames.sequences(long), codes[long[frames.owner]]
    centred = np.full(codes.shape[1], 1e3)
    omega = peak_frequencies(own, part, centred)
    wave = np.exp(-1j * omega[part.owner] * part.steps[:, None])
    mean_wave, mean_code = part.means(wave), part.means(own)
    share = 1.0 - np.abs(mean_wave) ** 2  # of a still part that no rotation explains
    offset = (mean_code - mean_wave.conj() * part.means(wave * own)) / np.maximum(share, LEAST)
    left = part.centred(wave * (own - offset[part.owner]))
    noise = (np.abs(left) ** 2).sum(axis=0) / (part.counts - 2.5).sum()
    excess = np.abs(offset) ** 2 - noise / (part.counts[:, None] * np.maximum(share, LEAST))
    # Slow sequences, whose offset is uncertain, do not count.
    clear = share > 0.5
    still = np.where(clear, excess, 0.0).sum(axis=0) / np.maximum(clear.sum(axis=0), 1)
    power = (np.abs(codes) ** 2).mean(axis=0)
    leaks = still > 1e-9 * power
    return noise, np.where(leaks, still / np.maximum(noise, 1e-9 * power + np.finfo(float).tiny), 0.0)


def standard_errors(frequencies: Array, codes: Array, frames: Frames, noise: Array) -> Array:
    """Cramér–Rao standard errors σ/(|a|√(2Σ(t − t̄)²)) of frequencies (n, r), never above that of no knowledge."""
    amplitude = np.abs(frames.means(canonical(frequencies, codes, frames))) ** 2
    t = frames.steps[:, None].astype(np.float64)
    spread = frames.sums(frames.centred(t) ** 2)
    information = 2.0 * amplitude * spread
    with np.errstate(divide="ignore"):
        variance = np.where(information > 0.0, noise / np.where(information > 0.0, information, 1.0), np.inf)
    return np.minimum(np.sqrt(variance), UNKNOWN / frames.gaps[:, None])
