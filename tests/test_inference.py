"""Comparison of encoders, relabelling and invariance tests, discoveries: their sizes, their power, what they refuse."""

import math
import sys
from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from circle_codes import RHO, G, constant, eye, orbits_of, planted
from planted_reports import planted_halves, planted_report
from planted_rows import frame_coordinates
from scipy import stats

from geodis import LatentCoordinates, LinearCoordinates, Orbits, metrics, verify
from geodis.coordinates import Block
from geodis.errors import DesignError, FiniteError, OverlapError, ParameterError, ShapeError, UnknownNameError
from geodis.groups import SO2, Cyclic, Translation
from geodis.invariance_test import invariance_test
from geodis.metrics import compare, discoveries, distributional_invariance_test, relabelling_test
from geodis.metrics.cells import item_average, orbit_cells
from geodis.metrics.relabelling import common_losses
from geodis.multiplicity import benjamini_hochberg
from geodis.simulators import planted_cases

sys.path.insert(0, str(Path(__file__).parents[1] / "experiments"))
from type_one import invariance_type1, relabelling_type1


def identity_plane(d=2):
    """The plane of the first two features as coordinates that were fitted on nothing."""
    block = Block(RHO, (0, 1), 1.0, (1.0, 1.0))
    rows = np.eye(2, d)
    return LatentCoordinates(G, (block,), rows, rows.T.copy(), np.zeros(d), "ok", False, np.zeros(0, dtype=np.uint64))


def two_encoders(seed, noise=(0.3, 0.3), n=40, m=8, common=0.6, crossed=True):
    """Two codes of the same items whose errors share the items' and elements' difficulty."""
    rng = np.random.default_rng(seed)
    g = np.repeat(G.orbit(1, m, seed=seed), n, axis=0) if crossed else G.orbit(n, m, seed=seed)
    clean = np.einsum("nmab,nb->nma", RHO(g), rng.normal(size=(n, 2)))
    hard = np.exp(common * (rng.normal(size=(n, 1, 1)) + 0.5 * rng.normal(size=(1, m, 1))))
    return [orbits_of(clean + s * hard * rng.normal(size=clean.shape), g) for s in noise]


# --- comparison -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("crossed", [True, False])
def test_the_difference_is_that_of_the_two_reports(crossed):
    a, b = two_encoders(0, (0.2, 0.5), crossed=crossed)
    plane = identity_plane()
    result = compare(a, b, plane, plane)
    errors = [verify(o, plane, n_null=19).rows.value.iloc[-1] for o in (a, b)]
    assert result.value == pytest.approx(errors[0] - errors[1], rel=1e-9)
    assert (result.baselines["a"], result.baselines["b"]) == pytest.approx(tuple(errors))
    assert result.ci[0] < result.value < result.ci[1] < 0
    assert result.p_value < 0.01
    assert result.ci_method.startswith("two-way" if crossed else "item-clustered")


def test_exchanging_the_encoders_turns_the_sign_and_the_interval():
    a, b = two_encoders(1, (0.2, 0.5))
    plane = identity_plane()
    there, back = compare(a, b, plane, plane), compare(b, a, plane, plane)
    assert back.value == pytest.approx(-there.value)
    assert back.ci == pytest.approx((-there.ci[1], -there.ci[0]))
    assert back.p_value == pytest.approx(there.p_value)


def test_an_encoder_is_as_good_as_itself():
    a, _ = two_encoders(2)
    result = compare(a, a, identity_plane(), identity_plane())
    assert (result.value, result.p_value, result.ci) == (0.0, 1.0, (0.0, 0.0))


def test_a_frame_changes_nothing_and_dimensions_may_differ():
    a, b = two_encoders(3, (0.2, 0.4))
    frame = np.linalg.qr(np.random.default_rng(0).normal(size=(5, 5)))[0][:2]
    block = Block(RHO, (0, 1), 1.0, (1.0, 1.0))
    wide = LatentCoordinates(G, (block,), frame, frame.T.copy(), np.zeros(5), "ok", False, np.zeros(0, dtype=np.uint64))
    plain = compare(a, b, identity_plane(), identity_plane())
    turned = compare(a, b.map(lambda z: 7.0 * z @ frame), identity_plane(), wide)
    assert turned.value == pytest.approx(plain.value)
    assert turned.ci == pytest.approx(plain.ci)
    assert plain.notes == turned.notes == ()


def test_totals_over_different_blocks_are_noted():
    a, b = two_encoders(3, (0.2, 0.4))
    both = (Block(RHO, (0, 1), 1.0, (1.0, 1.0)), Block(G.irrep("m=2"), (2, 3), 1.0, (1.0, 1.0)))
    wide = LatentCoordinates(G, both, np.eye(4), np.eye(4), np.zeros(4), "ok", False, np.zeros(0, dtype=np.uint64))
    result = compare(a, b.map(lambda z: np.hstack([z, z[:, ::-1]])), identity_plane(), wide)
    assert result.notes == ("totals over different blocks: m=1 in A, m=1, m=2 in B",)


@pytest.mark.parametrize("crossed", [True, False])
def test_its_interval_covers_and_beats_unpaired_ones(crossed):
    held, reject, paired, unpaired = 0, 0, [], []
    plane = identity_plane()
    for seed in range(150):
        a, b = two_encoders(seed, crossed=crossed)
        result = compare(a, b, plane, plane)
        held += result.ci[0] <= 0.0 <= result.ci[1]
        reject += result.p_value < 0.05
        paired.append(result.ci[1] - result.ci[0])
        if seed < 10:
            singles = [metrics.energy(o, RHO, baselines=()).ci for o in (a, b)]
            unpaired.append(math.hypot(*(high - low for low, high in singles)))
    assert 0.90 <= held / 150 <= 0.99
    assert reject == 150 - held
    assert np.mean(paired[:10]) < 0.9 * np.mean(unpaired)


def test_blocks_of_unequal_errors_have_an_interval_that_covers():
    """The blocks' variances, by which they are scaled, err too: what they add must be counted."""
    rng = np.random.default_rng(0)
    blocks = (Block(RHO, (0, 1), 1.0, (1.0, 1.0)), Block(G.irrep("m=2"), (2, 3), 1.0, (1.0, 1.0)))
    both = LatentCoordinates(G, blocks, np.eye(4), np.eye(4), np.zeros(4), "ok", False, np.zeros(0, dtype=np.uint64))
    values, widths = [], []
    for seed in range(200):
        g = G.orbit(40, 8, seed=seed)
        parts = [np.einsum("nmab,nb->nma", rep(g), rng.normal(size=(40, 2))) for rep in (RHO, G.irrep("m=2"))]
        noise = rng.normal(size=(40, 8, 4)) * [0.1, 0.1, 1.0, 1.0]
        quiet = np.concatenate(parts, axis=2)
        a, b = orbits_of(quiet + noise, g), orbits_of(quiet + 1e-6 * noise, g)
        result = compare(a, b, both, both)
        values.append(result.value)
        widths.append((result.ci[1] - result.value) / stats.t.ppf(0.975, 39))
    assert np.sqrt(np.mean(np.square(widths))) == pytest.approx(np.std(values), rel=0.15)


def test_clusters_are_what_is_independent():
    a, b = two_encoders(4, (0.3, 0.4), crossed=False)
    copies = [Orbits.from_arrays(np.tile(o.z, (5, 1)), np.tile(o.params, (5, 1)),
                                 np.concatenate([o.items + 1000 * k for k in range(5)]), G, np.tile(o.items, 5))
              for o in (a, b)]  # fmt: skip
    plane = identity_plane()
    once, often = compare(a, b, plane, plane), compare(*copies, plane, plane)
    assert often.value == pytest.approx(once.value)
    assert often.ci == pytest.approx(once.ci)


@pytest.mark.parametrize(("n", "m", "status"), [(1, 8, "insufficient"), (8, 1, "insufficient")])
def test_too_little_cannot_be_compared(n, m, status):
    a, b = two_encoders(0, n=n, m=m)
    result = compare(a, b, identity_plane(), identity_plane())
    assert result.status == status
    assert result.p_value is None
    assert np.isnan(result.ci).all()


@pytest.mark.parametrize("noise", [0.0, 1e-12])
def test_a_collapsed_encoder_never_wins(noise):
    a, _ = two_encoders(0)
    flat = a.map(lambda z: 3.0 + noise * np.random.default_rng(0).normal(size=z.shape))
    result = compare(flat, a, identity_plane(), identity_plane())
    assert result.status == "degenerate"
    assert math.isnan(result.value)
    assert result.p_value is None
    assert "A" in result.notes[0]


def test_fitted_items_are_refused():
    report, test = planted_report("SO2")
    train, _ = planted_halves("SO2")
    with pytest.raises(OverlapError):
        compare(train, train, report.coordinates, report.coordinates)
    assert compare(test, test, report.coordinates, report.coordinates).value == 0.0


def test_orbits_that_do_not_match_are_refused():
    a, b = two_encoders(0)
    plane = identity_plane()
    other_items = Orbits.from_arrays(b.z, b.params, b.items + 1, G)
    turned = b.relabel(b.params + 0.1)
    clustered = Orbits.from_arrays(b.z, b.params, b.items, G, b.items // 2)
    for wrong, what in (
        (other_items, "items"),
        (turned, "params"),
        (clustered, "clusters"),
        (b.select([0, 1]), "items"),
    ):
        with pytest.raises(DesignError, match=what):
            compare(a, wrong, plane, plane)


def test_errors_relative_to_other_things_are_not_compared():
    case = planted_cases()["SO2"]()
    code = case.code(0, n_items=20, n_elements=8, n_features=16)
    orbits = Orbits.from_arrays(code.z, code.params, code.items, case.group)
    whole, limited = (frame_coordinates(code, case.group, limited) for limited in (False, True))
    with pytest.raises(ParameterError, match="relative to the same thing"):
        compare(orbits, orbits, whole, limited)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"orbits_a": np.ones((3, 2))}, ParameterError),
        ({"coordinates_b": LinearCoordinates(SO2())}, ParameterError),
        ({"orbits_b": Orbits.from_arrays(np.ones((4, 2)), np.arange(4.0), [0, 0, 1, 1], Cyclic(4))}, ParameterError),
        ({"level": 0.0}, ParameterError),
        ({"coordinates_a": identity_plane(5)}, ShapeError),
    ],
)
def test_malformed_comparisons_are_named_errors(change, error):
    a, b = two_encoders(0)
    level = change.pop("level", 0.95)
    arguments = {"orbits_a": a, "orbits_b": b, "coordinates_a": identity_plane(), "coordinates_b": identity_plane()}
    with pytest.raises(error):
        compare(*(arguments | change).values(), level=level)


# --- relabelling ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("span", [2 * np.pi, 1.0])
def test_losses_of_common_relabellings_are_those_of_the_pair_loss(span):
    rng = np.random.default_rng(0)
    g = np.broadcast_to(rng.uniform(0, span, size=(1, 6, 1)), (15, 6, 1))
    z = rng.normal(size=(15, 6, 2)) + rng.normal(size=(1, 6, 2)) + 3.0
    data = orbit_cells(orbits_of(z, g), RHO)
    orders = np.array([rng.permutation(6) for _ in range(10)])
    slow = [
        item_average(data.with_operators([r[:, o] for r in data.operators], True).pair_errors(True)) for o in orders
    ]
    np.testing.assert_allclose(common_losses(data, orders), slow, rtol=1e-10)


@pytest.mark.parametrize("crossed", [True, False])
def test_planted_labels_are_found_and_the_error_is_that_of_the_energy(crossed):
    orbits = planted(noise=0.5, crossed=crossed)
    result = relabelling_test(orbits, RHO, n_draws=199)
    assert result.p_value == 1 / 200
    assert result.value == pytest.approx(1 - metrics.energy(orbits, RHO, baselines=()).value)
    assert result.baselines["relabelled"] > 2 * result.value
    assert "0.005" in result.notes[0]


def test_an_invariant_code_is_no_evidence_for_a_rotation():
    x = np.repeat(np.random.default_rng(0).normal(size=(30, 1, 2)), 8, axis=1)
    crossed = relabelling_test(orbits_of(x, np.repeat(G.orbit(1, 8), 30, axis=0)), RHO, n_draws=99)
    assert crossed.p_value == 1.0
    assert relabelling_test(orbits_of(x, G.orbit(30, 8)), RHO, n_draws=99).p_value == 1.0
    assert relabelling_test(planted(crossed=True), eye(2), n_draws=99).p_value == 1.0


def test_few_elements_are_enumerated():
    rng = np.random.default_rng(0)
    k = np.broadcast_to(np.arange(4.0)[None, :, None], (10, 4, 1))
    orbits = orbits_of(rng.normal(size=(10, 4, 2)), k, Cyclic(4))
    result = relabelling_test(orbits, Cyclic(4).irrep("k=1"))
    data = orbit_cells(orbits, Cyclic(4).irrep("k=1"))
    null = [item_average(data.with_operators([r[:, list(o)] for r in data.operators], True).pair_errors(True))
            for o in permutations(range(4))]  # fmt: skip
    own = item_average(data.pair_errors(True))
    assert result.p_value == np.mean(np.array(null) <= own + 1e-10)
    assert result.p_value >= 4 / 24  # the four shifts are the same circle
    assert "0.042" in result.notes[0]


def test_operators_that_are_not_orthogonal_are_relabelled_too():
    rng = np.random.default_rng(0)
    skew = np.array([[1.0, 0.7], [0.0, 0.5]])

    def rho(params):
        return skew @ RHO(np.asarray(params)) @ np.linalg.inv(skew)

    g = np.repeat(G.orbit(1, 8), 25, axis=0)
    z = np.einsum("nmab,nb->nma", rho(g), rng.normal(size=(25, 2))) + 0.1 * rng.normal(size=(25, 8, 2))
    assert relabelling_test(orbits_of(z, g), rho, n_draws=39).p_value == 1 / 40
    noise = orbits_of(rng.normal(size=(25, 8, 2)), g)
    assert relabelling_test(noise, rho, n_draws=39).p_value > 0.05


def test_the_relabelling_test_has_its_size_and_power():
    assert relabelling_type1(0, 300) == pytest.approx(0.05, abs=0.035)
    assert relabelling_type1(0, 20, signal=2.0) == 1.0


def test_p_values_under_the_null_are_uniform():
    rng = np.random.default_rng(0)
    g = np.repeat(G.orbit(1, 8), 12, axis=0)
    p = [relabelling_test(orbits_of(rng.normal(size=(12, 8, 2)) + rng.normal(size=(1, 8, 2)), g), RHO, n_draws=99,
                          seed=s).p_value for s in range(200)]  # fmt: skip
    assert stats.kstest(p, "uniform").pvalue > 0.01


@pytest.mark.parametrize(("orbits", "status"), [
    (constant(), "degenerate"), (constant(1e-12), "degenerate"), (planted(n=1), "insufficient"),
    (planted(m=1), "insufficient"),
])  # fmt: skip
def test_relabelling_says_nothing_of_codes_that_say_nothing(orbits, status):
    result = relabelling_test(orbits, RHO, n_draws=9)
    assert result.status == status
    assert result.p_value is None


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: relabelling_test(np.ones((4, 2)), RHO), ParameterError),
        (lambda: relabelling_test(planted(n=4), "m=1"), ParameterError),
        (lambda: relabelling_test(planted(n=4), eye(3)), ShapeError),
        (lambda: relabelling_test(planted(n=4), lambda p: np.full((len(p), 2, 2), np.nan)), FiniteError),
        (lambda: relabelling_test(planted(n=4), RHO, n_draws=0), ParameterError),
        (lambda: relabelling_test(planted(n=4), RHO, level=1.0), ParameterError),
    ],
)
def test_malformed_relabellings_are_named_errors(call, error):
    with pytest.raises(error):
        call()


# --- invariance of a distribution -------------------------------------------------------------------------------------
def turn(z, g):
    return np.einsum("nab,nb->na", RHO(g), z)


def test_the_invariance_test_has_its_size():
    assert invariance_type1(0, 200) == pytest.approx(0.05, abs=0.04)


@pytest.mark.parametrize(("shift", "least"), [(0.4, 0.3), (0.8, 0.85)])
def test_the_invariance_test_has_the_power_of_the_reference(shift, least):
    """metrics.md §6: .47 and .91 at mean shifts .4 and .8 with n = 60."""
    rejected = 0
    for seed in range(60):
        z = np.random.default_rng(seed).normal(size=(60, 2)) + np.array([shift, 0.0])
        rejected += distributional_invariance_test(z, G, turn, n_draws=59, seed=seed + 1000).p_value <= 0.05
    assert rejected / 60 >= least


def test_shapes_without_a_shifted_mean_are_told_apart():
    rng = np.random.default_rng(0)
    ellipse = rng.normal(size=(150, 2)) * [2.0, 0.5]
    assert distributional_invariance_test(ellipse, G, turn).p_value == 1 / 200
    assert distributional_invariance_test(ellipse, Cyclic(2), lambda z, k: z * np.cos(np.pi * k)).p_value > 0.05


def test_the_action_of_coordinates_fits_in():
    report, test = planted_report("SO2")
    first = np.flatnonzero(np.r_[True, test.items[1:] != test.items[:-1]])
    c = report.coordinates.transform(test.z[first])
    assert distributional_invariance_test(c, test.group, report.coordinates.act, n_draws=99).p_value > 0.01


def test_a_trivial_action_is_never_evidence():
    z = np.random.default_rng(0).normal(size=(30, 3)) + 5.0
    result = distributional_invariance_test(z, G, lambda z, g: z, n_draws=19)
    assert result.p_value == 1.0
    assert result.value == pytest.approx(0.0, abs=1e-12)


def test_neither_chunks_nor_an_offset_that_moves_along_change_the_test():
    z = np.random.default_rng(0).normal(size=(40, 2)) + np.array([0.5, 0.0])

    def move(rows, rng):
        return turn(rows, G.sample(len(rows), rng))

    whole, parts = invariance_test(z, move, 19), invariance_test(z, move, 19, cells=7)
    assert whole.p_value == parts.p_value
    np.testing.assert_allclose(whole.null, parts.null, atol=1e-11)

    def far(rows, rng):
        return move(rows - 1e3, rng) + 1e3

    assert invariance_test(z + 1e3, far, 19).p_value == whole.p_value


def test_the_statistic_is_mmd_by_hand():
    z = np.random.default_rng(0).normal(size=(12, 2)) + 1.0

    def move(rows, rng):
        return turn(rows, G.sample(len(rows), rng))

    rng = np.random.default_rng(0)
    r = move(z, rng)
    apart = ((r[:, None] - r[None]) ** 2).sum(-1)
    scale = np.median(apart[np.triu_indices(12, 1)])

    def kernel(x, y):
        return np.mean([[np.exp(-((a - b) ** 2).sum() / (2 * scale)) for b in y] for a in x])

    copies = [move(z, rng) for _ in range(9)]
    test = invariance_test(z, move, 9)
    assert test.observed == pytest.approx(kernel(z, z) - 2 * kernel(z, r), abs=1e-10)
    np.testing.assert_allclose(test.null, [kernel(c, c) - 2 * kernel(c, r) for c in copies], atol=1e-10)


@pytest.mark.parametrize(
    ("z", "status"),
    [(np.ones((20, 2)), "degenerate"), (np.ones((1, 2)), "insufficient"), (np.zeros((9, 2)), "degenerate")],
)
def test_a_point_has_no_distribution(z, status):
    result = distributional_invariance_test(z, G, turn, n_draws=9)
    assert result.status == status
    assert result.p_value is None
    assert math.isnan(result.value)
    assert str(result)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda z: distributional_invariance_test(z[0], G, turn), ShapeError),
        (lambda z: distributional_invariance_test(z * np.nan, G, turn), FiniteError),
        (lambda z: distributional_invariance_test(z, "SO2", turn), ParameterError),
        (lambda z: distributional_invariance_test(z, Translation(2), turn), ParameterError),
        (lambda z: distributional_invariance_test(z, G, RHO(np.zeros((1, 1)))), ParameterError),
        (lambda z: distributional_invariance_test(z, G, lambda z, g: z[:, :1]), ShapeError),
        (lambda z: distributional_invariance_test(z, G, lambda z, g: z * np.nan), FiniteError),
        (lambda z: distributional_invariance_test(z, G, turn, n_draws=0), ParameterError),
        (lambda z: invariance_test(z, lambda x, rng: x[:2]), ShapeError),
        (lambda z: invariance_test(z, lambda x, rng: x, cells=0), ParameterError),
        (lambda z: invariance_test(z, lambda x, rng: x, n_draws=True), ParameterError),
    ],
)
def test_malformed_invariance_tests_are_named_errors(call, error):
    with pytest.raises(error):
        call(np.random.default_rng(0).normal(size=(6, 2)))


# --- discoveries ------------------------------------------------------------------------------------------------------
def test_discoveries_are_benjamini_hochberg_without_the_untested():
    p = np.array([0.001, np.nan, 0.02, 0.04, 0.5, 0.9])
    frame = pd.DataFrame({"layer": list("abcdef"), "p": p}, index=[3, 1, 4, 1, 5, 9])
    found = discoveries(frame, 0.1, "p")
    kept = ~np.isnan(p)
    np.testing.assert_allclose(found.q_value.to_numpy()[kept], benjamini_hochberg(p[kept]))
    assert found.q_value.isna().tolist() == [False, True, False, False, False, False]
    assert found.discovered.tolist() == [True, False, True, True, False, False]
    assert list(frame.columns) == ["layer", "p"]
    assert found.index.tolist() == frame.index.tolist()
    assert not discoveries(frame, 0.001, "p").discovered.any()


def test_a_table_without_tests_has_no_discoveries():
    assert not discoveries(pd.DataFrame({"null_p": [np.nan, np.nan]})).discovered.any()
    assert discoveries(pd.DataFrame({"null_p": []})).empty


def test_reports_can_be_searched():
    report, _ = planted_report("SO2")
    found = discoveries(report.rows, q=0.1)
    assert found.discovered[found.null_p.notna()].any()
    assert not found.discovered[found.block == "all"].any()


def test_false_discoveries_stay_below_their_rate():
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(300):
        p = rng.uniform(size=20)
        p[:5] = rng.uniform(size=5) * 1e-3
        found = discoveries(pd.DataFrame({"null_p": p}), 0.2).discovered.to_numpy()
        shares.append(found[5:].sum() / max(found.sum(), 1))
    assert np.mean(shares) == pytest.approx(0.2 * 15 / 20, abs=0.04)


@pytest.mark.parametrize(
    ("frame", "q", "column", "error"),
    [
        ({"null_p": [0.1]}, 0.05, "null_p", ParameterError),
        (pd.DataFrame({"p": [0.1]}), 0.05, "null_p", UnknownNameError),
        (pd.DataFrame({"null_p": [0.1]}), 0.0, "null_p", ParameterError),
        (pd.DataFrame({"null_p": [0.1]}), math.nan, "null_p", ParameterError),
        (pd.DataFrame({"null_p": [1.5]}), 0.05, "null_p", ParameterError),
        (pd.DataFrame({"null_p": ["low"]}), 0.05, "null_p", ParameterError),
        (pd.DataFrame({"null_p": [np.inf]}), 0.05, "null_p", FiniteError),
    ],
)
def test_malformed_tables_are_named_errors(frame, q, column, error):
    with pytest.raises(error):
        discoveries(frame, q, column)


@pytest.mark.parametrize("seed", range(6))
def test_the_unit_of_an_embedding_is_no_difference(seed):
    rng = np.random.default_rng(seed)
    angle, items = SO2().orbit(60, 12).reshape(-1, 1), np.repeat(np.arange(60), 12)
    turned = angle + rng.uniform(0, 6.28, 60)[items, None]
    z = np.hstack([np.cos(turned), np.sin(turned)]) @ rng.normal(size=(2, 8)) + 0.2 * rng.normal(size=(720, 8))
    halves = [Orbits.from_arrays(unit * z, angle, items, SO2()).split(0.5) for unit in (1.0, 1e5)]
    fits = [LinearCoordinates(SO2()).fit_orbits(train).coordinates_ for train, _ in halves]
    result = compare(halves[0][1], halves[1][1], *fits)
    assert result.ci[0] < 0.0 < result.ci[1]
    assert result.p_value > 0.9
