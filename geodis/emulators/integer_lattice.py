"""Exact integer linear algebra: Hermite's normal form, null lattices, integer solutions, short bases.

Matrices are sequences of rows of Python integers, which neither round nor overflow. A leaf: it knows no units.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

from geodis.errors import LengthError, ParameterError

Row = list[int]
Rows = list[Row]
Frame = tuple[list[list[Fraction]], list[Fraction]]

DELTA = Fraction(99, 100)  # of the Lovász condition: nearly the shortest that exchanges of neighbours can give
SWEEPS = 50  # of the descent to small sums of absolute values; a few suffice


def integer_rows(matrix: Iterable[Iterable[int]]) -> Rows:
    """The matrix as rows of Python integers; `ParameterError` for fractions, `LengthError` for ragged rows.

    Examples
    --------
    >>> integer_rows([[1, 2.0], [True, -3]])
    [[1, 2], [1, -3]]
    """
    given = [list(row) for row in matrix]
    rows = [[int(x) for x in row] for row in given]
    for i, (row, whole) in enumerate(zip(given, rows, strict=True)):
        if any(x != y for x, y in zip(row, whole, strict=True)):
            raise ParameterError(f"row {i}", "integers", row, "Units have whole exponents: choose finer base units.")
        if len(row) != len(rows[0]):
            raise LengthError(**{"row 0": len(rows[0]), f"row {i}": len(row)})
    return rows


def hermite(matrix: Iterable[Iterable[int]]) -> tuple[Rows, Rows]:
    """Hermite's normal form H and the unimodular U with U·A = H.

    Rows of H are in echelon form, pivots positive, entries above a pivot p in [0, p), zero rows last.

    Examples
    --------
    >>> hermite([[2, 4], [3, 5]])
    ([[1, 1], [0, 2]], [[-1, 1], [3, -2]])
    """
    h = integer_rows(matrix)
    n = len(h)
    u = [[int(i == j) for j in range(n)] for i in range(n)]
    top = 0
    for column in range(len(h[0]) if h else 0):
        if not _clear_below(h, u, top, column):
            continue
        if h[top][column] < 0:
            h[top], u[top] = [-x for x in h[top]], [-x for x in u[top]]
        for i in range(top):
            _subtract(h, u, i, top, h[i][column] // h[top][column])
        top += 1
    return h, u


def null_lattice(matrix: Iterable[Iterable[int]]) -> Rows:
    """A basis of all integer x with A·x = 0, reduced; its number of rows is n − rank(A).

    Examples
    --------
    >>> null_lattice([[1, 1, 0], [0, 2, 1]])
    [[1, -1, 2]]
    """
    columns = list(map(list, zip(*integer_rows(matrix), strict=True)))
    h, u = hermite(columns)
    return reduced([row for row, image in zip(u, h, strict=True) if not any(image)])


def integer_solution(matrix: Iterable[Iterable[int]], target: Sequence[int]) -> Row | None:
    """A short integer x with A·x = b, or None where there is none.

    Examples
    --------
    >>> integer_solution([[2, 3]], [1]), integer_solution([[2, 4]], [1])
    ([-1, 1], None)
    """
    rows = integer_rows(matrix)
    if len(rows) != len(target):
        raise LengthError(matrix=len(rows), target=len(target))
    h, u = hermite(map(list, zip(*rows, strict=True)))
    x, left = [0] * len(u), [int(b) for b in target]
    for image, row in zip(h, u, strict=True):
        pivot = next((k for k, entry in enumerate(image) if entry), None)
        if pivot is None:
            break
        times, rest = divmod(left[pivot], image[pivot])
        if rest:
            return None
        left = [b - times * entry for b, entry in zip(left, image, strict=True)]
        x = [a + times * b for a, b in zip(x, row, strict=True)]
    return None if any(left) else shortened(x, null_lattice(rows))


def reduced(basis: Iterable[Iterable[int]]) -> Rows:
    """A basis of the same lattice with small entries: reduced, then descended to small Σ|x|, shortest first.

    The algorithm of Lenstra, Lenstra and Lovász (1982) in exact fractions. Each vector's first entry is positive.

    Examples
    --------
    >>> reduced([[1, 0, 7], [0, 1, 5]])
    [[1, -1, 2], [1, -2, -3]]
    """
    b = _lovasz(integer_rows(basis))
    for _ in range(SWEEPS):
        before = [list(row) for row in b]
        for i, row in enumerate(b):
            b[i] = _descended(row, [other for j, other in enumerate(b) if j != i])
        if b == before:
            break
    signed = [row if next((x for x in row if x), 1) > 0 else [-x for x in row] for row in b]
    return sorted(signed, key=lambda row: (_size(row), [-x for x in row]))


def shortened(vector: Sequence[int], basis: Rows) -> Row:
    """The vector plus an element of the lattice, with a small Σ|x|.

    Examples
    --------
    >>> shortened([4, 3], [[1, 1]])
    [0, -1]
    """
    return _shortened([int(a) for a in vector], basis, _orthogonal(basis))


def upward(basis: Rows, n_above: int) -> Rows:
    """A basis of the same lattice whose first `n_above` coordinates are ≥ 0, where one exists; shortest first.

    Hermite's normal form has such entries where the lattice, cut to these coordinates, has full rank.

    Examples
    --------
    >>> upward([[1, -1, 0], [0, 1, -1]], 2)
    [[1, 0, -1], [0, 1, -1]]
    """
    h, _ = hermite(basis)
    below = [row for row in h if not any(row[:n_above])]
    short = reduced(below) if below else []
    frame = _orthogonal(short)
    above = [_shortened(row, short, frame) for row in h if any(row[:n_above])]
    return sorted(above + short, key=lambda row: (_size(row), [-x for x in row]))


def _clear_below(h: Rows, u: Rows, top: int, column: int) -> bool:
    """Euclid's algorithm in one column, from row `top` on; False if there is nothing but zeros."""
    while True:
        lead = [i for i in range(top, len(h)) if h[i][column]]
        if not lead:
            return False
        least = min(lead, key=lambda i: abs(h[i][column]))
        h[top], h[least], u[top], u[least] = h[least], h[top], u[least], u[top]
        for i in range(top + 1, len(h)):
            _subtract(h, u, i, top, h[i][column] // h[top][column])
        if not any(h[i][column] for i in range(top + 1, len(h))):
            return True


def _subtract(h: Rows, u: Rows, i: int, j: int, times: int) -> None:
    if times:
        for rows in (h, u):
            rows[i] = [a - times * b for a, b in zip(rows[i], rows[j], strict=True)]


def _lovasz(b: Rows) -> Rows:
    """Lenstra, Lenstra and Lovász in integers only: d are Gram determinants, λ_ij = d_j μ_ij (H. Cohen 1993, 2.6.7)."""
    d, lam = [1], [[0] * len(b) for _ in b]
    k = 0
    while k < len(b):
        if k + 1 == len(d):
            d.append(_next_determinant(b, d, lam, k))
        if k:
            _size_reduce(b, d, lam, k, k - 1)
            mu = lam[k][k - 1]
            if DELTA.denominator * (d[k + 1] * d[k - 1] + mu * mu) < DELTA.numerator * d[k] ** 2:
                _exchange(b, d, lam, k)
                k -= 1
                continue
            for j in range(k - 2, -1, -1):
                _size_reduce(b, d, lam, k, j)
        k += 1
    return b


def _next_determinant(b: Rows, d: Row, lam: Rows, k: int) -> int:
    for j in range(k + 1):
        u = sum(x * y for x, y in zip(b[k], b[j], strict=True))
        for i in range(j):
            u = (d[i + 1] * u - lam[k][i] * lam[j][i]) // d[i]
        if j < k:
            lam[k][j] = u
    if not u:
        raise ParameterError("basis", "independent rows", [list(r) for r in b])
    return u


def _size_reduce(b: Rows, d: Row, lam: Rows, k: int, j: int) -> None:
    times = (2 * lam[k][j] + d[j + 1]) // (2 * d[j + 1])
    if times:
        b[k] = [x - times * y for x, y in zip(b[k], b[j], strict=True)]
        lam[k][j] -= times * d[j + 1]
        for i in range(j):
            lam[k][i] -= times * lam[j][i]


def _exchange(b: Rows, d: Row, lam: Rows, k: int) -> None:
    """Rows k and k − 1, with what is known of them and of the rows below."""
    b[k], b[k - 1] = b[k - 1], b[k]
    for j in range(k - 1):
        lam[k][j], lam[k - 1][j] = lam[k - 1][j], lam[k][j]
    mu = lam[k][k - 1]
    new = (d[k - 1] * d[k + 1] + mu * mu) // d[k]
    for i in range(k + 1, len(d) - 1):
        t = lam[i][k]
        lam[i][k] = (d[k + 1] * lam[i][k - 1] - mu * t) // d[k]
        lam[i][k - 1] = (new * t + mu * lam[i][k]) // d[k + 1]
    d[k] = new


def _orthogonal(b: Sequence[Sequence[int]]) -> Frame:
    """Gram and Schmidt, with the squared lengths, of independent rows."""
    star: list[list[Fraction]] = []
    norms: list[Fraction] = []
    for row in b:
        left = [Fraction(x) for x in row]
        for axis, norm in zip(star, norms, strict=True):
            mu = _dot(row, axis) / norm
            left = [x - mu * y for x, y in zip(left, axis, strict=True)]
        star.append(left)
        norms.append(_dot(left, left))
    return star, norms


def _shortened(x: Row, basis: Rows, frame: Frame) -> Row:
    for row, axis, norm in reversed(list(zip(basis, *frame, strict=True))):
        times = round(_dot(x, axis) / norm)
        x = [a - times * b for a, b in zip(x, row, strict=True)]
    return _descended(x, basis)


def _dot(a: Sequence[int | Fraction], b: Sequence[int | Fraction]) -> Fraction:
    return Fraction(sum((x * y for x, y in zip(a, b, strict=True) if x and y), Fraction(0)))


def _descended(x: Row, others: Rows) -> Row:
    """`x` ± other vectors while that makes it smaller."""
    while True:
        tried = [[a + sign * b for a, b in zip(x, row, strict=True)] for row in others for sign in (1, -1)]
        best = min(tried, key=_size, default=x)
        if _size(best) >= _size(x):
            return x
        x = best


def _size(x: Sequence[int]) -> tuple[int, int]:
    return sum(map(abs, x)), max(map(abs, x), default=0)
