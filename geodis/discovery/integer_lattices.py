"""Integer matrices: Smith's normal form, short bases of lattices, and what relations between phases leave free."""

from __future__ import annotations

from itertools import combinations, islice

import numpy as np

from geodis.errors import ParameterError
from geodis.linalg import Array

MOST_BASES = 5000  # choices of planes as a basis that are looked at


def weights_of(relations: Array, n_planes: int) -> tuple[Array, tuple[int, ...]]:
    """Integer weights W (R, k) of planes under relations (l, R), circles first, and the orders of the finite factors.

    Smith's normal form U·relations·V = diag(d) makes φ = V⁻¹ω free for zero d and a multiple of 2π/d for others;
    W holds the columns of V that are left, in a basis that gives as many planes as possible a unit weight.

    Examples
    --------
    >>> weights_of(np.array([[3, -2]]), 2)[0].tolist()
    [[2], [3]]
    >>> weights_of(np.array([[2, 0]]), 2)
    (array([[0, 1],
           [1, 0]]), (2,))
    """
    divisors, v = smith(relations, n_planes)
    torsion = [i for i, d in enumerate(divisors) if d > 1]
    free = simplest(v[:, len(divisors) :])
    return np.concatenate([free, v[:, torsion]], axis=1), tuple(divisors[i] for i in torsion)


def smith(relations: Array, n: int) -> tuple[list[int], Array]:
    """Non-zero divisors d of Smith's normal form and the unimodular V (n, n) with U·relations·V = diag(d)."""
    a = [[int(x) for x in row] for row in relations]
    v = [[int(i == j) for j in range(n)] for i in range(n)]
    divisors: list[int] = []
    for t in range(min(len(a), n)):
        while True:
            entries = [(abs(a[i][j]), i, j) for i in range(t, len(a)) for j in range(t, n) if a[i][j]]
            if not entries:
                return divisors, np.array(v, dtype=np.int64)
            _, i, j = min(entries)
            a[t], a[i] = a[i], a[t]
            _swap_columns(a, t, j)
            _swap_columns(v, t, j)
            pivot = a[t][t]
            for i in range(t + 1, len(a)):
                factor = a[i][t] // pivot
                a[i] = [x - factor * y for x, y in zip(a[i], a[t], strict=True)]
            for j in range(t + 1, n):
                factor = a[t][j] // pivot
                for row in (*a, *v):
                    row[j] -= factor * row[t]
            if not any(a[i][t] for i in range(t + 1, len(a))) and not any(a[t][j] for j in range(t + 1, n)):
                break
        divisors.append(abs(a[t][t]))
    return divisors, np.array(v, dtype=np.int64)


def _swap_columns(rows: list[list[int]], i: int, j: int) -> None:
    for row in rows:
        row[i], row[j] = row[j], row[i]


def simplest(weights: Array) -> Array:
    """The same lattice in the basis of planes that makes the weights smallest, else reduced; leading signs positive."""
    r, k = weights.shape
    best = reduced(weights)
    for chosen in islice(combinations(range(r), k), MOST_BASES):
        minor = weights[list(chosen)]
        if k and abs(round(float(np.linalg.det(minor)))) == 1:
            changed = np.rint(weights @ np.linalg.inv(minor)).astype(np.int64)
            if np.abs(changed).sum() < np.abs(best).sum() or not _has_units(best):
                best = changed
    order = np.lexsort(-np.abs(best[::-1])) if k else np.arange(0)
    best = best[:, order]
    leading = np.array([column[np.flatnonzero(column)[0]] for column in best.T], dtype=np.int64)
    return best * np.sign(leading)


def _has_units(weights: Array) -> bool:
    k = weights.shape[1]
    return all((np.abs(weights - unit).sum(axis=1) == 0).any() for unit in np.eye(k, dtype=np.int64))


def reduced(weights: Array, delta: float = 0.75) -> Array:
    """Columns reduced by the algorithm of Lenstra, Lenstra and Lovász."""
    b = weights.T.astype(np.int64).copy()
    i = 1
    while i < len(b):
        for j in range(i - 1, -1, -1):
            b[i] -= round(float(b[i] @ _orthogonal(b, j) / max(_orthogonal(b, j) @ _orthogonal(b, j), 1e-300))) * b[j]
        star, before = _orthogonal(b, i), _orthogonal(b, i - 1)
        mu = float(b[i] @ before) / max(float(before @ before), 1e-300)
        if star @ star >= (delta - mu**2) * (before @ before):
            i += 1
        else:
            b[[i, i - 1]] = b[[i - 1, i]]
            i = max(i - 1, 1)
    return b.T


def _orthogonal(b: Array, i: int) -> Array:
    """The part of row i that is orthogonal to the rows before it."""
    if i == 0:
        return b[0].astype(np.float64)
    basis = np.linalg.qr(b[:i].T.astype(np.float64))[0]
    return np.asarray(b[i] - basis @ (basis.T @ b[i]))


def left_inverse(weights: Array) -> Array:
    """An integer U (k, R) with U·W = 1: speeds from frequencies without dividing a phase.

    Raises
    ------
    ParameterError
        If the columns of W (R, k) are not part of a basis of the integer vectors.

    Examples
    --------
    >>> left_inverse(np.array([[2], [3]])) @ np.array([[2], [3]])
    array([[1]])
    """
    r, k = weights.shape
    a = np.column_stack([weights, np.eye(r, dtype=np.int64)])
    for t in range(k):
        while np.count_nonzero(a[t:, t]) > 1:
            lead = [i for i in range(t, r) if a[i, t]]
            pivot = min(lead, key=lambda i: abs(int(a[i, t])))
            a[[t, pivot]] = a[[pivot, t]]
            for i in range(t + 1, r):
                a[i] -= (a[i, t] // a[t, t]) * a[t]
        last = t + int(np.argmax(np.abs(a[t:, t]))) if t < r else t
        if t >= r or abs(int(a[last, t])) != 1:
            raise ParameterError("weights", "columns that extend to a basis of the integer vectors", weights.tolist())
        a[[t, last]] = a[[last, t]]
        a[t] *= a[t, t]
        for i in range(t):
            a[i] -= a[i, t] * a[t]
    return a[:k, k:]
