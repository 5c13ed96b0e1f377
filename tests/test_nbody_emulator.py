"""The emulator finds law, integrator and cap of its data, keeps every symmetry, and says what it conserves."""

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError

from geodis.emulators.nbody_dynamics import NBodyDynamics
from geodis.emulators.nbody_emulator import NBodyEmulator
from geodis.emulators.nbody_residual import VectorResidual
from geodis.emulators.pairwise_law import PairwiseLaw
from geodis.errors import DesignError, FileFormatError, FiniteError, ParameterError, ShapeError
from geodis.loop import Plan
from geodis.simulators import star_planets

# A prediction is tens of steps on numbers of order one to a few hundred.
EXACT = 1e-12


def planted(cap="none", **values):
    return PairwiseLaw(["q"], cap=cap).with_values(**({"c_q": 1.0, "e": -1.5, "softening²": 0.01} | values))


def bodies(n=150, seed=0, d=3, spread=1.0):
    rng = np.random.default_rng(seed)
    x, v = spread * rng.standard_normal((n, 5, d)), 0.5 * rng.standard_normal((n, 5, d))
    return x, v, rng.choice([-1.0, 1.0], (n, 5, 1))


def emulator(**options):
    few = {"integrator": ("leapfrog", "euler"), "substeps": (8, 20), "cap": "none"}
    return NBodyEmulator(PairwiseLaw(["q"]), **(few | options))


def fitted(dynamics, seed=0, n=150, **options):
    x, v, s = bodies(n, seed)
    return emulator(**options).fit(x, v, s, dynamics.predict(x, v, s)[0], span=dynamics.span)


def relative(a, b):
    return float(np.abs(np.asarray(a) - np.asarray(b)).max() / np.abs(np.asarray(b)).max())


# --- what validation finds --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("integrator", "substeps"), [("leapfrog", 20), ("euler", 20), ("euler", 8)])
def test_integrator_and_substeps_of_the_data_are_found(integrator, substeps):
    true = NBodyDynamics(planted(), 0.5, integrator, substeps)
    found = fitted(true)
    assert (found.dynamics_.integrator, found.dynamics_.substeps) == (integrator, substeps)
    assert found.dynamics_.law.value("c_q") == pytest.approx(1.0, abs=1e-6)
    assert found.dynamics_.law.value("e") == pytest.approx(-1.5, abs=1e-6)
    x, v, s = bodies(60, seed=9)
    assert relative(found.predict(x, v, s)[0], true.predict(x, v, s)[0]) < 1e-5
    ranked = [c.mse for c in found.candidates_ if c.n_systems == found.candidates_[0].n_systems]
    assert ranked == sorted(ranked)
    assert found.candidates_[-1].mse > 100 * found.candidates_[0].mse, "the choice matters"


@pytest.mark.parametrize("cap", ["radial", "component"])
def test_a_cap_is_found_with_its_kind_and_size(cap):
    true = NBodyDynamics(planted(cap, **{"log cap": np.log(3.0), "softening²": 0.0}), 0.5, "euler", 20)
    found = fitted(true, n=250, integrator="euler", substeps=20, cap=("none", "radial", "component"), softening=False)
    law = found.dynamics_.law
    assert law.cap == cap
    assert np.exp(law.value("log cap")) == pytest.approx(3.0, rel=1e-3)
    assert found.candidates_[0].mse < 0.1 * min(c.mse for c in found.candidates_ if c.dynamics.law.cap != cap)


def test_data_without_a_cap_have_no_use_for_one():
    found = fitted(
        NBodyDynamics(planted(), 0.5, "leapfrog", 20), integrator="leapfrog", substeps=20, cap=("none", "radial")
    )
    assert found.candidates_[0].mse < 1e-12


def test_training_systems_do_not_choose():
    """With targets of one integrator for training and of another for validation, validation is what is followed."""
    x, v, s = bodies()
    y, w, t = bodies(80, seed=3)
    a, b = NBodyDynamics(planted(), 0.5, "euler", 20), NBodyDynamics(planted(), 0.5, "euler", 8)
    made = emulator(integrator="euler").fit(
        x, v, s, a.predict(x, v, s)[0], span=0.5, validation=(y, w, t, b.predict(y, w, t)[0])
    )
    assert made.dynamics_.substeps == 8


def test_velocities_and_seeds():
    true = NBodyDynamics(planted(), 0.5, "leapfrog", 20)
    x, v, s = bodies(60)
    y, w = true.predict(x, v, s)
    a, b, c = (
        emulator(integrator="leapfrog", substeps=20, random_state=seed).fit(x, v, s, y, w, span=0.5)
        for seed in (0, 0, 1)
    )
    assert a.dynamics_.law.theta.tolist() == b.dynamics_.law.theta.tolist()
    assert a.dynamics_.law.theta.tolist() != c.dynamics_.law.theta.tolist()
    assert relative(c.predict(x, v, s)[1], w) < 1e-6
    assert -a.score(x, v, s, y) < 1e-12


def test_gravity_is_read_off_stars_and_planets():
    runs = star_planets(120, seed=7)
    x, v = runs.positions, runs.velocities
    made = NBodyEmulator(PairwiseLaw(positive=["m"]), integrator=("leapfrog", "euler"), substeps=(50, 100), cap="none")
    made.fit(x[:, 0], v[:, 0], runs.scalars, x[:, 1], span=0.1)
    law = made.dynamics_.law
    for name, value in (("c0", -1.0), ("m_j", 1.0), ("m_i", 0.0), ("e", -1.5)):
        assert law.value(name) == pytest.approx(value, abs=1e-6)
    assert (made.dynamics_.integrator, made.dynamics_.substeps) == ("euler", 100)
    far = star_planets(40, 5, shift=200.0, seed=8)
    predicted, _ = made.predict(far.positions[:, 0], far.velocities[:, 0], far.scalars)
    assert np.median(((predicted - far.positions[:, 1]) ** 2).mean((1, 2))) < 1e-16


# --- symmetries of a prediction ---------------------------------------------------------------------------------------
def residual(d=3):
    network = VectorResidual(1, hidden=8, layers=1, seed=1)
    with torch.no_grad():
        network.size.fill_(0.1)
    return network


@pytest.mark.parametrize("with_residual", [False, True])
@pytest.mark.parametrize("integrator", ["euler", "leapfrog", "yoshida4"])
@pytest.mark.parametrize("d", [2, 3])
def test_predictions_commute_with_rotations_boosts_shifts_and_permutations(integrator, d, with_residual):
    law = planted("radial", **{"log cap": 1.0})
    dynamics = NBodyDynamics(law, 0.5, integrator, 20, residual() if with_residual else None)
    x, v, s = bodies(6, d=d)
    x[0, 1], x[1] = x[0, 0], x[1, :1] * np.linspace(-1, 1, 5)[:, None]
    v[0, 1], x[2] = v[0, 0], x[2, :1]
    turn = np.linalg.qr(np.random.default_rng(4).standard_normal((d, d)))[0]
    shift, boost, order = 1.7, np.linspace(-1, 1, d), [2, 4, 0, 1, 3]
    y, w = dynamics.predict(x, v, s)
    y2, w2 = dynamics.predict((x @ turn.T + shift)[:, order], (v @ turn.T + boost)[:, order], s[:, order])
    assert relative(y2, (y @ turn.T + shift + 0.5 * boost)[:, order]) < EXACT
    assert relative(w2, (w @ turn.T + boost)[:, order]) < EXACT
    assert relative(dynamics.predict(1.1 * x, v, s)[0], 1.1 * y) > 1e-3, "scaling is no symmetry"


def test_gradients_through_a_prediction_are_finite():
    dynamics = NBodyDynamics(planted("radial", **{"log cap": 1.0, "softening²": 0.0}), 0.5, "leapfrog", 10)
    x, v, s = (torch.from_numpy(a) for a in bodies(4))
    x[0, 1] = x[0, 0]
    x.requires_grad_()
    dynamics.advance(x, v, s)[0].square().sum().backward()
    assert torch.isfinite(x.grad).all()


# --- roll-outs --------------------------------------------------------------------------------------------------------
def test_rollouts_keep_what_the_law_conserves():
    dynamics = NBodyDynamics(planted(**{"softening²": 0.5}), 0.2, "leapfrog", 20)
    x, v, s = bodies(5)
    out = dynamics.rollout(x, v, s, 50)
    drifts = out.drifts()
    assert drifts["momentum"] < 1e-13
    assert drifts["angular_momentum"] < 1e-12
    assert drifts["energy"] < 1e-3
    assert out.positions.shape == (5, 51, 5, 3)
    assert np.array_equal(out.positions[:, 1], dynamics.predict(x, v, s)[0])
    coarse = NBodyDynamics(planted(**{"softening²": 0.5}), 0.2, "euler", 1).rollout(x, v, s, 50)
    assert coarse.drifts()["energy"] > 5 * drifts["energy"]
    capped = NBodyDynamics(planted("component", **{"log cap": 0.0}), 0.2).rollout(x, v, s, 5)
    assert np.isnan(capped.energy).all()
    assert capped.drifts()["angular_momentum"] > 1e-6, "a component cap turns the system"
    assert out.plot().get_xlabel() == "x₀"


# --- networks ---------------------------------------------------------------------------------------------------------
def drag(x, v, s, dynamics):
    """What no pair law explains: velocities lose a tenth."""
    y, w = dynamics.predict(x, v, s)
    centred = v - v.mean(1, keepdims=True)
    return y - 0.05 * centred, w - 0.1 * centred


def test_a_residual_network_learns_what_the_law_cannot_and_is_taken_from_its_checkpoint(tmp_path):
    dynamics = NBodyDynamics(planted(**{"softening²": 0.3}), 0.5, "leapfrog", 8)
    x, v, s = bodies(100)
    y, _ = drag(x, v, s, dynamics)
    plain = emulator(integrator="leapfrog", substeps=8).fit(x, v, s, y, span=0.5)
    plan = Plan(max_steps=40, learning_rate=2e-2, evaluate_every=10)

    def trained():
        network = VectorResidual(1, hidden=8, layers=1, seed=0)
        options = {"integrator": "leapfrog", "substeps": 8, "residual": network, "plan": plan, "batch_size": 32}
        return emulator(**options).fit(x, v, s, y, span=0.5, checkpoint=tmp_path / "c.safetensors")

    made = trained()
    assert made.network_kept_
    assert made.validation_mse_ < 0.5 * plain.validation_mse_
    again = trained()
    assert again.history_.losses == made.history_.losses
    assert relative(again.predict(x, v, s)[0], made.predict(x, v, s)[0]) < 1e-15


def test_a_network_that_has_nothing_to_learn_is_dropped():
    dynamics = NBodyDynamics(planted(), 0.5, "leapfrog", 8)
    x, v, s = bodies(80)
    y, _ = dynamics.predict(x, v, s)
    plan = Plan(max_steps=4, evaluate_every=2)
    made = emulator(integrator="leapfrog", substeps=8, residual=VectorResidual(1, hidden=8, layers=1), plan=plan)
    assert not made.fit(x, v, s, y, span=0.5).network_kept_
    assert made.dynamics_.residual is None
    assert made.validation_mse_ < 1e-15


def test_a_correction_inside_the_law_learns_another_kernel():
    x, v, s = bodies(100, spread=1.5)
    true = NBodyDynamics(planted(**{"softening²": 0.3}), 0.5, "leapfrog", 8)
    kink = NBodyDynamics(planted(**{"softening²": 0.3, "c_q": 0.6, "e": -0.4}), 0.5, "leapfrog", 8)
    y = true.predict(x, v, s)[0] + kink.predict(x, v, s)[0] - (x + 0.5 * v)
    options = {"integrator": "leapfrog", "substeps": 8}
    plain = emulator(**options).fit(x, v, s, y, span=0.5)
    law = PairwiseLaw(["q"], correction=8, seed=1)
    made = NBodyEmulator(law, cap="none", plan=Plan(max_steps=40, learning_rate=2e-2, evaluate_every=20), **options)
    made.fit(x, v, s, y, span=0.5)
    assert made.network_kept_
    assert made.validation_mse_ < 0.7 * plain.validation_mse_
    assert np.isnan(made.rollout(x[:2], v[:2], s[:2], 2).energy).all()


# --- files and malformed input ----------------------------------------------------------------------------------------
def test_dynamics_are_kept_in_a_file(tmp_path):
    x, v, s = bodies(3)
    dynamics = NBodyDynamics(planted("radial", **{"log cap": 1.0}), 0.5, "yoshida4", 7, residual())
    dynamics.save(tmp_path / "d.safetensors")
    back = NBodyDynamics.load(tmp_path / "d.safetensors", VectorResidual(1, hidden=8, layers=1))
    assert repr(back) == repr(dynamics)
    assert np.array_equal(back.predict(x, v, s)[0], dynamics.predict(x, v, s)[0])
    with pytest.raises(DesignError):
        NBodyDynamics.load(tmp_path / "d.safetensors")
    (tmp_path / "e.safetensors").write_bytes(b"nothing")
    with pytest.raises(FileFormatError):
        NBodyDynamics.load(tmp_path / "e.safetensors")


def test_numpy_gives_numpy_and_torch_gives_torch():
    x, v, s = bodies(3)
    dynamics = NBodyDynamics(planted(), 0.5)
    assert isinstance(dynamics.predict(x, v, s)[0], np.ndarray)
    y, _ = dynamics.predict(*(torch.from_numpy(a).float() for a in (x, v, s)))
    assert y.dtype == torch.float32
    assert relative(y, dynamics.predict(x, v, s)[0]) < 1e-3


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda x, v, s, y: (x[0], v, s, y), ShapeError),
        (lambda x, v, s, y: (x, v[:, :4], s, y), ShapeError),
        (lambda x, v, s, y: (x, v, s[..., :0], y), ShapeError),
        (lambda x, v, s, y: (x, v, s, y[:3]), ShapeError),
        (lambda x, v, s, y: (x * np.nan, v, s, y), FiniteError),
        (lambda x, v, s, y: (x, v, s, y * np.inf), FiniteError),
        (lambda x, v, s, y: (x[:2], v[:2], s[:2], y[:2]), DesignError),
    ],
)
def test_malformed_samples(change, error):
    x, v, s = bodies(10)
    with pytest.raises(error):
        emulator().fit(*change(x, v, s, x + v))


@pytest.mark.parametrize(
    "options",
    [
        {"integrator": "rk4"},
        {"integrator": ()},
        {"substeps": 0},
        {"substeps": (10, 2.5)},
        {"cap": "soft"},
        {"validation_size": 1.5},
    ],
)
def test_options_outside_their_range(options):
    x, v, s = bodies(10)
    with pytest.raises(ParameterError):
        emulator(**options).fit(x, v, s, x + v)


def test_use_before_fit_and_other_misuse():
    x, v, s = bodies(10)
    with pytest.raises(NotFittedError):
        emulator().predict(x, v, s)
    for span in (0.0, float("nan"), "1"):
        with pytest.raises(ParameterError):
            emulator().fit(x, v, s, x + v, span=span)
    with pytest.raises(ParameterError):
        emulator().fit(x, v, s, x + v, validation=(x, v, s))
    with pytest.raises(ParameterError):
        NBodyDynamics(planted(), 0.5).rollout(x, v, s, 0)
    with pytest.raises(ParameterError):
        NBodyDynamics(PairwiseLaw(positive=["m"]), 0.5).predict(x, v, -np.abs(s))
