"""A planted Hamiltonian is read off its trajectories; a library without it is told so; the fit knows no units."""

from functools import cache

import numpy as np
import pytest
import torch

from geodis.actions import OrthogonalAction
from geodis.emulators import (
    HamiltonianLibrary,
    LearnedHamiltonian,
    Monomial,
    SparseHamiltonian,
    UnitScalars,
    UnitsSystem,
)
from geodis.emulators.extrapolation import extrapolated_step, solve
from geodis.emulators.thresholded_regression import Sums, choose_threshold, thresholded
from geodis.emulators.weak_form import highest_difference, integration_matrix, window_starts
from geodis.errors import (
    DesignError,
    FileFormatError,
    FiniteError,
    GeodisError,
    ParameterError,
    ShapeError,
    UnknownNameError,
)
from geodis.simulators import springy_pendulum

STATE = ("q1", "q2", "p1", "p2")
VECTORS = {"q1": "m", "q2": "m", "p1": "kg m s^-1", "p2": "kg m s^-1", "g": "m s^-2"}
NUMBERS = {"m1": "kg", "m2": "kg", "k1": "kg s^-2", "k2": "kg s^-2", "l1": "m", "l2": "m"}
SCALARS = UnitScalars(VECTORS, NUMBERS, lengths=("q1", "q2", "q1-q2", "g"))
PAIRS = (("q1", "p1"), ("q2", "p2"))
TRUTH = {
    "p1·p1 / m1": 0.5, "p2·p2 / m2": 0.5, "k1 |q1|^2": 0.5, "k1 l1 |q1|": -1.0, "k2 |q1-q2|^2": 1.0,
    "k2 l2 |q1-q2|": -2.0, "m1 q1·g": -1.0, "m2 q2·g": -1.0,
}  # fmt: skip
SYSTEM = UnitsSystem(VECTORS | NUMBERS, sizes=dict.fromkeys(VECTORS, 3))
ROUNDING = 1e-12


def library(without=None):
    return HamiltonianLibrary(SCALARS, PAIRS, keep=None if without is None else lambda term: without not in repr(term))


@cache
def chunks(n=20, seed=0):
    return springy_pendulum(n, seed=seed, tolerance=1e-10).chunks(10, seed + 1)


def data(noise=0.0, n=20, seed=0):
    x, rng = chunks(n, seed).inputs(), np.random.default_rng([seed, 2])
    return x | {name: x[name] + noise * rng.standard_normal(x[name].shape) for name in STATE}


TIMES = chunks().times


@cache
def fitted(noise=0.0, without=None, seed=0):
    return SparseHamiltonian(library(without)).fit(data(noise, seed=seed), TIMES)


def found(hamiltonian):
    return {repr(term): float(c) for term, c in zip(hamiltonian.terms, hamiltonian.coefficients, strict=True)}


# --- planted truth ----------------------------------------------------------------------------------------------------
def test_the_library_holds_all_simple_terms():
    terms = set(map(repr, library().terms))
    assert len(terms) == 40
    assert set(TRUTH) < terms


def test_the_pendulums_hamiltonian_is_read_off():
    hamiltonian = fitted().hamiltonian_
    assert set(found(hamiltonian)) == set(TRUTH)
    assert max(abs(found(hamiltonian)[name] - c) for name, c in TRUTH.items()) < 1e-7
    assert hamiltonian.status == "ok"
    assert "k2 l2 |q1-q2|" in repr(hamiltonian)
    assert repr(hamiltonian).count("\n") == 9


@pytest.mark.parametrize("seed", [0, 1])
def test_noise_leaves_the_terms_and_standard_errors_tell_the_rest(seed):
    hamiltonian = fitted(2e-3, seed=seed).hamiltonian_
    assert set(found(hamiltonian)) == set(TRUTH)
    truth = np.array([TRUTH[repr(term)] for term in hamiltonian.terms])
    deviations = (hamiltonian.coefficients - truth) / hamiltonian.standard_errors
    assert np.abs(deviations).max() < 5.0
    assert np.abs(deviations).max() > 0.3, "the standard errors are not simply large"
    assert hamiltonian.status == "ok"
    assert 0.8 < hamiltonian.excess < 1.25, "the deviation is the noise"


@pytest.mark.parametrize("without", ["|q1-q2|", "q1·g", "k1 l1 |q1|"])
@pytest.mark.parametrize("noise", [0.0, 2e-3])
def test_a_library_without_the_truth_is_told_so(without, noise):
    if noise and without != "k1 l1 |q1|":
        return
    hamiltonian = fitted(noise, without).hamiltonian_
    assert hamiltonian.status == "misspecified"
    assert hamiltonian.p_value < 1e-3
    assert hamiltonian.excess > 3.0


def test_the_refinement_gains_on_the_weak_form():
    fit = fitted()
    names = list(map(repr, fit.library.terms))
    weak = max(abs(fit.weak_coefficients_[names.index(name)] - c) for name, c in TRUTH.items())
    refined = max(abs(found(fit.hamiltonian_)[name] - c) for name, c in TRUTH.items())
    assert refined < weak / 100
    assert weak < 1e-2


def test_a_planet_with_long_orbits_and_unequal_times():
    rng = np.random.default_rng(0)
    times = np.cumsum(np.r_[0.0, rng.uniform(0.1, 0.2, 24)])
    scalars = UnitScalars(
        {"q": "m", "p": "kg m s^-1"}, {"m": "kg", "M": "kg", "G": "m^3 kg^-1 s^-2"},
        lengths=("q",), denominators=("m", "M", "G", "|q|"),
    )  # fmt: skip
    planets = HamiltonianLibrary(scalars, [("q", "p")], max_degree=5)
    n = 8
    x = {"m": rng.uniform(0.5, 2, n), "M": rng.uniform(1, 2, n), "G": 1.3}
    x |= {"q": rng.uniform(1.0, 1.4, (n, 1)) * [[1.0, 0.0]], "p": rng.uniform(0.8, 1.1, (n, 1)) * [[0.1, 1.0]]}
    x["p"] = x["p"] * x["m"][:, None]
    kepler = {"p·p / m": 0.5, "m M G / |q|": -1.0}
    terms = [t for t in planets.terms if repr(t) in kepler]
    assert len(terms) == 2
    truth = LearnedHamiltonian(
        planets, tuple(terms), np.array([kepler[repr(t)] for t in terms]), np.zeros(2), "ok", 1.0, 1.0, 0.0, 0.0, n
    )
    path = truth.rollout(x, times, tolerance=1e-11)
    energy = truth.energy({k: path[k] if k in path else np.reshape(v, (-1, 1)) for k, v in x.items()})
    assert np.abs(energy - energy[:, :1]).max() < 1e-9
    learned = SparseHamiltonian(planets).fit(x | path, times).hamiltonian_
    assert found(learned) == pytest.approx(kepler, abs=1e-6)
    assert learned.status == "ok"


# --- symmetries -------------------------------------------------------------------------------------------------------
def states(x):
    return {name: x[name][:, 0] for name in x}


def test_energy_and_flow_commute_with_rotations_and_units():
    hamiltonian, x = fitted().hamiltonian_, data()
    action = OrthogonalAction(3)
    g = action.group.sample(20, 5)
    turned = {k: action.act(g, np.ascontiguousarray(v)) if k in VECTORS else v for k, v in x.items()}
    np.testing.assert_allclose(hamiltonian(turned), hamiltonian(x), rtol=0, atol=ROUNDING * 10)
    for name, slope in hamiltonian.flow(x).items():
        np.testing.assert_allclose(hamiltonian.flow(turned)[name], action.act(g, slope), atol=ROUNDING * 10)
    twos = {"kg": 4.0, "m": 0.5, "s": 2.0}
    np.testing.assert_array_equal(hamiltonian(SYSTEM.rescale(x, twos)), hamiltonian(x) * 4 * 0.25 / 4)
    any_units = {"kg": 5.1, "m": 0.3, "s": 1.7}
    scale = 5.1 * 0.3**2 / 1.7**2
    np.testing.assert_allclose(hamiltonian(SYSTEM.rescale(x, any_units)), hamiltonian(x) * scale, rtol=ROUNDING)
    without = {k: v for k, v in turned.items() if k != "g"} | {"g": x["g"]}
    assert np.abs(hamiltonian(without) - hamiltonian(x)).max() > 0.1


def test_rollouts_commute_with_rotations_and_units():
    hamiltonian, x = fitted().hamiltonian_, states(data())
    times = np.arange(5) * 0.2
    path = hamiltonian.rollout(x, times)
    action = OrthogonalAction(3)
    g = action.group.sample(20, 5)
    turned = {k: action.act(g, v[:, None])[:, 0] if k in VECTORS else v for k, v in x.items()}
    moved = hamiltonian.rollout(turned, times)
    units = {"kg": 8.0, "m": 2.0, "s": 0.5}
    scaled = hamiltonian.rollout(SYSTEM.rescale(x, units), 0.5 * times)
    expected = SYSTEM.rescale(path | {k: v for k, v in x.items() if k not in STATE}, units)
    for name in STATE:
        np.testing.assert_allclose(moved[name], action.act(g, path[name]), atol=1e-11)
        np.testing.assert_array_equal(scaled[name], expected[name])


def test_the_fit_knows_no_units_not_even_those_of_a_run():
    fit, x = fitted(2e-3), data(2e-3)
    kg = np.exp(np.random.default_rng(3).standard_normal(20))[:, None]
    other = SparseHamiltonian(library()).fit(SYSTEM.rescale(x, {"kg": kg, "m": 7.0}), TIMES)
    np.testing.assert_allclose(other.hamiltonian_.coefficients, fit.hamiltonian_.coefficients, atol=1e-6)
    assert other.hamiltonian_.terms == fit.hamiltonian_.terms


# --- the result -------------------------------------------------------------------------------------------------------
def test_rollouts_follow_runs_that_were_not_seen():
    hamiltonian, runs = fitted().hamiltonian_, springy_pendulum(10, 30, high=5.0, seed=9, tolerance=1e-11)
    path = hamiltonian.rollout(states(runs.inputs()), runs.times)
    np.testing.assert_allclose(np.stack([path[n] for n in STATE], 2), runs.states, atol=1e-5)


def test_a_solution_that_leaves_the_numbers_is_told():
    scalars = UnitScalars({"q": "m", "p": "kg m s^-1"}, {"m": "kg", "k": "kg s^-2", "l": "m"}, lengths=("q",))
    hills = HamiltonianLibrary(scalars, [("q", "p")], max_abs_exponent=4, max_degree=7)
    terms = tuple(t for t in hills.terms if repr(t) in ("p·p / m", "k |q|^4 / l^2"))
    hill = LearnedHamiltonian(hills, terms, np.array([0.5, -1.0]), np.zeros(2), "ok", 1.0, 1.0, 0.0, 0.0, 2)
    x = {"q": np.array([[1.0], [0.0]]), "p": np.zeros((2, 1)), "m": 1.0, "k": 1.0, "l": 1.0}
    assert len(terms) == 2
    with pytest.raises(FiniteError, match="leave the numbers"):
        hill.rollout(x, [0.0, 0.1, 3.0])
    path = hill.rollout(x, [0.0, 0.1, 3.0], strict=False)["q"]
    assert np.isfinite(path[:, :2]).all()
    assert not np.isfinite(path[0, 2]).any()
    assert path[1].tolist() == [[0.0]] * 3, "the other run is not touched"


def test_tensors_give_tensors_and_gradients():
    hamiltonian = fitted().hamiltonian_
    x = {k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in states(data()).items()}
    for name in STATE:
        x[name].requires_grad_()
    slopes = torch.autograd.grad(hamiltonian(x).sum(), [x[name] for name in STATE])
    flow = hamiltonian.flow(x)
    for (q, p), (dq, dp) in zip(PAIRS, ((slopes[0], slopes[2]), (slopes[1], slopes[3])), strict=True):
        torch.testing.assert_close(flow[q], dp, atol=1e-12, rtol=0)
        torch.testing.assert_close(flow[p], -dq, atol=1e-12, rtol=0)
    with torch.no_grad():
        path = hamiltonian.rollout(x, TIMES[:3])["q1"]
    expected = hamiltonian.rollout(states(data()), TIMES[:3])["q1"]
    torch.testing.assert_close(path, torch.from_numpy(expected), atol=1e-12, rtol=0)


def test_saved_and_read(tmp_path):
    hamiltonian, path = fitted(2e-3).hamiltonian_, tmp_path / "h.safetensors"
    hamiltonian.save(path)
    again = LearnedHamiltonian.load(path)
    assert repr(again) == repr(hamiltonian)
    np.testing.assert_array_equal(again(data()), hamiltonian(data()))
    assert again.library.terms == hamiltonian.library.terms
    assert again.plot() is not None
    (tmp_path / "other").write_text("no")
    with pytest.raises(FileFormatError):
        LearnedHamiltonian.load(tmp_path / "other")


def test_the_same_data_give_the_same_result():
    again = SparseHamiltonian(library()).fit(data(2e-3), TIMES).hamiltonian_
    np.testing.assert_array_equal(again.coefficients, fitted(2e-3).hamiltonian_.coefficients)


def test_terms_that_the_data_cannot_tell_apart_are_insufficient():
    x = data()
    same = {name: np.full_like(x[name], 1.5) for name in NUMBERS}
    runs = springy_pendulum(6, 10, seed=1)
    pendulum = runs.pendulum.__class__(*(np.full((6, 2), 1.5) for _ in range(3)), runs.pendulum.gravity)
    path = pendulum.simulate(runs.states[:, 0], runs.times)
    x = {name: path[:, :, i] for i, name in enumerate(STATE)} | {"g": pendulum.gravity} | dict.fromkeys(same, 1.5)
    learned = SparseHamiltonian(library(), thresholds=(0.0,)).fit(x, runs.times).hamiltonian_
    assert learned.status == "insufficient"


# --- the parts --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("n", [3, 6, 10])
def test_integration_is_exact_for_polynomials(n):
    t = np.sort(np.random.default_rng(n).uniform(-1, 3, n))
    c = np.random.default_rng(n + 1).standard_normal(n)
    exact = np.polynomial.Polynomial(c).integ()
    np.testing.assert_allclose(
        integration_matrix(t) @ np.polynomial.Polynomial(c)(t), exact(t) - exact(t[0]), atol=1e-8
    )
    u = highest_difference(t)
    assert np.linalg.norm(u) == pytest.approx(1.0)
    assert abs(u @ np.polynomial.Polynomial(c[:-1])(t)) < 1e-8
    assert abs(u @ np.polynomial.Polynomial(c)(t)) > 1e-6


def test_windows_cover_all_times():
    for n_times in range(10, 60):
        starts = window_starts(n_times, 10)
        assert {k for s in starts for k in range(s, s + 9)} == set(range(n_times - 1))


def test_extrapolation_is_of_order_twelve():
    start = np.array([[1.0, 0.0]])
    errors = []
    for h in (1.0, 0.5):
        end, _ = extrapolated_step(lambda z: np.stack([z[:, 1], -z[:, 0]], 1), start, h)
        errors.append(np.abs(end - [[np.cos(h), -np.sin(h)]]).max())
    assert 2**12 < errors[0] / errors[1] < 2**15

    def steep(z):
        return np.stack([z[:, 1], -400 * z[:, 0]], 1)

    path = solve(steep, start, np.array([0.0, 0.7, 1.0]), lambda d: np.abs(d).max(1), 1e-11)
    np.testing.assert_allclose(path[-1][0, 0], np.cos(20.0), atol=1e-8)


def test_thresholds_keep_planted_columns():
    rng = np.random.default_rng(0)
    c = np.zeros(12)
    c[[1, 5, 8]] = [3.0, -0.5, 0.2]
    parts = []
    for _ in range(5):
        a = rng.standard_normal((60, 12)) * np.geomspace(0.1, 10, 12)
        y = a @ (c / np.geomspace(0.1, 10, 12)) + 0.02 * rng.standard_normal(60)
        parts.append(Sums(a.T @ a, a.T @ y, float(y @ y)))
    choice = choose_threshold(parts)
    total = Sums(*(sum(values) for values in zip(*parts, strict=True)))
    assert np.flatnonzero(thresholded(total, choice.threshold)).tolist() == [1, 5, 8]
    assert np.count_nonzero(thresholded(total, 0.0)) == 12
    assert np.count_nonzero(thresholded(total, 0.99)) == 1


# --- malformed input --------------------------------------------------------------------------------------------------
def spoiled(**changes):
    return lambda: SparseHamiltonian(library()).fit(data() | changes, TIMES)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (spoiled(q1=np.ones((20, 9, 3))), ShapeError),
        (spoiled(q1=np.full((20, 10, 3), np.nan)), FiniteError),
        (spoiled(q1=np.ones((20, 3))), ShapeError),
        (spoiled(m1=np.ones((20, 10))), ShapeError),
        (spoiled(m1=np.zeros(20)), ParameterError),
        (spoiled(g=np.ones((20, 10, 3))), ShapeError),
        (spoiled(x=np.ones(20)), UnknownNameError),
        (spoiled(p1=np.zeros((20, 10, 3)), p2=np.zeros((20, 10, 3))), DesignError),
        (lambda: SparseHamiltonian(library()).fit({"q1": data()["q1"]}, TIMES), ParameterError),
        (lambda: SparseHamiltonian(library()).fit(data(), TIMES[:5]), ShapeError),
        (lambda: SparseHamiltonian(library()).fit(data(), TIMES[::-1]), ParameterError),
        (lambda: SparseHamiltonian(library(), nodes=2).fit(data(), TIMES), ParameterError),
        (lambda: SparseHamiltonian(library(), n_folds=1).fit(data(), TIMES), ParameterError),
        (lambda: SparseHamiltonian(library(), thresholds=(2.0,)).fit(data(), TIMES), ParameterError),
        (lambda: SparseHamiltonian(library(), level=1.0).fit(data(), TIMES), ParameterError),
        (lambda: SparseHamiltonian(SCALARS).fit(data(), TIMES), ParameterError),
        (lambda: SparseHamiltonian(library()).fit({k: v[:1] for k, v in data().items()}, TIMES), DesignError),
        (lambda: HamiltonianLibrary(SCALARS, []), ParameterError),
        (lambda: HamiltonianLibrary(SCALARS, [("q1", "x")]), UnknownNameError),
        (lambda: HamiltonianLibrary(SCALARS, PAIRS, energy="kg^7"), DesignError),
        (lambda: HamiltonianLibrary.of_terms(SCALARS, PAIRS, [Monomial(("a",), (1,))]), ParameterError),
        (lambda: fitted().hamiltonian_.rollout(states(data()), [0.0]), ParameterError),
        (lambda: fitted().hamiltonian_.rollout(data(), TIMES), ShapeError),
        (lambda: fitted().hamiltonian_.rollout(states(data()), TIMES, tolerance=0.0), ParameterError),
        (lambda: fitted().hamiltonian_({"q1": 1.0}), ParameterError),
    ],
)  # fmt: skip
def test_malformed_input_is_a_named_error(call, error):
    with pytest.raises(error) as caught:
        call()
    assert isinstance(caught.value, GeodisError)
    assert len(str(caught.value)) > 20
