"""Families of vector fields: values, brackets, matrices, names."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geodis.discovery.span_algebra import bracket_constants
from geodis.discovery.vector_fields import AffineFields, GivenFields, LinearFields, PolynomialFields, brackets_at
from geodis.errors import FiniteError, GeodisError, LengthError, NotLinearError, ParameterError, ShapeError

FAMILIES = {
    "linear": LinearFields(3),
    "affine": AffineFields(3),
    "quadratic": PolynomialFields(3, 2),
    "cubic without constants": PolynomialFields(2, 3, min_degree=1),
    "given": GivenFields([lambda x: np.sin(x[:, ::-1]), lambda x: x**2], 2, ["sin", "square"]),
}
ANY = list(FAMILIES)


def points(fields, n=20, seed=0):
    return np.random.default_rng(seed).normal(size=(n, fields.dim))


# --- values -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ANY)
def test_velocities_and_contractions_are_those_of_the_values(name):
    fields, rng = FAMILIES[name], np.random.default_rng(1)
    x, theta = points(fields), rng.normal(size=(4, fields.n_fields))
    values, rows = fields.evaluate(x), rng.normal(size=(20, 3, fields.dim))
    assert values.shape == (20, fields.n_fields, fields.dim)
    np.testing.assert_allclose(fields.velocities(x, theta), np.einsum("kp,npd->nkd", theta, values), atol=1e-12)
    np.testing.assert_allclose(fields.contract(x, rows), np.einsum("nqd,npd->nqp", rows, values), atol=1e-12)
    np.testing.assert_allclose(fields.field(theta[0])(x), fields.velocities(x, theta[:1])[:, 0])


@pytest.mark.parametrize("name", ANY)
def test_jacobians_are_slopes_of_the_values(name):
    fields, h = FAMILIES[name], 1e-6
    x = points(fields)
    for j in range(fields.dim):
        shift = h * np.eye(fields.dim)[j]
        slope = (fields.evaluate(x + shift) - fields.evaluate(x - shift)) / (2 * h)
        np.testing.assert_allclose(fields.jacobians(x)[..., j], slope, atol=1e-6)


@pytest.mark.parametrize("name", ["linear", "affine"])
def test_matrices_act_as_the_fields_do(name):
    fields = FAMILIES[name]
    x, theta = points(fields), np.random.default_rng(2).normal(size=(2, fields.n_fields))
    rows = x if name == "linear" else np.column_stack([x, np.ones(len(x))])
    np.testing.assert_allclose(
        np.einsum("kab,nb->nka", fields.matrices(theta), rows)[..., :3], fields.velocities(x, theta)
    )
    np.testing.assert_array_equal(fields.field(theta[1]).matrix, fields.matrices(theta)[1])


@pytest.mark.parametrize("name", ["quadratic", "cubic without constants", "given"])
def test_curved_fields_have_no_matrices(name):
    with pytest.raises(NotLinearError, match="linear or affine"):
        FAMILIES[name].matrices(np.ones((1, FAMILIES[name].n_fields)))


def test_torch_points_are_read():
    x = points(FAMILIES["linear"])
    np.testing.assert_array_equal(FAMILIES["linear"].evaluate(torch.tensor(x)), FAMILIES["linear"].evaluate(x))


# --- brackets ---------------------------------------------------------------------------------------------------------
@given(st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_the_bracket_of_linear_fields_is_the_commutator(seed):
    fields = LinearFields(3)
    A, B = np.random.default_rng(seed).normal(size=(2, 3, 3))
    one, two, x = fields.field(A.ravel()), fields.field(B.ravel()), points(fields, seed=seed)
    np.testing.assert_allclose(one.bracket(two)(x), x @ (A @ B - B @ A).T, atol=1e-10)
    assert np.abs(one.bracket(two)(x) - x @ (B @ A - A @ B).T).max() > 1e-3


@pytest.mark.parametrize("name", ANY)
def test_brackets_are_antisymmetric_and_of_a_field_with_itself_zero(name):
    fields, rng = FAMILIES[name], np.random.default_rng(3)
    one, two = (fields.field(rng.normal(size=fields.n_fields)) for _ in range(2))
    x = points(fields)
    np.testing.assert_allclose(brackets_at(one, two, x), -brackets_at(two, one, x), atol=1e-7)
    np.testing.assert_allclose(brackets_at(one, one, x), 0.0, atol=1e-7)


def test_the_jacobi_identity_holds_for_polynomial_fields():
    fields, rng = PolynomialFields(2, 2), np.random.default_rng(4)
    X, Y, Z = (fields.field(rng.normal(size=fields.n_fields)) for _ in range(3))
    x = points(fields)
    total = sum(a.bracket(b.bracket(c))(x) for a, b, c in ((X, Y, Z), (Y, Z, X), (Z, X, Y)))
    assert np.abs(total).max() < 1e-4 * np.abs(X.bracket(Y.bracket(Z))(x)).max()


def test_structure_constants_on_points_close_or_say_that_they_do_not():
    fields, x = PolynomialFields(1, 3), points(PolynomialFields(1, 3), 60)
    c, closure = bracket_constants(fields, np.eye(4)[:3], x)  # ∂, x∂, x²∂: sl(2)
    assert closure < 1e-9
    np.testing.assert_allclose(c, -np.swapaxes(c, 0, 1), atol=1e-9)
    _, closure = bracket_constants(fields, np.eye(4)[[0, 3]], x)  # [∂, x³∂] ∝ x²∂ is outside
    assert closure > 0.3
    _, closure = bracket_constants(fields, np.eye(4)[:1], x)
    assert np.isnan(closure)


# --- words ------------------------------------------------------------------------------------------------------------
def test_fields_print_their_terms_by_size():
    fields = PolynomialFields(2, 2)
    theta = np.zeros(fields.n_fields)
    theta[fields.names.index("x1² ∂0")], theta[fields.names.index("∂1")] = -2.0, 0.5
    theta[fields.names.index("x0x1 ∂1")] = 1e-5
    assert repr(fields.field(theta)) == "- 2 x1² ∂0 + 0.5 ∂1"
    assert fields.describe(np.zeros(fields.n_fields)) == "0"


def test_the_number_of_fields_is_that_of_the_monomials():
    assert [LinearFields(4).n_fields, AffineFields(4).n_fields, PolynomialFields(3, 2).n_fields] == [16, 20, 30]
    assert len(set(PolynomialFields(3, 3).names)) == PolynomialFields(3, 3).n_fields


BAD = {
    "no dimension": (lambda: LinearFields(0), ParameterError),
    "a fractional dimension": (lambda: AffineFields(2.5), ParameterError),
    "degree zero": (lambda: PolynomialFields(2, 0), ParameterError),
    "a minimum above the degree": (lambda: PolynomialFields(2, 2, min_degree=3), ParameterError),
    "no function": (lambda: GivenFields([], 2), ParameterError),
    "no callable": (lambda: GivenFields([3], 2), ParameterError),
    "names of another number": (lambda: GivenFields([np.sin], 2, ["a", "b"]), LengthError),
    "a field of another shape": (lambda: GivenFields([lambda x: x[:, :1]], 2).evaluate(np.ones((3, 2))), ShapeError),
    "a field with NaN": (lambda: GivenFields([lambda x: x * np.nan], 2).evaluate(np.ones((3, 2))), FiniteError),
    "points of another space": (lambda: LinearFields(2).evaluate(np.ones((3, 4))), ShapeError),
    "NaN points": (lambda: LinearFields(2).evaluate(np.full((3, 2), np.nan)), FiniteError),
    "no point": (lambda: LinearFields(2).evaluate(np.ones((0, 2))), ShapeError),
    "coefficients of another length": (lambda: LinearFields(2).field(np.ones(3)), ShapeError),
    "NaN coefficients": (lambda: LinearFields(2).field([np.nan, 0, 0, 0]), FiniteError),
    "brackets between spaces": (
        lambda: LinearFields(2).field(np.ones(4)).bracket(LinearFields(3).field(np.ones(9))), ShapeError,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_a_named_error(case):
    call, error = BAD[case]
    with pytest.raises(error) as caught:
        call()
    assert isinstance(caught.value, GeodisError)
