"""Integer solutions are exact, null lattices complete, bases short: against brute force."""

from itertools import product

import numpy as np
import pytest

from geodis.emulators.integer_lattice import (
    hermite,
    integer_rows,
    integer_solution,
    null_lattice,
    reduced,
    shortened,
    upward,
)
from geodis.errors import LengthError, ParameterError


def matrices(n, largest=4):
    found = []
    for seed in range(n):
        rng = np.random.default_rng(seed)
        shape = rng.integers(1, 5), rng.integers(1, 7)
        found.append(rng.integers(-largest, largest + 1, shape).tolist())
    return found


def determinant(rows):
    return round(np.linalg.det(np.array(rows, dtype=float))) if rows else 1


def inside(vector, basis):
    """Whether an integer vector is an integer combination of a basis (exactly)."""
    return integer_solution([list(row) for row in zip(*basis, strict=True)], vector) is not None if basis else False


@pytest.mark.parametrize("matrix", matrices(20))
def test_hermite_is_a_unimodular_echelon_form(matrix):
    h, u = hermite(matrix)
    assert (np.array(u) @ np.array(matrix)).tolist() == h
    assert abs(determinant(u)) == 1
    pivots = [next((j for j, x in enumerate(row) if x), None) for row in h]
    used = [p for p in pivots if p is not None]
    assert used == sorted(set(used))
    assert pivots[len(used) :] == [None] * (len(h) - len(used))
    for i, p in enumerate(used):
        assert h[i][p] > 0
        assert all(0 <= h[k][p] < h[i][p] for k in range(i))


@pytest.mark.parametrize("matrix", matrices(30))
def test_null_lattices_hold_every_small_null_vector(matrix):
    basis = null_lattice(matrix)
    a = np.array(matrix)
    assert len(basis) == a.shape[1] - np.linalg.matrix_rank(a)
    assert not (a @ np.array(basis, dtype=int).reshape(len(basis), a.shape[1]).T).any()
    side = range(-2, 3) if a.shape[1] < 6 else range(-1, 2)
    found = [x for x in product(side, repeat=a.shape[1]) if any(x) and not (a @ x).any()]
    assert all(inside(list(x), basis) for x in found[:60])
    if basis:
        doubled = [[2 * x for x in row] for row in basis]
        assert not all(inside(row, doubled) for row in basis), "a sublattice does not pass"


@pytest.mark.parametrize("matrix", matrices(30))
def test_solutions_are_found_where_there_are_any(matrix):
    a = np.array(matrix)
    rng = np.random.default_rng(len(matrix))
    x = rng.integers(-3, 4, a.shape[1])
    found = integer_solution(matrix, (a @ x).tolist())
    assert found is not None
    assert (a @ found == a @ x).all()
    assert np.abs(found).sum() <= np.abs(x).sum() or np.abs(found).sum() <= 3 * a.shape[1]


@pytest.mark.parametrize(("matrix", "target"), [([[2, 4]], [1]), ([[1, 1], [1, 1]], [0, 1]), ([[0, 0]], [1])])
def test_what_has_no_integer_solution_is_told(matrix, target):
    assert integer_solution(matrix, target) is None


def test_numbers_beyond_64_bits_stay_exact():
    big = 10**30
    assert null_lattice([[big, big + 1]]) == [[big + 1, -big]]
    assert integer_solution([[big, big + 1]], [1]) == [-1, 1]


@pytest.mark.parametrize("seed", range(10))
def test_reduction_keeps_the_lattice_and_shortens(seed):
    rng = np.random.default_rng(seed)
    short = rng.integers(-2, 3, (4, 6))
    if np.linalg.matrix_rank(short) < 4:
        short += np.eye(4, 6, dtype=int) * 7
    mix = np.eye(4, dtype=int)
    for _ in range(20):
        i, j = rng.choice(4, 2, replace=False)
        mix[i] += rng.integers(-2, 3) * mix[j]
    long = (mix @ short).tolist()
    found = reduced(long)
    assert all(inside(row, short.tolist()) for row in found)
    assert all(inside(row, found) for row in short.tolist())
    assert sum(sum(map(abs, row)) for row in found) <= np.abs(short).sum() + 2
    assert all(next(x for x in row if x) > 0 for row in found)


def test_upward_bases_keep_the_lattice():
    for matrix in matrices(20, largest=2):
        basis = null_lattice(matrix)
        n = len(matrix[0])
        for above in range(n + 1):
            found = upward(basis, above) if basis else []
            assert all(inside(row, basis) for row in found)
            assert all(inside(row, found) for row in basis)
            cut = np.array(basis, dtype=int).reshape(len(basis), n)[:, :above]
            if cut.size and np.linalg.matrix_rank(cut) == above:
                assert all(x >= 0 for row in found for x in row[:above])


def test_shortened_stays_in_its_class():
    basis = [[3, 1, 0], [0, 2, -1]]
    vector = [31, 27, -8]
    found = shortened(vector, basis)
    assert inside([a - b for a, b in zip(vector, found, strict=True)], basis)
    assert sum(map(abs, found)) < 6


def test_malformed_matrices():
    with pytest.raises(ParameterError, match="integers"):
        integer_rows([[1, 0.5]])
    with pytest.raises(LengthError):
        integer_rows([[1, 2], [3]])
    with pytest.raises(LengthError):
        integer_solution([[1, 2]], [1, 2])
    with pytest.raises(ParameterError, match="independent"):
        reduced([[1, 2], [2, 4]])
