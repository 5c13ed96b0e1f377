"""Invariants do not change, equivariant tensors turn, and both are complete: checked over forms, groups, bad clouds."""

from itertools import combinations

import numpy as np
import pytest
import torch
from isometries_zoo import OBLIQUE, TWISTED, ZOO, act, act_tensor, clouds, dim, elements

from geodis.emulators.equivariant_basis import basis_names, equivariant_basis
from geodis.emulators.exterior import wedge
from geodis.emulators.forms import BilinearForm, Euclidean, Minkowski, Symplectic, gram, isometries
from geodis.emulators.invariants import fundamental_invariants, invariant_names
from geodis.errors import FiniteError, ParameterError, ShapeError
from geodis.groups import SE, SO, SO2, SO3, Cyclic, Lorentz, O

EXACT = 1e-12  # relative; rapidities up to 1 multiply roundings by e² at most


def n_points(case):
    return dim(case) + 1


@pytest.mark.parametrize("case", ZOO, ids=str)
def test_invariants_do_not_change(case):
    v = clouds(n_points(case), dim(case))
    at_rest = fundamental_invariants(v, case.symmetry)
    moved = fundamental_invariants(act(elements(case), v), case.symmetry)
    assert np.abs(moved - at_rest).max() <= EXACT * np.abs(at_rest).max()
    other = np.diag(np.arange(1.0, dim(case) + 1))[None]
    changed = fundamental_invariants(act(other, v), case.symmetry)
    assert np.abs(changed - at_rest).max() > 0.1, "another matrix changes them"


@pytest.mark.parametrize("case", ZOO, ids=str)
@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_basis_tensors_turn_with_the_vectors(case, order):
    v, g = clouds(min(n_points(case), 4), dim(case)), elements(case)
    at_rest = equivariant_basis(v, case.symmetry, order)
    moved = equivariant_basis(act(g, v), case.symmetry, order)
    assert moved.shape[2] == len(basis_names(v.shape[1], case.symmetry, order)) > 0
    assert np.isfinite(at_rest).all()
    assert np.abs(moved - act_tensor(g, at_rest, order)).max() <= EXACT * np.abs(moved).max()
    if order:
        assert np.abs(moved - at_rest).max() > 0.1, "they do move"


@pytest.mark.parametrize("case", ZOO, ids=str)
def test_names_and_numbers_agree(case):
    n, d = n_points(case), dim(case)
    names = invariant_names(n, case.symmetry)
    v = clouds(n, d)
    values = dict(zip(names, np.moveaxis(fundamental_invariants(v, case.symmetry), -1, 0), strict=True))
    B = isometries(case.symmetry).form.matrix
    np.testing.assert_allclose(values["<v0,v1>"], np.einsum("ka,ab,kb->k", v[:, 0], B, v[:, 1]), atol=1e-12)
    if isometries(case.symmetry).proper:
        chosen = ",".join(f"v{i}" for i in range(1, d + 1))
        np.testing.assert_allclose(values[f"det({chosen})"], np.linalg.det(v[:, 1 : d + 1]), atol=1e-11)


# --- completeness: the theorem of Weyl, by counting -------------------------------------------------------------------
def invariant_dimension(matrices, n, d, degree, linear_in_last=False):
    """The dimension of the polynomials of a degree in n vectors that the matrices fix."""
    big = [np.kron(np.eye(n), g) for g in matrices]
    x = np.random.default_rng(1).normal(size=(400, n * d))
    monomials = list(_monomials(n * d, degree))
    if linear_in_last:
        monomials = [m for m in monomials if sum(i >= (n - 1) * d for i in m) == 1]
    values = np.stack([np.prod([x[:, i] for i in m], axis=0) for m in monomials], axis=1)
    rows = [np.stack([np.prod([(x @ g.T)[:, i] for i in m], axis=0) for m in monomials], axis=1) - values for g in big]
    return len(monomials) - np.linalg.matrix_rank(np.concatenate(rows), tol=1e-8)


def _monomials(n, degree, first=0):
    if degree == 0:
        yield ()
        return
    for i in range(first, n):
        for rest in _monomials(n, degree - 1, i):
            yield (i, *rest)


@pytest.mark.parametrize("name", ["SO2", "O(2)", "Symplectic(2)", "Minkowski(2)", "SO3"])
@pytest.mark.parametrize("degree", [1, 2, 3])
def test_every_invariant_polynomial_is_one_in_the_fundamental_ones(name, degree):
    case = next(one for one in ZOO if str(one) == name)
    n, d = (2, 2) if dim(case) == 2 else (3, 3)
    if d == 3 and degree == 2:
        n = 2
    # Products of fundamental invariants of that degree in the components.
    v = np.random.default_rng(0).normal(size=(300, n, d))
    weights = [2 if name.startswith("<") else d for name in invariant_names(n, case.symmetry)]
    values = fundamental_invariants(v, case.symmetry)
    products = [
        np.prod([values[:, k] for k in m], axis=0)
        for size in range(1, degree + 1)
        for m in _monomials(len(weights), size)
        if sum(weights[k] for k in m) == degree
    ]
    spanned = np.linalg.matrix_rank(np.stack(products, axis=1)) if products else 0
    assert spanned == invariant_dimension(elements(case, 8), n, d, degree)


@pytest.mark.parametrize("name", ["SO2", "O(2)", "SO3"])
@pytest.mark.parametrize("degree", [1, 2, 3])
def test_every_equivariant_polynomial_is_one_in_the_basis_vectors(name, degree):
    case = next(one for one in ZOO if str(one) == name)
    d, n = dim(case), 2
    v = np.random.default_rng(0).normal(size=(200, n, d))
    weights = [2 if one.startswith("<") else d for one in invariant_names(n, case.symmetry)]
    values, vectors = fundamental_invariants(v, case.symmetry), equivariant_basis(v, case.symmetry)
    degrees = [1 if one.startswith("v") else d - 1 for one in basis_names(n, case.symmetry)]
    products = [
        (np.prod([np.ones(200), *(values[:, k] for k in m)], axis=0)[:, None] * vectors[:, b]).ravel()
        for b in range(len(degrees))
        for size in range(degree)
        for m in _monomials(len(weights), size)
        if sum(weights[k] for k in m) + degrees[b] == degree
    ]
    spanned = np.linalg.matrix_rank(np.stack(products, axis=1)) if products else 0
    # A vector T(v) is a number T(v)·w that is linear in one more vector w.
    assert spanned == invariant_dimension(elements(case, 8), n + 1, d, degree + 1, linear_in_last=True)


def test_orientation_is_told_by_determinants_only():
    v, mirror = clouds(3, 3), np.diag([1.0, 1.0, -1.0])
    told = fundamental_invariants(v, SO3()) - fundamental_invariants(v @ mirror, SO3())
    assert np.abs(told[:, :-1]).max() < EXACT
    assert np.abs(told[0, -1]) > 0.1
    assert "det(v0,v1,v2)" not in invariant_names(3, O(3))
    assert invariant_names(4, Lorentz())[-1] == "det(v0,v1,v2,v3)"
    assert len(invariant_names(4, Minkowski(4))) == 10


def test_generalised_cross_products_are_those_known():
    v = np.random.default_rng(0).normal(size=(5, 3, 3))
    named = dict(zip(basis_names(3, SO3()), np.moveaxis(equivariant_basis(v, SO3()), 1, 0), strict=True))
    for i, j in combinations(range(3), 2):
        np.testing.assert_allclose(named[f"ε^a(v{i},v{j})"], np.cross(v[:, i], v[:, j]), atol=1e-14)
    turned = equivariant_basis([[1.0, 0.0]], SO2())[1]
    assert np.abs(turned).tolist() == [0.0, 1.0], "a right angle in the plane"
    four = np.random.default_rng(1).normal(size=(3, 4))
    normal = equivariant_basis(four, SO(4))[-1]
    np.testing.assert_allclose(four @ normal, 0.0, atol=1e-13)
    lower = Minkowski(4).matrix @ equivariant_basis(four, Lorentz())[-1]
    np.testing.assert_allclose(four @ lower, 0.0, atol=1e-13)
    second = equivariant_basis(v[0], SO3(), 2)[basis_names(3, SO3(), 2).index("ε^ab(v1)")]
    np.testing.assert_allclose(second @ v[0, 0], np.cross(v[0, 0], v[0, 1]), atol=1e-14)


@pytest.mark.parametrize("d", [1, 2, 3, 4, 6])
def test_wedges_are_minors(d):
    v = torch.randn(3, d, d, dtype=torch.float64, generator=torch.Generator().manual_seed(d))
    torch.testing.assert_close(wedge(v)[..., 0], torch.linalg.det(v), rtol=1e-11, atol=1e-12)
    for k in range(1, d):
        chosen = [torch.linalg.det(v[:, :k, list(c)]) for c in combinations(range(d), k)]
        torch.testing.assert_close(wedge(v[:, :k]), torch.stack(chosen, -1), rtol=1e-11, atol=1e-12)


# --- gradients, kinds of arrays ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("case", ZOO, ids=str)
def test_gradients_are_finite_on_degenerate_clouds(case):
    v = torch.tensor(clouds(n_points(case), dim(case)), requires_grad=True)
    fundamental_invariants(v, case.symmetry).sum().backward()
    assert torch.isfinite(v.grad).all()
    w = torch.tensor(clouds(2, dim(case)), requires_grad=True)
    equivariant_basis(w, case.symmetry, 2).square().sum().backward()
    assert torch.isfinite(w.grad).all()
    assert (w.grad.abs() > 0).any()


def test_gradients_are_right():
    v = torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: fundamental_invariants(x, SO3()), v, fast_mode=True)
    assert torch.autograd.gradcheck(lambda x: equivariant_basis(x, SO3(), 2), v, fast_mode=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_comes_in_comes_out(dtype):
    v = clouds(3, 3).astype(dtype)
    for function in (lambda x: gram(x, OBLIQUE), lambda x: fundamental_invariants(x, SO3())):
        assert function(v).dtype == dtype
        assert isinstance(function(torch.tensor(v)), torch.Tensor)
        assert function(torch.tensor(v)).dtype == torch.tensor(v).dtype
        np.testing.assert_allclose(function(torch.tensor(v)).numpy(), function(v), rtol=1e-4, atol=1e-4)
    assert equivariant_basis(v[0], SO3(), 2).shape == (9 + 1 + 18 + 3, 3, 3)


# --- forms ------------------------------------------------------------------------------------------------------------
def test_forms_say_what_they_are():
    assert Euclidean(3) == Euclidean(3) != Minkowski(3)
    assert repr(Minkowski(4)) == "Minkowski(dim=4)"
    assert (Symplectic(4).symmetric, TWISTED.symmetric, OBLIQUE.symmetric) == (False, False, True)
    assert [form.dim for form in (Euclidean(3), Symplectic(4), OBLIQUE)] == [3, 4, 3]
    np.testing.assert_array_equal(Symplectic(2).matrix, [[0, 1], [-1, 0]])
    with pytest.raises(ValueError, match="read-only"):
        Minkowski(4).matrix[0, 0] = 2.0
    G = gram(clouds(3, 4), TWISTED)
    np.testing.assert_allclose(G, -np.swapaxes(G, 1, 2), atol=1e-14)


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: Euclidean(0), ParameterError),
        (lambda: Minkowski(1), ParameterError),
        (lambda: Symplectic(3), ParameterError),
        (lambda: BilinearForm([[1.0, 2.0]]), ShapeError),
        (lambda: BilinearForm([[1.0, 2.0], [0.0, 1.0]]), ParameterError),
        (lambda: BilinearForm([[1.0, 0.0], [0.0, 0.0]]), ParameterError),
        (lambda: BilinearForm([[1.0, np.nan], [0.0, 1.0]]), FiniteError),
        (lambda: gram(np.zeros((3, 2)), Euclidean(3)), ShapeError),
        (lambda: gram(np.zeros(3), Euclidean(3)), ShapeError),
        (lambda: gram([[np.nan, 0.0]], Euclidean(2)), FiniteError),
        (lambda: gram(torch.ones(2, 2, dtype=torch.complex64), Euclidean(2)), ParameterError),
        (lambda: fundamental_invariants(np.zeros((2, 2)), Cyclic(3)), ParameterError),
        (lambda: fundamental_invariants(np.zeros((2, 2)), SE(2)), ParameterError),
        (lambda: fundamental_invariants(np.zeros((2, 3)), SO2()), ShapeError),
        (lambda: invariant_names(0, SO2()), ParameterError),
        (lambda: equivariant_basis(np.zeros((2, 3)), SO3(), 5), ParameterError),
        (lambda: equivariant_basis(np.zeros((2, 3)), SO3(), -1), ParameterError),
    ],
)
def test_malformed_input_is_refused(make, error):
    with pytest.raises(error):
        make()
