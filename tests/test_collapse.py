"""No collapse looks like a success."""

import numpy as np
import pytest
from planted_reports import collapsed, planted_report, so2_orbits

from geodis import LinearCoordinates, Orbits, metrics, verify
from geodis.groups import SO2


@pytest.mark.parametrize("kind", ["constant", "near-constant", "invariant", "noise"])
def test_fitting_a_collapsed_encoder_keeps_nothing(kind):
    train, test = so2_orbits(collapsed(kind), 20, 8).split(0.5)
    est = LinearCoordinates(SO2(), max_order=3).fit_orbits(train)
    report = verify(test, est.coordinates_, delta=0.9, n_null=19)
    total = report.rows.iloc[-1]
    assert (total.block, total.status, total.value) == ("all", "degenerate", 1.0)
    assert not any(not b.irrep.trivial for b in report.coordinates.blocks)
    assert not report.certificate.granted
    assert "no coordinates were found" in report.summary


@pytest.mark.parametrize("kind", ["constant", "near-constant", "invariant"])
def test_good_coordinates_on_a_collapsed_encoder_get_no_good_score(kind):
    coordinates = planted_report("SO2")[0].coordinates
    report = verify(so2_orbits(collapsed(kind), 20, 8, first=1000), coordinates, delta=0.9, n_null=19)
    acting = report.rows[[not b.irrep.trivial for b in coordinates.blocks] + [True]]
    assert (acting.status == "degenerate").all()
    assert (acting.value == 1.0).all()
    assert not report.certificate.granted
    assert "floor" in report.certificate.reason
    assert len(str(report)) < 3000


def test_an_invariant_encoder_is_told_by_its_orbit_signal():
    coordinates = planted_report("SO2")[0].coordinates
    report = verify(so2_orbits(collapsed("invariant"), 20, 8, first=1000), coordinates, n_null=19)
    assert report.orbit_signal < 1e-12
    assert "orbit signal is zero" in report.summary
    moving, _ = planted_report("SO2")
    assert moving.orbit_signal > 0.1
    assert "orbit signal" not in moving.summary


def test_good_coordinates_on_noise_have_error_one():
    coordinates = planted_report("SO2")[0].coordinates
    report = verify(so2_orbits(collapsed("noise", 40, 12), 40, 12, first=1000), coordinates, n_null=19)
    total = report.rows.iloc[-1]
    assert abs(total.value - 1) < 0.05
    assert total.ci_low <= 1.0 <= total.ci_high
    assert (report.rows.null_p.dropna() > 0.05).all()


def test_item_independent_codes_have_an_item_specific_error_of_one():
    """A function of the element alone, equivariant under nothing: other items predict a code as well as its own."""
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, 2 * np.pi, 480)
    codes = np.stack([np.cos(3 * angle), np.sin(2 * angle)], axis=1) + 0.1 * rng.normal(size=(480, 2))
    items = np.repeat(np.arange(40), 12)
    result = metrics.equivariance_error(Orbits.from_arrays(codes, angle, items, SO2()), SO2().irrep("m=1"))
    assert result.ci[0] <= 1.0 <= result.ci[1]
    turned = angle + rng.uniform(0, 2 * np.pi, 40)[items]
    codes = np.stack([np.cos(turned), np.sin(turned)], axis=1) + 0.1 * rng.normal(size=(480, 2))
    assert metrics.equivariance_error(Orbits.from_arrays(codes, angle, items, SO2()), SO2().irrep("m=1")).value < 0.1


def test_the_item_specific_error_is_printed():
    lines = str(planted_report("SO2")[0]).splitlines()
    assert any("item-specific" in line for line in lines)


@pytest.mark.parametrize("kind", ["one item", "one element"])
def test_too_little_is_insufficient(kind):
    report, test = planted_report("SO2")
    first = test.select(test.labels[:1])
    rows = np.flatnonzero(np.r_[True, test.items[1:] != test.items[:-1]])
    single = Orbits.from_arrays(test.z[rows], test.params[rows], test.items[rows], SO2())
    short = verify(first if kind == "one item" else single, report.coordinates, delta=0.5, n_null=19)
    assert (short.rows.status == "insufficient").all()
    assert short.rows.ci_high.isna().all()
    assert short.rows.null_p.isna().all()
    assert "too few items or elements" in short.summary
    assert not short.certificate.granted
