"""The catalogue of Lie algebras: each is one, no two are the same, and isomorphic ones are told to be."""

from __future__ import annotations

import numpy as np
import pytest

from geodis.discovery import known_algebras as known
from geodis.discovery.known_algebras import (
    KnownAlgebra,
    joined,
    known_algebra,
    root_lengths,
    simple_algebra,
    simple_type,
)
from geodis.errors import UnknownNameError
from geodis.groups.algebra import (
    corrected,
    descended,
    in_basis,
    jacobi,
    killing_form,
    span_basis,
    span_residual,
    structure_constants,
)

ALGEBRAS = [algebra for dim in range(2, 22) for algebra in (*known.simple_algebras(dim), *known.other_algebras(dim))]
SIMPLE = [algebra for algebra in ALGEBRAS if algebra.semisimple]
names = pytest.mark.parametrize("algebra", ALGEBRAS, ids=lambda algebra: algebra.name)

# What other matrices of the same algebra are called.
ISOMORPHIC = {
    "su(2)": ("so(3)", known.special_unitary(2)),
    "so(1,2)": ("sl(2)", known.special_orthogonal(1, 2)),
    "sp(2)": ("sl(2)", known.symplectic(2)),
    "su(1,1)": ("sl(2)", known.special_unitary(1, 1)),
    "sl(2,C)": ("so(1,3)", known.complexified(known.special_linear(2))),
    "so(3,1)": ("so(1,3)", known.special_orthogonal(3, 1)),
    "so(3,C)": ("so(1,3)", known.complexified(known.special_orthogonal(3))),
    "so(2,3)": ("sp(4)", known.special_orthogonal(2, 3)),
    "su(4)": ("so(6)", known.special_unitary(4)),
    "su(2,2)": ("so(2,4)", known.special_unitary(2, 2)),
    "so(3,3)": ("sl(4)", known.special_orthogonal(3, 3)),
}


def constants(generators):
    return structure_constants(span_basis(generators, "generators"))


# --- each is an algebra -----------------------------------------------------------------------------------------------
@names
def test_generators_close_and_obey_jacobi(algebra):
    basis = span_basis(algebra.generators, algebra.name)
    assert len(basis) == algebra.dim == len(algebra.generators)
    assert span_residual(basis) < 1e-12
    assert np.abs(jacobi(algebra.constants)).max() < 1e-12


def test_a_span_that_is_no_algebra_fails_both():
    random = span_basis(np.random.default_rng(0).normal(size=(4, 5, 5)), "random")
    assert span_residual(random) > 0.5
    assert np.abs(jacobi(structure_constants(random))).max() > 0.01


def test_no_two_are_the_same_and_names_are_unique():
    every = [name for algebra in ALGEBRAS for name in (algebra.name, *algebra.aliases)]
    assert len(every) == len(set(every))
    kinds = [(simple_type(a.constants), a.dim) if a.semisimple else a.invariants for a in ALGEBRAS]
    assert len(kinds) == len(set(kinds))


def test_the_catalogue_holds_what_is_promised():
    found = {name for algebra in ALGEBRAS for name in (algebra.name, *algebra.aliases)}
    promised = {
        "so(3)", "so(5)", "so(6)", "so(1,2)", "so(1,3)", "so(2,3)", "so(1,4)", "se(2)", "se(3)", "e(1,1)", "iso(1,3)",
        "heisenberg(3)", "heisenberg(5)", "sl(2)", "sl(3)", "sl(4)", "sl(2,C)", "sp(2)", "sp(4)", "sp(6)", "su(3)",
        "aff(1)", "sim(2)",
    }  # fmt: skip
    assert promised <= found


# --- simple ones ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("algebra", SIMPLE, ids=lambda algebra: algebra.name)
def test_a_simple_algebra_is_found_in_any_basis(algebra):
    rng = np.random.default_rng(algebra.dim)
    T = np.linalg.qr(rng.normal(size=(algebra.dim, algebra.dim)))[0] * rng.uniform(0.5, 2.0, algebra.dim)
    found = simple_algebra(in_basis(algebra.constants, T))
    assert found is not None
    assert found.name == algebra.name


@pytest.mark.parametrize("name", ISOMORPHIC)
def test_isomorphic_algebras_have_one_name(name):
    expected, generators = ISOMORPHIC[name]
    found = simple_algebra(constants(generators))
    assert found is not None
    assert found.name == expected


def test_real_forms_that_are_not_here_have_no_name():
    assert simple_algebra(constants(known.complexified(known.special_orthogonal(5)))) is None


def test_one_signature_two_algebras():
    # so(3,4) and sp(6): dimension 21, Killing signature (12, 9), rank 3; long and short roots change places.
    odd, even = known_algebra("so(3,4)").constants, known_algebra("sp(6)").constants
    assert simple_type(odd)[:3] == simple_type(even)[:3]
    assert (simple_type(odd)[3], simple_type(even)[3]) == (12, 6)


@pytest.mark.parametrize(("name", "ratio"), [("sl(3)", 1.0), ("so(1,3)", 1.0), ("so(5)", 2.0), ("sp(6)", 2.0)])
def test_roots_have_one_length_or_two(name, ratio):
    lengths = root_lengths(known_algebra(name).constants)
    assert lengths.max() / lengths.min() == pytest.approx(ratio)


# --- rigid ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["so(3)", "sl(2)", "so(1,3)", "su(3)", "sp(4)"])
def test_a_noisy_semisimple_algebra_is_corrected_to_the_one_it_was(name):
    algebra = known_algebra(name)
    noise = np.random.default_rng(0).normal(size=algebra.constants.shape)
    noise *= 0.05 * np.linalg.norm(algebra.constants) / np.linalg.norm(noise)
    exact = corrected(algebra.constants + noise)
    assert exact is not None
    assert np.abs(jacobi(exact)).max() < 1e-12
    assert np.linalg.norm(exact - algebra.constants) < 2 * np.linalg.norm(noise)
    assert simple_type(exact) == simple_type(algebra.constants)


def test_without_a_regular_killing_form_nothing_is_corrected():
    assert np.abs(np.linalg.det(killing_form(known_algebra("heisenberg(3)").constants))) < 1e-12
    noise = np.random.default_rng(0).normal(size=(4, 4, 4))
    exact = corrected(noise)
    assert exact is None or np.linalg.norm(exact - noise) > 0.1 * np.linalg.norm(noise)


def test_descent_stays_within_the_algebra_and_comes_nearer():
    c = known_algebra("se(2)").constants
    target = c + 0.05 * np.random.default_rng(0).normal(size=c.shape)
    moved, left = descended(c, target)
    assert left == pytest.approx(np.linalg.norm(moved - target))
    assert left < np.linalg.norm(c - target)
    assert np.abs(jacobi(moved)).max() < 1e-10


# --- names ------------------------------------------------------------------------------------------------------------
def test_sums_have_their_own_names():
    assert joined(("sl(2)", "sl(2)")) == ("so(2,2)", ("sl(2) + sl(2)",))
    assert joined(("so(3)", "abelian(1)")) == ("so(3) + abelian(1)", ("u(2)",))
    assert joined(("abelian(2)",)) == ("abelian(2)", ("so(2)^2", "R^2"))


def test_an_unknown_name_is_refused_with_the_known_ones():
    assert isinstance(known_algebra("poincare(1,3)"), KnownAlgebra)
    with pytest.raises(UnknownNameError, match="expected one of"):
        known_algebra("e(8)")
