"""All planes and all frequencies at once: Riemannian descent on Stiefel × frequencies.

Planes found one after another leave their errors to those that come later. Here the frame Q ∈ St(q, 2R) of all planes
and the frequencies ω ∈ R^{n×R} of all sequences move together,

    f(Q, ω) = Σ_r  Σ_s min_a Σ_t |c_{s,t,r} − a e^{iω_{s,r} t}|²  /  Σ_s Σ_t |c_{s,t,r} − c̄_{s,r}|²,

from the spectral start. In whitened coordinates an orthonormal Q means uncorrelated planes (oblique frames of the
embedding), in principal coordinates of the embedding itself it is an isometric frame. Offsets, and the part that holds
still in every sequence, are eliminated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import pymanopt
from pymanopt.manifolds import Euclidean, Product, Stiefel
from pymanopt.optimizers import ConjugateGradient

from geodis.discovery.frequency_peaks import peak_frequencies
from geodis.discovery.sequence_rows import Frames
from geodis.linalg import Array

ITERATIONS = 60


@final
@dataclass(frozen=True, eq=False)
class RotationLoss:
    """f and its gradient on frames whose first `n_moving` columns carry planes; the others and 1 are offsets.

    `penalty` (q, q) is a form on the rows, added to the numerator.
    """

    frames: Frames
    n_moving: int
    penalty: Array

    def with_offsets(self, rows: Array, frequencies: Array) -> tuple[Array, Array]:
        """Codes (N, R) of complex rows (q, R) with their best offsets, and these (m + 1, R)."""
        codes = self.frames.z[:, : self.n_moving] @ rows
        free = np.column_stack([self.frames.z[:, self.n_moving :], np.ones(len(codes))])
        offsets = np.zeros((free.shape[1], codes.shape[1]), dtype=np.complex128)
        for r in range(codes.shape[1]):
            phase = np.exp(-1j * frequencies[self.frames.owner, r] * self.frames.steps)[:, None]
            left = self.frames.centred(phase * free)
            target = self.frames.centred(phase * codes[:, r : r + 1])
            form = left.conj().T @ left
            if np.trace(form).real > 1e-9 * free.size:
                offsets[:, r] = -(np.linalg.pinv(form, rcond=1e-9, hermitian=True) @ (left.conj().T @ target))[:, 0]
        return codes + free @ offsets, offsets

    def terms(self, rows: Array, frequencies: Array) -> tuple[Array, Array, Array]:
        """Shares (R,), their gradients in the rows (q, R), complex, and in the frequencies (n, R)."""
        frames, y = self.frames, self.frames.z[:, : self.n_moving]
        codes, _ = self.with_offsets(rows, frequencies)
        t = frames.steps[:, None].astype(np.float64)
        phase = np.exp(1j * frequencies[frames.owner] * t)
        turned = codes / phase
        left, inner = frames.centred(turned), frames.centred(y @ rows)
        motion = np.maximum((np.abs(inner) ** 2).sum(axis=0), np.finfo(float).tiny)
        ridge = self.penalty @ rows
        share = ((np.abs(left) ** 2).sum(axis=0) + (rows.conj() * ridge).real.sum(axis=0)) / motion
        in_rows = 2.0 * (y.T @ (phase * left - share * inner) + ridge) / motion
        in_frequencies = 2.0 * frames.sums(t * (left.conj() * turned).imag) / motion
        return share, in_rows, in_frequencies


def joint_frame(loss: RotationLoss, rows: Array, frequencies: Array) -> tuple[Array, Array]:
    """Complex rows (q, R) whose real and imaginary parts are orthonormal, and frequencies (n, R), of least f."""
    q, r = rows.shape
    start = _polar(_real(rows))
    scale = _scales(loss, _complex(start), frequencies)
    manifold = Product([Stiefel(q, 2 * r, retraction="qr"), Euclidean(*frequencies.shape)])

    @pymanopt.function.numpy(manifold)
    def cost(frame: Array, moved: Array) -> float:
        return float(loss.terms(_complex(frame), frequencies + moved / scale)[0].sum())

    @pymanopt.function.numpy(manifold)
    def gradient(frame: Array, moved: Array) -> tuple[Array, Array]:
        _, in_rows, in_frequencies = loss.terms(_complex(frame), frequencies + moved / scale)
        return _real(in_rows), in_frequencies / scale

    problem = pymanopt.Problem(manifold, cost, euclidean_gradient=gradient)
    optimizer = ConjugateGradient(max_iterations=ITERATIONS, min_gradient_norm=1e-7, verbosity=0)
    frame, moved = optimizer.run(problem, initial_point=[start, np.zeros_like(frequencies)]).point
    found = _complex(_polar(frame))
    codes, _ = loss.with_offsets(found, frequencies + moved / scale)
    return found, peak_frequencies(codes, loss.frames)


def _scales(loss: RotationLoss, rows: Array, frequencies: Array) -> Array:
    """Square roots of ∂²f/∂ω² at the start: in these units all frequencies are equally stiff."""
    frames = loss.frames
    codes, _ = loss.with_offsets(rows, frequencies)
    t = frames.steps[:, None].astype(np.float64)
    motion = np.maximum((np.abs(frames.centred(codes)) ** 2).sum(axis=0), np.finfo(float).tiny)
    power = frames.means(np.abs(codes) ** 2)
    stiffness = 2.0 * power * frames.sums(frames.centred(t) ** 2) / motion
    return np.sqrt(np.maximum(stiffness, 1e-3 * max(float(np.median(stiffness)), 1e-12)))


def _real(rows: Array) -> Array:
    """Complex (q, R) → real (q, 2R): real part and imaginary part of each plane in turn."""
    return np.stack([rows.real, rows.imag], axis=2).reshape(len(rows), -1)


def _complex(frame: Array) -> Array:
    return frame[:, 0::2] + 1j * frame[:, 1::2]


def _polar(frame: Array) -> Array:
    u, _, vt = np.linalg.svd(frame, full_matrices=False)
    return np.asarray(u @ vt)
