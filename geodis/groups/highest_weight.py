"""Generators of the irreps of SO(n), built box by box from their highest weights.

The irrep of weight λ is a component of μ ⊗ V, where V = R^n and μ is λ with one box less. The components have weights
μ ± e_i (and μ), each once, and the quadratic Casimir c(λ) = Σ_i λ_i (λ_i + n − 2i) tells them apart except for
(1, …, 1, ±1), which are the eigenspaces of the Hodge star on Λ^{n/2} V.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from itertools import combinations

import numpy as np

from geodis.linalg import Array

Weight = tuple[int, ...]


def order_of(weight: Weight) -> int:
    """The number of boxes Σ|λ_i|."""
    return sum(map(abs, weight))


def is_complex(n: int, weight: Weight) -> bool:
    """Whether the irrep is not isomorphic to its conjugate: n = 2 mod 4 and λ_r ≠ 0."""
    return n % 4 == 2 and weight[-1] != 0


@lru_cache(maxsize=256)
def dominant_weights(n: int, max_order: int) -> tuple[Weight, ...]:
    """λ_1 ≥ … ≥ |λ_r| with at most max_order boxes, by order; one of each conjugate pair."""
    found: list[Weight] = [()]
    for _ in range(n // 2):
        found = [(*w, x) for w in found for x in range((w[-1] if w else max_order) + 1) if sum(w) + x <= max_order]
    if n % 4 == 0:
        found += [(*w[:-1], -w[-1]) for w in found if w[-1]]
    return tuple(sorted(found, key=lambda w: (order_of(w), [-x for x in w])))


def dimension(n: int, weight: Weight) -> int:
    """Weyl's formula ∏_{i<j} (m_i² − m_j²)/(k_i² − k_j²) (∏ m_i/k_i for odd n), m = λ + k, k_i = n/2 − i."""
    k = [Fraction(n, 2) - i - 1 for i in range(len(weight))]
    m = [x + shift for x, shift in zip(weight, k, strict=True)]
    out = Fraction(1)
    for i, j in combinations(range(len(weight)), 2):
        out *= (m[i] ** 2 - m[j] ** 2) / (k[i] ** 2 - k[j] ** 2)
    if n % 2:
        for a, b in zip(m, k, strict=True):
            out *= a / b
    return int(out)


@lru_cache(maxsize=256)
def generators(n: int, weight: Weight) -> Array:
    """dρ(E_ji − E_ij) for i < j in lexicographic order, `(n(n−1)/2, d, d)`; complex if of complex type."""
    vector = vector_generators(n)
    if not any(weight):
        return np.zeros((len(vector), 1, 1))
    if weight == (1,) + (0,) * (len(weight) - 1):
        return vector
    if n % 2 == 0 and set(weight[:-1]) == {1} and abs(weight[-1]) == 1:
        return _dual_forms(n, weight[-1])
    mu = generators(n, remove_box(weight))
    return on_component(mu, vector, component(n, weight, mu))


def component(n: int, weight: Weight, mu: Array) -> Array:
    """Orthonormal basis `(d_μ n, d)` of the irrep λ in μ ⊗ V, from dμ `(n(n−1)/2, d_μ, d_μ)`, μ = `remove_box(λ)`."""
    vector, smaller = vector_generators(n), remove_box(weight)
    coupling = -np.einsum("kij,kab->iajb", mu, vector).reshape(mu.shape[1] * n, -1)
    target = (_casimir(n, weight) - _casimir(n, smaller) - _casimir(n, (1,))) / 2
    values, vectors = np.linalg.eigh(coupling)
    return _fixed_basis(vectors[:, np.abs(values - target) < 0.25])


def on_component(mu: Array, vector: Array, basis: Array) -> Array:
    """dμ ⊗ 1 + 1 ⊗ dV restricted to the component that `basis` spans."""
    d, n = mu.shape[1], vector.shape[1]
    split = basis.reshape(d, n, -1)
    moved = np.einsum("kij,jac->kiac", mu, split) + np.einsum("kab,ibc->kiac", vector, split)
    return np.einsum("ie,kic->kec", basis.conj(), moved.reshape(len(vector), d * n, -1))


def _casimir(n: int, weight: Weight) -> int:
    return sum(x * (x + n - 2 * (i + 1)) for i, x in enumerate(weight))


def remove_box(weight: Weight) -> Weight:
    """One box less, from the last row but one if that can be, so that ±λ_r never meet in one tensor product."""
    last = len(weight) - 1
    for i in (*range(last - 1, -1, -1), last):
        below = abs(weight[i + 1]) if i < last else 0
        if abs(weight[i]) > below:
            return (*weight[:i], weight[i] - int(np.sign(weight[i])), *weight[i + 1 :])
    raise AssertionError(weight)  # every nonzero weight has a removable box


def vector_generators(n: int) -> Array:
    """E_ji − E_ij for i < j in lexicographic order `(n(n−1)/2, n, n)`."""
    out = np.zeros((n * (n - 1) // 2, n, n))
    for k, (i, j) in enumerate(combinations(range(n), 2)):
        out[k, j, i], out[k, i, j] = 1.0, -1.0
    return out


def _dual_forms(n: int, sign: int) -> Array:
    """The irrep (1, …, 1, ±1): an eigenspace of the Hodge star on forms of degree n/2."""
    subsets = list(combinations(range(n), n // 2))
    place = {subset: i for i, subset in enumerate(subsets)}
    forms = np.zeros((n * (n - 1) // 2, len(subsets), len(subsets)))
    star = np.zeros((len(subsets), len(subsets)))
    for subset, column in place.items():
        rest = tuple(i for i in range(n) if i not in subset)
        star[place[rest], column] = _parity(subset + rest)
        for k, (i, j) in enumerate(combinations(range(n), 2)):
            for old, new, value in ((i, j, 1.0), (j, i, -1.0)):
                if old in subset and new not in subset:
                    image = [new if x == old else x for x in subset]
                    forms[k, place[tuple(sorted(image))], column] += value * _parity(tuple(image))
    root = 1.0 if n % 4 == 0 else 1j  # star² = 1 or −1
    for eigenvalue in (root, -root):
        projector = (np.eye(len(subsets)) + star / eigenvalue) / 2
        basis = _fixed_basis(projector)
        out = basis.conj().T @ forms @ basis
        if _orientation(n, out) == sign:
            return out
    raise AssertionError(sign)


def _orientation(n: int, algebra: Array) -> int:
    """The sign of tr ∏_j (−i H_j) over the Cartan generators H_j: that of λ_r."""
    pairs = list(combinations(range(n), 2))
    product = np.eye(algebra.shape[-1], dtype=complex)
    for j in range(n // 2):
        product = product @ (-1j * algebra[pairs.index((2 * j, 2 * j + 1))])
    return int(np.sign(np.trace(product).real))


def _parity(sequence: tuple[int, ...]) -> float:
    inversions = sum(a > b for a, b in combinations(sequence, 2))
    return -1.0 if inversions % 2 else 1.0


def _fixed_basis(columns: Array) -> Array:
    """Orthonormal basis of a column space that depends on the space alone: Gram–Schmidt on the projector's columns.

    Eigenvectors of a repeated eigenvalue differ between machines; saved coordinates need the same basis everywhere.
    """
    u, s, _ = np.linalg.svd(columns, full_matrices=False)
    u = u[:, s > 0.5 * s[0]]
    projector = u @ u.conj().T
    basis = np.zeros((len(u), 0), dtype=projector.dtype)
    for column in projector.T:
        if basis.shape[1] == u.shape[1]:
            break
        for _ in range(2):  # once more: the first pass leaves rounding along the basis
            column = column - basis @ (basis.conj().T @ column)
        norm = np.linalg.norm(column)
        if norm > 1e-3:
            basis = np.concatenate([basis, (column / norm)[:, None]], 1)
    return basis
