"""The closed-form start: what commutes with all operators, and the eigenspaces of a generic element of it.

X ↦ Σ_b ‖[X, M_b]‖² is a quadratic form on symmetric X. For a projector X onto a subspace it *is* the energy that
couples the subspace to its complement, so that its eigenvalues bound the leakage of every split from below. Exact
common blocks are its kernel, the symmetric commutant; noise of variance s² an entry lifts it to 2Ds² for each operator.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

from geodis.discovery.coupling_graph import graph_of
from geodis.discovery.operator_noise import OperatorNoise
from geodis.discovery.traceless_tensors import traceless_basis
from geodis.linalg import Array

N_DRAWS = 24  # generic elements that are tried: two blocks may have nearly the same eigenvalue in one of them
EXACT = 1e-9  # relative leakage below it is rounding
UNKNOWN_SHARE = 0.3  # with unknown noise, a relative leakage above it is a coupling
UNKNOWN_GAP = 3.0  # and the leakage of what is no split has to be so many times larger


@dataclass(frozen=True, eq=False)
class BlockCommutant:
    """The symmetric X, traceless and of unit norm, that nearly commute with all operators.

    Attributes
    ----------
    elements : ndarray (k, D, D)
        Those below the threshold.
    leakages : ndarray (n,)
        Eigenvalues of the form, ascending, relative to what a random frame leaks (1: no structure).
    threshold : float
        The largest leakage that noise explains.
    """

    elements: Array
    leakages: Array
    threshold: float

    @property
    def next(self) -> float:
        """The leakage of the best X that does not commute: below it, no further split exists."""
        k = len(self.elements)
        return float(self.leakages[k]) if k < len(self.leakages) else np.inf

    @property
    def gap(self) -> float:
        """How many times the next leakage exceeds what noise explains."""
        return self.next / self.threshold


def symmetric_commutant(operators: Array, noise: OperatorNoise) -> BlockCommutant:
    """Solve the eigenproblem on symmetric matrices: operators `(B, D, D)`."""
    d = operators.shape[-1]
    basis = traceless_basis(d)
    if not len(basis) or nothing_acts(operators):
        return BlockCommutant(np.zeros((0, d, d)), np.zeros(0), EXACT)
    values, vectors = eigh(commutator_form(operators, basis))
    chance = 2.0 * traceless_energy(operators) / d
    leakages = np.maximum(values, 0.0) / chance
    threshold = leakage_threshold(operators, noise, leakages, len(basis))
    k = int((leakages <= threshold).sum())
    return BlockCommutant(np.einsum("nij,nk->kij", basis, vectors[:, :k]), leakages, threshold)


def commutator_form(operators: Array, basis: Array) -> Array:
    """Σ_b ⟨[X_i, M_b], [X_j, M_b]⟩ on a basis (n, D, D) of symmetric matrices, from second moments of the operators."""
    n, d, _ = basis.shape
    flat = operators.reshape(len(operators), -1)
    # moment[(i, j), (k, l)] = Σ_b M_ik M_jl takes vec X to vec Σ_b M_b X M_bᵀ.
    moment = (flat.T @ flat).reshape(d, d, d, d).transpose(0, 2, 1, 3).reshape(d * d, d * d)
    squares = np.einsum("bij,bkj->ik", operators, operators) + np.einsum("bji,bjk->ik", operators, operators)
    rows = basis.reshape(n, d * d)
    form = rows @ (basis @ squares).reshape(n, d * d).T - 2.0 * rows @ moment @ rows.T
    return np.asarray((form + form.T) / 2)


def intertwiner_form(a: Array, b: Array) -> Array:
    """Σ_b ‖T A_b − B_b T‖² on vec T, row by row: A `(B, d, d)`, B `(B, e, e)` → `(ed, ed)`; A = B is the commutant."""
    d, e = a.shape[-1], b.shape[-1]
    cross = np.einsum("bij,bkl->ikjl", b, a).reshape(e * d, e * d)
    right = np.kron(np.eye(e), np.einsum("bij,bkj->ik", a, a))
    left = np.kron(np.einsum("bji,bjk->ik", b, b), np.eye(d))
    return np.asarray(right + left - cross - cross.T)


def traceless_energy(operators: Array) -> float:
    """Σ_b ‖M_b − (tr M_b/D) I‖²: multiples of the identity couple nothing in any frame."""
    d = operators.shape[-1]
    trace = np.trace(operators, axis1=1, axis2=2)
    return float((operators**2).sum() - (trace**2).sum() / d)


def nothing_acts(operators: Array) -> bool:
    """Whether the operators are multiples of the identity, to rounding: every frame splits them."""
    return traceless_energy(operators) <= EXACT**2 * float((operators**2).sum())


def generic_elements(found: BlockCommutant, rng: np.random.Generator) -> Array:
    """N_DRAWS random combinations of the commutant (N_DRAWS, D, D)."""
    weights = rng.standard_normal((N_DRAWS, len(found.elements)))
    return np.einsum("rk,kij->rij", weights, found.elements)


def leakage_threshold(operators: Array, noise: OperatorNoise, leakages: Array, n_unknowns: int) -> float:
    """The upper edge of what noise alone makes of the form, as a share of chance; a gap where noise is unknown."""
    if not noise.known:
        return _gap_threshold(leakages)
    b, d, _ = operators.shape
    ratio = n_unknowns / (b * max(d * d - d, 1))
    share = b * d * d * noise.level**2 / traceless_energy(operators)
    return float(max(share * (1.0 + np.sqrt(ratio)) ** 2, EXACT))


def _gap_threshold(leakages: Array) -> float:
    """Without a noise level: below the sharpest rise of small leakages, if one is sharp; else nothing is a split."""
    small = np.flatnonzero(leakages < UNKNOWN_SHARE)
    below = np.maximum(leakages[small], EXACT)
    above = np.array([leakages[i + 1] if i + 1 < len(leakages) else 1.0 for i in small])
    if not len(small) or (above / below).max() < UNKNOWN_GAP:
        return EXACT
    return float(below[np.argmax(above / below)] * (1.0 + 1e-12))


@dataclass(frozen=True, eq=False)
class BlockFrame:
    """A frame (D, D) whose columns fall into blocks, the larger blocks first, and the commutant that told it.

    Attributes
    ----------
    frame : ndarray (D, D)
        Orthogonal, or of unit columns for oblique blocks: N = frame⁻¹ M frame.
    blocks : tuple of tuple of int
        Columns.
    found : BlockCommutant
    """

    frame: Array
    blocks: tuple[tuple[int, ...], ...]
    found: BlockCommutant


def common_blocks(operators: Array, noise: OperatorNoise, rng: np.random.Generator) -> BlockFrame:
    """The finest common blocks in closed form: of generic elements, the one whose eigenvectors couple least."""
    found = symmetric_commutant(operators, noise)
    d = operators.shape[-1]
    best, rank = BlockFrame(np.eye(d), (tuple(range(d)),), found), (1, 0.0)
    if not len(found.elements):
        return best
    names = tuple(map(str, range(d)))
    for element in generic_elements(found, rng):
        vectors = np.linalg.eigh(element)[1]
        graph = graph_of(vectors.T @ operators @ vectors, noise, names)
        parts = graph.components
        if 1 < len(parts) <= len(found.elements) + 1 and (len(parts), -graph.leak) > rank:
            best, rank = in_order(vectors, parts, found), (len(parts), -graph.leak)
    return best


def in_order(frame: Array, parts: tuple[tuple[int, ...], ...], found: BlockCommutant) -> BlockFrame:
    """Columns sorted so that blocks are contiguous, the larger ones first."""
    parts = tuple(sorted(parts, key=lambda part: (-len(part), part)))
    starts = np.cumsum([0, *map(len, parts)])
    blocks = tuple(tuple(range(a, b)) for a, b in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True))
    return BlockFrame(frame[:, [column for part in parts for column in part]], blocks, found)
