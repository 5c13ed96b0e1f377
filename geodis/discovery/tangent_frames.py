"""Tangent frames of a sampled manifold by local quadratic fits, with their standard errors.

Local principal components mistake curvature for direction: on S² × S² with 1 000 points their frames are .45 rad off.
Here neighbours are written as a graph over the frame, normal = a + L·t + B(t, t), and the slope L tilts the frame until
it is flat; what curvature explains is no longer in the way, and the same frames are .02 rad off.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from geodis.linalg import Array

ROUNDS = 3  # of tilting: the third changes frames by less than their error
STEEPNESS = 2.0  # neighbours weigh exp(−2 r²/h²), h the distance to the farthest
RIDGE = 1e-3  # on curvature alone, relative to the mean diagonal: keeps fits with few neighbours regular
CHUNK = 4096  # points fitted at once, which bounds memory


@final
@dataclass(frozen=True, eq=False)
class LocalFit:
    """Frames (m, D, d), orthonormal; their standard errors (m,) in radians; the unexplained share (m,).

    The error is that of one tangent direction, √(σ² tr(XᵀX)⁻¹_slopes/d), with σ² the residual variance over all normal
    directions. The share is the residual standard deviation of the worst normal direction over the spread of the worst
    tangent direction: about 1 when a dimension is missing, and small on a manifold that is well sampled.
    """

    frames: Array
    errors: Array
    unexplained: Array


def n_coefficients(dimension: int) -> int:
    """Numbers that a quadratic fit estimates for each normal direction: 1 + d + d(d+1)/2."""
    return 1 + dimension + dimension * (dimension + 1) // 2


def tangent_frames(points: Array, bases: Array, indices: Array, dimension: int) -> LocalFit:
    """The tangent frame at each base from its neighbours among the points.

    Parameters
    ----------
    points : array (n, D)
        The cloud.
    bases : array (m, D)
        Where frames are wanted: points of the cloud, or others near it.
    indices : array (m, k)
        Each base's neighbours among the points.
    dimension : int
        The manifold's dimension d, 1 ≤ d ≤ D.

    Examples
    --------
    >>> t = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    >>> circle = np.column_stack([np.cos(t), np.sin(t)])
    >>> near = (np.arange(60)[:, None] + np.array([-3, -2, -1, 1, 2, 3])) % 60
    >>> frames = tangent_frames(circle, circle, near, 1).frames
    >>> bool(np.abs(np.einsum("na,nad->n", circle, frames)).max() < 1e-6)
    True
    """
    parts = [
        _fit(points[indices[s : s + CHUNK]] - bases[s : s + CHUNK, None], dimension)
        for s in range(0, len(bases), CHUNK)
    ]
    return LocalFit(*(np.concatenate([getattr(part, name) for part in parts]) for name in LocalFit.__annotations__))


def _fit(differences: Array, d: int) -> LocalFit:
    """One chunk: differences (m, k, D) to the neighbours."""
    m = len(differences)
    span = _local_span(differences, d)
    offsets = differences if span is None else differences @ span
    frames = _principal(offsets[:, : max(10, 2 * d + 2)])
    if offsets.shape[2] == d:  # the manifold fills its space
        zero = np.zeros(m)
        return LocalFit(frames if span is None else span @ frames, zero, zero)
    weights = near_weights(offsets)
    for _ in range(ROUNDS):
        slopes, design, residuals, inverse = quadratic_fit(offsets @ frames, weights, d)
        frames = _tilt(frames, slopes)
    tangent = frames[..., :d]
    errors, share = _quality(design[..., :d], residuals, inverse[:, :d, :d], weights, n_coefficients(d))
    return LocalFit(tangent if span is None else span @ tangent, errors, share)


def _local_span(differences: Array, d: int) -> Array | None:
    """An orthonormal basis (m, D, q) of what neighbours span, when the space is wider than a fit can use."""
    k, wide = differences.shape[1:]
    q = min(k, 2 * n_coefficients(d))
    if wide <= q:
        return None
    return np.asarray(np.swapaxes(np.linalg.svd(differences, full_matrices=False)[2][:, :q], 1, 2))


def _principal(offsets: Array) -> Array:
    """All principal axes of the nearest neighbours as columns, widest first."""
    return np.asarray(np.linalg.eigh(np.swapaxes(offsets, 1, 2) @ offsets)[1][..., ::-1])


def near_weights(offsets: Array) -> Array:
    """Weights (m, k) of neighbours that lie at these offsets (m, k, D)."""
    squares = np.square(offsets).sum(axis=2)
    farthest = np.maximum(squares.max(axis=1, keepdims=True), np.finfo(float).tiny)
    return np.asarray(np.exp(-STEEPNESS * squares / farthest))


def quadratic_fit(local: Array, weights: Array, d: int) -> tuple[Array, Array, Array, Array]:
    """Weighted least squares of values on 1, t, t⊗t, where `local` (m, k, d + q) holds t and then the values.

    Returns slopes (m, d, q), design (m, k, p), residuals (m, k, q), (XᵀWX)⁻¹ (m, p, p).
    """
    t, normal = local[..., :d], local[..., d:]
    a, b = np.triu_indices(d)
    # Columns in the unit of t: the ridge and the solve see comparable sizes whatever the data's unit is.
    size = np.sqrt(np.square(t).sum(axis=2).mean(axis=1))[:, None, None] + np.finfo(float).tiny
    design = np.concatenate([t, t[..., a] * t[..., b] / size, np.broadcast_to(size, (*t.shape[:2], 1))], axis=2)
    weighted = np.swapaxes(design * weights[..., None], 1, 2)
    gram = weighted @ design
    mean = np.trace(gram, axis1=1, axis2=2) / gram.shape[1] + np.finfo(float).tiny
    penalty = np.full(gram.shape[1], 1e-9)
    penalty[d:-1] = RIDGE
    inverse = np.linalg.inv(gram + mean[:, None, None] * np.diag(penalty))
    coefficients = inverse @ (weighted @ normal)
    return coefficients[:, :d], design, normal - design @ coefficients, inverse


def _tilt(frames: Array, slopes: Array) -> Array:
    """Frames whose first d axes span the graph of the slopes, the others its normals."""
    d = slopes.shape[1]
    tangent, normal = frames[..., :d], frames[..., d:]
    tilted = tangent + normal @ np.swapaxes(slopes, 1, 2)
    upright = normal - tangent @ slopes
    return np.concatenate([np.linalg.qr(tilted)[0], np.linalg.qr(upright)[0]], axis=2)


def _quality(t: Array, residuals: Array, inverse: Array, weights: Array, p: int) -> tuple[Array, Array]:
    """Standard errors of the slopes, and the unexplained share; infinite without degrees of freedom."""
    k, d = t.shape[1:]
    if k <= p:
        return np.full(len(t), np.inf), np.full(len(t), np.inf)
    total = weights.sum(axis=1)[:, None, None]
    weighted = np.swapaxes(residuals * weights[..., None], 1, 2)
    scatter = weighted @ residuals / total * (k / (k - p))
    spread = np.swapaxes(t * weights[..., None], 1, 2) @ t / total
    variance = np.trace(scatter, axis1=1, axis2=2)
    errors = np.sqrt(variance * np.trace(inverse, axis1=1, axis2=2) / d)
    least = np.maximum(np.linalg.eigvalsh(spread)[:, 0], np.finfo(float).tiny)
    share = np.sqrt(np.maximum(np.linalg.eigvalsh(scatter)[:, -1], 0.0) / least)
    return errors, share
