"""Integer relations between the phases of a torus orbit, Σ n_j φ_j = const on the cloud: they give the weights.

In the invariant planes of a torus the points have phases φ_j = w_j·t + const. The character Π z_j^{n_j}/|z_j|^{n_j} is
constant if and only if Wn = 0, and else has mean 0 over the torus: the mean resultant length of a relation is near 1,
of everything else near 1/√n. No neighbour is asked, so that high weights cost nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import final

import numpy as np

from geodis.discovery.torus_weights import integer_kernel
from geodis.linalg import Array

MIXTURES = 256  # elements of the algebra among which the best separated one gives the planes
CHARACTERS = 400_000  # that are tried
RELATIONS = 400  # of them that are kept
RIVALS = 60  # weights after the best ones


@final
@dataclass(frozen=True, eq=False)
class PhaseRelations:
    """Primitive characters of m phases, by how constant they are.

    Attributes
    ----------
    exponents : ndarray (N, m)
        The n of Π z_j^{n_j}; one of n and −n.
    lengths : ndarray (N,)
        Their mean resultant lengths, descending.
    """

    exponents: Array
    lengths: Array


def invariant_planes(algebra: Array, seed: int = 0) -> Array:
    """The planes that an abelian algebra turns: skew (k, r, r) → orthonormal columns (r, r), two a plane.

    They are those of a single element; of many random ones that whose rates are best told apart.
    """
    k, r, _ = algebra.shape
    mixtures = np.concatenate([np.eye(k), np.random.default_rng([seed, 5]).standard_normal((MIXTURES, k))])
    elements = np.einsum("ca,aij->cij", mixtures, algebra)
    rates = np.linalg.eigvalsh(1j * elements)[:, r // 2 :]
    gaps = np.diff(np.concatenate([np.zeros((len(rates), 1)), rates], axis=1), axis=1).min(axis=1)
    chosen = int(np.argmax(gaps / np.maximum(rates[:, -1], 1e-300)))
    vectors = np.linalg.eigh(1j * elements[chosen])[1][:, r // 2 :]
    planes = np.sqrt(2.0) * np.stack([vectors.real, vectors.imag], axis=2).reshape(r, r)
    u, _, vt = np.linalg.svd(planes)
    return np.asarray(u @ vt)


def phase_relations(coordinates: Array, largest: int) -> PhaseRelations:
    """The most constant primitive characters of points in planes (n, 2m), exponents up to `largest`.

    Exponents are bounded further where there would be more than 400 000 characters.
    """
    z = coordinates[:, 0::2] + 1j * coordinates[:, 1::2]
    m = z.shape[1]
    bound = max(1, min(largest, int((CHARACTERS ** (1 / m) - 1) / 2)))
    unit = z / np.maximum(np.abs(z), 1e-300)
    half = (m + 1) // 2
    left, right = _monomials(unit[:, :half], bound), _monomials(unit[:, half:], bound)
    means = np.abs(left[1].T @ right[1] / len(z)).ravel()
    order = np.argsort(-means, kind="stable")[: 8 * RELATIONS]
    n_right = len(right[0])
    exponents = np.concatenate([left[0][order // n_right], right[0][order % n_right]], axis=1)
    keep = [i for i, n in enumerate(exponents) if _first_sign(n) > 0 and np.gcd.reduce(n) == 1][:RELATIONS]
    return PhaseRelations(exponents[keep], means[order[keep]])


def lattices_of_weights(relations: PhaseRelations, k: int) -> Iterator[Array]:
    """Weights W (k, m) that the relations leave: the kernel of the m − k best independent ones, then of the next best.

    Rivals exchange the last relation for one that is independent of all of the best, so that no rival holds the best
    torus or is held by it.
    """
    m = relations.exponents.shape[1]
    if k > m:
        return
    if k == m:
        yield np.eye(m, dtype=int)
        return
    best = _independent(relations.exponents, m - k)
    if len(best) < m - k:
        return
    yield integer_kernel(best)
    rivals = (n for n in relations.exponents if _rank(np.vstack([best, n])) > m - k)
    for n, _ in zip(rivals, range(RIVALS), strict=False):
        yield integer_kernel(np.vstack([best[:-1], n]))


def _monomials(unit: Array, bound: int) -> tuple[Array, Array]:
    """All exponents (N, m) up to the bound, and Π z_j^{n_j} (n, N)."""
    powers = np.arange(-bound, bound + 1)
    exponents = np.array(list(product(powers, repeat=unit.shape[1])), dtype=int)
    values = np.ones((len(unit), 1), dtype=complex)
    for column in unit.T:
        values = (values[:, :, None] * column[:, None, None] ** powers).reshape(len(unit), -1)
    return exponents, values


def _independent(vectors: Array, count: int) -> Array:
    """The first `count` linearly independent ones."""
    chosen = np.zeros((0, vectors.shape[1]), dtype=int)
    for n in vectors:
        if len(chosen) == count:
            break
        if _rank(np.vstack([chosen, n])) > len(chosen):
            chosen = np.vstack([chosen, n])
    return chosen


def _rank(vectors: Array) -> int:
    return int(np.linalg.matrix_rank(vectors))


def _first_sign(n: Array) -> int:
    nonzero = n[np.flatnonzero(n)[:1]]
    return int(np.sign(nonzero[0])) if len(nonzero) else 0
