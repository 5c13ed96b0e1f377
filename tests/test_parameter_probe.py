"""A probe reads the element where it is there, and is at chance where it is not, on items and elements it never saw."""

from __future__ import annotations

import math

import numpy as np
import pytest

from geodis.errors import FiniteError, LengthError, ParameterError, ShapeError
from geodis.groups import SE, SO2, SO3, Cyclic, Translation
from geodis.metrics import pair_concatenation, pair_products, parameter_probe
from geodis.metrics.nearest_element import nearest_elements
from geodis.metrics.two_way_folds import TwoWayFolds, held_out_predictions

GROUPS = (SO2(), SO3(), Cyclic(7), SO2() * Cyclic(3), Translation(2), SE(2))
EASY = {"n_draws": 4}


def moved(group, n=120, seed=0, noise=0.0):
    """Codes whose second half holds the group's matrix, linearly mixed: z0 of the identity, z of the element."""
    rng = np.random.default_rng(seed)
    h = group.sample(n, seed=seed)
    entries = group.matrix(h).reshape(n, -1)
    mix = rng.normal(size=(entries.shape[1], 6))
    start = group.matrix(group.identity(1)).reshape(1, -1) @ mix
    return np.repeat(start, n, axis=0), entries @ mix + noise * rng.normal(size=(n, 6)), h


def circle(n=150, seed=0):
    """Unit vectors of the plane before and after a rotation: only the relative angle is shared."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 2 * np.pi, n)
    z0, h = np.stack([np.cos(angle), np.sin(angle)], axis=1), SO2().sample(n, seed=seed + 1)
    return z0, np.einsum("nab,nb->na", SO2().matrix(h), z0), h


@pytest.mark.parametrize("group", [SO2(), Cyclic(7), Translation(2)], ids=repr)
def test_what_is_linear_in_the_code_is_read_exactly(group):
    probe = parameter_probe(*moved(group), group, **EASY)
    assert probe.error.value < 1e-5
    assert probe.r_squared.value > 1 - 1e-9
    assert probe.error.p_value == 0.2  # 1/(4 + 1)
    assert probe.error.status == probe.r_squared.status == "ok"


@pytest.mark.parametrize(("group", "n"), [(SO2(), 200), (SO3(), 60), (Cyclic(7), 200)], ids=str)
def test_independent_codes_are_at_chance(group, n):
    rng = np.random.default_rng(1)
    h = group.sample(n, seed=2)
    probe = parameter_probe(*rng.normal(size=(2, n, 2)), h, group, level=0.999, **EASY)
    for result in (probe.error, probe.r_squared):
        assert result.ci[0] <= result.baselines["chance"] <= result.ci[1]
    assert abs(probe.error.skill) < 0.15
    assert probe.r_squared.value < 0.15


def test_chance_is_measured_on_these_elements():
    rng = np.random.default_rng(0)
    narrow = rng.uniform(-0.2, 0.2, size=(200, 1))
    for h, chance in ((narrow, 0.1), (SO2().sample(200), np.pi / 2)):
        probe = parameter_probe(*rng.normal(size=(2, 200, 2)), h, SO2(), **EASY)
        assert probe.error.baselines["chance"] == pytest.approx(chance, rel=0.2)
        assert probe.r_squared.baselines["constant"] == 0.0


def test_a_relative_turn_is_linear_in_products_and_not_in_the_pair():
    z0, z, h = circle()
    seen = parameter_probe(z0, z, h, SO2(), features=pair_products, **EASY)
    blind = parameter_probe(z0, z, h, SO2(), features=pair_concatenation, **EASY)
    assert seen.error.value < 1e-6
    assert blind.error.value > 0.8 * blind.error.baselines["chance"]
    np.testing.assert_array_equal(pair_products(z0, z)[:, 1], z0[:, 0] * z[:, 1])


def test_columns_with_other_means_are_no_skill():
    """The R² of SIE pools the columns, and is .96 for a constant predictor of these."""
    rng = np.random.default_rng(0)
    h = rng.normal((0.0, 10.0), 1.0, size=(200, 2))
    still = np.repeat(h.mean(axis=0)[None], 200, axis=0)
    assert 1 - ((h - still) ** 2).sum() / ((h - h.mean()) ** 2).sum() > 0.95
    assert parameter_probe(*rng.normal(size=(2, 200, 2)), h, Translation(2), **EASY).r_squared.value < 0.05


def test_elements_that_are_judged_were_not_fitted():
    """A code that only names its element (one hot) is read perfectly by item, and not at all by element."""
    group, h = Cyclic(12), np.tile(np.arange(12.0), 20)[:, None]
    named = np.eye(12)[h[:, 0].astype(int)]
    items = np.repeat(np.arange(20), 12)
    probe = parameter_probe(np.zeros_like(named), named, h, group, items=items, n_draws=9)
    assert probe.error.value > 0.6 * probe.error.baselines["chance"]
    assert probe.r_squared.value < 0.3
    turning = np.stack([np.cos(np.pi * h[:, 0] / 6), np.sin(np.pi * h[:, 0] / 6)], axis=1)
    assert parameter_probe(turning, turning, h, group, items=items, **EASY).error.value == 0.0


def test_items_that_are_judged_were_not_fitted():
    """Each item has a direction of its own in which it hides the angle: a probe that has seen it reads it."""
    n, m = 12, 8
    h = SO2().sample(n * m, seed=3)
    items = np.repeat(np.arange(n), m)
    entries = SO2().matrix(h).reshape(n * m, 4)[:, :3:2]
    hidden = np.zeros((n * m, 2 * n))
    for column in range(2):
        hidden[np.arange(n * m), 2 * items + column] = entries[:, column]
    kept = parameter_probe(hidden, hidden, h, SO2(), items=items, **EASY)
    leaked = parameter_probe(hidden, hidden, h, SO2(), **EASY)
    assert leaked.r_squared.value > 0.8
    assert kept.r_squared.value < 0.2
    assert (kept.error.n_items, kept.error.n_group) == (n, m)


def test_the_predictions_are_those_of_a_fit_to_the_other_rows():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(90, 3)), rng.normal(size=(90, 2))
    folds = TwoWayFolds(np.repeat(np.arange(3), 30), np.tile(np.arange(3), 30))
    predicted, constant = held_out_predictions(x, y, folds)
    for i in range(3):
        for j in range(3):
            test = (folds.items == i) & (folds.elements == j)
            train = (folds.items != i) & (folds.elements != j)
            np.testing.assert_allclose(constant[test], np.repeat(y[train].mean(axis=0)[None], 10, axis=0), atol=1e-12)
            design = np.column_stack([x[train], np.ones(train.sum())])
            exact = np.column_stack([x[test], np.ones(10)]) @ np.linalg.lstsq(design, y[train], rcond=None)[0]
            # A ridge of at most the spread itself halves the slopes at most.
            assert np.linalg.norm(predicted[test] - constant[test]) <= 1.01 * np.linalg.norm(exact - constant[test])


@pytest.mark.parametrize("group", GROUPS, ids=repr)
def test_the_nearest_element_of_a_matrix_of_the_group_is_itself(group):
    g = group.sample(40, seed=4)
    found = nearest_elements(group, group.matrix(g), group.sample(50, seed=5))
    np.testing.assert_allclose(group.matrix(found), group.matrix(g), atol=1e-8)


def test_the_nearest_rotation_is_the_polar_factor():
    A = 0.3 * SO3().matrix(SO3().sample(40)) + 0.1 * np.random.default_rng(0).normal(size=(40, 3, 3))
    u, _, vt = np.linalg.svd(A)
    u[:, :, -1] *= np.linalg.det(u @ vt)[:, None]
    found = nearest_elements(SO3(), A, np.zeros((1, 3)))
    np.testing.assert_allclose(SO3().matrix(found), u @ vt, atol=1e-7)


# --- status and bad input ---------------------------------------------------------------------------------------------
def test_a_constant_code_is_degenerate_and_few_elements_insufficient():
    z0, z, h = circle()
    still = parameter_probe(np.ones_like(z), 2 * np.ones_like(z), h, SO2())
    assert still.error.status == still.r_squared.status == "degenerate"
    assert math.isnan(still.error.value)
    assert parameter_probe(z0, z, np.full_like(h, 0.5), SO2()).error.status == "insufficient"
    assert parameter_probe(z0, z, h, SO2(), items=np.zeros(len(h))).error.status == "insufficient"


def test_same_seed_same_result_and_it_prints():
    z0, z, h = circle(60)
    first, second = (parameter_probe(z0, z, h, SO2(), n_draws=2, seed=3) for _ in range(2))
    assert first.error.to_dict() == second.error.to_dict()
    assert "R²" in str(first)


def test_what_does_not_fit_is_an_error_with_a_sentence():
    z0, z, h = circle(30)
    with pytest.raises(LengthError):
        parameter_probe(z0[:5], z, h, SO2())
    with pytest.raises(LengthError):
        parameter_probe(z0, z, h[:5], SO2())
    with pytest.raises(ShapeError):
        parameter_probe(z0, z, h, SO3())
    with pytest.raises(FiniteError):
        parameter_probe(z0, z * np.nan, h, SO2())
    with pytest.raises(ParameterError, match="group"):
        parameter_probe(z0, z, h, "SO2")
    with pytest.raises(ParameterError):
        parameter_probe(z0, z, h + 0.5, Cyclic(7))
    with pytest.raises(ShapeError, match="features"):
        parameter_probe(z0, z, h, SO2(), features=lambda before, after: before[:3])
    for wrong in ({"n_folds": 1}, {"n_draws": 0}, {"level": 2.0}):
        with pytest.raises(ParameterError):
            parameter_probe(z0, z, h, SO2(), **wrong)
