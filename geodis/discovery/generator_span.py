"""The span of generators as a point of a Grassmannian: bases, angles, brackets, whitened singular values.

A row is the upper part (D, p) of a generator or of a logarithm; its noise has covariance Σ ⊗ C⁻¹ for noise Σ of a point
and second moments C of the points, so that Σ^{-1/2} · row · C^{1/2} has white noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np
from scipy import linalg, stats

from geodis.discovery.batch_operators import BatchOperators, completed
from geodis.linalg import Array

SKEW = 0.2935  # skewness of the Tracy-Widom law of a largest singular value


@final
@dataclass(frozen=True, eq=False, repr=False)
class Whitening:
    """row ↦ Σ^{-1/2} row C^{1/2} and back, for noise Σ (D, D) and mean design C (p, p) of a batch."""

    left: Array
    right: Array

    @classmethod
    def of(cls, operators: BatchOperators) -> Whitening:
        """The metric in which the noise of the operators is white, on average over batches."""
        return cls(_power(operators.noise, -0.5), _power(operators.gram.mean(axis=0), 0.5))

    def __call__(self, rows: Array) -> Array:
        """`(..., D, p)` → `(..., D·p)`."""
        white = self.left @ rows @ self.right
        return white.reshape(*white.shape[:-2], -1)

    def back(self, flat: Array) -> Array:
        """`(..., D·p)` → `(..., D, p)`."""
        d, p = len(self.left), len(self.right)
        rows = flat.reshape(*flat.shape[:-1], d, p)
        return np.asarray(np.linalg.solve(self.left, rows) @ np.linalg.inv(self.right))


class NoiseEdge(NamedTuple):
    """The law of the largest singular value of noise alone: mean and standard deviation of draws."""

    mean: float
    sd: float

    def p_value(self, value: float) -> float:
        """P(noise alone reaches `value`): a law with the Tracy-Widom skewness through the draws' mean and spread."""
        return float(stats.pearson3.sf((value - self.mean) / max(self.sd, 1e-300), SKEW))

    def threshold(self, level: float) -> float:
        """The value that noise alone stays below with probability `level`."""
        return self.mean + self.sd * float(stats.pearson3.ppf(level, SKEW))


def noise_edge(draws: Array, whiten: Callable[[Array], Array]) -> NoiseEdge:
    """The edge from draws of noise `(n, B, D, p)`; at least half that of white noise with the assumed covariance.

    The latter counts for exact data alone, whose covariance is an assumed floor.
    """
    tops = np.array([centred_spectrum(whiten(draw))[0] for draw in draws])
    b, size = draws.shape[1], draws.shape[2] * draws.shape[3]
    return NoiseEdge(max(float(tops.mean()), (math.sqrt(b) + math.sqrt(size)) / 2), float(tops.std(ddof=1)))


def centred_spectrum(white: Array) -> Array:
    """Singular values of rows (B, m) about their mean: what is common to all batches is no evidence of a family."""
    centred = white - white.mean(axis=0)
    gram = centred @ centred.T if len(centred) <= centred.shape[1] else centred.T @ centred
    return np.sqrt(np.maximum(np.linalg.eigvalsh(gram)[::-1], 0.0))


def leading(white: Array, k: int) -> tuple[Array, Array]:
    """The k leading directions (k, m) of centred rows (B, m), orthonormal, and the rows' coefficients (B, k)."""
    _, _, directions = np.linalg.svd(white - white.mean(axis=0), full_matrices=False)
    return directions[:k], white @ directions[:k].T


def orthonormal(generators: Array) -> Array:
    """An orthonormal basis (k, ...) of the span in the Frobenius inner product; first ones first."""
    q, r = np.linalg.qr(generators.reshape(len(generators), -1).T)
    return np.asarray((q * np.where(np.diag(r) < 0, -1.0, 1.0)).T.reshape(generators.shape))


def principal_angles(one: Array, two: Array) -> Array:
    """Principal angles [rad] between the spans of generators, descending.

    Examples
    --------
    >>> A = np.random.default_rng(0).normal(size=(3, 4, 4))
    >>> bool(principal_angles(np.cumsum(A, axis=0), A).max() < 1e-12)
    True
    """
    return np.asarray(linalg.subspace_angles(one.reshape(len(one), -1).T, two.reshape(len(two), -1).T))


def closure(generators: Array) -> float:
    """√(mean over i < j of ‖[A_i, A_j] off the span‖²) of orthonormal generators: 0 for a Lie algebra.

    In the unit of the generators, not as a share of the brackets: those of an abelian span are noise alone.

    Examples
    --------
    >>> heisenberg = np.zeros((3, 3, 3))
    >>> heisenberg[0, 0, 1] = heisenberg[1, 1, 2] = heisenberg[2, 0, 2] = 1.0
    >>> closure(heisenberg), closure(heisenberg[:2])
    (0.0, 1.0)
    """
    basis = orthonormal(generators)
    k = len(basis)
    products = np.einsum("iab,jbc->ijac", basis, basis, optimize=True)
    brackets = products - np.swapaxes(products, 0, 1)
    inside = np.einsum("ijab,mab->ijm", brackets, basis, optimize=True)
    outside = float(np.square(brackets).sum()) - float(np.square(inside).sum())
    return math.sqrt(max(outside, 0.0) / max(k * (k - 1), 1))


def roots(moments: Array) -> Array:
    """Symmetric square roots (B, p, p) of second moments."""
    values, vectors = np.linalg.eigh(moments)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))[:, None]) @ np.swapaxes(vectors, 1, 2))


def full_generators(rows: Array) -> Array:
    """Generators as square matrices: the last row of an affine one is zero."""
    return completed(rows, unit=0.0)


def _power(matrix: Array, power: float) -> Array:
    values, vectors = np.linalg.eigh(matrix)
    kept = np.maximum(values, 1e-15 * max(float(values[-1]), np.finfo(float).tiny))
    return np.asarray((vectors * kept**power) @ vectors.T)
