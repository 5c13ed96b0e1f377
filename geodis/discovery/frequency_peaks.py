"""The frequency of each sequence in a plane, in closed form: the highest peak of its periodogram.

For complex codes c_t of one sequence the rotation that explains them best, min over a and ω of Σ_t |c_t − a·e^{iωt}|²,
has ω = argmax |Σ_t e^{−iωt} c_t|²: a trigonometric sum. An FFT on a fine grid finds its highest peak, Newton's method
the last digits.
"""

from __future__ import annotations

import math

import numpy as np

from geodis.discovery.sequence_rows import Frames
from geodis.linalg import Array

FINE = 8  # grid points to a Rayleigh width 2π/T: the peak is within 1/16 of it, where |A|² is concave
NEWTON = 6
CELLS = 1 << 21  # of the padded array that is transformed at once
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


def peak_frequencies(codes: Array, frames: Frames, n_newton: int = NEWTON) -> Array:
    """ω = argmax |Σ_t e^{−iωt}c_t|² of each sequence and plane: (N, r) complex → (n, r) in [−π/gap, π/gap).

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
    at_once = max(1, CELLS // (size * codes.shape[1]))
    found = []
    for first in range(0, len(frames), at_once):
        chunk = np.zeros(len(frames), dtype=bool)
        chunk[first : first + at_once] = True
        part = frames.sequences(chunk) if at_once < len(frames) else frames
        own = codes[chunk[frames.owner]] if at_once < len(frames) else codes
        power = periodogram(own, part, size)
        # A sequence that cannot tell two grid points apart (a still one, gaps) takes the slower: ties go to small ω.
        slow = np.argsort(np.minimum(np.arange(size), size - np.arange(size)), kind="stable")
        best = (power >= power.max(axis=1, keepdims=True) * (1.0 - 1e-9))[:, slow].argmax(axis=1)
        found.append(polished(2.0 * math.pi * slow[best] / size, own, part, math.pi / size, n_newton))
    gap = 2.0 * math.pi / frames.gaps[:, None]
    raw = np.concatenate(found)
    return np.mod(raw + gap / 2.0, gap) - gap / 2.0


def polished(frequencies: Array, codes: Array, frames: Frames, radius: float, n_steps: int) -> Array:
    """Newton's method on |A(ω)|², no further than a grid cell from where it started."""
    start, omega = frequencies, frequencies.copy()
    for _ in range(n_steps):
        _, slope, curve = derivatives(omega, codes, frames)
        step = np.divide(-slope, curve, out=np.zeros_like(slope), where=curve < 0.0)
        moved = np.clip(omega + step, start - 2.0 * radius, start + 2.0 * radius)
        if np.abs(moved - omega).max() < 1e-15:
            break
        omega = moved
    return omega


def derivatives(frequencies: Array, codes: Array, frames: Frames) -> tuple[Array, Array, Array]:
    """|A|² with its first and second derivative in ω, A = Σ_t e^{−iωt}c_t: three arrays (n, r)."""
    t = frames.steps[:, None].astype(np.float64)
    turned = np.exp(-1j * frequencies[frames.owner] * t) * codes
    a, b, c = (frames.sums(x) for x in (turned, t * turned, t * t * turned))
    slope = 2.0 * (a.conj() * (-1j) * b).real
    curve = 2.0 * (np.abs(b) ** 2 - (a.conj() * c).real)
    return np.abs(a) ** 2, slope, curve


def canonical(frequencies: Array, codes: Array, frames: Frames) -> Array:
    """e^{−iωt}c_t (N, r): constant over a sequence that rotates."""
    return np.exp(-1j * frequencies[frames.owner] * frames.steps[:, None]) * codes


def noise_power(frequencies: Array, codes: Array, frames: Frames) -> Array:
    """E|noise|² of each plane (r,): what is left of canonical codes, over the freedom that is left.

    Each sequence spends 2 real parameters on its amplitude and 1 on its frequency, of 2 real numbers a frame.
    """
    left = frames.centred(canonical(frequencies, codes, frames))
    freedom = np.maximum(2.0 * frames.counts - 3.0, 0.0).sum() / 2.0
    return np.asarray((np.abs(left) ** 2).sum(axis=0) / max(freedom, 1.0))


def standard_errors(frequencies: Array, codes: Array, frames: Frames, noise: Array) -> Array:
    """Cramér–Rao standard errors σ/(|a|√(2Σ(t − t̄)²)) of frequencies (n, r), never above that of no knowledge."""
    amplitude = np.abs(frames.means(canonical(frequencies, codes, frames))) ** 2
    t = frames.steps[:, None].astype(np.float64)
    spread = frames.sums(frames.centred(t) ** 2)
    information = 2.0 * amplitude * spread
    with np.errstate(divide="ignore"):
        variance = np.where(information > 0.0, noise / np.where(information > 0.0, information, 1.0), np.inf)
    return np.minimum(np.sqrt(variance), UNKNOWN / frames.gaps[:, None])
