"""Certificates: granted when true, refused with a name when not; their JSON; their error rates."""

import json
import math
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from circle_codes import RHO, G, orbits_of
from planted_reports import PLANTED, collapsed, planted_halves, planted_report, so2_orbits
from planted_rows import frame_coordinates
from scipy import stats

from geodis import Block, Certificate, LatentCoordinates, LinearCoordinates, Orbits, certify, verify
from geodis.coordinates.energy import orbit_energy
from geodis.errors import FileFormatError, OverlapError, ParameterError, ShapeError
from geodis.groups import SO2
from geodis.metrics.acting import acting_error, multiplicative
from geodis.reports.certificate_schema import CAUSES, SCHEMA, schema_violations
from geodis.simulators import planted_cases

sys.path.insert(0, str(Path(__file__).parents[1] / "experiments"))
import certificates as experiment


def plane(limited=False, d=2):
    block = Block(RHO, (0, 1), 1.0, (1.0, 1.0))
    rows = np.eye(2, d)
    return LatentCoordinates(G, (block,), rows, rows.T.copy(), np.zeros(d), "ok", limited, np.zeros(0, dtype=np.uint64))


def circle_codes(n=60, m=12, noise=0.3, seed=0, crossed=False, span=2 * np.pi, shared=False):
    """Codes R(g)x + noise; elements within `span`, the same for all items if crossed; one x for all if shared."""
    rng = np.random.default_rng(seed)
    offset = rng.uniform(0, 2 * np.pi, size=(1 if crossed else n, 1))
    angle = np.broadcast_to((offset if span > 6 else 0.0 * offset) + span * np.arange(m) / m, (n, m))[..., None]
    x = np.ones((n, 2)) if shared else rng.normal(size=(n, 2))
    z = np.einsum("nmab,nb->nma", RHO(angle), x)
    return orbits_of(z + noise * rng.normal(size=z.shape), angle)


# --- granted ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", PLANTED)
def test_planted_codes_are_certified_and_verify_says_the_same(name):
    report, test = planted_report(name)
    certificate = certify(test, report.coordinates, 0.2)
    assert certificate.granted, certificate.reason
    assert certificate == replace(report.certificate, worst_element=certificate.worst_element)
    assert certificate.error == pytest.approx(report.rows.value.iloc[-1])
    assert certificate.error < certificate.upper < 0.2
    assert certificate.metric == report.rows.metric.iloc[-1]
    assert certificate.signal_lower < certificate.orbit_signal
    assert (certificate.n_items, certificate.n_elements) == (test.n_items, int(test.sizes.max()))
    assert certificate.design == ("crossed" if test.crossed else "nested")
    assert (certificate.reason, certificate.cause) == ("", "")


@pytest.mark.parametrize("crossed", [True, False])
def test_the_bound_is_delta_at_which_it_turns(crossed):
    orbits = circle_codes(crossed=crossed)
    upper = certify(orbits, plane(), 0.5).upper
    assert certify(orbits, plane(), upper * 1.0001).granted
    refused = certify(orbits, plane(), upper * 0.9999)
    assert (refused.granted, refused.cause) == (False, "bound")
    assert f"{upper:.3g}" in refused.reason
    assert f"{upper:.3g}" in str(refused)


@pytest.mark.parametrize("crossed", [True, False])
def test_the_bound_is_the_t_bound_of_the_log_error(crossed):
    orbits = circle_codes(crossed=crossed)
    certificate = certify(orbits, plane(), 0.5, level=0.9)
    estimate = acting_error(orbits, orbit_energy(orbits, plane()), plane()).estimate()
    h = stats.t.ppf(0.9, estimate.df) * math.sqrt(estimate.variance) / estimate.value
    assert certificate.upper == pytest.approx(estimate.value * math.exp(h))
    row = verify(orbits, plane(), level=0.8, n_null=19).rows.iloc[-1]  # both sides at 80 % have the ends of 90 % each
    assert row.ci_high == pytest.approx(estimate.value * (1 + h), rel=1e-6)


def test_confidence_and_items_move_the_bound():
    orbits = circle_codes(n=200)
    few = orbits.select(orbits.labels[:20])
    assert certify(orbits, plane(), 0.5).upper < certify(orbits, plane(), 0.5, level=0.99).upper
    assert certify(orbits, plane(), 0.5).upper < certify(few, plane(), 0.5).upper
    assert certify(orbits, plane(), 0.5, level=0.4).upper < certify(orbits, plane(), 0.5, level=0.6).upper


def test_an_exact_code_has_a_bound_of_rounding():
    exact = certify(circle_codes(noise=0.0), plane(), 1e-6)
    assert exact.granted
    assert 0 <= exact.upper < 1e-20


def test_scale_offset_and_frame_change_nothing():
    orbits = circle_codes()
    plain = certify(orbits, plane(), 0.2)
    frame = np.linalg.qr(np.random.default_rng(0).normal(size=(6, 6)))[0][:2]
    block = Block(RHO, (0, 1), 1.0, (1.0, 1.0))
    coordinates = LatentCoordinates(
        G, (block,), frame, frame.T.copy(), np.full(6, 3.0), "ok", False, np.zeros(0, dtype=np.uint64)
    )
    moved = certify(orbits.map(lambda z: 1e4 * z @ frame + 3.0), coordinates, 0.2)
    for name in ("error", "upper", "orbit_signal", "item_error"):
        assert getattr(moved, name) == pytest.approx(getattr(plain, name), rel=1e-6)


def test_copies_of_items_in_one_cluster_are_no_further_evidence():
    orbits = circle_codes(n=30)
    often = Orbits.from_arrays(
        np.tile(orbits.z, (6, 1)), np.tile(orbits.params, (6, 1)),
        np.concatenate([orbits.items + 1000 * k for k in range(6)]), G, np.tile(orbits.items, 6),
    )  # fmt: skip
    once, copies = certify(orbits, plane(), 0.5), certify(often, plane(), 0.5)
    assert copies.upper == pytest.approx(once.upper)
    assert copies.n_clusters == once.n_clusters == 30
    naive = Orbits.from_arrays(often.z, often.params, often.items, G)
    assert certify(naive, plane(), 0.5).upper < once.upper


def test_blocks_of_unequal_errors_are_one_error():
    rng = np.random.default_rng(0)
    g = G.orbit(60, 8)
    parts = [np.einsum("nmab,nb->nma", rep(g), rng.normal(size=(60, 2))) for rep in (RHO, G.irrep("m=2"))]
    orbits = orbits_of(np.concatenate(parts, axis=2) + rng.normal(size=(60, 8, 4)) * [0.1, 0.1, 0.8, 0.8], g)
    blocks = (Block(RHO, (0, 1), 1.0, (1.0, 1.0)), Block(G.irrep("m=2"), (2, 3), 1.0, (1.0, 1.0)))
    both = LatentCoordinates(G, blocks, np.eye(4), np.eye(4), np.zeros(4), "ok", False, np.zeros(0, dtype=np.uint64))
    acting = acting_error(orbits, orbit_energy(orbits, both), both)
    assert acting.value == pytest.approx(verify(orbits, both, n_null=19).rows.value.iloc[-1])
    assert acting.influence.mean() == pytest.approx(0.0, abs=1e-12)
    # The jackknife sees every way in which an item moves the estimate.
    left_out = []
    for i in range(60):
        rest = orbits.select(np.delete(orbits.labels, i))
        left_out.append(acting_error(rest, orbit_energy(rest, both), both).value)
    jackknife = math.sqrt(59 / 60 * ((np.array(left_out) - np.mean(left_out)) ** 2).sum())
    assert math.sqrt(acting.estimate().variance) == pytest.approx(jackknife, rel=0.05)


def test_the_worst_element_is_named_where_the_mean_hides_it():
    orbits = circle_codes(n=80, m=12, noise=0.1, crossed=True)
    broken = (np.arange(len(orbits)) % 12) == 5
    noise = 0.7 * np.random.default_rng(1).normal(size=orbits.z.shape)
    certificate = certify(orbits.map(lambda z: z + broken[:, None] * noise), plane(), 0.3)
    assert certificate.granted
    assert certificate.worst_upper > 1.5 * certificate.upper > 1.5 * certificate.error
    assert certificate.worst_element == tuple(orbits.params[5])
    assert "at every tested element" in str(certificate)
    even = certify(orbits, plane(), 0.3)
    assert even.upper < even.worst_upper < 2 * even.upper
    nested = certify(circle_codes(), plane(), 0.3)
    assert math.isnan(nested.worst_upper)
    assert nested.worst_element is None
    assert "every" not in str(nested)


# --- refused ----------------------------------------------------------------------------------------------------------
def repeated_element():
    orbits = circle_codes(m=6)
    return orbits.relabel(np.zeros_like(orbits.params))


def in_one_cluster(orbits):
    return Orbits.from_arrays(*orbits.arrays(), G, np.zeros(len(orbits), dtype=int))


def item_free(noise):
    return circle_codes(noise=noise, shared=True, crossed=True)


REFUSED = {
    "one item": (lambda: circle_codes(n=1), plane(), "insufficient"),
    "one element": (lambda: circle_codes(m=1), plane(), "insufficient"),
    "one element again and again": (repeated_element, plane(), "insufficient"),
    "one cluster": (lambda: in_one_cluster(circle_codes(n=9)), plane(), "insufficient"),
    "constant": (lambda: so2_orbits(collapsed("constant", features=2), 20, 8), plane(), "degenerate"),
    "near-constant": (lambda: so2_orbits(collapsed("near-constant", features=2), 20, 8), plane(), "degenerate"),
    "zero": (lambda: so2_orbits(np.zeros((160, 2)), 20, 8), plane(), "degenerate"),
    "invariant": (lambda: so2_orbits(collapsed("invariant", features=2), 20, 8), plane(), "invariant"),
    "a range, crossed": (lambda: circle_codes(span=1.0, crossed=True), plane(), "limited"),
    "a range, nested": (lambda: circle_codes(span=1.0 + 1e-9), plane(), "limited"),
    "half a circle": (lambda: circle_codes(span=np.pi, m=16), plane(), "limited"),
    "pose only": (lambda: item_free(0.0), plane(), "pose-only"),
    "noise": (lambda: so2_orbits(collapsed("noise", features=2), 20, 8), plane(), "bound"),
    "a code that turns the other way": (lambda: (lambda o: o.relabel(-o.params))(circle_codes()), plane(), "bound"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_what_shows_nothing_is_refused_by_its_name(case):
    orbits, coordinates, cause = REFUSED[case]
    certificate = certify(orbits(), coordinates, 0.9)
    assert (certificate.granted, certificate.cause) == (False, cause), certificate.reason
    assert certificate.reason
    assert str(certificate) == f"No certificate for an error below 0.9 at 95 %: {certificate.reason}."
    assert schema_violations(json.loads(certificate.to_json())) == []


def test_every_cause_has_its_case():
    assert {cause for _, _, cause in REFUSED.values()} | {"", "no block"} == set(CAUSES)


def test_without_an_acting_block_there_is_no_certificate():
    train, test = so2_orbits(collapsed("invariant"), 20, 8).split(0.5)
    coordinates = LinearCoordinates(SO2(), max_order=3, n_null=19).fit_orbits(train).coordinates_
    certificate = certify(test, coordinates, 0.9)
    assert (certificate.granted, certificate.cause) == (False, "no block")
    assert math.isnan(certificate.error)
    assert math.isnan(certificate.upper)
    assert schema_violations(json.loads(certificate.to_json())) == []


def test_a_range_is_certified_by_coordinates_that_are_relative_to_not_acting():
    orbits = circle_codes(span=1.0, noise=0.05)
    assert certify(orbits, plane(), 0.3).cause == "limited"
    certificate = certify(orbits, plane(limited=True), 0.3)
    assert certificate.granted
    assert certificate.metric == "error / identity"
    assert "relative to not acting" in str(certificate)
    still = so2_orbits(collapsed("invariant", features=2), 20, 8)
    noisy = still.map(lambda z: z + 0.2 * np.random.default_rng(0).normal(size=z.shape))
    assert not certify(noisy, plane(limited=True), 0.9).granted


def test_shared_haar_elements_are_no_limited_design():
    """16 random angles leak ±.07 by chance: that is no reason to refuse."""
    causes = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        angle = np.repeat(rng.uniform(0, 2 * np.pi, size=(1, 16, 1)), 40, axis=0)
        z = np.einsum("nmab,nb->nma", RHO(angle), rng.normal(size=(40, 2))) + 0.1 * rng.normal(size=(40, 16, 2))
        causes.append(certify(orbits_of(z, angle), plane(), 0.2).cause)
    assert causes.count("limited") <= 2
    assert causes.count("") >= 57


def test_a_code_of_the_pose_alone_says_so():
    certificate = certify(item_free(0.2), plane(), 0.2)
    assert certificate.granted
    assert certificate.item_error > 0.9
    assert "any other item predicts as well" in str(certificate)
    assert "any other item" not in str(certify(circle_codes(), plane(), 0.2))


def test_fitted_items_are_refused():
    report, _ = planted_report("SO2")
    train, _ = planted_halves("SO2")
    with pytest.raises(OverlapError):
        certify(train, report.coordinates, 0.2)


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"orbits": [1.0]}, ParameterError, "certify: orbits"),
        ({"coordinates": LinearCoordinates(SO2())}, ParameterError, "certify: coordinates"),
        ({"coordinates": plane(d=5)}, ShapeError, "dimension 5"),
        ({"delta": 0.0}, ParameterError, "certify: delta"),
        ({"delta": math.nan}, ParameterError, "certify: delta"),
        ({"level": 1.0}, ParameterError, "certify: level"),
        ({"level": math.nan}, ParameterError, "certify: level"),
    ],
)
def test_bad_input_is_a_named_error(change, error, says):
    with pytest.raises(error, match=says):
        certify(**({"orbits": circle_codes(n=4), "coordinates": plane(), "delta": 0.2} | change))


def test_another_group_is_refused():
    case = planted_cases()["SO3"]()
    code = case.code(0, n_items=4, n_elements=3, n_features=32)
    coordinates = frame_coordinates(code, case.group, False)
    with pytest.raises(ParameterError, match="SO3"):
        certify(circle_codes(n=4), coordinates, 0.2)


# --- the logarithm ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("value", "upper"), [(0.0, 0.1), (0.2, math.nan), (0.2, math.inf), (-0.1, 0.1)])
def test_what_has_no_logarithm_stays(value, upper):
    assert multiplicative(value, upper) == pytest.approx(upper, nan_ok=True)


def test_the_log_bound_is_never_below_the_plain_one():
    for h in (0.0, 0.01, 0.5, 3.0, 1e6):
        assert 0.1 + h <= multiplicative(0.1, 0.1 + h) < math.inf


# --- JSON -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("crossed", [True, False])
def test_what_is_written_is_read_back(crossed, tmp_path):
    certificate = certify(circle_codes(crossed=crossed), plane(), 0.2)
    certificate.to_json(tmp_path / "c.json")
    for source in (tmp_path / "c.json", str(tmp_path / "c.json"), certificate.to_json()):
        again = Certificate.from_json(source)
        assert str(again) == str(certificate)
        assert again.to_dict() == certificate.to_dict()
    if crossed:
        assert Certificate.from_json(certificate.to_json()) == certificate


def test_the_schema_lists_every_field_and_the_format():
    """A golden list: a change of it is a change of the version."""
    assert list(SCHEMA["properties"]) == [
        "format", "version", "granted", "delta", "level", "error", "upper", "orbit_signal", "reason", "cause", "metric",
        "signal_lower", "item_error", "worst_upper", "worst_element", "group", "design", "method", "n_items",
        "n_clusters", "n_elements",
    ]  # fmt: skip
    assert {f.name for f in fields(Certificate)} == set(SCHEMA["properties"]) - {"format", "version"}
    assert SCHEMA["required"] == list(SCHEMA["properties"])
    assert SCHEMA["properties"]["version"]["enum"] == [1]
    copy = Certificate.schema()
    copy["properties"].clear()
    assert Certificate.schema() == SCHEMA


def test_reports_hold_certificates_of_the_schema():
    report, _ = planted_report("SO2")
    assert schema_violations(json.loads(report.to_json())["certificate"]) == []


BROKEN = {
    "missing": lambda c: c.pop("upper"),
    "further": lambda c: c.update(signed=True),
    "another version": lambda c: c.update(version=2),
    "another format": lambda c: c.update(format="geodis.report"),
    "text for a number": lambda c: c.update(delta="0.2"),
    "true for a number": lambda c: c.update(error=True),
    "one for true": lambda c: c.update(granted=1),
    "unknown cause": lambda c: c.update(cause="bad luck"),
    "a level above one": lambda c: c.update(level=95.0),
    "a negative count": lambda c: c.update(n_items=-1),
    "an element of text": lambda c: c.update(worst_element=["pi"]),
    "null for a name": lambda c: c.update(group=None),
}


@pytest.mark.parametrize("case", BROKEN, ids=str)
def test_a_broken_text_is_refused(case):
    content = certify(circle_codes(crossed=True), plane(), 0.2).to_dict()
    assert schema_violations(content) == []
    BROKEN[case](content)
    with pytest.raises(FileFormatError):
        Certificate.from_json(json.dumps(content))


def test_what_is_no_certificate_is_refused(tmp_path):
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "half.json").write_text('{"granted": tr')
    for name in ("list.json", "half.json"):
        with pytest.raises(FileFormatError):
            Certificate.from_json(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        Certificate.from_json(tmp_path / "none.json")


# --- error rates ------------------------------------------------------------------------------------------------------
def test_false_claims_are_rarely_granted_and_true_ones_mostly():
    assert experiment.refused_at_delta(0, 150) >= 0.88
    assert experiment.granted_at_06(0, 60) >= 0.95


@pytest.mark.slow
def test_the_rates_of_the_experiment():
    assert experiment.refused_at_delta(1, 2000) >= 0.935
    assert experiment.granted_at_06(1, 1000) >= 0.95
