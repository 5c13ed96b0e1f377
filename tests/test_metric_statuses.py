"""Too little is insufficient, malformed input a named error, and a result is a frozen record."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from circle_codes import MOTION_METRICS, PAIR_METRICS, RHO, G, constant, eye, planted

from geodis.errors import FiniteError, ParameterError, ShapeError
from geodis.metrics import MetricResult, content_retention, equivariance_error, orbit_signal
from geodis.orbits import Orbits


# --- statuses and malformed input ---------------------------------------------------------------------------------
@pytest.mark.parametrize("metric", PAIR_METRICS)
@pytest.mark.parametrize(("n", "m"), [(1, 8), (8, 1), (1, 1)])
def test_one_item_or_one_element_is_insufficient(metric, n, m):
    result = metric(planted(n=n, m=m, noise=0.1), RHO)
    assert result.status == "insufficient"
    assert np.isnan(result.ci).all()
    assert str(result)


@pytest.mark.parametrize("metric", MOTION_METRICS)
@pytest.mark.parametrize(("n", "m"), [(1, 8), (8, 1), (1, 1)])
def test_one_item_or_one_element_is_insufficient_for_motion_and_content(metric, n, m):
    assert metric(planted(n=n, m=m, noise=0.1)).status == "insufficient"


def test_items_with_one_element_are_left_out_and_named():
    orbits = planted(n=20, noise=0.2)
    keep = (orbits.items >= 3) | (np.arange(len(orbits)) % 8 == 0)
    ragged = Orbits.from_arrays(orbits.z[keep], orbits.params[keep], orbits.items[keep], G)
    result = equivariance_error(ragged, RHO, n_draws=9)
    assert result.n_items == 17
    assert any("3 items" in note for note in result.notes)
    assert any("3 items" in note for note in content_retention(ragged).notes)


@pytest.mark.parametrize("metric", PAIR_METRICS)
@pytest.mark.parametrize(
    ("rho", "options", "error"),
    [
        (eye(3), {}, ShapeError),
        (lambda p: np.eye(2), {}, ShapeError),
        (lambda p: np.full((len(p), 2, 2), np.nan), {}, FiniteError),
        (lambda p: np.zeros((len(p), 2, 2)), {}, ParameterError),
        ("m=1", {}, ParameterError),
        (RHO, {"level": 1.0}, ParameterError),
        (RHO, {"n_draws": 0}, ParameterError),
        (RHO, {"baselines": ("ceiling",)}, ParameterError),
        (RHO, {"baselines": "identity"}, ParameterError),
        (RHO, {"basis": lambda h: np.ones(3)}, ShapeError),
    ],
)
def test_malformed_input_is_a_named_error(metric, rho, options, error):
    with pytest.raises(error):
        metric(planted(n=8, m=4, noise=0.1), rho, **options)


def test_codes_that_are_no_orbits_are_named_errors():
    for metric in PAIR_METRICS:
        with pytest.raises(ParameterError, match="Orbits"):
            metric(np.zeros((4, 2)), RHO)
    for metric in MOTION_METRICS:
        with pytest.raises(ParameterError, match="Orbits"):
            metric(np.zeros((4, 2)))
        with pytest.raises(ParameterError):
            metric(planted(n=4), level=0.0)
    with pytest.raises(FiniteError):
        equivariance_error(planted().map(lambda z: z * np.nan), RHO)
    with pytest.raises(ParameterError):
        orbit_signal(planted(n=4), n_draws=0)


def test_nan_that_slips_into_orbits_is_found():
    orbits = planted()
    orbits.z[3, 1] = np.nan
    for metric in PAIR_METRICS:
        with pytest.raises(FiniteError):
            metric(orbits, RHO)
    for metric in MOTION_METRICS:
        with pytest.raises(FiniteError):
            metric(orbits)


# --- the result ---------------------------------------------------------------------------------------------------
def test_result_is_frozen_prints_one_line_and_becomes_json():
    result = equivariance_error(planted(noise=0.2, n=12), RHO, n_draws=9)
    assert "\n" not in str(result)
    assert "equivariance_error" in str(result)
    assert result.status in str(result)
    with pytest.raises(FrozenInstanceError):
        result.value = 0.0
    data = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert set(data) == set(MetricResult.__dataclass_fields__)
    json.dumps(equivariance_error(constant(), RHO).to_dict(), allow_nan=False)
