"""Commutants of planted generators: right dimensions, also under noise; what is not clear is said."""

from __future__ import annotations

import numpy as np
import pytest
from planted_algebras import HEISENBERG, SCALING, SE2, SO3, SO13, J, copies, mixing, torus

from geodis.discovery.commutant import commutant, double_commutant
from geodis.errors import FiniteError, ParameterError, ShapeError

# Generators, dimension of the commutant, of the double commutant.
ZOO = {
    "plane, three copies": (copies(J[None], 3), 18, 2),
    "two circles": (torus(), 1 + 2 * 4, 1 + 2 * 4),
    "so(3), three copies, two trivial": (copies(SO3, 3, 2), 9 + 4, 9 + 1),
    "so(1,3), two copies": (copies(SO13, 2), 4, 16),
    "scaling": (SCALING, 4, 1),
}


def noisy(generators, angle, seed=0):
    rng = np.random.default_rng(seed)
    E = rng.normal(size=generators.shape)
    unit = np.linalg.norm(generators, axis=(1, 2)).min()
    return generators + angle * unit * E / np.linalg.norm(E, axis=(1, 2), keepdims=True)


@pytest.mark.parametrize("angle", [0.0, 0.003])
@pytest.mark.parametrize("name", ZOO)
def test_dimensions_are_right_in_any_coordinates(name, angle):
    generators, one, two = ZOO[name]
    A = mixing(np.random.default_rng(1), generators.shape[1], 2.0)
    moved = noisy(A @ generators @ np.linalg.inv(A), angle if name != "scaling" else 0.0)
    first = commutant(moved, noise=4 * angle)
    assert (first.dim, first.status) == (one, "ok")
    second = double_commutant(first, at_least=len(generators))
    assert (second.dim, second.status) == (two, "ok")


@pytest.mark.parametrize("name", ZOO)
def test_the_basis_commutes_and_the_generators_lie_in_the_double_commutant(name):
    generators = ZOO[name][0]
    first = commutant(generators)
    brackets = np.einsum("kab,mbc->kmac", generators, first.basis) - np.einsum("mab,kbc->kmac", first.basis, generators)
    assert np.abs(brackets).max() < 1e-6
    flat = first.basis.reshape(first.dim, -1)
    assert np.allclose(flat @ flat.T, np.eye(first.dim))
    second = double_commutant(first, at_least=len(generators))
    assert np.allclose(second.project(generators), generators, atol=1e-5)


def test_generators_that_share_coordinates_lose_noise_by_the_projection_and_strangers_lose_themselves():
    clean = copies(SO3, 4, 1)
    dirty = noisy(clean, 0.01)
    second = double_commutant(commutant(dirty, noise=0.02), at_least=3)
    assert np.linalg.norm(second.project(dirty) - clean) < 0.7 * np.linalg.norm(dirty - clean)
    stranger = np.random.default_rng(0).normal(size=(1, 13, 13))
    assert np.linalg.norm(second.project(stranger)) < 0.5 * np.linalg.norm(stranger)


def test_the_double_commutant_of_a_group_that_is_not_reductive_holds_its_algebra():
    for generators in (copies(SE2, 2, 1), copies(HEISENBERG, 2, 1)):
        second = double_commutant(commutant(generators), at_least=3)
        assert np.allclose(second.project(generators), generators, atol=1e-5)


def test_generic_matrices_commute_with_the_identity_alone():
    first = commutant(np.random.default_rng(0).normal(size=(2, 5, 5)))
    assert first.dim == 1
    assert np.allclose(np.abs(first.basis[0]), np.eye(5) / np.sqrt(5), atol=1e-6)


def test_noise_in_the_gap_is_undecided():
    assert commutant(noisy(copies(SO3, 3, 2), 0.5), noise=0.12).status == "undecided"


@pytest.mark.parametrize(
    ("generators", "noise", "error"),
    [
        (np.zeros((2, 3, 4)), 0.0, ShapeError),
        (np.eye(3), 0.0, ShapeError),
        (np.full((1, 2, 2), np.nan), 0.0, FiniteError),
        (np.zeros((1, 2, 2)), 0.0, ParameterError),
        (J[None], -1.0, ParameterError),
        (J[None], float("nan"), ParameterError),
        (np.ones((1, 49, 49)), 0.0, ParameterError),
    ],
    ids=["oblong", "one matrix", "nan", "zero", "negative noise", "nan noise", "large"],
)
def test_malformed_input_is_refused(generators, noise, error):
    with pytest.raises(error):
        commutant(generators, noise=noise)
