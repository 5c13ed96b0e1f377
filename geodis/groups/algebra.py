"""Lie algebras as spans of matrices `(k, d, d)` and as structure constants c `(k, k, k)`, [A_i, A_j] = Σ_m c_ijm A_m.

Matrices are taken through their span, in a basis orthonormal for the Frobenius product, so that nothing depends on the
basis that came. Structure constants in the basis T are written c·T.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import expm

from geodis.errors import ParameterError
from geodis.linalg import Array, real_array, to_numpy

DEPENDENT = 1e-9  # singular values below this share of the largest count as none
COMMUTING = 1e-12  # brackets of unit generators below it are rounding
ALIGNED = 1e-9  # residual at which the search for a basis ends
STEPS = 120  # of that search, each start
CORRECTIONS = 30  # at most; the correction of structure constants converges quadratically


class AlgebraInvariants(NamedTuple):
    """What does not change with the basis, exactly, for matrices that close; ranks up to a tolerance.

    Attributes
    ----------
    dim : int
        Linearly independent generators.
    derived : int
        Dimension of the span of all brackets.
    center : int
        Dimension of what commutes with everything.
    killing : (int, int, int)
        Positive, negative and zero eigenvalues of the Killing form tr(ad_i ad_j): so(3) has (0, 3, 0), sl(2) (2, 1, 0).
    """

    dim: int
    derived: int
    center: int
    killing: tuple[int, int, int]


def algebra_invariants(generators: Any, *, tolerance: float = 1e-6) -> AlgebraInvariants:
    """Dimensions and Killing signature of the algebra that generators span.

    Parameters
    ----------
    generators : array (k, d, d)
        Matrices.
    tolerance : float
        Singular values below this share of the largest count as zero; raise it for generators that were estimated.

    Raises
    ------
    ShapeError, FiniteError, ParameterError
        For something else than matrices, NaN, all zero, a tolerance outside (0, 1).

    Examples
    --------
    >>> so3 = np.array([[[0, 0, 0], [0, 0, -1], [0, 1, 0]], [[0, 0, 1], [0, 0, 0], [-1, 0, 0]]], dtype=float)
    >>> bracket = so3[0] @ so3[1] - so3[1] @ so3[0]
    >>> algebra_invariants([*so3, bracket])
    AlgebraInvariants(dim=3, derived=3, center=0, killing=(0, 3, 0))
    """
    if not 0.0 < tolerance < 1.0:
        raise ParameterError("tolerance", "a share between 0 and 1", tolerance)
    basis = span_basis(generators, "generators", tolerance)
    c, k = structure_constants(basis), len(basis)
    killing = np.linalg.eigvalsh(killing_form(c))
    scale = float(np.square(c).max())  # Killing form of the largest bracket
    signs = np.where(np.abs(killing) > tolerance * max(scale, COMMUTING**2), np.sign(killing), 0)
    return AlgebraInvariants(
        dim=k,
        derived=rank(c.reshape(k * k, k), tolerance),
        center=k - rank(c.reshape(k, k * k), tolerance),
        killing=(int((signs > 0).sum()), int((signs < 0).sum()), int((signs == 0).sum())),
    )


def span_basis(generators: Any, what: str, tolerance: float = DEPENDENT) -> Array:
    """An orthonormal basis of the span of matrices (k, d, d), in float64.

    Raises
    ------
    ShapeError, FiniteError, ParameterError
        For something else than real square matrices, NaN, all zero.

    Examples
    --------
    >>> span_basis([np.eye(2), 3 * np.eye(2)], "generators").shape
    (1, 2, 2)
    """
    matrices = to_numpy(generators if not isinstance(generators, (list, tuple)) else np.array(generators))
    numbers = real_array(matrices, what, ("k", "d", "d"))
    # Of one size first: a generator in other units is not a dependent one.
    sizes = np.sqrt(np.einsum("kab,kab->k", numbers, numbers))
    kept = numbers[sizes > 0] / sizes[sizes > 0, None, None]
    if len(kept) == 0:
        raise ParameterError(what, "a matrix that is not zero", "only zeros")
    _, values, rows = np.linalg.svd(kept.reshape(len(kept), -1), full_matrices=False)
    return rows[values > tolerance * values[0]].reshape(-1, *numbers.shape[1:])


def brackets(basis: Array) -> Array:
    """[A_i, A_j]: (k, d, d) → (k, k, d, d)."""
    products = basis[:, None] @ basis[None]
    return products - np.swapaxes(products, 0, 1)


def structure_constants(basis: Array) -> Array:
    """c_ijm of an orthonormal basis (k, k, k); rounding is zero."""
    c = np.einsum("ijab,mab->ijm", brackets(basis), basis, optimize=True)
    return np.where(np.abs(c) > COMMUTING, c, 0.0)


def outside(basis: Array) -> Array:
    """What of the brackets of an orthonormal basis lies outside its span, (k, k, d, d)."""
    found = brackets(basis)
    within = np.einsum("ijab,mab->ijm", found, basis, optimize=True)
    return found - np.einsum("ijm,mab->ijab", within, basis, optimize=True)


def span_residual(basis: Array) -> float:
    """√(Σ‖[A_i, A_j] − P[A_i, A_j]‖² / Σ‖[A_i, A_j]‖²) of an orthonormal basis; NaN if everything commutes."""
    total = float(np.square(brackets(basis)).sum())
    if not total > COMMUTING**2 * len(basis) ** 2:
        return math.nan
    return math.sqrt(float(np.square(outside(basis)).sum()) / total)


def killing_form(c: Array) -> Array:
    """tr(ad_i ad_j), (k, k)."""
    return np.asarray(np.einsum("iam,jma->ij", c, c, optimize=True))


def jacobi(c: Array) -> Array:
    """[x_i, [x_j, x_l]] + cyclic, (k, k, k, k): zero if and only if an antisymmetric c is a Lie algebra's."""
    nested = np.einsum("jla,iam->ijlm", c, c, optimize=True)
    return np.asarray(nested + nested.transpose(1, 2, 0, 3) + nested.transpose(2, 0, 1, 3))


def in_basis(c: Array, T: Array) -> Array:
    """c·T, the structure constants in the basis Σ_a T_ia A_a."""
    return np.asarray(T @ np.tensordot(T, c, 1) @ np.linalg.inv(T))


def rank(matrix: Array, tolerance: float) -> int:
    """Singular values above `tolerance` times the largest."""
    values = np.linalg.svd(matrix, compute_uv=False)
    return int((values > tolerance * max(float(values[0]), COMMUTING)).sum()) if values[0] > 0 else 0


def aligned(c: Array, target: Array, n_starts: int, rng: np.random.Generator) -> float:
    """The least ‖c·T − target‖/‖target‖ over T; 0 for an abelian target, which every algebra tends to."""
    k, size, own = len(c), float(np.linalg.norm(target)), float(np.linalg.norm(c))
    if size == 0.0 or own == 0.0:
        return 0.0 if size == 0.0 else 1.0
    best = 1.0
    for i in range(n_starts):
        turn = np.linalg.qr(rng.normal(size=(k, k)))[0]
        turn[0] *= (-1) ** i  # steps exp(X) never change the orientation, and qr gives one of them alone
        best = min(best, descended(in_basis(c * (size / own), turn), target)[1] / size)
        if best < ALIGNED:
            break
    return best


def descended(moved: Array, target: Array, steps: int = STEPS) -> tuple[Array, float]:
    """moved·T and ‖moved·T − target‖ after Levenberg-Marquardt steps T ← exp(X)T, X any matrix."""
    k, damping = len(moved), 1e-2
    cost = float(np.square(moved - target).sum())
    slope, normal = np.empty(0), np.empty(0)
    fresh = True
    for _ in range(steps):
        if fresh:
            slope = _slope(moved)
            normal = slope.T @ slope
        gradient = slope.T @ (moved - target).ravel()
        X = -np.linalg.solve(normal + damping * float(np.trace(normal)) * np.eye(k * k), gradient).reshape(k, k)
        tried = in_basis(moved, expm(X)) if np.abs(X).max() < 1.0 else moved
        left = float(np.square(tried - target).sum())
        if damping > 1e6 or cost == 0.0:
            break
        fresh = left < cost
        if fresh:
            done = cost - left < 1e-12 * cost
            moved, cost, damping = tried, left, max(damping / 4, 1e-12)
            if done:
                break
        else:
            damping *= 8
    return moved, math.sqrt(cost)


def _slope(c: Array) -> Array:
    """The derivative of c·exp(X) at X = 0, (k³, k²)."""
    k = len(c)
    eye = np.eye(k)
    slope = np.einsum("ip,qjm->ijmpq", eye, c) + np.einsum("jp,iqm->ijmpq", eye, c) - np.einsum("qm,ijp->ijmpq", eye, c)
    return np.asarray(slope.reshape(k**3, k * k))


def corrected(c: Array) -> Array | None:
    """The exact Lie algebra next to an approximate semisimple one, or None where the corrections do not converge.

    Semisimple algebras are rigid: the cocycle that the Jacobi identity misses by is a coboundary, and the Casimir
    operator of the Killing form gives its primitive in closed form, φ(x, y) = Σ_i [e^i, J(e_i, x, y)] with e^i the
    dual basis (the proof of Whitehead's lemma). Each correction squares the error.

    Parameters
    ----------
    c : array (k, k, k)
        Structure constants whose Killing form is regular.

    Examples
    --------
    >>> cross = np.zeros((3, 3, 3))
    >>> for i, j, m in [(0, 1, 2), (1, 2, 0), (2, 0, 1)]:
    ...     cross[i, j, m], cross[j, i, m] = 1.0, -1.0
    >>> off = cross + 0.01 * np.random.default_rng(0).normal(size=(3, 3, 3))
    >>> float(np.abs(jacobi(corrected(off))).max()) < 1e-12
    True
    """
    c = (c - np.swapaxes(c, 0, 1)) / 2
    size, before = float(np.linalg.norm(c)), math.inf
    for _ in range(CORRECTIONS):
        missed = jacobi(c)
        left = float(np.linalg.norm(missed)) / size**2
        if left < 1e-14 or (left < 1e-10 and left >= before):
            return c
        if left >= before:
            return None
        before = left
        try:
            dual = np.linalg.inv(killing_form(c))
        except np.linalg.LinAlgError:
            return None
        c = c - np.einsum("ip,pam,ijla->jlm", dual, c, missed, optimize=True)
    return None


def span_of_brackets(c: Array, tolerance: float) -> Array:
    """Orthonormal rows (r, k) that span [g, g]."""
    _, sizes, rows = np.linalg.svd(c.reshape(-1, c.shape[-1]), full_matrices=False)
    return rows[sizes > tolerance]


def room_around(c: Array) -> float:
    """The smallest change of exact structure constants, to first order, that lowers a rank or changes a sign."""
    k, size = len(c), float(np.linalg.norm(c))
    sizes = [np.linalg.svd(c.reshape(shape), compute_uv=False) for shape in ((k * k, k), (k, k * k))]
    least = min(float(values[values > 1e-6 * size].min()) for values in sizes)
    killing = killing_form(c)
    gram = np.einsum("iab,jab->ij", c, c, optimize=True)
    scale = np.linalg.inv(np.linalg.cholesky(gram + 1e-9 * float(np.trace(gram)) * np.eye(k)))
    _, vectors = np.linalg.eigh(killing)
    _, others = np.linalg.eigh(scale @ killing @ scale.T)
    for v in (*vectors.T, *(others.T @ scale)):
        v = v / np.linalg.norm(v)
        image = killing @ v
        if np.linalg.norm(image) <= 1e-6 * size**2 / k:
            continue
        along = gram @ v
        moves = float(v @ along) * np.eye(k) + np.outer(v, along) + np.outer(along, v) + gram
        least = min(least, math.sqrt(max(float(image @ np.linalg.lstsq(moves, image, rcond=1e-10)[0]), 0.0)))
    return least


def killing_signature(c: Array, tolerance: float) -> tuple[int, int, int]:
    """Signs of the Killing form; eigenvalues that a change of c by `tolerance` makes count as zero."""
    values = np.linalg.eigvalsh(killing_form(c))
    threshold = 2 * tolerance * float(np.linalg.norm(c)) / math.sqrt(len(c))
    positive, negative = int((values > threshold).sum()), int((values < -threshold).sum())
    return positive, negative, len(c) - positive - negative


def centre_dimension(c: Array, tolerance: float) -> int:
    """Directions whose brackets have singular values up to `tolerance`."""
    return int((np.linalg.svd(c.reshape(len(c), -1), compute_uv=False) <= tolerance).sum())
