"""Generators and operators: which algebra, do factors commute, does every element do something."""

from __future__ import annotations

import math

import numpy as np
import pytest

from geodis.errors import FiniteError, GeodisError, ParameterError, ShapeError
from geodis.groups import SO2, SO3, Cyclic, Dihedral, Translation
from geodis.metrics import (
    algebra_invariants,
    closure_residual,
    commutator_defect,
    factor_span_angle,
    faithfulness,
    generator_span_angle,
    structure_constant_error,
)
from geodis.metrics.baselines import haar_orthogonal


def unit(d, *entries):
    """A matrix with entries (row, column, value)."""
    out = np.zeros((d, d))
    for a, b, value in entries:
        out[a, b] = value
    return out


SO3_ALGEBRA = np.stack([unit(3, (b, a, 1.0), (a, b, -1.0)) for a, b in ((1, 2), (2, 0), (0, 1))])
SL2 = np.array([[[1.0, 0.0], [0.0, -1.0]], [[0.0, 1.0], [0.0, 0.0]], [[0.0, 0.0], [1.0, 0.0]]])
HEISENBERG = np.stack([unit(3, (0, 1, 1.0)), unit(3, (1, 2, 1.0)), unit(3, (0, 2, 1.0))])
E2 = np.stack([SO3_ALGEBRA[2], unit(3, (0, 2, 1.0)), unit(3, (1, 2, 1.0))])
ABELIAN = np.stack([unit(3, (i, i, 1.0)) for i in range(3)])
ALGEBRAS = {"so3": SO3_ALGEBRA, "sl2": SL2, "heisenberg": HEISENBERG, "e2": E2, "abelian": ABELIAN}
OTHERS = [(a, b) for a in ALGEBRAS for b in ALGEBRAS if a < b]


def changed(generators, seed=0):
    """Another basis of the algebra, on a transformed space."""
    rng = np.random.default_rng(seed)
    d, k = generators.shape[1], len(generators)
    P = np.linalg.qr(rng.normal(size=(d, d)))[0] @ np.diag(rng.uniform(0.5, 2.0, d))
    T = np.eye(k) + 0.3 * rng.normal(size=(k, k))
    return np.einsum("ij,jab->iab", T, P @ generators @ np.linalg.inv(P))


# --- structure constants ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", ALGEBRAS)
def test_an_algebra_is_itself_in_any_basis_on_any_space(name, seed):
    result = structure_constant_error(changed(ALGEBRAS[name], seed), ALGEBRAS[name])
    assert result.value < 1e-6
    assert result.status == "ok"
    assert not result.notes


@pytest.mark.parametrize(("one", "two"), OTHERS)
def test_another_algebra_is_far_and_its_invariants_say_why(one, two):
    result = structure_constant_error(ALGEBRAS[one], ALGEBRAS[two], n_starts=3)
    assert result.value > 0.3
    assert result.value <= 1.0
    assert result.notes
    if "abelian" in (one, two):
        assert result.value == pytest.approx(1.0)


def test_a_representation_of_another_dimension_is_the_same_algebra():
    from geodis.metrics import latent_generator

    spin2 = np.stack([latent_generator(SO3().irrep("l=2"), SO3(), axis) for axis in np.eye(3)])
    assert structure_constant_error(spin2, SO3_ALGEBRA).value < 1e-6
    assert structure_constant_error(spin2, SL2, n_starts=2).value > 0.3


def test_a_change_of_basis_or_an_orthogonal_change_of_space_does_not_change_the_value():
    rng = np.random.default_rng(3)
    value = structure_constant_error(SO3_ALGEBRA, HEISENBERG, n_starts=3).value
    T, Q = np.eye(3) + 0.3 * rng.normal(size=(3, 3)), np.linalg.qr(rng.normal(size=(3, 3)))[0]
    moved = np.einsum("ij,jab->iab", T, Q @ SO3_ALGEBRA @ Q.T)
    assert structure_constant_error(moved, HEISENBERG, n_starts=3).value == pytest.approx(value, abs=1e-3)


def test_noise_shows_and_random_matrices_are_no_algebra():
    rng = np.random.default_rng(0)
    noisy = structure_constant_error(SO3_ALGEBRA + 1e-3 * rng.normal(size=(3, 3, 3)), SO3_ALGEBRA, n_starts=2)
    assert 1e-5 < noisy.value < 1e-2
    random = structure_constant_error(rng.normal(size=(3, 5, 5)), SO3_ALGEBRA, n_starts=2)
    assert random.status == "partial"
    assert random.value > 0.8


def test_dimensions_that_differ_are_said():
    result = structure_constant_error(SO3_ALGEBRA[:2], SO3_ALGEBRA)
    assert result.value == 1.0
    assert "dimensions 2 and 3" in result.notes[0]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("so3", (3, 3, 0, (0, 3, 0))), ("sl2", (3, 3, 0, (2, 1, 0))), ("heisenberg", (3, 1, 1, (0, 0, 3))),
     ("e2", (3, 2, 0, (0, 1, 2))), ("abelian", (3, 0, 3, (0, 0, 3)))],
)  # fmt: skip
def test_invariants_are_those_of_the_books(name, expected):
    assert tuple(algebra_invariants(ALGEBRAS[name])) == expected
    assert tuple(algebra_invariants(changed(ALGEBRAS[name], 5))) == expected


# --- closure ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["so3", "sl2", "heisenberg", "e2"])
def test_algebras_close_and_parts_of_them_do_not(name):
    assert closure_residual(changed(ALGEBRAS[name])).value < 1e-12
    if name in ("so3", "heisenberg"):
        assert closure_residual(ALGEBRAS[name][:2]).value == pytest.approx(1.0)
    noise = np.random.default_rng(0).normal(size=ALGEBRAS[name].shape)
    assert closure_residual(ALGEBRAS[name] + 0.3 * noise).value > 0.05


def test_commuting_generators_close_and_it_is_said():
    result = closure_residual(ABELIAN)
    assert result.value == 0.0
    assert "commute" in result.notes[0]


def test_the_residual_is_one_of_the_span():
    random = np.random.default_rng(0).normal(size=(3, 5, 5))
    value = closure_residual(random).value
    assert value == pytest.approx(closure_residual(random).baselines["random"], abs=0.1)
    mixed = np.einsum("ij,jab->iab", np.random.default_rng(1).normal(size=(3, 3)), random)
    assert closure_residual(mixed).value == pytest.approx(value, rel=1e-9)
    assert closure_residual([*random, random[0] - random[1]]).value == pytest.approx(value, rel=1e-9)


def test_one_generator_has_no_bracket():
    result = closure_residual(np.stack([SO3_ALGEBRA[0], 2 * SO3_ALGEBRA[0]]))
    assert result.status == "insufficient"
    assert math.isnan(result.value)


# --- spans ------------------------------------------------------------------------------------------------------------
def test_identical_spans_have_angle_zero_and_never_nan():
    # The arccosine of a rounded cosine is NaN for a fifth of such pairs.
    rng = np.random.default_rng(0)
    for _ in range(100):
        A = rng.normal(size=(3, 4, 4))
        angle = generator_span_angle(np.einsum("ij,jab->iab", rng.normal(size=(3, 3)), A), A).value
        assert 0.0 <= angle < 1e-10


def test_orthogonal_and_tilted_spans():
    one, two = unit(3, (0, 1, 1.0))[None], unit(3, (1, 2, 1.0))[None]
    assert generator_span_angle(one, two).value == pytest.approx(math.pi / 2)
    tilted = math.cos(0.3) * one + math.sin(0.3) * two
    assert generator_span_angle(5 * tilted, one).value == pytest.approx(0.3)
    assert generator_span_angle(SO3_ALGEBRA, SO3_ALGEBRA[:2]).value == math.pi / 2
    random = generator_span_angle(np.random.default_rng(0).normal(size=(3, 3, 3)), SO3_ALGEBRA)
    assert random.value == pytest.approx(random.baselines["random"], abs=0.4)


def test_factors_are_matched_whatever_their_order():
    factors = np.random.default_rng(0).normal(size=(8, 2, 6, 6))
    assert factor_span_angle(factors[::-1], factors).value < 1e-10
    assert factor_span_angle(factors[:4], factors[4:]).value > 0.5
    missing = factor_span_angle(factors[:7], factors)
    assert missing.value == pytest.approx(math.pi / 16)
    assert missing.notes


# --- factors of a product ---------------------------------------------------------------------------------------------
def test_representations_of_products_have_commuting_factors():
    group = SO3() * SO2()
    rho = group.irrep("l=1⊗m=1")
    assert commutator_defect(rho, group).value < 1e-12
    z = np.random.default_rng(0).normal(size=(50, rho.dim))
    assert commutator_defect(rho, group, z=z).value < 1e-20


@pytest.mark.parametrize("d", [2, 4, 16])
def test_haar_matrices_commute_by_chance(d):
    rng = np.random.default_rng(0)
    result = commutator_defect(lambda g: haar_orthogonal(len(g), d, rng), SO2() * SO2(), n_pairs=2000)
    assert result.value == pytest.approx(math.sqrt(2 - 2 / d**2), abs=0.06)
    assert result.ci[0] < result.value < result.ci[1]
    assert result.baselines["random_orthogonal"] == math.sqrt(2 - 2 / d**2)


def test_rotations_about_two_axes_do_not_commute():
    group = SO2() * SO2()
    axes = lambda g: SO3().matrix(np.pad(g[:, :1], ((0, 0), (0, 2)))) @ SO3().matrix(np.pad(g[:, 1:], ((0, 0), (1, 1))))  # noqa: E731
    assert commutator_defect(axes, group).value > 0.3


def test_a_factor_that_does_nothing_is_degenerate_and_no_success():
    group = SO2() * SO2()
    result = commutator_defect(group.irrep("m=1⊗m=0"), group)
    assert result.status == "degenerate"
    assert math.isnan(result.value)
    with_third = group * SO2()
    part = commutator_defect(with_third.irrep("m=1⊗m=0⊗m=0") + with_third.irrep("m=0⊗m=1⊗m=0"), with_third)
    assert part.value < 1e-12
    assert "left out" in part.notes[0]


# --- faithfulness -----------------------------------------------------------------------------------------------------
def test_a_frequency_of_two_forgets_the_half_turn_and_one_does_not():
    G = SO2()
    one, two = (faithfulness(G.irrep(f"m={m}"), G) for m in (1, 2))
    assert one.value == pytest.approx(2 * math.sin(0.25), abs=1e-3)  # at the edge of the ball
    assert one.baselines["defining"] == pytest.approx(one.value, abs=1e-3)
    assert two.value < 1e-6
    assert not two.lower_is_better
    both = G.irrep("m=2") + G.irrep("m=3")
    assert faithfulness(both, G).value > 0.3


@pytest.mark.parametrize(
    ("group", "faithful", "not_so"),
    [(Cyclic(12), "k=1", "k=3"), (Dihedral(4), None, None), (SO3(), "l=1", "l=0"), (Translation(1), None, None)],
)
def test_faithful_representations_have_no_kernel(group, faithful, not_so):
    if faithful is None:
        assert faithfulness(group.matrix, group).value > 0.1
        assert faithfulness(lambda g: np.ones((len(g), 1, 1)), group).value == 0.0
    else:
        assert faithfulness(group.irrep(faithful), group).value > 0.1
        assert faithfulness(group.irrep(not_so), group).value < 1e-12


# --- malformed input --------------------------------------------------------------------------------------------------
TORUS = SO2() * SO2()
MALFORMED = {
    "vectors": (lambda: closure_residual(np.ones((3, 3))), ShapeError),
    "no square": (lambda: algebra_invariants(np.ones((2, 3, 4))), ShapeError),
    "none": (lambda: closure_residual(np.zeros((0, 3, 3))), ShapeError),
    "zeros": (lambda: structure_constant_error(np.zeros((2, 3, 3)), SL2), ParameterError),
    "NaN": (lambda: structure_constant_error(SL2, np.nan * SL2), FiniteError),
    "complex": (lambda: closure_residual(1j * SL2), ParameterError),
    "no start": (lambda: structure_constant_error(SL2, SL2, n_starts=0), ParameterError),
    "tolerance": (lambda: algebra_invariants(SL2, tolerance=0.0), ParameterError),
    "sizes": (lambda: generator_span_angle(SL2, SO3_ALGEBRA), ShapeError),
    "no factor": (lambda: factor_span_angle([], [SL2]), ParameterError),
    "no product": (lambda: commutator_defect(SO2().irrep("m=1"), SO2()), ParameterError),
    "no group": (lambda: commutator_defect(SO2().irrep("m=1"), 3), ParameterError),
    "data": (lambda: commutator_defect(TORUS.irrep("m=1⊗m=1"), TORUS, z=np.ones((3, 5))), ShapeError),
    "radius": (lambda: faithfulness(SO2().irrep("m=1"), SO2(), radius=0.0), ParameterError),
    "far radius": (lambda: faithfulness(SO2().irrep("m=1"), SO2(), radius=4.0), ParameterError),
    "matrices": (lambda: faithfulness(lambda g: g, SO2()), ShapeError),
}


@pytest.mark.parametrize("case", MALFORMED, ids=str)
def test_malformed_input_is_refused_with_a_sentence(case):
    call, error = MALFORMED[case]
    with pytest.raises(error) as caught:
        call()
    assert isinstance(caught.value, GeodisError)
    assert "expected" in str(caught.value).lower()
