"""verify and its report: what every row says, when it refuses, and that no collapse looks like a success."""

import json
import math
from functools import cache
from html.parser import HTMLParser

import numpy as np
import pytest

from geodis import LinearCoordinates, Orbits, metrics, verify
from geodis.errors import DesignError, OverlapError, ParameterError, ShapeError
from geodis.groups import SO2, Cyclic
from geodis.reports.edits import edit_unseen, moved_rows
from geodis.simulators import planted_cases

COLUMNS = ["block", "metric", "value", "ci_low", "ci_high", "identity", "null_mean", "null_p", "ceiling", "status"]
PLANTED = ["SO2", "Cyclic(12)", "SO3", "SE(2)", "SO2*Cyclic(3)", "Dihedral(4)", "SO2 limited"]
VOID = {"meta", "img", "br", "hr", "link", "input"}
N_NULL = 39


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.references, self.tags, self.bad = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.references += [value for key, value in attrs if key in ("src", "href", "action", "data")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.bad.append(tag)


@cache
def planted_halves(name):
    case = planted_cases()[name]()
    code = case.code(0, n_items=60, n_elements=8 if name == "Dihedral(4)" else 12, n_features=32)
    return Orbits.from_arrays(code.z, code.params, code.items, case.group).split(0.4)


@cache
def planted_report(name):
    """`(report, unseen orbits)` of coordinates fitted on the other items."""
    train, test = planted_halves(name)
    est = LinearCoordinates(train.group, max_order=6 if name == "Cyclic(12)" else 2, n_null=39).fit_orbits(train)
    return verify(test, est.coordinates_, n_null=N_NULL, delta=0.2), test


def so2_orbits(z, n, m, first=0):
    angle = np.tile(2 * np.pi * np.arange(m)[:, None] / m, (n, 1))
    return Orbits.from_arrays(z, angle, np.repeat(np.arange(first, first + n), m), SO2())


def collapsed(kind, n=20, m=8, features=32):
    rng = np.random.default_rng(3)
    return {
        "constant": np.ones((n * m, features)),
        "near-constant": 1.0 + 1e-12 * rng.normal(size=(n * m, features)),
        "invariant": np.repeat(rng.normal(size=(n, features)), m, axis=0),
        "noise": rng.normal(size=(n * m, features)),
    }[kind]


def circle(points, n_items=30, noise=0.1, seed=0):
    """Items that all see the same points `(m, D)` of a cyclic group, with their own offset, in 16 dimensions."""
    rng = np.random.default_rng([seed, 7])
    m, d = points.shape
    z = np.zeros((n_items, m, 16))
    z[..., :d] = points
    z[..., d:] += rng.normal(size=(n_items, 1, 16 - d))
    z += noise * rng.normal(size=z.shape)
    elements = np.tile(np.arange(float(m))[:, None], (n_items, 1))
    return Orbits.from_arrays(z.reshape(n_items * m, -1), elements, np.repeat(np.arange(n_items), m), Cyclic(m))


# --- rows -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", PLANTED)
def test_one_row_a_block_and_one_for_all(name):
    report, _ = planted_report(name)
    assert list(report.rows.columns) == COLUMNS
    assert len(report.rows) == len(report.details) == len(report.coordinates.blocks) + 1
    names = [f"{b.irrep.name} #" for b in report.coordinates.blocks] + ["all"]
    assert all(row.startswith(expected) for row, expected in zip(report.rows.block, names, strict=True))
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


# --- collapse ---------------------------------------------------------------------------------------------------------
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


# --- nulls ------------------------------------------------------------------------------------------------------------
def test_a_planted_circle_beats_its_relabellings():
    angle = 2 * np.pi * np.arange(12) / 12
    train, test = circle(np.stack([np.cos(angle), np.sin(angle)], axis=1)).split(0.5)
    report = verify(test, LinearCoordinates(Cyclic(12), max_order=5).fit_orbits(train).coordinates_)
    assert report.rows.block[0] == "k=1 #1"
    assert report.rows.null_p[0] <= 0.02


def test_points_in_general_position_are_no_circle():
    """Any 12 points can be put on a circle: the error is small, and the null as small."""
    p = []
    for seed in range(8):
        points = np.random.default_rng(seed).normal(size=(12, 12))
        train, test = circle(points, seed=seed).split(0.5)
        coordinates = LinearCoordinates(Cyclic(12), max_order=1).fit_orbits(train).coordinates_
        report = verify(test, coordinates, n_null=39)
        (index,) = np.flatnonzero(report.rows.block == "k=1 #1")
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


# --- on screen and on disk --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", PLANTED)
def test_a_report_fits_the_terminal(name):
    lines = str(planted_report(name)[0]).splitlines()
    assert max(map(len, lines)) <= 120
    assert any(line.startswith("all") for line in lines)


@pytest.mark.parametrize("name", ["SO2", "SO2*Cyclic(3)", "SE(2)"])
def test_json_holds_finite_numbers_or_null(name, tmp_path):
    report, _ = planted_report(name)
    text = report.to_json(tmp_path / "r.json")
    assert (tmp_path / "r.json").read_text(encoding="utf-8") == text

    def refuse(constant):
        raise AssertionError(constant)

    content = json.loads(text, parse_constant=refuse)
    assert content["format"] == "geodis.report"
    assert [list(row) for row in content["rows"]] == [COLUMNS] * len(report.rows)
    assert content["rows"][-1]["value"] == report.rows.value.iloc[-1]
    assert content["rows"][-1]["null_p"] is None


@pytest.mark.parametrize("name", ["SO2", "SO3", "SE(2)", "Dihedral(4)"])
def test_the_page_is_self_contained_and_well_formed(name, tmp_path):
    report, _ = planted_report(name)
    text = report.to_html(tmp_path / "r.html", sections=[("More <b>", "<p>beside</p>")])
    assert (tmp_path / "r.html").read_text(encoding="utf-8") == text
    page = Tags()
    page.feed(text)
    assert not page.bad
    assert not page.open
    assert all(reference.startswith("data:image/png;base64,") for reference in page.references)
    assert not {"script", "link", "iframe"} & {*page.tags}
    assert page.tags.count("img") >= 2
    assert "More &lt;b&gt;" in text
    assert "Certificate." in text


def test_the_parser_sees_a_tag_that_is_left_open():
    page = Tags()
    page.feed("<main><p>text</main>")
    assert page.bad or page.open


def test_a_page_of_nothing_found_says_so(tmp_path):
    train, test = so2_orbits(collapsed("noise"), 20, 8).split(0.5)
    coordinates = LinearCoordinates(SO2(), max_order=3).fit_orbits(train).coordinates_
    text = verify(test, coordinates, n_null=19).to_html()
    assert "no coordinates were found" in text
    assert "<img" not in text


def test_files_go_into_folders_that_exist(tmp_path):
    with pytest.raises(FileNotFoundError, match="existing folder"):
        planted_report("SO2")[0].to_html(tmp_path / "none" / "r.html")


def test_drawing_leaves_no_figure_open():
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    planted_report("SO2")[0].to_html()
    assert plt.get_fignums() == before


# --- edits ------------------------------------------------------------------------------------------------------------
def test_edits_of_a_planted_circle_find_their_row():
    angle = 2 * np.pi * np.arange(12) / 12
    train, test = circle(np.stack([np.cos(angle), np.sin(angle)], axis=1), n_items=60, noise=0.03).split(0.5)
    coordinates = LinearCoordinates(Cyclic(12), max_order=5).fit_orbits(train).coordinates_
    edits = edit_unseen(coordinates, train, test, (1, 5))
    assert edits.top1 > 0.95
    assert edits.ridge_top1 > 0.8
    assert edits.interval().low <= edits.top1
    assert len(edits.right) == 2 * len(test)
    assert (test.items[edits.wanted] == test.items[edits.source]).all()
    gap = test.params[edits.wanted, 0] - test.params[edits.source, 0]
    assert (gap % 12 == edits.step).all()


def test_edits_without_coordinates_stay_where_they_are():
    train, test = circle(np.zeros((12, 2))).split(0.5)
    coordinates = LinearCoordinates(Cyclic(12), max_order=5).fit_orbits(train).coordinates_
    edits = edit_unseen(coordinates, train, test, (1,))
    assert (edits.found == edits.source).all()
    assert edits.top1 == 0.0


def test_edits_need_full_orbits():
    _, test = circle(np.zeros((12, 2))).split(0.5)
    half = Orbits.from_arrays(test.z[1:], test.params[1:], test.items[1:], test.group)
    with pytest.raises(DesignError, match="full orbits"):
        moved_rows(half, 1)
