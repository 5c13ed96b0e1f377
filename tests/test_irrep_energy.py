"""The irrep-energy report: closed forms, a bad twin for each good score, and nothing perfect about a constant."""

from __future__ import annotations

import json
import math
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from lsbd_codes import CASES, FLAT, GRID, TORUS, orbits_of, tensor, torus, warped

from geodis.errors import DesignError, FiniteError, ParameterError, ShapeError
from geodis.groups import SO2, SO3, Cyclic, Dihedral, Permutations, Translation
from geodis.metrics import irrep_energy, subspace_overlap
from geodis.orbits import Orbits
from geodis.simulators.planted import random_orthogonal


def report(z, **options):
    return irrep_energy(orbits_of(z), n_null=0, **options)


def planted(group, names, n=30, m=20, noise=0.0, seed=0, extra=0, offset=0.0):
    """Items with one copy of each irrep, in random directions, seen at the group's own design."""
    rng = np.random.default_rng(seed)
    g = group.orbit(n, m, seed=seed)
    parts = [
        np.einsum("nmab,nb->nma", group.irrep(name)(g), rng.normal(size=(n, group.irrep(name).dim))) for name in names
    ]
    code = np.concatenate([*parts, np.zeros((*g.shape[:2], extra))], axis=2)
    frame = random_orthogonal(code.shape[2], rng)
    z = code @ frame.T + noise * rng.normal(size=code.shape) + offset
    return Orbits.from_arrays(
        z.reshape(-1, z.shape[2]), g.reshape(-1, g.shape[2]), np.repeat(np.arange(n), g.shape[1]), group
    )


# --- the digits of the specification ----------------------------------------------------------------------------------
def test_the_torus_is_perfect_in_any_frame():
    frame = np.linalg.qr(np.random.default_rng(0).normal(size=(64, 4)))[0]
    for z in (FLAT, FLAT @ frame.T, torus(GRID, 3), 5.0 + 1e4 * FLAT):
        found = report(z)
        assert found.lsbd_energy == pytest.approx(1.0, abs=1e-12)
        assert found.score == pytest.approx(1.0, abs=1e-9)
        assert (found.interaction, found.off_irrep, found.overlap) == pytest.approx((0, 0, 0), abs=1e-12)
        assert found.isotropy == pytest.approx(1.0, abs=1e-9)
        assert [f.share for f in found.factors] == pytest.approx([0.5, 0.5])
        assert found.notes == ()


@pytest.mark.parametrize(("a", "energy"), [(0.1, 0.99749844), (0.2, 0.98997545), (0.5, 0.93663717), (1.0, 0.74251409)])
def test_a_warped_circle_has_the_energy_of_bessel_functions(a, energy):
    assert report(warped(GRID, a)).factors[0].energy == pytest.approx(energy, abs=5e-9)
    assert report(warped(GRID, a)).factors[1].energy == pytest.approx(1.0, abs=1e-12)


def test_a_strong_warp_leads_at_another_frequency():
    found = report(warped(GRID, 2.0))
    bent = sum(power for name, power in found.powers.items() if name.endswith("m=0"))
    assert found.powers["m=1⊗m=0"] / bent == pytest.approx(0.26164510, abs=5e-9)
    assert found.factors[0].irrep == "m=2⊗m=0"


def test_the_warped_torus_to_ten_digits():
    found = report(warped(GRID, 0.5))
    assert found.lsbd_energy == pytest.approx(0.9692764515, abs=1e-10)
    assert found.isotropy == pytest.approx(0.9368386133, abs=1e-10)


@pytest.mark.parametrize("c", [0.25, 0.5, 0.9])
def test_added_parts_count_by_their_variance(c):
    rest = c**2 / (2 + c**2)
    assert report(np.hstack([FLAT, c * tensor(GRID)])).interaction == pytest.approx(rest, abs=1e-12)
    assert report(np.hstack([FLAT, c * torus(GRID, 2)[:, :2]])).off_irrep == pytest.approx(rest, abs=1e-12)
    assert report(np.hstack([FLAT, c * tensor(GRID)])).off_irrep == pytest.approx(0.0, abs=1e-12)


def test_random_planes_overlap_by_their_dimension():
    rng = np.random.default_rng(0)
    for k, dim in ((2, 4), (2, 16), (3, 9)):
        draws = np.array([subspace_overlap(rng.normal(size=(2, dim, k))) for _ in range(600)])
        assert abs(draws.mean() - k / dim) < 4 * draws.std() / math.sqrt(len(draws))
    plane = rng.normal(size=(6, 2))
    assert subspace_overlap([plane, plane @ [[2.0, 1.0], [0.0, 3.0]]]) == pytest.approx(1.0)
    assert subspace_overlap([np.eye(6)[:, :2], np.eye(6)[:, 2:5], np.eye(6)[:, 5:]]) == 0.0


# --- the failures of the published measure ----------------------------------------------------------------------------
@pytest.mark.parametrize("name", [name for name in CASES if name != "constant"])
def test_every_failure_is_named(name):
    z, words = CASES[name]
    found = report(z)
    assert found.score < 0.9
    assert any(words in note for note in found.notes), found.notes


def test_the_failures_have_the_sizes_of_the_prototypes():
    assert report(CASES["superposed"][0]).overlap == pytest.approx(1.0)
    assert report(CASES["ellipse"][0]).isotropy == pytest.approx(0.1)
    assert report(CASES["tensor"][0]).interaction == pytest.approx(1.0)
    assert report(CASES["second harmonic"][0]).off_irrep == pytest.approx(0.288256, abs=5e-7)
    assert [f.share for f in report(CASES["absent"][0]).factors] == pytest.approx([1.0, 0.0])
    noise = report(CASES["noise"][0])
    assert noise.lsbd_energy < 0.03
    assert noise.score < 0.01


@pytest.mark.parametrize("z", [CASES["constant"][0], 3.0 + 1e-12 * CASES["noise"][0]], ids=["exact", "rounding"])
def test_a_constant_is_degenerate(z):
    found = report(z)
    assert found.status == "degenerate"
    assert math.isnan(found.lsbd_energy)
    assert math.isnan(found.score)
    assert "nan" in str(found)
    json.dumps(found.to_dict(), allow_nan=False)


def test_one_item_is_insufficient_and_has_no_interval():
    found = report(FLAT)
    assert found.status == "insufficient"
    assert np.isnan(list(found.intervals.values())).all()
    lone = Orbits.from_arrays(FLAT[:5], GRID[:5], np.arange(5), TORUS)
    assert irrep_energy(lone).status == "insufficient"


# --- every kind of group ----------------------------------------------------------------------------------------------
GROUPS = {
    "SO2 grid": (SO2(), ["m=2"], 12),
    "Cyclic whole": (Cyclic(7), ["k=3"], 7),
    "Cyclic sign": (Cyclic(6), ["k=3"], 6),
    "Dihedral whole": (Dihedral(5), ["E2"], 10),
    "Permutations whole": (Permutations(4), None, 24),
    "SO3 off the grid": (SO3(), ["l=1"], 40),
    "torus off the grid": (SO2() * SO2(), ["m=1⊗m=0", "m=0⊗m=1"], 60),
    "mixed": (SO2() * Cyclic(3), ["m=1⊗k=0", "m=0⊗k=1"], 60),
    "finite product": (Cyclic(4) * Cyclic(3), ["k=1⊗k=0", "k=0⊗k=1"], 12),
}


@pytest.mark.parametrize("case", GROUPS, ids=str)
def test_planted_irreps_are_found_in_every_group(case):
    group, names, m = GROUPS[case]
    names = names or [group.irreps(8)[-1].name]
    found = irrep_energy(planted(group, names, m=m, extra=3, offset=7.0), n_null=19)
    assert found.status == "ok"
    assert [f.irrep for f in found.factors] == names
    assert found.lsbd_energy == pytest.approx(1.0, abs=1e-9)
    assert found.isotropy == pytest.approx(1.0, abs=1e-6)
    assert found.overlap == pytest.approx(0.0, abs=1e-9)
    assert found.null_p == pytest.approx(1 / 20)
    assert found.null_mean < 0.9
    junk = planted(group, names, m=m, extra=3).map(lambda z: np.random.default_rng(1).normal(size=z.shape))
    bad = irrep_energy(junk, n_null=19)
    assert bad.lsbd_energy < 0.75
    assert bad.lsbd_energy == pytest.approx(bad.null_mean, abs=0.1)


def test_the_null_is_exact_on_junk():
    orbits = planted(Cyclic(7), ["k=1"], n=6, m=7)
    rng = np.random.default_rng(0)
    found = [irrep_energy(orbits.map(lambda z: rng.normal(size=z.shape)), n_null=19, seed=s).null_p for s in range(200)]
    assert 1 <= sum(p <= 0.05 for p in found) <= 20
    assert 0.4 < np.mean(found) < 0.65


@pytest.mark.parametrize("case", ["SO2 grid", "Dihedral whole", "SO3 off the grid"])
def test_an_irrep_that_is_not_looked_at_is_not_found(case):
    group, names, m = GROUPS[case]
    clean = planted(group, names, m=m)
    rng = np.random.default_rng(0)
    shuffled = clean.relabel(np.concatenate([rng.permutation(s.params[0]) for s in clean.stacks() for s in _each(s)]))
    assert irrep_energy(shuffled, n_null=0).lsbd_energy < 0.8 < irrep_energy(clean, n_null=0).lsbd_energy


def _each(stack):
    for i in range(len(stack.z)):
        yield stack._replace(z=stack.z[i : i + 1], params=stack.params[i : i + 1])


def test_grid_and_least_squares_agree():
    rng = np.random.default_rng(2)
    m = 24
    angles = 2 * np.pi * np.arange(m) / m
    z = np.stack([np.cos(angles), 0.5 * np.sin(angles), 0.3 * np.cos(2 * angles)], axis=1)
    grid = irrep_energy(Orbits.from_arrays(z, angles, np.zeros(m), SO2()), n_null=0)
    g = rng.uniform(0, 2 * np.pi, m)
    off = np.stack([np.cos(g), 0.5 * np.sin(g), 0.3 * np.cos(2 * g)], axis=1)
    fitted = irrep_energy(Orbits.from_arrays(off, g, np.zeros(m), SO2()), n_null=0)
    for name in ("lsbd_energy", "off_irrep", "isotropy", "score"):
        assert getattr(fitted, name) == pytest.approx(getattr(grid, name), abs=1e-9)
    assert fitted.unresolved == pytest.approx(0.0, abs=1e-9)


def test_rows_in_any_order_and_grids_turned_by_any_offset():
    rng = np.random.default_rng(0)
    z, shuffled = warped(GRID, 0.5), rng.permutation(len(GRID))
    turned = orbits_of(z[shuffled], GRID[shuffled] + [0.3, -1.7])
    one, two = report(z), irrep_energy(turned, n_null=0)
    for name in ("lsbd_energy", "interaction", "off_irrep", "isotropy", "overlap", "score"):
        assert getattr(two, name) == pytest.approx(getattr(one, name), abs=1e-12)


@pytest.mark.parametrize(("group", "name"), [(SO2(), "m=1"), (SO3(), "l=1")], ids=["complex", "real"])
def test_noise_off_the_grid_is_what_no_irrep_resolves(group, name):
    """Energies of real and of complex irreps are in the unit of the variance that is left over."""
    rng, n, m, sigma = np.random.default_rng(0), 200, 30, 0.5
    g, rho = group.sample(n * m, seed=1), group.irrep(name)
    x = rng.normal(size=(n, rho.dim)).repeat(m, axis=0)
    z = np.einsum("nab,nb->na", rho(g), x) + sigma * rng.normal(size=(n * m, rho.dim))
    found = irrep_energy(Orbits.from_arrays(z, g, np.arange(n * m) // m, group), max_order=1, n_null=0)
    # Of Q − 1 functions that are not constant, each takes σ²/m of the noise along with its energy.
    q = 2 if group == SO2() else 9
    signal, noise = float((x**2).sum(axis=1).mean()), rho.dim * sigma**2
    assert found.unresolved == pytest.approx(noise / (signal + noise * (1 + q / m)), rel=0.1)


def test_units_offsets_frames_and_the_order_of_factors_do_not_matter():
    rng = np.random.default_rng(4)
    z = np.hstack([warped(GRID, 0.6), 0.4 * tensor(GRID)]) + 0.1 * rng.normal(size=(len(GRID), 8))
    one = report(z)
    frame = random_orthogonal(8, rng)
    others = {
        "moved": report(1e3 * z @ frame.T + rng.normal(size=8)),
        "small": report(1e-5 * z),
        "factors swapped": irrep_energy(orbits_of(z, GRID[:, ::-1]), n_null=0),
        "turned back": irrep_energy(orbits_of(z, -GRID), n_null=0),
    }
    for name, two in others.items():
        for measure in ("lsbd_energy", "interaction", "off_irrep", "isotropy", "overlap", "score"):
            assert getattr(two, measure) == pytest.approx(getattr(one, measure), abs=1e-9), (name, measure)
    swapped = [f.share for f in others["factors swapped"].factors]
    assert swapped == pytest.approx([f.share for f in one.factors][::-1])


# --- items ------------------------------------------------------------------------------------------------------------
def test_directions_are_those_of_all_items():
    """Each item keeps its factors apart, but what turns with θ in one item turns with φ in the other."""
    swapped = FLAT[:, [2, 3, 0, 1]]
    z, g = np.concatenate([FLAT, swapped]), np.concatenate([GRID, GRID])
    both = Orbits.from_arrays(z, g, np.repeat([0, 1], len(GRID)), TORUS)
    assert irrep_energy(both, n_null=0).overlap == pytest.approx(1.0)
    same = Orbits.from_arrays(np.concatenate([FLAT, 2 * FLAT]), g, np.repeat([0, 1], len(GRID)), TORUS)
    assert irrep_energy(same, n_null=0).overlap == pytest.approx(0.0, abs=1e-12)


def test_several_copies_are_no_ellipse():
    group = Cyclic(8)
    found = irrep_energy(planted(group, ["k=1", "k=1", "k=1"], m=8), n_null=0)
    assert found.isotropy == pytest.approx(1.0, abs=1e-9)
    assert found.factors[0].directions == 6


def test_each_item_counts_its_own_ellipse():
    """Ellipses in random directions look round on average."""
    rng, angles = np.random.default_rng(0), 2 * np.pi * np.arange(8) / 8
    z = np.concatenate(
        [np.stack([np.cos(angles), 0.2 * np.sin(angles)], axis=1) @ random_orthogonal(2, rng) for _ in range(40)]
    )
    orbits = Orbits.from_arrays(z, np.tile(angles, 40), np.repeat(np.arange(40), 8), SO2())
    assert irrep_energy(orbits, n_null=0).isotropy == pytest.approx(0.2, abs=1e-9)


def test_intervals_hold_the_truth_and_shrink_with_items():
    noise, group = 0.4, SO2()
    truth = irrep_energy(planted(group, ["m=1"], n=3000, m=12, noise=noise, extra=2), n_null=0).lsbd_energy
    held, widths = 0, []
    for seed in range(60):
        low, high = irrep_energy(
            planted(group, ["m=1"], n=40, m=12, noise=noise, extra=2, seed=seed), n_null=0
        ).intervals["lsbd_energy"]
        held += low <= truth <= high
        widths.append(high - low)
    assert held >= 52
    assert 0.02 < np.mean(widths) < 0.2


def test_clusters_widen_the_interval():
    (stack,) = planted(SO2(), ["m=1"], n=40, m=12, noise=0.5).stacks()
    z, g = (np.repeat(x, 4, axis=0).reshape(40 * 4 * 12, -1) for x in (stack.z, stack.params))
    own = Orbits.from_arrays(z, g, np.arange(len(z)) // 12, SO2())
    twins = Orbits.from_arrays(own.z, own.params, own.items, SO2(), clusters=own.items // 4)
    narrow, wide = (irrep_energy(o, n_null=0).intervals["lsbd_energy"] for o in (own, twins))
    assert wide[1] - wide[0] > 1.4 * (narrow[1] - narrow[0])


def test_ragged_orbits_and_lone_rows():
    orbits = planted(SO2(), ["m=1"], n=12, m=8)
    keep = (orbits.items > 2) | (np.arange(len(orbits)) % 8 == 0)
    fewer = Orbits.from_arrays(orbits.z[keep], orbits.params[keep], orbits.items[keep], SO2())
    found = irrep_energy(fewer, n_null=0)
    assert found.n_items == 9
    long = planted(SO2(), ["m=1"], n=6, m=12, seed=0)
    both = Orbits.from_arrays(
        np.concatenate([orbits.z, long.z @ np.eye(2)]), np.concatenate([orbits.params, long.params]),
        np.concatenate([orbits.items, 100 + long.items]), SO2(),
    )  # fmt: skip
    assert irrep_energy(both, n_null=0).lsbd_energy == pytest.approx(1.0, abs=1e-9)


# --- the record, and malformed input ----------------------------------------------------------------------------------
def test_the_report_prints_and_becomes_json():
    found = irrep_energy(planted(SO2() * Cyclic(3), ["m=1⊗k=0", "m=0⊗k=1"], m=60, noise=0.1), n_null=9)
    text = str(found)
    assert all(word in text for word in ("lsbd_energy", "interaction", "overlap", "SO2()", "Cyclic(3)", "ok"))
    data = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert data["factors"][0]["irrep"] == "m=1⊗k=0"
    assert found.to_frame().irrep.tolist() == ["m=1⊗k=0", "m=0⊗k=1"]
    assert found.headline.value == found.lsbd_energy
    assert found.headline.baselines == {"relabelled": found.null_mean}
    assert not found.headline.lower_is_better
    with pytest.raises(FrozenInstanceError):
        found.score = 1.0


def test_the_same_seed_gives_the_same_null():
    orbits = planted(SO2(), ["m=1"], noise=0.3)
    one, two, three = (irrep_energy(orbits, n_null=9, seed=s).null_mean for s in (0, 0, 1))
    assert one == two != three


def test_designs_that_cannot_tell_are_refused():
    few = planted(SO3(), ["l=1"], m=6)
    with pytest.raises(DesignError, match="too few"):
        irrep_energy(few)
    with pytest.raises(DesignError, match="tell"):
        irrep_energy(planted(SO3(), ["l=1"], m=20), max_order=3)
    line = Orbits.from_arrays(np.eye(4), np.arange(4.0), np.zeros(4), Translation(1))
    with pytest.raises(DesignError, match="compact"):
        irrep_energy(line)


@pytest.mark.parametrize(
    ("options", "error"),
    [({"level": 1.0}, ParameterError), ({"n_null": -1}, ParameterError), ({"n_null": 0.5}, ParameterError),
     ({"max_order": -1}, ParameterError)],
)  # fmt: skip
def test_options_outside_their_range_are_refused(options, error):
    with pytest.raises(error):
        irrep_energy(planted(SO3(), ["l=1"], m=40), **options)


def test_malformed_input_is_refused():
    with pytest.raises(ParameterError, match="Orbits"):
        irrep_energy(FLAT)
    orbits = orbits_of(FLAT)
    orbits.z[3, 1] = np.nan
    with pytest.raises(FiniteError):
        irrep_energy(orbits)
    orbits.z[3, 1] = 0.0


@pytest.mark.parametrize(
    ("frames", "error"),
    [
        ([np.eye(4)], ParameterError),
        ([np.eye(4), np.eye(3)], ShapeError),
        ([np.eye(4)[0], np.eye(4)], ShapeError),
        ([np.ones((4, 2)), np.eye(4)], ParameterError),
        ([np.zeros((4, 2)), np.eye(4)], ParameterError),
        ([np.full((4, 1), np.nan), np.eye(4)], FiniteError),
    ],
)
def test_malformed_subspaces_are_refused(frames, error):
    with pytest.raises(error):
        subspace_overlap(frames)


def test_one_item_that_moves_among_still_ones_tells_no_interval():
    angles = np.arange(8.0)[:, None] * np.pi / 4
    circle = np.hstack([np.cos(angles), np.sin(angles)])
    z, items = np.concatenate([circle, np.ones((8, 2))]), np.repeat([0, 1], 8)
    report = irrep_energy(Orbits.from_arrays(z, np.concatenate([angles, angles]), items, SO2()), n_null=5)
    assert report.lsbd_energy == pytest.approx(1.0)
    assert np.isnan(report.intervals["lsbd_energy"]).all()
