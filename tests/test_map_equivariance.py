"""Equivariance of maps between data: exact maps score rounding, others what they break; collapse is no success."""

import numpy as np
import pytest
import torch

from geodis.actions import GalileiAction, OrthogonalAction, PermutationAction, TranslationAction
from geodis.errors import FiniteError, ParameterError, ShapeError
from geodis.metrics import map_equivariance_error

CLOUDS = np.random.default_rng(0).normal(size=(30, 5, 6))
ROUNDING = 1e-14
SHIFT = 0.3


def drift(clouds, time=2.0):
    """Free motion: x + v t."""
    x, v = clouds[..., :3], clouds[..., 3:]
    return np.concatenate([x + time * v, v], -1)


def wind(clouds):
    return drift(clouds) + np.array([SHIFT, 0, 0, 0, 0, 0])


EXACT = {
    "rotations": (OrthogonalAction(3, vectors=2), None),
    "permutations": (PermutationAction(5), None),
    "shifts": (TranslationAction(3, vectors=2), None),
    "boosts": (GalileiAction(3), GalileiAction(3, time=2.0)),
}


@pytest.mark.parametrize("case", EXACT)
def test_free_motion_commutes(case):
    action, after = EXACT[case]
    result = map_equivariance_error(drift, CLOUDS, action, after)
    assert result.value < ROUNDING
    assert result.status == "ok"
    assert 0 < result.floor < ROUNDING
    assert result.baselines["identity"] > 0.3
    assert result.baselines["chance"] > 0.5


def test_a_preferred_direction_is_measured():
    """f + w breaks g f by |gw − w|: mean square 2|w|² over O(3), of both points' coordinates."""
    action = OrthogonalAction(3, vectors=2)
    many = np.random.default_rng(1).normal(size=(200, 5, 6))
    result = map_equivariance_error(wind, many, action, n_elements=16)
    out = drift(many)
    spread = ((out - 0) ** 2).reshape(200, -1).sum(1).mean()
    expected = np.sqrt(5 * 2 * SHIFT**2 / spread)
    assert result.value == pytest.approx(expected, rel=0.1)
    assert result.ci[0] < result.value < result.ci[1]
    assert result.value == pytest.approx(np.sqrt((result.per_item**2).mean()))


def test_the_wrong_time_of_a_boost_is_found():
    assert map_equivariance_error(drift, CLOUDS, GalileiAction(3), GalileiAction(3, time=1.0)).value > 0.1


def test_unrelated_outputs_score_chance():
    action = OrthogonalAction(3, vectors=2)
    result = map_equivariance_error(lambda x: np.sin(1e5 * x), CLOUDS, action)
    assert result.value == pytest.approx(np.sqrt(2), abs=0.1)
    assert result.baselines["chance"] == pytest.approx(result.value, abs=0.1)


def test_invariance_is_another_claim():
    action = OrthogonalAction(3, vectors=2)
    lengths = lambda x: (x**2).sum((1, 2))[:, None]  # noqa: E731
    assert map_equivariance_error(lengths, CLOUDS, action, invariant=True).value < ROUNDING
    assert map_equivariance_error(drift, CLOUDS, action, invariant=True).value > 0.5


def test_a_constant_map_is_degenerate_and_not_perfect():
    result = map_equivariance_error(np.zeros_like, CLOUDS, OrthogonalAction(3, vectors=2))
    assert result.status == "degenerate"
    assert np.isnan(result.value)


def test_the_scale_of_the_output_does_not_matter():
    values = [
        map_equivariance_error(lambda x, a=a: a * wind(x), CLOUDS, OrthogonalAction(3, vectors=2)).value
        for a in (1e-9, 1.0)
    ]
    assert values[0] == pytest.approx(values[1])


def test_one_item_is_insufficient_for_an_interval():
    result = map_equivariance_error(wind, CLOUDS[:1], OrthogonalAction(3, vectors=2))
    assert result.status == "insufficient"
    assert np.isnan(result.ci).all()


def test_tensors_in_single_precision():
    clouds = torch.from_numpy(CLOUDS).float()
    map_ = lambda x: torch.cat([x[..., :3] + x[..., 3:], x[..., 3:]], -1)  # noqa: E731
    result = map_equivariance_error(map_, clouds, OrthogonalAction(3, vectors=2))
    assert ROUNDING < result.value < 1e-6
    assert 1e-9 < result.floor < 1e-6


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"function": lambda x: x[0]}, ShapeError),
        ({"function": lambda x: x * np.nan}, FiniteError),
        ({"items": CLOUDS[:0]}, ParameterError),
        ({"n_elements": 0}, ParameterError),
        ({"level": 1.5}, ParameterError),
        ({"after": TranslationAction(3, vectors=2)}, ParameterError),
        ({"items": CLOUDS[..., :4]}, ShapeError),
    ],
)
def test_bad_input_is_named(options, error):
    given = {"function": drift, "items": CLOUDS, "action": OrthogonalAction(3, vectors=2)} | options
    with pytest.raises(error):
        map_equivariance_error(**given)
