"""Ensembles of fields: known spreads have known coverage, calibration holds on unseen runs, too sure ones are seen."""

import numpy as np
import pytest
import torch

from geodis.emulators import (
    FieldCalibration,
    FieldEmulator,
    FieldEnsemble,
    FieldForecast,
    GeometricConv,
    ensemble_report,
)
from geodis.errors import DesignError, FiniteError, LengthError, ParameterError, ShapeError
from geodis.loop import Plan

TYPES = ((0, 1, 1), (1, 1, 1))
SIZES = np.array([1.0, 4.0, 4.0])[:, None, None]  # of the channels
GROWTH = np.array([0.0, 1.0, 2.0, 4.0])[:, None, None, None]  # of the error with time
RUNS, MEMBERS = 24, 6


def planted(sureness, seed):
    """Members and truth about common centres; members have `sureness` times the spread that the truth has."""
    rng = np.random.default_rng(seed)
    shape = (RUNS, 4, 3, 8, 8)
    center = 3.0 * rng.normal(size=shape)
    truth = center + GROWTH * SIZES * rng.normal(size=shape)
    return center + sureness * GROWTH * SIZES * rng.normal(size=(MEMBERS, *shape)), truth


def test_a_reliable_ensemble_is_reported_as_one():
    members, truth = planted(1.0, 0)
    found = ensemble_report(members, truth, TYPES)
    assert found.spread_skill[1:] == pytest.approx(1.0, abs=0.03)
    assert found.raw_coverage[:, 1:].mean(0) == pytest.approx(0.9, abs=0.015)
    assert found.ranks[1:] == pytest.approx(1 / (MEMBERS + 1), abs=0.02)
    assert found.ranks.sum(1) == pytest.approx(1.0)
    half = ensemble_report(members, truth, TYPES, level=0.5)
    assert half.raw_coverage[:, 1:].mean(0) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("sureness", [0.25, 1.0, 3.0])
def test_calibration_holds_on_unseen_runs_whatever_the_spread_was(sureness):
    calibration = FieldCalibration.of(*planted(sureness, 0), TYPES)
    found = ensemble_report(*planted(sureness, 1), TYPES, calibration=calibration)
    assert found.coverage[:, 1:].mean(0) == pytest.approx(0.9, abs=0.02)
    if sureness == 0.25:
        assert found.raw_coverage[:, 1:].max() < 0.6
        assert found.spread_skill[1:] == pytest.approx(0.25, abs=0.05)
        assert (found.ranks[1:, [0, -1]] > 2.5 / (MEMBERS + 1)).all()
    if sureness == 3.0:
        assert found.raw_coverage[:, 1:].mean() > 0.98
        assert found.ranks[1:, 0].max() < 0.5 / (MEMBERS + 1)


def test_the_calibration_of_another_ensemble_does_not_hold():
    calibration = FieldCalibration.of(*planted(1.0, 0), TYPES)
    found = ensemble_report(*planted(0.25, 1), TYPES, calibration=calibration)
    assert found.coverage[:, 1:].max() < 0.6


def test_factors_depend_on_lead_time_and_level():
    members, truth = planted(1.0, 0)
    late = truth.copy()
    late[:, 3] = members.mean(0)[:, 3] + 5 * (truth - members.mean(0))[:, 3]
    factors = FieldCalibration.of(members, late, TYPES)
    assert factors.factor(0.9)[3] == pytest.approx(5 * factors.factor(0.9)[2], rel=0.1)
    levels = [factors.factor(level)[2, 0] for level in (0.05, 0.3, 0.31, 0.9, 0.99)]
    assert levels == sorted(levels)
    assert len(set(levels)) == 5


@pytest.mark.parametrize("m", [2, 6])
def test_the_score_is_fair(m):
    members, truth = planted(1.0, 3)
    found = ensemble_report(members[:m], truth, TYPES).crps[:, 1:].mean(0)
    spread = truth.std(axis=(0, 1, 3, 4))
    size = np.array([spread[0], np.sqrt((spread[1:] ** 2).mean())])
    # ⟨|x − y|⟩ − ⟨|x − x'|⟩/2 = σ/√π for draws of one Gaussian.
    expected = GROWTH[1:, 0, 0, 0] / np.sqrt(np.pi) * np.mean(np.array([1.0, 4.0]) / size)
    assert found == pytest.approx(expected, rel=0.05)
    worse = ensemble_report(members[:m] + 2 * GROWTH * SIZES, truth, TYPES).crps[:, 1:].mean(0)
    assert (worse > 1.5 * found).all()


def test_forecasts_give_intervals_of_the_reported_coverage():
    members, truth = planted(0.25, 1)
    calibration = FieldCalibration.of(*planted(0.25, 0), TYPES)
    for kept in (None, calibration):
        forecast = FieldForecast(members, TYPES, kept)
        low, high = forecast.interval(0.9)
        inside = ((low <= truth) & (truth <= high)).mean((2, 3, 4))
        assert np.allclose(inside[:, 1:], forecast.report(truth).coverage[:, 1:], atol=1e-9)
    longer = FieldForecast(np.concatenate([members, members], 2), TYPES, calibration)
    assert longer.interval()[0].shape == (RUNS, 8, 3, 8, 8)


def test_members_that_explode_make_wide_intervals():
    members, truth = planted(1.0, 0)
    members[2, :, 3] = np.inf
    calibration = FieldCalibration.of(members, truth, TYPES)
    assert np.isinf(calibration.factor(0.91)[3]).all()
    forecast = FieldForecast(members, TYPES, calibration)
    low, high = forecast.interval()
    assert np.isinf(low[:, 3]).all()
    assert np.isinf(high[:, 3]).all()
    assert np.isfinite(low[:, :3]).all()
    found = forecast.report(truth)
    assert (found.coverage[:, 3] == 1).all()
    assert np.isinf(found.crps[:, 3]).all()


# --- fitted -----------------------------------------------------------------------------------------------------------
SCALAR = ((0, 1, 1),)


def member(seed):
    return FieldEmulator(
        GeometricConv(SCALAR, SCALAR, seed=seed), SCALAR, plan=Plan(max_steps=60, learning_rate=0.05),
        random_state=seed,
    )  # fmt: skip


def smooth_runs(n, seed=0):
    """Diffusion with a random push at every step, that nobody can foresee."""
    rng = np.random.default_rng(seed)
    field = rng.normal(size=(n, 8, 8))
    states = [field]
    for _ in range(4):
        around = sum(np.roll(field, shift, axis) for shift in (-1, 1) for axis in (1, 2)) / 4
        field = 0.7 * field + 0.3 * around + 0.1 * rng.normal(size=field.shape)
        states.append(field)
    return np.stack(states, 1)[:, :, None].astype(np.float32)


@pytest.fixture(scope="module")
def fitted():
    return FieldEnsemble(member, 3, calibration_size=0.5).fit(smooth_runs(24))


def test_a_fitted_ensemble_covers_unseen_runs(fitted):
    unseen = smooth_runs(20, seed=1)
    found = fitted.rollout(unseen[:, :1], 4).report(unseen)
    assert found.coverage[:, 1:].mean(0) == pytest.approx(0.9, abs=0.05)
    assert found.raw_coverage[:, 1:].mean() < 0.7
    assert (found.table().coverage_low < 0.93).all()
    assert len(found.plot().lines) == 3
    assert "of 0.9" in repr(found)


def test_members_differ_and_never_see_the_held_runs(fitted):
    weights = [[p.detach().numpy() for p in d.network.parameters()] for d in fitted.members_]
    assert not np.allclose(weights[0][0], weights[1][0])
    runs = smooth_runs(24)
    runs[fitted.held_] *= 100.0
    again = FieldEnsemble(member, 3, calibration_size=0.5).fit(runs)
    for before, after in zip(fitted.members_, again.members_, strict=True):
        assert all(map(torch.equal, before.network.parameters(), after.network.parameters()))
    assert not np.allclose(again.calibration_.factors, fitted.calibration_.factors)


def test_without_held_runs_nothing_is_calibrated():
    ensemble = FieldEnsemble(lambda seed: member(seed).set_params(plan=Plan(max_steps=2)), 2, calibration_size=0)
    ensemble.fit(smooth_runs(4))
    assert ensemble.calibration_ is None
    assert "not calibrated" in repr(ensemble.rollout(smooth_runs(4)[:, :1], 2))


SHARED = member(0)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: FieldEnsemble(member, 1).fit(smooth_runs(4)), ParameterError),
        (lambda: FieldEnsemble(member, subset=0.0).fit(smooth_runs(4)), ParameterError),
        (lambda: FieldEnsemble(member, calibration_size=1.0).fit(smooth_runs(4)), ParameterError),
        (lambda: FieldEnsemble(member).fit(smooth_runs(1)), DesignError),
        (lambda: FieldEnsemble(member).fit(smooth_runs(4)[:, 0]), ShapeError),
        (lambda: FieldEnsemble(member).fit(smooth_runs(4), np.zeros((3, 1, 8, 8))), LengthError),
        (lambda: FieldEnsemble(lambda seed: SHARED, 2).fit(smooth_runs(8)), ParameterError),
        (lambda: FieldEnsemble(lambda seed: GeometricConv(SCALAR, SCALAR)).fit(smooth_runs(8)), ParameterError),
        (lambda: ensemble_report(planted(1, 0)[0][:1], planted(1, 0)[1], TYPES), ShapeError),
        (lambda: ensemble_report(*planted(1, 0), SCALAR), ShapeError),
        (lambda: ensemble_report(*planted(1, 0), TYPES, level=0), ParameterError),
        (lambda: FieldCalibration.of(planted(1, 0)[0], planted(1, 0)[1] * np.nan, TYPES), FiniteError),
        (lambda: FieldCalibration.of(*planted(1, 0), TYPES).factor(0.999), ParameterError),
    ],
)
def test_bad_input_is_named(call, error):
    with pytest.raises(error):
        call()
