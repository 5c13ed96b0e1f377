"""Independence of displacements: chance that depends on the dimension, and the check that an action is there."""

from __future__ import annotations

import math

import numpy as np
import pytest
from factor_codes import rotation, torus
from scipy.special import gamma

from geodis.errors import FiniteError, LengthError, ParameterError, ShapeError
from geodis.metrics import independence_score
from geodis.metrics.independence import independence

ANGLES = np.random.default_rng(0).uniform(0, 2 * np.pi, (80, 2))
STEPS = np.array([[0.6, 0.0], [-0.6, 0.0], [0.0, 0.6], [0.0, -0.6]])
Z = torus(ANGLES)
MOVED = np.stack([torus(ANGLES + step) for step in STEPS], axis=1)
GROUPS = [0, 0, 1, 1]


def superposed(angles):
    return np.stack([np.cos(angles.sum(axis=1)), np.sin(angles.sum(axis=1))], axis=1) @ rotation(4)[:2]


def test_a_torus_is_independent_in_any_frame_and_one_plane_is_not():
    for q in (np.eye(4), rotation(), 10.0 * rotation(4, 5)):
        found = independence_score(Z @ q + 3.0, MOVED @ q + 3.0, GROUPS)
        assert found.value == pytest.approx(1.0, abs=1e-6)
        assert found.status == "ok"
        assert "equivariance error 0.000" in found.notes[0]
    same = np.stack([superposed(ANGLES + step) for step in STEPS], axis=1)
    assert independence_score(superposed(ANGLES), same, GROUPS).value == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("d", [2, 4, 16])
def test_chance_is_that_of_random_directions(d):
    rng = np.random.default_rng(0)
    z = rng.normal(size=(400, d))
    found = independence_score(z, z[:, None] + rng.normal(size=(400, 2, d)), [0, 1])
    expected = 1 - gamma(d / 2) / (math.sqrt(math.pi) * gamma((d + 1) / 2))
    assert found.baselines["chance"] == pytest.approx(expected, abs=0.02)
    assert found.value == pytest.approx(expected, abs=0.15)
    assert found.status == "partial"
    assert abs(found.skill) < 0.4


def test_random_displacements_in_orthogonal_planes_are_no_action():
    rng = np.random.default_rng(0)
    moved = np.repeat(Z[:, None], 2, axis=1)
    moved[:, 0, :2] += rng.normal(size=(80, 2))
    moved[:, 1, 2:] += rng.normal(size=(80, 2))
    found = independence_score(Z, moved, [0, 1])
    assert found.value == pytest.approx(1.0, abs=1e-6)
    assert found.status == "partial"
    assert "no linear action" in found.notes[1]


def test_opposite_directions_are_not_independent():
    """The largest cosine with its sign, as published, is 0 for u and −u beside a third direction."""
    units = np.array([[[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]]])
    assert independence(units, [np.array([0]), np.array([1, 2])]) == pytest.approx(0.0)
    assert independence(units, [np.array([0]), np.array([2])]) == pytest.approx(1.0)


def test_actions_that_move_nothing():
    still = MOVED.copy()
    still[:, 1] = Z
    some = independence_score(Z, still, GROUPS)
    assert some.status == "partial"
    assert some.value == pytest.approx(1.0, abs=1e-6)
    assert "1 of 4 actions move nothing" in some.notes
    still[:, 0] = Z
    nothing = independence_score(Z, still, GROUPS)
    assert (nothing.status, math.isnan(nothing.value)) == ("degenerate", True)
    flat = independence_score(np.ones((10, 3)), np.ones((10, 2, 3)), [0, 1])
    assert flat.status == "degenerate"
    assert independence_score(Z[:1], MOVED[:1], GROUPS).status == "insufficient"


def test_three_subgroups_are_compared_pair_by_pair():
    angles = np.random.default_rng(0).uniform(0, 6, (60, 3))
    moved = np.stack([torus(angles + step) for step in 0.5 * np.eye(3)], axis=1)
    assert independence_score(torus(angles), moved, ["x", "y", "z"]).value == pytest.approx(1.0, abs=1e-6)
    moved[:, 2] = moved[:, 1]
    assert independence_score(torus(angles), moved, ["x", "y", "z"]).value == pytest.approx(2 / 3, abs=1e-6)


@pytest.mark.parametrize(
    ("z", "moved", "groups", "error"),
    [
        (Z[:-1], MOVED, GROUPS, LengthError),
        (Z[:, :3], MOVED, GROUPS, ShapeError),
        (Z, MOVED[:, 0], GROUPS, ShapeError),
        (Z, MOVED, [0, 1], ShapeError),
        (Z, MOVED, [0, 0, 0, 0], ParameterError),
        (Z * np.nan, MOVED, GROUPS, FiniteError),
        (Z, MOVED * np.inf, GROUPS, FiniteError),
    ],
)
def test_malformed_input_is_refused(z, moved, groups, error):
    with pytest.raises(error):
        independence_score(z, moved, groups)
    with pytest.raises(ParameterError):
        independence_score(Z, MOVED, GROUPS, n_null=0)
