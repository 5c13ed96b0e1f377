"""The real logarithm of a real matrix, where there is one; a named error where there is none."""

from __future__ import annotations

import warnings
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.linalg import expm, logm, schur, solve_sylvester

from geodis.errors import NoRealLogarithmError, ParameterError
from geodis.linalg import Array, real_array

SINGULAR = 1e-13  # a singular value below this share of the largest is rounding
AXIS = 1e-6  # an eigenvalue this close to the negative axis, relative to its modulus, is looked at by its whole block
CLUSTER = 1e-4  # eigenvalues this close may be one that rounding split (a Jordan block of size k splits by ε^{1/k})
LARGEST = 1e4  # a logarithm longer than this is one that only rounding made
N_TRIES = 200
N_CHOICES = 10  # of those that exist, the shortest


def real_logarithm(matrix: Any, *, tolerance: float = 1e-8) -> Array:
    """A real A with exp(A) = M: the principal logarithm, and one with ±π in pairs where M has negative eigenvalues.

    Without eigenvalues on the closed negative axis A is unique with phases in (−π, π). A negative eigenvalue −a has a
    real logarithm only in pairs, [[ln a, −π], [π, ln a]]: the rotation by π has one, though the principal logarithm is
    complex; the plane's orientation is then a choice (exp(A) is the same).

    Parameters
    ----------
    matrix : array (D, D)
        A real matrix M.
    tolerance : float
        Largest ‖exp(A) − M‖ / ‖M‖ (Frobenius) of a result.

    Returns
    -------
    array (D, D)
        A.

    Raises
    ------
    NoRealLogarithmError
        When M is singular, when a negative eigenvalue has a Jordan block that comes an odd number of times (a
        reflection, det M < 0, diag(−1, −2), …), or when exp(A) = M fails at `tolerance`.
    ShapeError, FiniteError, ParameterError
        For something else than a real square matrix, NaN, a tolerance outside (0, 1).

    Notes
    -----
    Noise splits the double eigenvalue −1 of a rotation by π into two, and then no real logarithm is near: use
    `nearest_of_order` first.

    References
    ----------
    Culver, "On the existence and uniqueness of the real logarithm of a matrix", Proc. AMS 1966.

    Examples
    --------
    >>> float(np.abs(real_logarithm(-np.eye(2))[0, 1])) == np.pi
    True
    >>> real_logarithm(np.diag([1.0, -1.0]))
    Traceback (most recent call last):
    geodis.errors.NoRealLogarithmError: real logarithm: expected a matrix exp(A) with A real, the determinant is \
negative. A reflection lies on no one-parameter group.
    """
    M = real_array(matrix, "real_logarithm: matrix", ("D", "D"))
    if not 0.0 < tolerance < 1.0:
        raise ParameterError("tolerance", "a number between 0 and 1", tolerance)
    _refuse_singular(M)
    negative, rest = _split(M)
    blocks = [(X, _principal(B)) for X, B in rest] + [(X, _negative(B)) for X, B in negative]
    X = np.hstack([frame for frame, _ in blocks])
    A = np.zeros_like(M)
    start = 0
    for _, block in blocks:
        end = start + len(block)
        A[start:end, start:end] = block
        start = end
    return _checked(M, X @ np.linalg.solve(X.T, A.T).T, tolerance)


def _refuse_singular(M: Array) -> None:
    values = np.linalg.svd(M, compute_uv=False)
    if not values[-1] > SINGULAR * values[0]:
        raise NoRealLogarithmError("got a singular one", "An exponential is invertible.")
    if np.linalg.slogdet(M)[0] < 0:
        raise NoRealLogarithmError("the determinant is negative", "A reflection lies on no one-parameter group.")


def _split(M: Array) -> tuple[list[tuple[Array, Array]], list[tuple[Array, Array]]]:
    """Invariant subspaces `(X, B)`, M X = X B: one for each negative eigenvalue, one for all the others."""
    values = np.linalg.eigvals(M)
    moduli = np.sort(np.abs(values[_on_axis(values.real, values.imag)]))
    if not len(moduli):
        return [], [(np.eye(len(M)), M)]
    edges = np.concatenate([[0.0], moduli[1:][np.diff(moduli) > CLUSTER * moduli[1:]], [np.inf]])
    # Half-way between clusters, so that rounding moves no eigenvalue over an edge.
    below = [moduli[moduli < edge].max() for edge in edges[1:-1]]
    edges[1:-1] = (edges[1:-1] + below) / 2
    found = [
        _invariant(M, lambda re, im, a=a, b=b: _on_axis(re, im) and a <= np.hypot(re, im) < b)
        for a, b in pairwise(edges)
    ]
    others = _invariant(M, lambda re, im: not _on_axis(re, im))
    return found, [others] if others[1].size else []


def _invariant(M: Array, wanted: Any) -> tuple[Array, Array]:
    """An orthonormal basis of the invariant subspace of the wanted eigenvalues, and M on it."""
    T, Z, n = schur(M, output="real", sort=wanted)
    return Z[:, :n], T[:n, :n]


def _on_axis(re: Any, im: Any) -> Any:
    return (re < 0.0) & (np.abs(im) <= AXIS * np.abs(re))


def _principal(B: Array) -> Array:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # accuracy is checked at the end
        return np.asarray(np.real(logm(B)))


def _negative(B: Array) -> Array:
    """A real logarithm of a block that has one negative eigenvalue: log(−B) + πJ, J² = −I, JB = BJ."""
    m = len(B)
    size = -float(np.trace(B)) / m
    if m % 2:
        raise NoRealLogarithmError(f"its eigenvalue {-size:.6g} comes {m} times", "Negative ones must come in pairs.")
    if np.linalg.norm(B + size * np.eye(m)) <= 1e-9 * size * m:
        J = np.kron(np.eye(m // 2), np.array([[0.0, -1.0], [1.0, 0.0]]))
        return np.log(size) * np.eye(m) + np.pi * J
    if not np.isreal(values := np.linalg.eigvals(B)).any() and np.linalg.cond(np.linalg.eig(B)[1]) < LARGEST:
        return _principal(B)  # complex pairs close to the axis, no Jordan block
    return _principal(-B) + np.pi * _complex_structure(B, values)


def _complex_structure(B: Array, values: Array) -> Array:
    """J in the commutant of B with J² = −I, which exists if and only if all Jordan blocks come in pairs."""
    m = len(B)
    commute = np.kron(B, np.eye(m)) - np.kron(np.eye(m), B.T)
    _, sizes, rows = np.linalg.svd(commute)
    basis = rows[sizes <= 1e-7 * max(float(sizes[0]), np.finfo(float).tiny)].reshape(-1, m, m)
    rng = np.random.default_rng(0)
    found: list[Array] = []
    for _ in range(N_TRIES if len(basis) else 0):
        C = np.einsum("k,kab->ab", rng.normal(size=len(basis)), basis)
        turns = np.linalg.eigvals(C)
        # A random matrix of the commutant has real eigenvalues unless it turns copies of a block into one another.
        if np.abs(turns.imag).min() > 1e-3 * np.abs(turns).max():
            J = _half_turn(C)
            if np.linalg.norm(J @ J + np.eye(m)) < 1e-6 and np.linalg.norm(J) < LARGEST:
                found.append(J)
        if len(found) == N_CHOICES:
            break
    if found:
        return min(found, key=lambda J: float(np.linalg.norm(J)))
    shown = ", ".join(f"{value:.6g}" for value in np.sort(values.real))
    raise NoRealLogarithmError(
        f"its negative eigenvalues {shown} have Jordan blocks that do not come in pairs",
        "If noise split a pair, snap the matrix first: nearest_of_order.",
    )


def _half_turn(C: Array) -> Array:
    """The matrix function i·sign(Im λ) of a real C without real eigenvalues: it squares to −I and is real."""
    T, Z, n = schur(C, output="complex", sort=lambda value: value.imag > 0.0)
    coupling = solve_sylvester(T[:n, :n], -T[n:, n:], 2j * T[:n, n:])
    below = len(C) - n
    turn = np.block([[1j * np.eye(n), coupling], [np.zeros((below, n)), -1j * np.eye(below)]])
    J = np.real(Z @ turn @ Z.conj().T)
    return np.asarray((J - np.linalg.inv(J)) / 2)  # Newton's step to J² = −I


def _checked(M: Array, A: Array, tolerance: float) -> Array:
    error = np.linalg.norm(expm(A) - M) / np.linalg.norm(M) if np.linalg.norm(A) < LARGEST else np.inf
    if not error <= tolerance:
        raise NoRealLogarithmError(
            f"and exp(A) = M fails by {error:.2g} of its size, above {tolerance:g}",
            "M is too close to a matrix without one, or too ill-conditioned.",
        )
    return A
