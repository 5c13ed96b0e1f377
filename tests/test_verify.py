"""verify: what every row says, its nulls and certificate, and when it refuses."""

import math

import numpy as np
import pytest
from planted_reports import COLUMNS, N_NULL, PLANTED, circle, planted_halves, planted_report

from geodis import LinearCoordinates, Orbits, metrics, verify
from geodis.errors import OverlapError, ParameterError, ShapeError
from geodis.groups import SO2, Cyclic
from geodis.simulators import planted_cases


# --- rows -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", PLANTED)
def test_one_row_a_block_and_one_for_all(name):
    report, _ = planted_report(name)
    assert list(report.rows.columns) == COLUMNS
    assert len(report.rows) == len(report.details) == len(report.coordinates.blocks) + 1
    names = [b.irrep.name for b in report.coordinates.blocks] + ["all"]
    assert [row.split(" #")[0] for row in report.rows.block] == names
    assert set(names) <= set(report.rows.block), "the first copy bears the irrep's name alone, later ones a number"
    assert report.rows.block.is_unique
    trivial = [b.irrep.trivial for b in report.coordinates.blocks] + [False]
    expected = ["equivariance error" if x or not report.limited else "error / identity" for x in trivial]
    assert list(report.rows.metric) == expected
    assert report.limited == (name in ("SE(2)", "SO2 limited"))


@pytest.mark.parametrize("name", PLANTED)
def test_the_planted_blocks_are_verified(name):
    report, _ = planted_report(name)
    found = [b.irrep.name for b in report.coordinates.blocks]
    assert {x: found.count(x) for x in found} == planted_cases()[name]().multiplicities
    acting = report.rows[[not b.irrep.trivial for b in report.coordinates.blocks] + [True]]
    assert (acting.status == "ok").all()
    assert (acting.value < 0.05).all()
    assert ((acting.ci_low <= acting.value) & (acting.value <= acting.ci_high)).all()
    assert (acting.identity > 0.5).all()
    tested = acting[np.isfinite(acting.null_mean)]
    assert len(tested)
    assert (tested.null_mean > 5 * tested.value).all()
    assert (tested.null_p <= 0.2).all()  # a circle of order 12 / 3 survives many relabellings
    assert tested.null_p.min() <= 2 / (N_NULL + 1)


@pytest.mark.parametrize("name", ["SO2", "Cyclic(12)", "Dihedral(4)"])
def test_the_ceiling_of_planted_blocks_is_close(name):
    report, _ = planted_report(name)
    blocks = report.rows.iloc[:-1]
    assert (np.abs(blocks.ceiling - blocks.value) < 0.03).all()


@pytest.mark.parametrize("name", ["SO2", "Cyclic(12)", "SO3", "SO2*Cyclic(3)", "Dihedral(4)"])
def test_the_value_is_the_loss_by_hand(name):
    report, test = planted_report(name)
    codes = report.coordinates.transform(test.z)
    n, m = test.n_items, len(test) // test.n_items
    errors = []
    for i, block in enumerate(report.coordinates.blocks):
        c = codes[:, block.columns]
        back = np.swapaxes(block.irrep(test.params), -1, -2)
        u = (back @ c[..., None])[..., 0].reshape(n, m, -1)
        pairs = 2 * m / (m - 1) * (np.abs(u - u.mean(axis=1, keepdims=True)) ** 2).sum(axis=2).mean()
        twice = 2 * (np.abs(c - c.mean(axis=0)) ** 2).sum(axis=1).mean()
        assert math.isclose(report.rows.value[i], pairs / twice, rel_tol=1e-9)
        errors += [pairs / twice] * (block.irrep.dim if not block.irrep.trivial else 0)
    assert math.isclose(report.rows.value.iloc[-1], np.mean(errors), rel_tol=1e-9)


@pytest.mark.parametrize("name", ["SO2", "SO3", "SO2*Cyclic(3)"])
def test_the_value_agrees_with_the_estimator_and_the_metric(name):
    report, test = planted_report(name)
    block = report.coordinates.blocks[0]
    codes = test.map(lambda z: report.coordinates.transform(z)[:, block.columns])
    value = metrics.energy(codes, block.irrep, center=False).value
    # The metric measures the variance about zero, verify about the mean of these rows.
    assert math.isclose(1 - report.rows.value[0], value, abs_tol=1e-3)
    train, _ = planted_halves(name)
    est = LinearCoordinates(train.group, max_order=2, n_null=39).fit_orbits(train)
    score = est.score(test.z, test.params, items=test.items)
    assert math.isclose(1 - report.rows.value.iloc[-1], score, rel_tol=1e-9)


def test_the_same_seed_gives_the_same_report():
    report, test = planted_report("SO2")
    again = verify(test, report.coordinates, n_null=N_NULL, delta=0.2)
    assert again.to_json() == report.to_json()


# --- refusals ---------------------------------------------------------------------------------------------------------
def test_fitted_items_are_refused():
    report, _ = planted_report("SO2")
    train, test = planted_halves("SO2")
    with pytest.raises(OverlapError, match="36 of them were fitted"):
        verify(train, report.coordinates)
    mixed = Orbits.from_arrays(
        np.concatenate([test.z, train.z[:12]]),
        np.concatenate([test.params, train.params[:12]]),
        np.concatenate([test.items, train.items[:12]]),
        SO2(),
    )
    with pytest.raises(OverlapError, match="1 of them were fitted"):
        verify(mixed, report.coordinates)


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"orbits": "text"}, ParameterError, "expected Orbits"),
        ({"coordinates": LinearCoordinates(SO2())}, ParameterError, "expected LatentCoordinates"),
        ({"orbits": "SO3"}, ParameterError, "orbits of SO2"),
        ({"orbits": "wide"}, ShapeError, "dimension 32"),
        ({"level": 1.0}, ParameterError, "level"),
        ({"level": 0.0}, ParameterError, "level"),
        ({"level": math.nan}, ParameterError, "level"),
        ({"delta": -0.1}, ParameterError, "delta"),
        ({"delta": math.inf}, ParameterError, "delta"),
    ],
)
def test_bad_input_is_a_named_error(change, error, says):
    report, test = planted_report("SO2")
    orbits = {
        "text": [1.0],
        "SO3": planted_halves("SO3")[1],
        "wide": test.map(lambda z: np.hstack([z, z])),
    }
    arguments = {"orbits": test, "coordinates": report.coordinates} | change
    if isinstance(arguments["orbits"], str):
        arguments["orbits"] = orbits[arguments["orbits"]]
    with pytest.raises(error, match=says):
        verify(**arguments)


# --- nulls ------------------------------------------------------------------------------------------------------------
def test_a_planted_circle_beats_its_relabellings():
    angle = 2 * np.pi * np.arange(12) / 12
    train, test = circle(np.stack([np.cos(angle), np.sin(angle)], axis=1)).split(0.5)
    report = verify(test, LinearCoordinates(Cyclic(12), max_order=5).fit_orbits(train).coordinates_)
    assert report.rows.block[0] == "k=1"
    assert report.rows.null_p[0] <= 0.02


def test_points_in_general_position_are_no_circle():
    """Any 12 points can be put on a circle: the error is small, and the null as small."""
    p = []
    for seed in range(8):
        points = np.random.default_rng(seed).normal(size=(12, 12))
        train, test = circle(points, seed=seed).split(0.5)
        coordinates = LinearCoordinates(Cyclic(12), max_order=1).fit_orbits(train).coordinates_
        report = verify(test, coordinates, n_null=39)
        (index,) = np.flatnonzero(report.rows.block == "k=1")
        assert report.rows.value[index] < 0.3
        p.append(report.rows.null_p[index])
    assert min(p) > 0.025
    assert 0.2 < np.mean(p) < 0.8


# --- certificate ------------------------------------------------------------------------------------------------------
def test_a_certificate_is_granted_below_the_bound_and_refused_above():
    report, test = planted_report("SO2")
    assert report.certificate.granted
    assert report.certificate.upper < 0.2
    assert "With confidence 95 %" in str(report.certificate)
    refused = verify(test, report.coordinates, delta=report.certificate.upper * 0.99, n_null=19).certificate
    assert not refused.granted
    assert "upper bound" in refused.reason
    assert verify(test, report.coordinates, n_null=19).certificate is None


def test_the_bound_is_one_sided_and_grows_with_the_level():
    report, test = planted_report("SO2")
    sure = verify(test, report.coordinates, level=0.99, delta=0.2, n_null=19).certificate
    total = report.rows.iloc[-1]
    assert total.value < report.certificate.upper < total.ci_high
    assert sure.upper > report.certificate.upper
