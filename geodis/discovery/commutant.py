"""Commutants: all matrices that commute with given ones, from noisy generators, and again for those.

Generators lie in their double commutant. With several copies of few irreps it is small (Σ d² over the irreps out of
D²), and it is fixed by what all generators share, so that projecting onto it takes off most of their noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from geodis.discovery.generator_span import orthonormal
from geodis.errors import ParameterError, ShapeError
from geodis.linalg import Array, check_finite, to_numpy

GAP = 3.0  # the least ratio of the first singular value that counts to the last that does not
EXACT = 1e-6  # what a singular value of zero comes to by rounding: the root of rounding in the Gram matrix
SECOND = 1000.0  # times level²/10: where the singular values of a double commutant may still be zero
GENERIC = 4  # random elements that stand for a whole algebra: two generate it already
LARGEST = 48  # matrices of more rows are refused: the eigenproblem has size p²


@final
@dataclass(frozen=True, eq=False, repr=False)
class Commutant:
    """The matrices X with [X, A_k] = 0.

    Parameters
    ----------
    basis : array (m, p, p)
        Orthonormal.
    singular_values : array (p²,)
        Of X ↦ ([X, A_k])_k / √k for orthonormal A_k, ascending; the first m count as zero.
    gap : float
        Ratio of the (m + 1)-th to the m-th singular value (or to rounding); infinite if everything commutes.
    status : str
        ``"ok"``, or ``"undecided"`` where the gap is not clear.
    """

    basis: Array
    singular_values: Array
    gap: float
    status: str

    @property
    def dim(self) -> int:
        """Its dimension m."""
        return len(self.basis)

    @property
    def level(self) -> float:
        """The error of the basis [rad], to first order: the largest value that counts as zero over the next one."""
        return max(1.0 / self.gap, EXACT) if np.isfinite(self.gap) else EXACT

    def project(self, generators: Array) -> Array:
        """The nearest elements of this algebra, (k, p, p) → (k, p, p)."""
        flat = self.basis.reshape(self.dim, -1)
        return np.asarray((generators.reshape(len(generators), -1) @ flat.T @ flat).reshape(generators.shape))

    def __repr__(self) -> str:
        p = int(self.basis.shape[-1])
        return f"Commutant(dim={self.dim} of {p * p}, gap={self.gap:.3g}, status={self.status!r})"


def commutant(generators: Any, *, noise: float = 0.0) -> Commutant:
    """All matrices that commute with the generators.

    Parameters
    ----------
    generators : array (k, p, p)
        Matrices, linearly independent.
    noise : float
        The error of their span [rad]: singular values up to 2·noise count as zero.

    Raises
    ------
    ShapeError, FiniteError, ParameterError
        For something else than matrices, NaN, only zeros, negative noise, more than 48 rows.

    Examples
    --------
    >>> J = np.array([[0.0, -1.0], [1.0, 0.0]])
    >>> found = commutant(np.kron(J, np.eye(3))[None])  # three copies of a plane: 3 × 3 complex matrices
    >>> found.dim, found.status
    (18, 'ok')
    """
    basis = orthonormal(_checked(generators, noise))
    return _cut(*_spectrum(basis), 2.0 * noise)


def double_commutant(first: Commutant, *, at_least: int = 1, seed: int = 0) -> Commutant:
    """The commutant of a commutant, through a few random elements of it.

    Its errors are of second order in those of the generators, so that the clearest gap among the smallest singular
    values is taken.

    Parameters
    ----------
    first : Commutant
        The commutant of generators.
    at_least : int
        Dimension that it has for sure: the number of generators.
    seed : int
        Seed of the random elements.

    Examples
    --------
    >>> J = np.array([[0.0, -1.0], [1.0, 0.0]])
    >>> double_commutant(commutant(np.kron(J, np.eye(3))[None])).dim  # x + yJ
    2
    """
    rng, p = np.random.default_rng([seed, 83]), first.basis.shape[-1]
    generic = rng.normal(size=(min(GENERIC, first.dim), first.dim)) @ first.basis.reshape(first.dim, -1)
    basis = orthonormal(generic.reshape(-1, p, p))
    values, matrices = _spectrum(basis)
    floor = max(EXACT, first.level**2 / 10)
    most = max(int((values <= SECOND * floor).sum()), at_least)
    ratios = np.append(values, np.inf)[at_least : most + 1] / np.maximum(values[at_least - 1 : most], floor)
    m = at_least + int(np.argmax(ratios))
    gap = float(ratios[m - at_least])
    ok = first.status == "ok" and gap >= GAP
    return Commutant(matrices[:m], values, gap, "ok" if ok else "undecided")


def _spectrum(basis: Array) -> tuple[Array, Array]:
    """Singular values of X ↦ ([X, A_k])_k / √k, ascending, and their right singular matrices."""
    values, vectors = np.linalg.eigh(_gram(basis))
    return np.sqrt(np.maximum(values, 0.0) / len(basis)), vectors.T.reshape(-1, *basis.shape[1:])


def _gram(basis: Array) -> Array:
    """Σ_k ad_kᵀ ad_k of X ↦ A X − X A on row-major vectors, from Kronecker products of small matrices."""
    p = basis.shape[1]
    eye, total = np.eye(p), np.zeros((p * p, p * p))
    total += np.kron(np.einsum("kab,kac->bc", basis, basis), eye)
    total += np.kron(eye, np.einsum("kab,kcb->ac", basis, basis))
    for A in basis:
        cross = np.kron(A, A)
        total -= cross + cross.T
    return total


def _cut(values: Array, matrices: Array, threshold: float) -> Commutant:
    m = max(int((values <= max(threshold, EXACT)).sum()), 1)  # the identity always commutes
    gap = float(values[m]) / max(float(values[m - 1]), EXACT) if m < len(values) else np.inf
    return Commutant(matrices[:m], values, gap, "ok" if gap >= GAP else "undecided")


def _checked(generators: Any, noise: float) -> Array:
    matrices = to_numpy(generators)
    if matrices.ndim != 3 or matrices.shape[1] != matrices.shape[2] or matrices.size == 0:
        raise ShapeError("generators", "(k, p, p)", matrices.shape)
    if not noise >= 0.0:
        raise ParameterError("noise", "an angle of at least 0", noise)
    if matrices.shape[1] > LARGEST:
        raise ParameterError(
            "generators", f"matrices of at most {LARGEST} rows", matrices.shape[1],
            "Project onto the directions that move, or onto leading components.",
        )  # fmt: skip
    numbers = matrices.astype(np.float64)
    check_finite(numbers, "generators")
    if not np.square(numbers).sum(axis=(1, 2)).all():
        raise ParameterError("generators", "matrices that are not zero", "a zero matrix")
    return numbers
