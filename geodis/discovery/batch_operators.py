"""One operator a batch, gz ≈ M_b x with x = z or (z − centre, 1), with all that is known of its noise.

Batches whose pairs share an unknown element give M_b by least squares; the residuals of all batches together give the
noise of a row, and random signs of the residuals (the wild bootstrap) give draws of the noise of M_b, whatever its law.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self, final

import numpy as np
from scipy import stats

from geodis.discovery.batch_moments import BatchMoments
from geodis.linalg import Array

FLOOR = 1e-10  # share of the displacement's variance that is taken for noise at least: exact data have none
ROUNDING = 1e-15  # and share of the points' variance: what differences of moments leave
SPARE = 2  # pairs that a batch needs beyond the unknowns of one row of its operator
SPANNED = 1e-10  # share of the largest variance below which the embedding has no direction


@final
@dataclass(frozen=True, eq=False, repr=False)
class BatchOperators:
    """Operators of batches, their design and their noise.

    Parameters
    ----------
    labels : array (B,)
        The batches.
    operators : array (B, D, p)
        M_b, on x = z (p = D) or on x = (z − centre, 1) (p = D + 1); then it maps to gz − centre.
    gram : array (B, p, p)
        Σ x xᵀ over the pairs of the batch, freed of the noise of z.
    noise : array (D, D)
        Covariance of gz − M_b x.
    centre : array (D,)
        Zero for linear operators.
    """

    labels: Array
    operators: Array
    gram: Array
    noise: Array
    centre: Array

    @property
    def affine(self) -> bool:
        """Whether the operators act on homogeneous coordinates."""
        return self.operators.shape[2] > self.operators.shape[1]

    @property
    def square(self) -> Array:
        """The operators as square matrices (B, p, p)."""
        return completed(self.operators, unit=1.0)

    def take(self, index: Array) -> Self:
        """Some of the batches: positions or a mask."""
        return replace(self, labels=self.labels[index], operators=self.operators[index], gram=self.gram[index])

    def __repr__(self) -> str:
        b, d, p = self.operators.shape
        return f"BatchOperators(batches={b}, dim={d}, affine={p > d})"


def completed(rows: Array, unit: float = 0.0) -> Array:
    """Square matrices from their upper rows `(..., D, p)`: nothing to do for p = D, else the last row is (0, unit)."""
    if rows.shape[-1] == rows.shape[-2]:
        return rows
    last = np.zeros((*rows.shape[:-2], 1, rows.shape[-1]))
    last[..., -1] = unit
    return np.concatenate([rows, last], axis=-2)


def homogeneous_moments(moments: BatchMoments, centre: Array) -> tuple[Array, Array]:
    """Σ x xᵀ (B, D + 1, D + 1) and Σ (gz − centre) xᵀ (B, D, D + 1) for x = (z − centre, 1)."""
    n, outer = moments.n[:, None, None], np.multiply.outer
    start, end = moments.sz - moments.n[:, None] * centre, moments.sg - moments.n[:, None] * centre
    zz = (
        moments.zz - moments.sz[:, :, None] * centre - centre[:, None] * moments.sz[:, None] + n * outer(centre, centre)
    )
    gz = (
        moments.gz - moments.sg[:, :, None] * centre - centre[:, None] * moments.sz[:, None] + n * outer(centre, centre)
    )
    top = np.concatenate([zz, start[:, :, None]], axis=2)
    last = np.concatenate([start, moments.n[:, None]], axis=1)[:, None]
    return np.concatenate([top, last], axis=1), np.concatenate([gz, end[:, :, None]], axis=2)


def enough_pairs(moments: BatchMoments, *, affine: bool) -> Array:
    """Which batches determine an operator (B,)."""
    return np.asarray(moments.n >= moments.dim + int(affine) + SPARE)


def fit_operators(
    moments: BatchMoments, *, affine: bool, source_noise: float = 0.0, centre: Array | None = None
) -> BatchOperators:
    """Least squares in every batch; with noise in z too, the moments are freed of it first.

    Parameters
    ----------
    moments : BatchMoments
        Batches that pass `enough_pairs`.
    affine : bool
        Whether a translation is fitted too.
    source_noise : float
        δ, variance of the noise in z over that in gz. With δ = 0 least squares is right; else M_b is attenuated, and
        n_b δ Σ is taken off Σ z zᵀ, where Σ solves Σ + δ mean M_b Σ M_bᵀ = the covariance of the residuals.
    centre : array (D,), optional
        Of affine operators; the mean of z by default.

    Examples
    --------
    >>> z = np.random.default_rng(0).normal(size=(40, 2))
    >>> moments = BatchMoments.of(z, 2.0 * z + [0.0, 1.0], np.repeat([0, 1], 20))
    >>> fit_operators(moments, affine=True).operators[0].round(6)[:, :2].tolist()
    [[2.0, 0.0], [0.0, 2.0]]
    """
    d, total = moments.dim, int(moments.n.sum())
    if centre is None or not affine:
        centre = moments.sz.sum(axis=0) / total if affine else np.zeros(d)
    gram, cross = homogeneous_moments(moments, centre) if affine else (moments.zz, moments.gz)
    target = moments.gg if not affine else _about(moments, centre)
    p, jump = gram.shape[1], np.trace(moments.gg.sum(0) - 2 * moments.gz.sum(0) + moments.zz.sum(0)) / (total * d)
    extent = float(np.trace(moments.zz.sum(axis=0))) / (total * d)
    floor = max(FLOOR * float(jump), ROUNDING * extent, np.finfo(float).tiny) * np.eye(d)
    freed, noise = gram, floor
    for _ in range(1 if source_noise == 0.0 else 4):
        M = _solved(freed, cross)
        left = target - M @ np.swapaxes(cross, 1, 2) - cross @ np.swapaxes(M, 1, 2) + M @ gram @ np.swapaxes(M, 1, 2)
        covariance = left.sum(axis=0) / max(total - p * len(M), 1)
        noise = 0.5 * (covariance + covariance.T) + floor
        if source_noise > 0.0:
            freed = gram.copy()
            freed[:, :d, :d] -= moments.n[:, None, None] * source_noise * _own_noise(noise, M[:, :, :d], source_noise)
    return BatchOperators(moments.labels, _solved(freed, cross), freed, noise, centre)


def translation_p(operators: BatchOperators) -> float:
    """The p-value of "no batch translates", from affine operators about the origin: Σ_b t_bᵀ Σ⁻¹ t_b/(gram⁻¹)_pp ~ χ².

    About the origin means that `centre` is taken back: a linear map z ↦ Mz is (M, (M − I) centre) about the centre.
    """
    M, c = operators.operators, operators.centre
    d = len(c)
    shift = M[:, :, d] + c - M[:, :, :d] @ c
    about = np.concatenate([-c, [1.0]])
    variance = np.einsum("i,bij,j->b", about, np.linalg.inv(operators.gram), about)
    value = float((np.einsum("bi,ij,bj->b", shift, np.linalg.inv(operators.noise), shift) / variance).sum())
    return float(stats.chi2.sf(value, shift.size))


def noise_draws(z: Array, gz: Array, index: Array, operators: BatchOperators, n_draws: int, *, seed: int = 0) -> Array:
    """Wild-bootstrap draws of the noise of the operators, `(n_draws, B, D, p)`.

    Σ_i s_i e_i x_iᵀ (Σ x xᵀ)⁻¹ with random signs s_i and residuals e_i over √(1 − leverage): right for noise of any law
    and for residuals whose size depends on z.

    Parameters
    ----------
    z, gz : array (N, D)
        The pairs.
    index : array (N,)
        For each pair the position of its batch in `operators`, −1 for pairs of no batch there.
    operators : BatchOperators
        The fit.
    n_draws : int
        Number of draws.
    seed : int
        Seed of the signs.
    """
    rng = np.random.default_rng([seed, 71])
    b, d, p = operators.operators.shape
    x, y = z - operators.centre, gz - operators.centre
    if operators.affine:
        x = np.concatenate([x, np.ones((len(x), 1))], axis=1)
    out = np.empty((n_draws, b, d, p))
    for k in range(b):
        rows = x[index == k]
        solved = rows @ np.linalg.inv(operators.gram[k])
        leverage = np.clip(np.einsum("ni,ni->n", solved, rows), 0.0, 0.99)
        left = (y[index == k] - rows @ operators.operators[k].T) / np.sqrt(1.0 - leverage)[:, None]
        signs = rng.choice([-1.0, 1.0], size=(n_draws, 1, len(rows)))
        out[:, k] = (signs * left.T) @ solved
    return out


def spanned(moments: BatchMoments) -> Array:
    """Orthonormal rows (q, D) of the directions in which the pairs have any extent."""
    total = moments.zz.sum(axis=0) + moments.gg.sum(axis=0)
    values, vectors = np.linalg.eigh(total)
    kept = values > SPANNED * max(float(values[-1]), np.finfo(float).tiny)
    return np.eye(moments.dim) if kept.all() else np.ascontiguousarray(vectors[:, kept].T)


def _about(moments: BatchMoments, centre: Array) -> Array:
    cross = moments.sg[:, :, None] * centre
    return moments.gg - cross - np.swapaxes(cross, 1, 2) + moments.n[:, None, None] * np.multiply.outer(centre, centre)


def _solved(gram: Array, cross: Array) -> Array:
    """The product cross · gram⁻¹, by a ridge at rounding level that no singular batch survives."""
    scale = np.einsum("bii->b", gram)[:, None, None] / gram.shape[1]
    ridge = 1e-13 * np.abs(scale) * np.eye(gram.shape[1])
    return np.swapaxes(np.linalg.solve(gram + ridge, np.swapaxes(cross, 1, 2)), 1, 2)


def _own_noise(covariance: Array, M: Array, delta: float) -> Array:
    """Σ of Σ + δ mean M Σ Mᵀ = covariance: damped iteration, which converges for the operators of a bounded group."""
    grown = float(np.square(np.linalg.norm(M, ord=2, axis=(1, 2))).mean())
    step, noise = 1.0 / (1.0 + delta * grown), covariance / (1.0 + delta)
    for _ in range(60):
        pushed = np.einsum("bij,jk,blk->il", M, noise, M, optimize=True) / len(M)
        noise = noise + step * (covariance - noise - delta * pushed)
    return noise
