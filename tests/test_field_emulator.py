"""An emulator of fields learns a step, stays equivariant while it does, keeps mass, and resumes bit by bit."""

import numpy as np
import pytest
import torch

from geodis.actions import FieldSymmetries
from geodis.emulators import FieldEmulator, FieldScale, GeometricConv, GeometricResNet, draw_fields
from geodis.errors import DesignError, FiniteError, GeodisError, LengthError, ParameterError, ShapeError
from geodis.loop import Plan
from geodis.simulators import random_shallow_water, simulate_shallow_water

TYPES, FIXED = ((0, 1, 1), (1, 1, 1)), ((0, -1, 1),)
N = 16
F = np.random.default_rng(0).uniform(-1, 1, 6)
RUNS = simulate_shallow_water(random_shallow_water(6, N, peak=2.0, seed=0), F, 6, interval=0.2).astype(np.float32)
CORIOLIS = np.broadcast_to(F[:, None, None, None], (6, 1, N, N)).astype(np.float32)


def network(seed=0):
    return GeometricResNet(TYPES + FIXED, TYPES, 2, (1,), seed=seed)


def emulator(**options):
    settings = {"plan": Plan(max_steps=60, learning_rate=1e-2, patience=None, evaluate_every=20)} | options
    return FieldEmulator(network(), TYPES, FIXED, **settings)


@pytest.fixture(scope="module")
def fitted():
    return emulator(plan=Plan(max_steps=250, learning_rate=1e-2, patience=None), conserve=True).fit(
        RUNS[:4], CORIOLIS[:4]
    )


def test_it_learns_a_step_better_than_persistence(fitted):
    predicted = fitted.predict(RUNS[4:, :1], CORIOLIS[4:])
    error, still = (((a - RUNS[4:, 1]) ** 2).mean() for a in (predicted, RUNS[4:, 0]))
    assert error < 0.05 * still


def test_a_trained_emulator_commutes_with_the_square(fitted):
    before, drive = FieldSymmetries(TYPES, 2), FieldSymmetries(FIXED, 2)
    out = fitted.rollout(RUNS[4:, :1], 3, CORIOLIS[4:])
    for element in before.group.elements():
        g = np.repeat(np.asarray(element)[None], 2, 0)
        moved = fitted.rollout(before.act(g, RUNS[4:, 0])[:, None], 3, drive.act(g, CORIOLIS[4:]))
        expected = np.stack([before.act(g, out[:, t]) for t in range(4)], 1)
        assert np.abs(moved - expected).max() < 1e-4  # single precision, three steps


def test_mass_is_kept_where_asked(fitted):
    out = fitted.rollout(RUNS[4:, :1], 10, CORIOLIS[4:])
    mass = out[:, :, 0].mean((2, 3))
    assert np.abs(mass - mass[:, :1]).max() < 1e-6
    free = emulator().fit(RUNS[:4], CORIOLIS[:4]).rollout(RUNS[4:, :1], 10, CORIOLIS[4:])
    assert np.abs(free[:, :, 0].mean((2, 3)) - mass[:, :1]).max() > 1e-6


@pytest.mark.parametrize("options", [{"history": 2}, {"unrolled": 3}, {"noise": 0.1}])
def test_options_train(options):
    h = options.get("history", 1)
    net = GeometricResNet(TYPES * h + FIXED, TYPES, 2, (1,))
    found = FieldEmulator(net, TYPES, FIXED, plan=Plan(max_steps=40, learning_rate=1e-2), **options)
    found.fit(RUNS[:4], CORIOLIS[:4])
    assert found.history_.losses[-1] < found.history_.losses[0]
    assert found.rollout(RUNS[4:, :h], 2, CORIOLIS[4:]).shape == (2, 3, 3, N, N)


def test_a_stopped_training_goes_on_bit_by_bit(tmp_path):
    whole = emulator(plan=Plan(max_steps=40, evaluate_every=20, patience=None)).fit(RUNS[:4], CORIOLIS[:4])
    path = tmp_path / "state.safetensors"
    plan = Plan(max_steps=40, evaluate_every=20, patience=None)

    class Stopped(Exception):
        pass

    stopped = emulator(plan=plan)
    step, calls = stopped._missed, []

    def failing(*arguments):
        calls.append(1)
        if len(calls) == 31:
            raise Stopped
        return step(*arguments)

    stopped._missed = failing
    with pytest.raises(Stopped):
        stopped.fit(RUNS[:4], CORIOLIS[:4], checkpoint=path)
    resumed = emulator(plan=plan).fit(RUNS[:4], CORIOLIS[:4], checkpoint=path)
    for a, b in zip(whole.network.parameters(), resumed.network.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_run_that_explodes_is_infinite_and_not_an_error():
    found = emulator().fit(RUNS[:4], CORIOLIS[:4])
    with torch.no_grad():
        found.network.last.weights[0].mul_(1e12)
    assert np.isinf(found.rollout(RUNS[4:, :1], 20, CORIOLIS[4:])).any()


def test_scales_leave_symmetries_alone():
    scale = FieldScale.of(RUNS, TYPES)
    assert float(scale.shift[1]) == float(scale.shift[2]) == 0.0
    assert float(scale.size[1]) == float(scale.size[2])
    x = torch.from_numpy(RUNS[:2, 0])
    assert torch.allclose(scale.restored(scale.normalized(x)), x, atol=1e-6)
    assert float(FieldScale.of(np.zeros((2, 1, 8, 8)), ((0, 1, 1),)).size) == 1.0


def test_strips_show_truth_prediction_and_difference():
    figure = draw_fields(RUNS[0], RUNS[1], times=(0, 1, 99))
    assert len(figure.axes) == 6


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: emulator().fit(RUNS[:, 0], CORIOLIS), ShapeError),
        (lambda: emulator().fit(RUNS * np.nan, CORIOLIS), FiniteError),
        (lambda: emulator().fit(RUNS, None), DesignError),
        (lambda: emulator().fit(RUNS, CORIOLIS[:3]), LengthError),
        (lambda: emulator(unrolled=9).fit(RUNS, CORIOLIS), DesignError),
        (lambda: emulator(noise=-1.0).fit(RUNS, CORIOLIS), ParameterError),
        (lambda: emulator(history=0).fit(RUNS, CORIOLIS), ParameterError),
        (lambda: FieldScale.of(RUNS, ((0, 1, 2),)), ShapeError),
        (lambda: FieldEmulator(GeometricConv(((0, 1, 1),), ((0, 1, 1),)), ((0, 1, 1),), validation_size=1.0).fit(
            RUNS[:, :, :1]), ParameterError),
    ],
)  # fmt: skip
def test_bad_input_is_named(call, error):
    with pytest.raises(error) as caught:
        call()
    assert isinstance(caught.value, GeodisError)


def test_rollouts_check_their_start(fitted):
    with pytest.raises(ShapeError):
        fitted.rollout(RUNS[4:, 0], 2, CORIOLIS[4:])
    with pytest.raises(FiniteError):
        fitted.rollout(RUNS[4:, :1] * np.nan, 2, CORIOLIS[4:])
    with pytest.raises(ParameterError):
        fitted.rollout(RUNS[4:, :1], 0, CORIOLIS[4:])
