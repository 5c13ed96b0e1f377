"""Operators of exactly finite order near noisy ones: one, or several that commute, with their inverses."""

from __future__ import annotations

import cmath
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np
from scipy.linalg import schur

from geodis.errors import ParameterError
from geodis.linalg import Array, real_array, to_numpy

REAL = 1e-9  # an imaginary part below this share of the modulus is rounding
SWEEPS = 4  # half steps towards commuting; each squares what is left
FAR = 0.5  # of the size of an operator: snapped that far, it is another one


class RootFrame(NamedTuple):
    """The invariant subspaces of a matrix, by the n-th root of unity nearest to their eigenvalues.

    Attributes
    ----------
    roots : array (C,)
        Which root e^{2πik/n}: k of each subspace, conjugates next to each other.
    frames : tuple of array (D, m)
        Orthonormal bases of the subspaces.
    duals : tuple of array (D, m)
        Rows of the inverse frame: duals[c]ᴴ frames[c] = I, duals[c]ᴴ frames[d] = 0.
    """

    roots: Array
    frames: tuple[Array, ...]
    duals: tuple[Array, ...]


@final
@dataclass(frozen=True, eq=False, repr=False)
class FiniteFamily:
    """Commuting operators of exact finite orders, and how far each lies from the one that it was made of.

    Parameters
    ----------
    operators : array (B, D, D)
        M_b with M_bⁿ = I, M_a M_b = M_b M_a and M_b = M_a⁻¹ for pairs of inverses, to rounding.
    orders : array (B,)
        Their orders n.
    inverses : mapping
        b → a where M_b is the inverse of M_a.
    moved : array (B,)
        ‖snapped − given‖ / ‖given‖, Frobenius.
    """

    operators: Array
    orders: Array
    inverses: Mapping[int, int]
    moved: Array

    @property
    def status(self) -> str:
        """``"ok"``, or ``"far"`` if an operator moved by half its size: the relations were not its own."""
        return "ok" if float(self.moved.max()) < FAR else "far"

    @property
    def defects(self) -> dict[str, float]:
        """The largest relative defect of each kind of relation."""
        return relation_defects(self.operators, self.orders, self.inverses)

    def __repr__(self) -> str:
        orders = tuple(int(n) for n in self.orders)
        return f"FiniteFamily(orders={orders}, moved={float(self.moved.max()):.3g}, status={self.status!r})"


def nearest_of_order(operator: Any, n: int) -> Array:
    """The operator with Mⁿ = I whose eigenvalues are the n-th roots of unity nearest to those of `operator`.

    Its invariant subspaces are those of `operator`: M = Σ_k e^{2πik/n} Π_k, Π_k the spectral projector of the
    eigenvalues in the k-th sector of the plane. Real, and orthogonal where `operator` is; a real negative eigenvalue
    goes to the nearest real root.

    Parameters
    ----------
    operator : array (D, D)
        A real matrix.
    n : int
        The order, at least 1.

    Returns
    -------
    array (D, D)
        M with Mⁿ = I to rounding.

    Raises
    ------
    ShapeError, FiniteError, ParameterError
        For something else than a real square matrix, NaN, an order below 1.

    References
    ----------
    Shieh, Tsay and Wang, "Matrix sector functions and their applications to systems theory", IEE Proc. D 1984.

    Examples
    --------
    >>> turn = np.array([[np.cos(0.8), -np.sin(0.8)], [np.sin(0.8), np.cos(0.8)]])
    >>> M = nearest_of_order(1.02 * turn, 8)
    >>> float(np.arctan2(M[1, 0], M[0, 0]) / np.pi).__round__(12)
    0.25
    """
    M, order = real_array(operator, "operator", ("D", "D")), _order(n)
    return _polished(_rebuilt(root_frame(M, order), order), order)


def nearest_family(
    operators: Any, orders: Sequence[int], inverses: Sequence[tuple[int, int]] = ()
) -> FiniteFamily:  # fmt: skip
    """Operators near the given ones that have these orders, commute, and are inverse in these pairs, all to rounding.

    A pair of inverses gives one operator, (M_a + M_b⁻¹)/2. Each is snapped to its order; all then take half steps
    towards commuting, M ← (M + mean_k N^k M N^{-k})/2 over the powers of every other one, in turns that treat them
    alike; a last pass makes it exact.

    Parameters
    ----------
    operators : array (B, D, D)
        Real matrices that nearly satisfy the relations.
    orders : sequence of int
        The order of each; inverses share theirs.
    inverses : sequence of pairs
        Positions (a, b) with M_b M_a ≈ I.

    Returns
    -------
    FiniteFamily

    Raises
    ------
    ShapeError, FiniteError, ParameterError
        For something else than real square matrices, NaN, orders or pairs that do not fit.

    Notes
    -----
    What it does not say: that the given operators satisfy the relations. `moved` tells how far they were from it; for
    operators that do not commute it is of the size of the operators.

    Examples
    --------
    >>> shift = np.roll(np.eye(6), 1, axis=0)
    >>> noise = 0.01 * np.random.default_rng(0).normal(size=(2, 6, 6))
    >>> family = nearest_family(np.stack([shift, shift.T]) + noise, [6, 6], [(0, 1)])
    >>> family.status, max(family.defects.values()) < 1e-12
    ('ok', True)
    """
    given = np.stack([real_array(M, "operators", ("D", "D")) for M in to_numpy(operators)])
    counts = np.array([_order(n) for n in orders])
    if len(counts) != len(given):
        raise ParameterError("orders", f"one order for each of {len(given)} operators", len(counts))
    twins = _twins(inverses, counts)
    lead = [b for b in range(len(given)) if b not in twins]
    start = {a: given[a] for a in lead}
    for b, a in twins.items():
        start[a] = (given[a] + np.linalg.pinv(given[b])) / 2
    snapped = _commuting([_snap(start[a], counts[a]) for a in lead], counts[lead])
    out = np.empty_like(given)
    out[lead] = snapped
    for b, a in twins.items():
        out[b] = np.linalg.matrix_power(out[a], int(counts[a]) - 1)
    sizes = np.maximum(np.linalg.norm(given, axis=(1, 2)), np.finfo(float).tiny)
    moved = np.linalg.norm(out - given, axis=(1, 2)) / sizes
    return FiniteFamily(out, counts, twins, moved)


def relation_defects(operators: Array, orders: Sequence[int] | Array, inverses: Mapping[int, int]) -> dict[str, float]:
    """The largest defects, relative to ‖I‖ and ‖M_a M_b‖ (Frobenius): Mⁿ − I, M_b M_a − I, M_a M_b − M_b M_a.

    Examples
    --------
    >>> shift = np.roll(np.eye(6), 1, axis=0)
    >>> relation_defects(np.stack([shift, shift.T]), [6, 6], {1: 0})
    {'order': 0.0, 'inverse': 0.0, 'commutator': 0.0}
    """
    eye = np.eye(operators.shape[-1])
    size = float(np.linalg.norm(eye))
    norm = lambda X: float(np.linalg.norm(X))  # noqa: E731
    powers = [norm(np.linalg.matrix_power(M, int(n)) - eye) / size for M, n in zip(operators, orders, strict=True)]
    pairs = [norm(operators[b] @ operators[a] - eye) / size for b, a in inverses.items()]
    couples = [(A, B) for i, A in enumerate(operators) for B in operators[:i]]
    swaps = [norm(A @ B - B @ A) / max(norm(A @ B), np.finfo(float).tiny) for A, B in couples]
    return {name: max(found, default=0.0) for name, found in zip(DEFECTS, (powers, pairs, swaps), strict=True)}


DEFECTS = ("order", "inverse", "commutator")


def root_frame(M: Array, n: int) -> RootFrame:
    """The invariant subspaces of M by nearest n-th root of unity."""
    present = set(nearest_root(np.linalg.eigvals(M), n).tolist())
    found = [(0, _subspace(M, n, 0).real)] if 0 in present else []
    for k in sorted(k for k in present if 0 < 2 * k <= n):
        X = _subspace(M, n, k)
        found += [(k, X.real)] if 2 * k == n else [(k, X), (n - k, X.conj())]
    kept = [(k, X) for k, X in found if X.shape[1]]
    whole = np.hstack([X for _, X in kept])
    inverse = np.linalg.inv(whole)
    cuts = np.cumsum([X.shape[1] for _, X in kept])[:-1]
    duals = tuple(part.conj().T for part in np.split(inverse, cuts))
    return RootFrame(np.array([k for k, _ in kept]), tuple(X for _, X in kept), duals)


def nearest_root(values: Any, n: int) -> Array:
    """The k of the n-th root e^{2πik/n} nearest to each eigenvalue; real ones have real roots."""
    z = np.asarray(values, dtype=complex)
    k = np.rint(n * np.angle(z) / (2 * np.pi)).astype(int) % n
    negative = (z.real < 0.0) & (np.abs(z.imag) <= REAL * np.abs(z))
    return np.where(negative & (n % 2 == 1), 0, k)


def _subspace(M: Array, n: int, k: int) -> Array:
    """An orthonormal basis (D, m) of the eigenvalues nearest to the k-th root; real for k = 0 and n/2."""
    if 2 * k % n == 0:
        _, Z, m = schur(M, output="real", sort=lambda re, im: _is_nearest(complex(re, im), n, k))
    else:
        _, Z, m = schur(M, output="complex", sort=lambda value: _is_nearest(value, n, k))
    return np.asarray(Z[:, :m])


def _is_nearest(value: complex, n: int, k: int) -> bool:
    """`nearest_root` for one number: it is asked thousands of times."""
    if n % 2 and value.real < 0.0 and abs(value.imag) <= REAL * abs(value):
        return k == 0
    return round(n * cmath.phase(value) / (2.0 * math.pi)) % n == k


def _rebuilt(frame: RootFrame, n: int) -> Array:
    """Σ_k e^{2πik/n} Π_k."""
    parts = zip(frame.roots, frame.frames, frame.duals, strict=True)
    return np.asarray(sum(np.real(np.exp(2j * np.pi * k / n) * X @ Y.conj().T) for k, X, Y in parts))


def _polished(M: Array, n: int) -> Array:
    """Newton's steps to Mⁿ = I, M ← M((n − 1)I + M⁻ⁿ)/n: they undo the rounding of the frames."""
    for _ in range(2):
        power = np.linalg.matrix_power(M, n)
        M = M @ ((n - 1) * np.eye(len(M)) + np.linalg.inv(power)) / n
    return M


def _snap(M: Array, n: int | Any) -> Array:
    return _polished(_rebuilt(root_frame(M, int(n)), int(n)), int(n))


def _commuting(operators: list[Array], orders: Array) -> Array:
    current = list(operators)
    for _ in range(SWEEPS if len(current) > 1 else 0):
        for i in range(len(current)):
            for j in range(i):
                a, b = _twirled(current[i], current[j], orders[j]), _twirled(current[j], current[i], orders[i])
                current[i] = _snap((current[i] + a) / 2, orders[i])
                current[j] = _snap((current[j] + b) / 2, orders[j])
    for i in range(len(current)):  # what is left is second order in what was left: now exactly, one after another
        for j in range(i):
            current[i] = _twirled(current[i], current[j], orders[j])
        current[i] = _snap(current[i], orders[i]) if i else current[i]
    return np.stack(current)


def _twirled(M: Array, N: Array, n: int) -> Array:
    """mean_k N^k M N^{-k} over the powers of N, of order n: what of M commutes with N."""
    inverse = np.linalg.matrix_power(N, int(n) - 1)
    total, turned = M.copy(), M
    for _ in range(int(n) - 1):
        turned = N @ turned @ inverse
        total += turned
    return np.asarray(total / n)


def _twins(inverses: Sequence[tuple[int, int]], orders: Array) -> dict[int, int]:
    """B → a for pairs of inverses, each operator in one pair at most."""
    twins: dict[int, int] = {}
    seen: set[int] = set()
    for a, b in inverses:
        if not (0 <= a < len(orders) and 0 <= b < len(orders)) or {a, b} & seen or orders[a] != orders[b]:
            raise ParameterError("inverses", "disjoint pairs of positions with equal orders", (a, b))
        seen |= {a, b}
        if a != b:  # an involution is its own inverse by its order
            twins[max(a, b)] = min(a, b)
    return twins


def _order(n: Any) -> int:
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
        raise ParameterError("order", "a whole number of at least 1", n)
    return int(n)
