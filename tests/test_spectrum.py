"""The isotypic spectrum says what is there, how sure that is, and whether the group structure is special."""

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt

from geodis import IsotypicSpectrum, Orbits, isotypic_spectrum
from geodis.errors import GeodisError, ParameterError, UnknownNameError
from geodis.groups import SO2, SO3, Cyclic, Dihedral, Translation
from geodis.simulators import planted

mpl.use("Agg")

COLUMNS = ["irrep", "copy", "energy", "ci_low", "ci_high", "p", "null_mean"]
COLUMNS += ["structure_p", "structure_mean", "coupling", "kept"]


def orbits_of(z, params, group):
    n, m, p = params.shape
    return Orbits.from_arrays(z, params.reshape(n * m, p), np.repeat(np.arange(n), m), group)


def planted_orbits(group, copies, n=80, m=12, seed=0, **options):
    params = group.orbit(n, m, seed=seed)
    parts = [(group.irrep(name), count) for name, count in copies.items()]
    return orbits_of(planted(parts, params, seed=seed, **{"n_features": 16} | options).z, params, group)


def twelve_points(points, n=80, d=8, seed=0, noise=0.3):
    """Every item shows the same twelve points of R^d, up to noise: `(orbits of Cyclic(12))`."""
    group, rng = Cyclic(12), np.random.default_rng(seed + 1)
    params = group.orbit(n, 12)
    z = np.tile(points, (n, 1)) + noise * rng.normal(size=(12 * n, d))
    return orbits_of(z, params, group)


# --- what is there ----------------------------------------------------------------------------------------------------
def test_energies_fall_and_copies_are_counted():
    orbits = planted_orbits(SO2(), {"m=0": 2, "m=1": 2, "m=3": 1})
    spectrum = isotypic_spectrum(orbits, max_order=4)
    assert isinstance(spectrum, IsotypicSpectrum)
    assert spectrum.multiplicities == {"m=0": 2, "m=1": 2, "m=3": 1}
    assert list(spectrum.energies) == [f"m={m}" for m in range(5)]
    for name, energies in spectrum.energies.items():
        assert len(energies) == len(spectrum.intervals[name]) == len(spectrum.p_values[name])
        assert (np.diff(energies[: spectrum.multiplicity(name)]) <= 0).all()
        assert (np.diff(energies[spectrum.multiplicity(name) :]) <= 0).all()
        assert (energies <= 1).all()
        kept = np.arange(len(energies)) < spectrum.multiplicity(name)
        assert (energies[kept] > 0.9).all()
        assert (energies[~kept] < 0.5).all(), "rejected candidates stay, and lie below"
    assert spectrum.status == "ok"
    assert not spectrum.limited
    assert "2× m=1" in repr(spectrum)


def test_unknown_names_and_other_things_are_refused():
    orbits = planted_orbits(Cyclic(4), {"k=1": 1})
    spectrum = isotypic_spectrum(orbits, max_order=1, n_null=19)
    assert spectrum.multiplicity("k=1") == 1
    assert spectrum.multiplicity("k=0") == 0
    for name in ("m=1", "k=2", "", None):
        with pytest.raises(UnknownNameError):
            spectrum.multiplicity(name)
    with pytest.raises(ParameterError, match="Orbits"):
        isotypic_spectrum(orbits.z)
    for option in ({"n_null": 3}, {"min_energy": 1.0}, {"max_order": -1}, {"seed": -1}, {"level": 2}, {"ridge": None}):
        with pytest.raises(GeodisError):
            isotypic_spectrum(orbits, **({"max_order": 1} | option))


def test_the_table_holds_the_spectrum():
    spectrum = isotypic_spectrum(planted_orbits(SO2(), {"m=0": 1, "m=1": 1}), max_order=2, n_null=39)
    frame = spectrum.to_frame()
    assert frame.columns.tolist() == COLUMNS
    assert len(frame) == sum(len(e) for e in spectrum.energies.values())
    assert frame.kept.sum() == 2
    for name, mine in frame.groupby("irrep"):
        assert mine["copy"].tolist() == list(range(1, len(mine) + 1))
        assert mine.energy.tolist() == spectrum.energies[name].tolist()
        assert (mine.ci_low <= mine.energy).all()
        assert (mine.energy <= mine.ci_high).all()


def test_the_plot_shows_every_candidate():
    spectrum = isotypic_spectrum(planted_orbits(SO2(), {"m=1": 1}), max_order=2, n_null=39)
    ax = spectrum.plot()
    shown = (spectrum.to_frame().energy > -0.2).sum()
    assert isinstance(ax, plt.Axes)
    assert len(ax.patches) == shown
    assert max(bar.get_height() for bar in ax.patches) == pytest.approx(spectrum.energies["m=1"][0])
    assert [t.get_text() for t in ax.get_xticklabels()] == [n for n, e in spectrum.energies.items() if (e > -0.2).any()]
    _, mine = plt.subplots()
    assert spectrum.plot(mine) is mine
    plt.close("all")


@pytest.mark.parametrize(
    "z", [np.full((80, 4), 2.0), np.random.default_rng(0).normal(size=(80, 4))], ids=["constant", "noise"]
)
def test_an_empty_spectrum_is_printed_and_drawn(z):
    group = SO2()
    spectrum = isotypic_spectrum(orbits_of(z, group.orbit(10, 8), group), max_order=2, n_null=19)
    assert spectrum.multiplicities == {}
    assert "nothing found" in repr(spectrum)
    assert not spectrum.to_frame().kept.any()
    assert spectrum.to_frame().columns.tolist() == COLUMNS
    assert isinstance(spectrum.plot(), plt.Axes)
    plt.close("all")


# --- how sure that is -------------------------------------------------------------------------------------------------
def test_permuted_labels_have_no_energy():
    for group, name in ((SO2(), "m=1"), (SO3(), "l=1"), (Cyclic(12), "k=1"), (Dihedral(4), "E1")):
        spectrum = isotypic_spectrum(planted_orbits(group, {name: 1}), max_order=2, n_null=99)
        assert spectrum.multiplicity(name) == 1
        # Permuted labels of a full orbit leave the lag-e pairs out: −1/(m − 1) at most.
        assert abs(spectrum.null_mean[name]) < 0.1
        assert spectrum.p_values[name][0] <= 0.05
        others = [p[0] for n, p in spectrum.p_values.items() if n != name and len(p)]
        assert min(others) > 0.05


@pytest.mark.parametrize("crossed", [False, True])
def test_intervals_hold_the_truth(crossed):
    # Rows of unit variance in noise of .25: λ = .8 in the true frame, and on 60 items in R^4 in the fitted one.
    group, hits = Cyclic(8) if crossed else SO2(), []
    name = "k=1" if crossed else "m=1"
    for seed in range(30):
        orbits = planted_orbits(group, {name: 1}, n=60, m=8, seed=seed, noise=0.5, n_features=4)
        spectrum = isotypic_spectrum(orbits, max_order=1, n_null=19, ridge=0.0, seed=seed)
        low, high = spectrum.intervals[name][0]
        hits.append(low <= 1 / (1 + 0.25) <= high)
        assert high - low < 0.3, "and say something"
    assert np.mean(hits) >= 0.8, "of 95 % intervals"


def test_a_lower_level_has_narrower_intervals():
    orbits = planted_orbits(SO2(), {"m=1": 1})
    wide, narrow = (isotypic_spectrum(orbits, max_order=1, level=level, n_null=19) for level in (0.99, 0.5))
    (a, b), (c, d) = wide.intervals["m=1"][0], narrow.intervals["m=1"][0]
    assert a < c < d < b


def test_the_seed_decides_folds_and_nulls():
    orbits = planted_orbits(SO2(), {"m=1": 1}, noise=0.5)
    first, again, other = (isotypic_spectrum(orbits, max_order=2, n_null=39, seed=s) for s in (0, 0, 1))
    assert first.to_frame().equals(again.to_frame())
    assert not first.to_frame().equals(other.to_frame())


# --- is the group structure special -----------------------------------------------------------------------------------
def test_points_in_general_position_are_no_circle():
    points = np.random.default_rng(3).normal(size=(12, 8))
    spectrum = isotypic_spectrum(twelve_points(points), max_order=5, n_null=99)
    kept = [name for name in spectrum.multiplicities if name != "k=0"]
    assert kept, "the code depends on the element ..."
    for name in kept:
        assert spectrum.p_values[name][0] <= 0.05
        assert abs(spectrum.null_mean[name]) < 0.1
        assert spectrum.structure_p[name] > 0.05, "... but any twelve points can be put on a circle"
        assert spectrum.structure_mean[name] > 0.5


def test_a_true_circle_is_special():
    angles = np.arange(12) * np.pi / 6
    rng = np.random.default_rng(0)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1) @ np.linalg.qr(rng.normal(size=(8, 8)))[0][:2]
    spectrum = isotypic_spectrum(twelve_points(circle, noise=0.2), max_order=5, n_null=99)
    assert spectrum.multiplicities == {"k=1": 1}
    assert spectrum.structure_p["k=1"] <= 0.02
    assert spectrum.structure_mean["k=1"] < spectrum.energies["k=1"][0] - 0.1
    assert np.isnan(spectrum.structure_p["k=2"]), "what is not kept is not tested"


@pytest.mark.parametrize("group", [Cyclic(2), Cyclic(3), Cyclic(4), Dihedral(1)], ids=repr)
def test_the_structure_of_few_elements_is_not_testable(group):
    name = next(rep.name for rep in group.irreps(1) if not rep.trivial)
    spectrum = isotypic_spectrum(planted_orbits(group, {name: 1}), max_order=1, n_null=99)
    assert spectrum.multiplicity(name) == 1, "it is kept all the same"
    assert np.isnan(spectrum.structure_p[name])


@pytest.mark.parametrize("group", [SO2(), SO3(), Translation(1, period=(1.0,))], ids=repr)
def test_the_structure_of_continuous_groups_is_tested_on_their_cells(group):
    name = group.irreps(1)[1].name
    spectrum = isotypic_spectrum(planted_orbits(group, {name: 1}, m=24), max_order=1, n_null=59)
    assert spectrum.multiplicity(name) == 1
    assert spectrum.structure_p[name] <= 0.05


# --- products ---------------------------------------------------------------------------------------------------------
def test_couplings_tell_disentangled_from_entangled():
    group = SO2() * Cyclic(3)
    copies = {"m=0⊗k=0": 1, "m=1⊗k=0": 1, "m=0⊗k=1": 1, "m=1⊗k=-1": 1}
    spectrum = isotypic_spectrum(planted_orbits(group, copies, n=100, m=24), max_order=1, n_null=59)
    assert spectrum.multiplicities == copies
    assert spectrum.multiplicity("m=1⊗k=1") == 0
    assert dict(spectrum.coupling) == {
        "m=0⊗k=0": "trivial",
        "m=1⊗k=0": "disentangled",
        "m=0⊗k=1": "disentangled",
        "m=1⊗k=1": "entangled",
        "m=1⊗k=-1": "entangled",
    }
    assert spectrum.structure_p["m=1⊗k=0"] <= 0.05
    assert np.isnan(spectrum.structure_p["m=0⊗k=1"]), "three elements"


def test_limited_designs_report_the_skill():
    group = SO2()
    params = np.random.default_rng(0).uniform(-1, 1, size=(60, 8, 1))
    code = planted([(group.irrep("m=1"), 1), (group.irrep("m=0"), 1)], params, n_features=6)
    spectrum = isotypic_spectrum(orbits_of(code.z, params, group), max_order=2, n_null=39)
    assert spectrum.limited
    assert spectrum.multiplicities == {"m=0": 1, "m=1": 1}
    assert "skill" in spectrum.plot().get_ylabel()
    plt.close("all")
