"""Equations of fields: libraries hold all terms, planted equations are found, what is found commutes and is saved."""

import numpy as np
import pytest

from geodis.actions import FieldSymmetries
from geodis.emulators import FieldLaw, FieldLibrary, SparseFieldLaw
from geodis.emulators.field_law import Grid
from geodis.errors import DesignError, FileFormatError, FiniteError, LengthError, ParameterError, ShapeError
from geodis.simulators import random_shallow_water, simulate_shallow_water

WATER = FieldLibrary({"h": (0, 1), "u": (1, 1)}, {"f": (0, -1)})
GAS = FieldLibrary({"c": (0, 1)}, derivatives=(2, 1))
TYPES, FIXED = ((0, 1, 1), (1, 1, 1)), ((0, -1, 1),)
LIBRARIES = {
    "water": WATER,
    "gas": GAS,
    "cubic": FieldLibrary({"a": (0, 1), "w": (0, -1)}, derivatives=(2, 0, 0)),
    "space": FieldLibrary({"u": (1, 1), "w": (1, -1)}, dim=3),
    "tensor": FieldLibrary({"s": (2, 1)}, derivatives=(2, 0)),
}


def smooth(components, side, seed=0, batch=2, dim=2):
    noise = np.random.default_rng(seed).normal(size=(batch, components, *(side,) * dim))
    return 0.3 * Grid.of((side,) * dim, 2 * np.pi).cut(noise)


def full(library, interval=0.1, seed=0):
    """A law with every term."""
    rng = np.random.default_rng(seed)
    values = {n: {t.text: 0.02 * float(rng.normal()) for t in terms} for n, terms in library.terms.items()}
    return FieldLaw.of(library, values, interval=interval, substeps=1)


@pytest.mark.parametrize("name", LIBRARIES)
def test_every_term_commutes_with_the_group(name):
    library = LIBRARIES[name]
    side = 8 if library.dim == 2 else 6
    types = tuple((k, p, 1) for k, p in library.state.values())
    drive = tuple((k, p, 1) for k, p in library.fixed.values())
    state = smooth(sum(library.widths(library.state).values()), side, dim=library.dim)
    fixed = smooth(sum(library.widths(library.fixed).values()), side, 1, dim=library.dim) if drive else None
    law = full(library)
    out, moved = law.step(state, fixed), FieldSymmetries(types, library.dim)
    assert np.abs(out - state).max() > 1e-4
    for element in moved.group.elements():
        g = np.repeat(np.asarray(element, dtype=float)[None], len(state), 0)
        turned = None if fixed is None else FieldSymmetries(drive, library.dim).act(g, fixed)
        assert np.abs(law.step(moved.act(g, state), turned) - moved.act(g, out)).max() < 1e-12


def test_a_term_of_the_wrong_parity_does_not_commute():
    library = FieldLibrary({"h": (0, 1), "u": (1, 1)}, {"f": (0, 1)})  # a Coriolis parameter taken for a scalar
    state, f = smooth(3, 8), smooth(1, 8, 1)
    law = FieldLaw.of(library, {"u": {"u_i f": 1.0}}, interval=0.1)
    moved, drive, out = FieldSymmetries(TYPES, 2), FieldSymmetries(FIXED, 2), law.step(state, f)
    worst = 0.0
    for element in moved.group.elements():
        g = np.repeat(np.asarray(element, dtype=float)[None], 2, 0)
        worst = max(worst, np.abs(law.step(moved.act(g, state), drive.act(g, f)) - moved.act(g, out)).max())
    assert worst > 1e-3


def test_libraries_hold_what_physics_writes_and_nothing_twice():
    assert {"∂_j u_j", "h ∂_j u_j", "u_j ∂_j h"} <= {str(t) for t in WATER.terms["h"]}
    assert {"∂_i h", "ε_ij u_j f", "u_j ∂_j u_i", "∂_j∂_j u_i"} <= {str(t) for t in WATER.terms["u"]}
    for terms in WATER.terms.values():
        assert len({str(t) for t in terms}) == len(terms)
    # ε on two derivatives of one field vanishes; two pseudoscalars make a scalar, one does not.
    assert not any("∂_j∂_k f" in str(t) for t in WATER.terms["h"])
    names = {str(t) for t in LIBRARIES["cubic"].terms["a"]}
    assert "w w" in names
    assert "w" not in names


def test_derivatives_are_exact_for_waves():
    x = np.arange(16) * 2 * np.pi / 16
    wave = np.sin(2 * x)[None, None, None, :] * np.ones((1, 1, 16, 1))
    law = FieldLaw.of(GAS, {"c": {"∂_j∂_j c": 1.0}}, interval=1.0)
    assert np.abs(law.tendency(wave) + 4 * wave).max() < 1e-12
    longer = FieldLaw.of(GAS, {"c": {"∂_j∂_j c": 1.0}}, interval=1.0, length=4 * np.pi)
    assert np.abs(longer.tendency(wave) + wave).max() < 1e-12


@pytest.fixture(scope="module")
def water():
    """Three runs of shallow water at 16², snapshots a quarter apart, and what was found in them."""
    f = np.array([1.0, -0.5, 0.7])
    runs = simulate_shallow_water(random_shallow_water(3, 16, peak=2.0, seed=0), f, 7, interval=0.25, viscosity=0.01)
    fixed = np.broadcast_to(f[:, None, None, None], (3, 1, 16, 16))
    return runs, fixed, SparseFieldLaw(WATER, interval=0.25, n_windows=12, n_folds=3).fit(runs, fixed).law_


def test_shallow_water_is_found_term_by_term(water):
    _, _, law = water
    found = {name: dict(zip(map(str, law.terms[name]), law.coefficients[name], strict=True)) for name in ("h", "u")}
    truth = {
        "h": {"∂_j u_j": -1.0, "h ∂_j u_j": -1.0, "u_j ∂_j h": -1.0, "∂_j∂_j h": 0.01},
        "u": {"∂_i h": -1.0, "ε_ij u_j f": 1.0, "u_j ∂_j u_i": -1.0, "∂_j∂_j u_i": 0.01},
    }
    for name, terms in truth.items():
        assert set(found[name]) == set(terms)
        assert all(abs(found[name][t] - c) < 2e-3 * max(1.0, abs(c)) for t, c in terms.items())
    assert law.unexplained < 1e-6
    assert "∂_j u_j" in str(law)


def test_unseen_runs_are_followed(water):
    _, _, law = water
    new = simulate_shallow_water(random_shallow_water(1, 16, peak=2.0, seed=9), 0.2, 9, interval=0.25, viscosity=0.01)
    followed = law.rollout(new[:, 0], 8, np.full((1, 1, 16, 16), 0.2))
    assert np.square(followed - new).mean() < 1e-6 * np.square(new - new[:, :1]).mean()


def test_noise_leaves_the_large_terms_and_honest_errors(water):
    runs, fixed, _ = water
    noisy = runs + 0.003 * np.random.default_rng(1).normal(size=runs.shape)
    law = SparseFieldLaw(WATER, interval=0.25, n_windows=12, n_folds=3, n_refinements=3).fit(noisy, fixed).law_
    found = dict(zip(map(str, law.terms["u"]), law.coefficients["u"], strict=True))
    assert abs(found["∂_i h"] + 1) < 0.1
    assert abs(found["ε_ij u_j f"] - 1) < 0.05
    assert 1e-5 < law.unexplained < 0.1
    assert all((law.standard_errors[name] > 0).all() for name in law.terms)


def test_what_the_library_lacks_is_left_unexplained(water):
    runs, fixed, law = water
    poor = FieldLibrary({"h": (0, 1), "u": (1, 1)}, {"f": (0, -1)}, derivatives=(1,))
    found = SparseFieldLaw(poor, interval=0.25, n_windows=12, n_folds=3, n_refinements=2).fit(runs, fixed).law_
    assert found.unexplained > 1e3 * law.unexplained


def test_laws_are_saved_drawn_and_read_back(water, tmp_path):
    runs, fixed, law = water
    law.save(tmp_path / "law.json")
    again = FieldLaw.load(tmp_path / "law.json")
    assert str(again) == str(law)
    assert (again.rollout(runs[:, 0], 3, fixed) == law.rollout(runs[:, 0], 3, fixed)).all()
    assert len(law.plot().get_yticks()) == len(law)
    (tmp_path / "law.json").write_text('{"format": "other", "version": 1}')
    with pytest.raises(FileFormatError):
        FieldLaw.load(tmp_path / "law.json")


RUNS = np.random.default_rng(0).normal(size=(2, 6, 1, 12, 12))
BAD = {
    "shape": (lambda: SparseFieldLaw(GAS).fit(RUNS[:, :, :, 0]), ShapeError),
    "components": (lambda: SparseFieldLaw(WATER).fit(RUNS, RUNS[:, 0]), ShapeError),
    "nan": (lambda: SparseFieldLaw(GAS).fit(np.where(RUNS > 2, np.nan, RUNS)), FiniteError),
    "short": (lambda: SparseFieldLaw(GAS).fit(RUNS[:, :2]), DesignError),
    "fixed missing": (lambda: SparseFieldLaw(WATER).fit(np.zeros((2, 6, 3, 12, 12))), DesignError),
    "fixed given": (lambda: SparseFieldLaw(GAS).fit(RUNS, RUNS[:, 0]), DesignError),
    "fixed length": (lambda: SparseFieldLaw(WATER).fit(np.zeros((2, 6, 3, 12, 12)), RUNS[:1, 0]), LengthError),
    "nodes": (lambda: SparseFieldLaw(GAS, nodes=2).fit(RUNS), ParameterError),
    "thresholds": (lambda: SparseFieldLaw(GAS, thresholds=(2.0,)).fit(RUNS), ParameterError),
    "interval": (lambda: SparseFieldLaw(GAS, interval=0.0).fit(RUNS), ParameterError),
    "library": (lambda: SparseFieldLaw("all").fit(RUNS), ParameterError),
    "parity": (lambda: FieldLibrary({"c": (0, 2)}), ParameterError),
    "no field": (lambda: FieldLibrary({}), DesignError),
    "name twice": (lambda: FieldLibrary({"c": (0, 1)}, {"c": (0, 1)}), ParameterError),
    "unknown term": (lambda: FieldLaw.of(GAS, {"c": {"c c c": 1.0}}, interval=1.0), DesignError),
    "rollout": (lambda: FieldLaw.of(GAS, {}, interval=1.0).rollout(RUNS[:, 0, :, 0], 2), ShapeError),
}


@pytest.mark.parametrize("case", BAD)
def test_malformed_input_is_named(case):
    run, error = BAD[case]
    with pytest.raises(error):
        run()
