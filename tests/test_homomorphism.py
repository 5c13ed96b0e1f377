"""Representations obey the group law; random matrices, wrong frequencies and collapsed operators do not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from circle_codes import RHO, G, eye

from geodis.errors import FiniteError, GeodisError, ParameterError, ShapeError
from geodis.groups import SO3, Cyclic
from geodis.metrics import homomorphism_error, identity_error, inverse_error, orthogonality_defect
from geodis.metrics.baselines import haar_orthogonal


@pytest.mark.parametrize(("group", "rho"), [(G, RHO), (SO3(), SO3().irrep("l=2")), (Cyclic(5), Cyclic(5).irrep("k=2"))])
def test_representations_obey_the_law(group, rho):
    assert homomorphism_error(rho, group).value < 1e-10
    assert inverse_error(rho, group).value < 1e-10
    assert identity_error(rho, group).value < 1e-10
    assert orthogonality_defect(rho, group).value < 1e-10
    z = np.random.default_rng(0).normal(size=(50, rho.dim))
    assert homomorphism_error(rho, group, z=z).value < 1e-20


@pytest.mark.parametrize("d", [2, 4, 16])
def test_independent_haar_matrices_score_root_two(d):
    rng = np.random.default_rng(0)
    random = lambda params: haar_orthogonal(len(params), d, rng)  # noqa: E731
    result = homomorphism_error(random, G, n_pairs=2000)
    assert result.value == pytest.approx(math.sqrt(2), abs=0.03)
    assert result.baselines["random_orthogonal"] == math.sqrt(2)
    assert inverse_error(random, G, n_draws=2000).value == pytest.approx(math.sqrt(2), abs=0.03)
    z = rng.normal(size=(200, d))
    assert homomorphism_error(random, G, z=z, n_pairs=2000).value == pytest.approx(1.0, abs=0.05)
    assert orthogonality_defect(random, G).value < 1e-10


def test_a_frequency_error_grows_and_the_weight_ignores_empty_directions():
    bent = lambda g: RHO(g + 0.2 * np.sin(g))  # noqa: E731
    assert homomorphism_error(bent, G).value > 0.05

    def with_dead_block(g):
        out = np.zeros((len(g), 3, 3))
        out[:, :2, :2] = RHO(g)
        out[:, 2, 2] = np.random.default_rng(0).normal(size=len(g))
        return out

    z = np.zeros((40, 3))
    z[:, :2] = np.random.default_rng(0).normal(size=(40, 2))
    assert homomorphism_error(with_dead_block, G).value > 0.1
    assert homomorphism_error(with_dead_block, G, z=z).value < 1e-20


def test_operators_that_vanish_or_do_nothing_are_no_success():
    zero = lambda g: np.zeros((len(g), 2, 2))  # noqa: E731
    assert homomorphism_error(zero, G).status == "degenerate"
    assert homomorphism_error(RHO, G, z=np.zeros((4, 2))).status == "degenerate"
    assert identity_error(zero, G).value == 1.0
    assert inverse_error(zero, G).value == 1.0
    assert any("says nothing" in note for note in homomorphism_error(eye(2), G).notes)


@pytest.mark.parametrize("law", [homomorphism_error, inverse_error, identity_error, orthogonality_defect])
def test_malformed_operators_are_named_errors(law):
    for rho, group in [(lambda g: np.ones((len(g), 2, 3)), G), (lambda g: np.eye(2), G), (None, G), (RHO, "SO2")]:
        with pytest.raises(GeodisError):
            law(rho, group)
    with pytest.raises(FiniteError):
        law(lambda g: np.full((len(g), 2, 2), np.inf), G)


def test_malformed_law_options_are_named_errors():
    with pytest.raises(ShapeError):
        homomorphism_error(RHO, G, z=np.zeros((4, 3)))
    with pytest.raises(FiniteError):
        homomorphism_error(RHO, G, z=np.full((4, 2), np.nan))
    for options in ({"n_pairs": 0}, {"level": 2.0}):
        with pytest.raises(ParameterError):
            homomorphism_error(RHO, G, **options)
    assert homomorphism_error(RHO, G, n_pairs=1).status == "insufficient"
