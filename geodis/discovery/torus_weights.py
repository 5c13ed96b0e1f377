"""Weights of torus orbits: integer kernels, and one canonical form for all weight matrices that have the same orbits.

A torus T^k acts on m planes with the columns of a weight matrix W ∈ Z^{k×m}. Its orbit through a generic point depends
on the row lattice of W alone (GL(k, Z) from the left), and, when planes may be renamed and turned over, on the lattice
up to signed permutations of the columns. A common divisor is a covering of the torus and changes no orbit: lattices are
saturated, which is what kernels are.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations, product

import numpy as np

from geodis.errors import ParameterError, ShapeError
from geodis.linalg import Array, to_numpy

Weights = tuple[tuple[int, ...], ...]


def integer_kernel(matrix: Array) -> Array:
    """A reduced basis (m − rank, m) of {w ∈ Z^m : Nw = 0} for N (j, m); it generates the whole kernel.

    Examples
    --------
    >>> integer_kernel(np.array([[2, -1, 0], [3, 0, -1]]))
    array([[1, 2, 3]])
    """
    rows = _integers(matrix)
    m = rows.shape[1]
    # Columns of N with a unimodular matrix beside them: what stands beside emptied columns spans the kernel.
    both = np.concatenate([rows.T.astype(object), np.eye(m, dtype=int).astype(object)], axis=1)
    rank = _echelon(both, rows.shape[0])
    return reduced(both[rank:, rows.shape[0] :].astype(int).reshape(-1, m))


def saturated(weights: Array) -> Array:
    """A reduced basis of the integer vectors in the rational row space of W: common divisors are taken out."""
    return integer_kernel(integer_kernel(weights))


def reduced(basis: Array) -> Array:
    """The same lattice in short rows: pairs are reduced against each other until none gets shorter."""
    rows, changed = list(_integers(basis)), True
    while changed:
        changed = False
        rows.sort(key=lambda row: (int(row @ row), tuple(row)))
        for i in range(len(rows)):
            for j in range(i):
                shorter = rows[i] - round(int(rows[i] @ rows[j]) / max(1, int(rows[j] @ rows[j]))) * rows[j]
                if int(shorter @ shorter) < int(rows[i] @ rows[i]):
                    rows[i], changed = shorter, True
    turned = [_turned(tuple(int(w) for w in row)) for row in rows]
    return np.array(turned, dtype=int).reshape(-1, np.shape(basis)[1])


def hermite(basis: Array) -> Array:
    """The row Hermite normal form: a lattice's one echelon form with pivots > 0 and entries above them in [0, pivot).

    Examples
    --------
    >>> hermite(np.array([[3, 1], [1, 1]]))
    array([[1, 1],
           [0, 2]])
    """
    rows = _integers(basis).astype(object)
    rank = _echelon(rows, rows.shape[1])
    for i in range(rank):
        j = int(np.flatnonzero(rows[i])[0])
        rows[i] *= 1 if rows[i, j] > 0 else -1
        for above in range(i):
            rows[above] -= rows[above, j] // rows[i, j] * rows[i]
    return rows.astype(int)


def canonical_weights(weights: Array) -> Weights:
    """One representative of all weight matrices with the same orbits: rows of the least Hermite form.

    Of the forms in which any k independent columns, of any signs, come first, and the others follow sorted and turned
    to positive first entries: the least in its largest entry, then in the sum of absolute entries, then in lexical
    order. A row of SO(2) weights becomes sorted, positive and without a common divisor.

    Raises
    ------
    ShapeError, ParameterError
        For something else than a matrix of integers with independent rows.

    Examples
    --------
    >>> canonical_weights([[4, -2]]), canonical_weights([[1, 1, 2], [0, 2, 2]])
    (((1, 2),), ((1, 0, 1), (0, 1, 1)))
    """
    given = _integers(np.atleast_2d(to_numpy(weights)))
    basis = saturated(given)
    if len(basis) != len(given) or not len(basis):
        raise ParameterError("weights", "independent rows", given.tolist())
    if len(basis) == 1:
        return (tuple(sorted(abs(int(w)) for w in basis[0])),)
    return min({_rows(form) for form in _forms(basis)}, key=_size)


def fits_within(weights: Array, largest: int) -> bool:
    """Whether some basis of the row lattice of W (k ≤ 2 rows) has no entry above `largest` in absolute value."""
    basis = reduced(weights)
    multiples = np.array(list(product(range(-3, 4), repeat=len(basis))))
    short = multiples[np.abs(multiples @ basis).max(axis=1) <= largest]
    if len(basis) == 1:
        return bool((np.abs(short) == 1).any())
    determinants = short[:, None, 0] * short[None, :, 1] - short[:, None, 1] * short[None, :, 0]
    return bool((np.abs(determinants) == 1).any())


def distinct(weights: Array) -> bool:
    """Whether no weight is 0 and no two agree up to sign: an orbit never spans two planes of one weight."""
    columns = [tuple(column) for column in np.asarray(weights).T]
    both = set(columns) | {tuple(-w for w in column) for column in columns}
    return len(both) == 2 * len(columns)


def _echelon(rows: Array, n_columns: int) -> int:
    """Bring integer rows to echelon form in their first columns, in place, by unimodular steps; returns the rank."""
    done = 0
    for j in range(n_columns):
        while len(live := [i for i in range(done, len(rows)) if rows[i, j]]) > 1:
            pivot = min(live, key=lambda i: abs(rows[i, j]))
            for i in live:
                if i != pivot:
                    rows[i] -= rows[i, j] // rows[pivot, j] * rows[pivot]
        if live:
            rows[[done, live[0]]] = rows[[live[0], done]]
            done += 1
    return done


def _forms(basis: Array) -> Iterator[Array]:
    """Hermite forms with every choice of k independent leading columns and of their signs."""
    k, m = basis.shape
    for lead in permutations(range(m), k):
        if round(float(np.linalg.det(basis[:, list(lead)]))) == 0:
            continue
        rest = [j for j in range(m) if j not in lead]
        for signs in product((1, -1), repeat=k):
            form = hermite(np.concatenate([basis[:, list(lead)] * np.array(signs), basis[:, rest]], axis=1))
            behind = sorted((_turned(tuple(int(w) for w in column)) for column in form[:, k:].T), reverse=True)
            yield np.concatenate([form[:, :k], np.array(behind, dtype=int).reshape(-1, k).T], axis=1)


def _turned(column: tuple[int, ...]) -> tuple[int, ...]:
    """A vector or its negative: the one whose first nonzero entry is positive."""
    first = next((w for w in column if w), 0)
    return tuple(-w for w in column) if first < 0 else column


def _rows(matrix: Array) -> Weights:
    return tuple(tuple(int(w) for w in row) for row in matrix)


def _size(rows: Weights) -> tuple[int, int, Weights]:
    entries = [abs(w) for row in rows for w in row]
    return max(entries), sum(entries), tuple(tuple(-w for w in row) for row in rows)


def _integers(matrix: Array) -> Array:
    out = np.asarray(to_numpy(matrix))
    if out.ndim != 2 or not out.shape[1]:
        raise ShapeError("weights", "(k, m)", out.shape, "One row for each circle of the torus.")
    if out.dtype.kind not in "fiub" or not np.array_equal(out, np.round(out)):
        raise ParameterError("weights", "integers", out.tolist())
    return out.astype(int)
