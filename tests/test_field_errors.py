"""Errors of fields: their definitions on planted errors, what symmetries and shifts do to them, what explodes."""

import numpy as np
import pytest

from geodis.actions import FieldSymmetries
from geodis.emulators import (
    conserved_drifts,
    field_errors,
    isotropic_power,
    relative_mse,
    spectrum_error,
    vrmse,
)
from geodis.errors import FiniteError, ParameterError, ShapeError
from geodis.simulators import random_shallow_water, shallow_water_budgets, simulate_shallow_water

TYPES = ((0, 1, 1), (1, 1, 1))
RUNS = simulate_shallow_water(random_shallow_water(3, 16, seed=0), 0.5, 4, interval=0.3)
RNG = np.random.default_rng(1)
WRONG = RUNS + 0.05 * RNG.normal(size=RUNS.shape)
MEASURES = {"relative MSE": relative_mse, "VRMSE": vrmse, "spectrum": spectrum_error}


def test_errors_of_planted_noise_are_what_they_should_be():
    large = RNG.normal(size=(4, 5, 3, 32, 32)) * np.array([2.0, 5.0, 5.0])[:, None, None] + 1.0
    noise = 0.1 * RNG.normal(size=large.shape) * np.array([2.0, 5.0, 5.0])[:, None, None]
    assert relative_mse(large + noise, large, TYPES) == pytest.approx(0.01, rel=0.1)
    assert vrmse(large + noise, large, TYPES) == pytest.approx(0.1, rel=0.1)
    assert spectrum_error(1.1 * large, large, TYPES) == pytest.approx(0.21, rel=1e-6)


def test_means_stand_at_one():
    mean = np.broadcast_to(RUNS.mean((0, 1, 3, 4), keepdims=True), RUNS.shape)
    assert relative_mse(mean, RUNS, TYPES).mean() == pytest.approx(1.0)
    own = np.broadcast_to(RUNS.mean((3, 4), keepdims=True), RUNS.shape)
    assert vrmse(own, RUNS, TYPES) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("name", MEASURES)
def test_the_right_field_has_no_error_and_symmetries_change_nothing(name):
    measure = MEASURES[name]
    assert not np.nan_to_num(measure(RUNS, RUNS, TYPES)).any()
    found = measure(WRONG, RUNS, TYPES)
    assert np.nanmin(found) > 0
    action = FieldSymmetries(TYPES, 2)
    for element in action.group.elements():
        g = np.repeat(np.asarray(element)[None], 12, 0)
        moved = [action.act(g, x.reshape(12, 3, 16, 16)).reshape(x.shape) for x in (WRONG, RUNS)]
        assert np.allclose(measure(*moved, TYPES), found, rtol=1e-9, equal_nan=True)
    alone = [x[:, :, None, 1] for x in (WRONG, RUNS)]  # one component as a scalar is another question
    assert not np.allclose(measure(*alone, ((0, 1, 1),)), found, rtol=1e-3, equal_nan=True)


def test_spectra_are_blind_to_shifts_and_others_are_not():
    moved = np.roll(RUNS, 5, axis=3)
    assert np.nanmax(spectrum_error(moved, RUNS, TYPES)) < 1e-9
    assert relative_mse(moved, RUNS, TYPES).min() > 0.2


@pytest.mark.parametrize("sides", [(15, 15), (16, 16), (12, 20), (9, 9, 9), (8, 8, 8)])
def test_shells_hold_the_variance(sides):
    field = RNG.normal(size=(2, *sides))
    transform = np.fft.fftn(field, axes=range(1, field.ndim))
    waves = np.meshgrid(*[np.fft.fftfreq(n) for n in sides], indexing="ij")
    inside = np.rint(np.sqrt(sum(k**2 for k in waves)) * max(sides)) <= max(sides) // 2
    inside.flat[0] = False
    expected = (np.abs(transform) ** 2 * inside).reshape(2, -1).sum(1) / np.prod(sides) ** 2
    assert isotropic_power(field, len(sides)).sum(-1) == pytest.approx(expected)


def test_bands_without_power_say_nothing():
    wave = np.cos(2 * np.pi * np.arange(16) / 16)[:, None] * np.ones((2, 3, 1, 16, 16))
    found = spectrum_error(wave + 0.01 * RNG.normal(size=wave.shape), wave, ((0, 1, 1),), bands=3)
    assert np.isnan(found[..., 1:]).all()
    assert (found[..., 0] > 0).all()
    assert (found[..., 0] < 0.1).all()


def test_mass_and_energy_drift_by_what_was_planted():
    drifts = conserved_drifts(RUNS, TYPES, {"energy": lambda x: shallow_water_budgets(x, 0.5).energy})
    assert np.abs(drifts["mean 0"]).max() < 1e-12
    assert np.abs(drifts["energy"]).max() < 0.02  # a little viscosity
    leaking = RUNS.copy()
    leaking[:, 2:, 0] += 0.05
    found = conserved_drifts(leaking, TYPES)["mean 0"]
    assert np.abs(found[:, :2]).max() < 1e-12
    assert found[:, 2:] == pytest.approx(0.05 / np.sqrt((RUNS[:, 0, 0] ** 2).mean()))


def test_runs_that_explode_have_infinite_errors():
    burst = RUNS.copy()
    burst[1, 2:] = np.inf
    burst[2, 3, 1, 0, 0] = np.nan
    found = field_errors(burst, RUNS, TYPES, quantities={"energy": lambda x: shallow_water_budgets(x, 0.5).energy})
    for values in (found.relative_mse, found.vrmse, found.drifts["energy"], found.spectrum.max(-1, initial=0)):
        assert not np.isfinite(values[1, 2:]).any()
        assert not np.isfinite(values[2, 3])
        assert np.isfinite(values[0]).all() or np.isnan(values[0]).any()
    table = found.table()
    assert np.isinf(table.relative_mse.iloc[-1])
    assert np.isnan(table.relative_mse_low.iloc[-1])
    assert np.isfinite(table.relative_mse_low.iloc[0])


def test_tables_and_pictures():
    found = field_errors(WRONG, RUNS, TYPES, bands=2)
    table = found.table([1, 3])
    assert table.step.tolist() == [1, 3]
    assert (table.relative_mse_low < table.relative_mse).all()
    assert table.relative_mse[0] == found.relative_mse[:, 1].mean()
    assert len(found.plot().lines) == 5
    assert "3 runs, 3 steps" in repr(found)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: relative_mse(RUNS[:2], RUNS, TYPES), ShapeError),
        (lambda: vrmse(RUNS, RUNS, ((0, 1, 2),)), ShapeError),
        (lambda: vrmse(RUNS[:, :, :, 0], RUNS[:, :, :, 0], TYPES), ShapeError),
        (lambda: relative_mse(RUNS, RUNS * np.nan, TYPES), FiniteError),
        (lambda: spectrum_error(RUNS, RUNS, TYPES, bands=0), ParameterError),
        (lambda: field_errors(RUNS, RUNS, TYPES, level=1.0), ParameterError),
        (lambda: conserved_drifts(RUNS, TYPES, {"energy": lambda x: x.mean()}), ShapeError),
        (lambda: conserved_drifts(RUNS, "types"), ParameterError),
        (lambda: isotropic_power(np.zeros((2, 2))), ShapeError),
    ],
)
def test_bad_input_is_named(call, error):
    with pytest.raises(error):
        call()
