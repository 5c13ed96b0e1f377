"""Extrapolation and roll-out: frequency errors grow as 2|sin(θδ/2)|, splits leave out what they say, both are drawn."""

from __future__ import annotations

import math

import matplotlib.pyplot as plt
import numpy as np
import pytest
from circle_codes import RHO, G, constant, eye, orbits_of

from geodis import LinearCoordinates, Orbits
from geodis.errors import DesignError, FiniteError, GeodisError, OverlapError, ParameterError, ShapeError
from geodis.groups import SO2, SO3, Cyclic, Translation
from geodis.groups.size import element_size
from geodis.metrics import (
    extrapolation_curve,
    extrapolation_error,
    rollout_error,
    split_compose,
    split_extrapolate,
    split_interpolate,
    split_items,
)
from geodis.reports import ExtrapolationDisplay, RolloutDisplay


def far(steps):
    return np.abs(steps[:, 0]) > 1.6


def circle(n=40, m=12, noise=0.0, seed=0, rho=RHO, group=G, width=None):
    """Orbits of Gaussian codes; hidden in more features with `width`."""
    rng = np.random.default_rng(seed)
    g = group.orbit(n, m, seed=seed)
    c = np.einsum("nmab,nb->nma", rho(g), rng.normal(size=(n, rho.dim)))
    if width is not None:
        c = c @ rng.normal(size=(rho.dim, width)) + 0.02 * rng.normal(size=(n, m, width))
    return orbits_of(c + noise * rng.normal(size=c.shape), g, group)


def torus(n=60):
    group = SO2() * Cyclic(3)
    grid = np.array([[a, b] for a in np.linspace(-3, 3, 8) for b in range(3)])
    rng = np.random.default_rng(0)
    rho = group.irrep("m=1⊗k=0") + group.irrep("m=0⊗k=1")
    g = np.repeat(grid[None], n, axis=0)
    c = np.einsum("nmab,nb->nma", rho(g), rng.normal(size=(n, 4))) @ rng.normal(size=(4, 8))
    return orbits_of(c + 0.02 * rng.normal(size=c.shape), g, group)


def turn(angle):
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def rolled(n=40, k=8, angle=0.3, noise=0.0, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n // 2, 2))
    x = np.concatenate([x, -x])  # no offset: the variance is the mean square
    codes = np.stack([x @ turn(angle * i).T for i in range(k + 1)], axis=1)
    return codes + noise * rng.normal(size=codes.shape)


# --- the closed form --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("delta", [0.01, 0.1, -0.4])
def test_a_frequency_error_grows_as_twice_the_sine(delta):
    off = lambda h: RHO((1 + delta) * h)  # noqa: E731
    table = extrapolation_curve(circle(), off, unseen=far).table
    assert table.error.to_numpy() == pytest.approx(2 * np.abs(np.sin(table["size"] * delta / 2)), abs=1e-12)
    assert len(table) == 6
    assert table.unseen.tolist() == [False] * 3 + [True] * 3


@pytest.mark.parametrize("delta", [0.01, 0.2])
def test_a_frequency_error_grows_with_the_number_of_steps(delta):
    found = rollout_error(rolled(), turn(0.3 + delta), direct=np.stack([turn(0.3 * k) for k in range(1, 9)]))
    k = np.arange(1, 9)
    assert found.table.error.to_numpy() == pytest.approx(2 * np.abs(np.sin(k * delta / 2)), abs=1e-12)
    assert found.table.direct.max() < 1e-12
    assert found.one.value == pytest.approx(2 * math.sin(delta / 2))
    assert found.last.value == found.table.error.iloc[-1]
    if delta == 0.01:
        assert found.growth == pytest.approx(1.0, abs=0.01)


def test_exact_operators_have_no_error_and_wrong_ones_do():
    curve = extrapolation_curve(circle(), RHO, unseen=far)
    assert curve.seen.value < 1e-12
    assert curve.unseen.value < 1e-12
    assert curve.unseen.baselines["identity"] > 1.0
    assert curve.unseen.baselines["other"] == pytest.approx(math.sqrt(2), abs=0.25)
    wrong = extrapolation_curve(circle(), G.irrep("m=2"), unseen=far)
    assert wrong.unseen.value > 1.0
    assert rollout_error(rolled(), turn(0.3)).last.value < 1e-12
    assert rollout_error(rolled(), turn(-0.3)).last.value > 1.0


def test_noise_is_in_the_interval_and_does_not_grow_for_exact_operators():
    found = extrapolation_curve(circle(n=200, noise=0.3), RHO, unseen=far)
    truth = math.sqrt(4 * 0.09 / (2 + 2 * 0.09))  # both ends are noisy
    for result in (found.seen, found.unseen):
        assert result.ci[0] < truth < result.ci[1]
        assert result.ci[1] - result.ci[0] < 0.1
    rollout = rollout_error(rolled(n=400, noise=0.2), turn(0.3))
    assert rollout.table.error.max() - rollout.table.error.min() < 0.05
    steps = rollout_error(rolled(n=400, noise=0.2), lambda c: c @ turn(0.3).T)
    assert steps.table.error.to_numpy() == pytest.approx(rollout.table.error.to_numpy())


def test_an_offset_does_not_buy_a_small_error():
    # Relative to the uncentred square, any prediction of codes far from the origin would look right.
    orbits = circle(n=100)
    shifted = orbits.map(lambda z: z + 100.0)
    shuffled = np.random.default_rng(0).permutation(len(orbits))
    random = shifted.map(lambda z: z[shuffled])
    assert extrapolation_curve(random, eye(2), unseen=far).unseen.value == pytest.approx(math.sqrt(2), abs=0.1)


@pytest.mark.parametrize("orbits", [constant(), constant(1e-12)])
def test_a_constant_is_degenerate_never_perfect(orbits):
    curve = extrapolation_curve(orbits, eye(2), unseen=far)
    assert curve.unseen.status == "degenerate"
    assert math.isnan(curve.unseen.value)
    still = rollout_error(np.ones((5, 4, 2)), np.eye(2))
    assert still.last.status == "degenerate"
    assert math.isnan(still.growth)


def test_one_item_is_insufficient_and_no_pair_is_said():
    one = circle(n=1)
    curve = extrapolation_curve(one, RHO, unseen=far)
    assert curve.unseen.status == "insufficient"
    assert math.isnan(curve.unseen.ci[0])
    assert curve.table.other.isna().all()
    nothing = extrapolation_curve(circle(), RHO, unseen=lambda h: np.zeros(len(h), dtype=bool))
    assert nothing.unseen.status == "insufficient"
    assert math.isnan(nothing.unseen.value)
    assert rollout_error(rolled()[:1], turn(0.3)).last.status == "insufficient"


def test_ragged_orbits_clusters_and_few_pairs():
    orbits = circle(n=30, noise=0.2)
    keep = np.random.default_rng(0).random(len(orbits)) < 0.7
    ragged = Orbits.from_arrays(orbits.z[keep], orbits.params[keep], orbits.items[keep], G, orbits.items[keep] // 5)
    whole = extrapolation_curve(orbits, RHO, unseen=far).seen
    part = extrapolation_curve(ragged, RHO, unseen=far).seen
    assert part.value == pytest.approx(whole.value, rel=0.15)
    few = extrapolation_curve(orbits, RHO, unseen=far, max_pairs=600, seed=1)
    assert few.table.n_pairs.sum() == 600
    assert few.seen.value == pytest.approx(whole.value, rel=0.2)
    assert few.seen.to_dict() == extrapolation_curve(orbits, RHO, unseen=far, max_pairs=600, seed=1).seen.to_dict()


# --- splits -----------------------------------------------------------------------------------------------------------
def steps_within(orbits):
    """All steps between rows of an item."""
    for label in np.unique(orbits.items):
        g = orbits.params[orbits.items == label]
        yield np.asarray(orbits.group.compose(g[:, None], orbits.group.inverse(g)[None])).reshape(-1, g.shape[1])


SPLITS = {
    "extrapolate": lambda: split_extrapolate(circle(), 1.6),
    "extrapolate SO3": lambda: split_extrapolate(circle(group=SO3(), rho=SO3().irrep("l=1")), 1.5),
    "extrapolate shifts": lambda: split_extrapolate(circle(group=Translation(1), rho=Translation(1).irreps(1)[0]), 0.8),
    "interpolate": lambda: split_interpolate(circle(m=24), 1.0, 1.4),
    "compose": lambda: split_compose(torus()),
}


@pytest.mark.parametrize("case", SPLITS, ids=str)
def test_a_split_leaves_out_exactly_what_it_judges(case):
    split = SPLITS[case]()
    assert not set(split.train.items) & set(split.test.items)
    assert split.train.sizes.max() >= 2
    assert not any(split.unseen(steps).any() for steps in steps_within(split.train))
    assert any(split.unseen(steps).any() for steps in steps_within(split.test))
    again = SPLITS[case]()
    assert np.array_equal(again.train.z, split.train.z)


def test_interpolation_sees_both_sides_of_the_band():
    split = split_interpolate(circle(m=24), 1.0, 1.4)
    sizes = np.concatenate([element_size(G, steps) for steps in steps_within(split.train)])
    assert ((sizes > 0) & (sizes < 1.0)).any()
    assert (sizes > 1.4).any()
    with pytest.raises(DesignError, match="extrapolates"):
        split_interpolate(circle(m=24), 1.0, 4.0)


def test_composition_sees_each_factor_alone():
    split = split_compose(torus())
    moved = np.concatenate([np.abs(steps) > 1e-9 for steps in steps_within(split.train)])
    assert (moved.sum(axis=1) <= 1).all()
    assert moved[:, 0].any()
    assert moved[:, 1].any()


def test_the_split_by_items_judges_every_step():
    split = split_items(circle(), test_size=0.25)
    assert split.test.n_items == 10
    assert split.unseen(np.zeros((3, 1))).all()


# --- estimators -------------------------------------------------------------------------------------------------------
def fitted(**options):
    return LinearCoordinates(G, max_order=2, n_null=19, **options)


@pytest.mark.parametrize("reach", [1.6, 2.7])
def test_a_linear_action_extrapolates(reach):
    estimator = fitted()
    found = extrapolation_error(*split_extrapolate(circle(n=80, width=6), reach)[:2], estimator)
    assert found.unseen.value < 0.1
    assert found.unseen.baselines["identity"] > 1.0
    assert not hasattr(estimator, "coordinates_")
    assert found.table["size"][found.table.unseen].min() > reach - 0.6


def test_a_split_says_which_steps_are_judged_and_compositions_are_found():
    split = split_compose(torus())
    found = extrapolation_error(
        split.train, split.test, LinearCoordinates(split.train.group, max_order=1, n_null=19), unseen=split.unseen
    )
    assert found.unseen.value < 0.2
    assert found.seen.value < 0.2
    assert found.unseen.baselines["other"] > 1.0


def test_noise_holds_nothing_to_extrapolate():
    orbits = circle(n=40, width=6).map(lambda z: np.random.default_rng(0).normal(size=z.shape))
    split = split_items(orbits)
    found = extrapolation_error(split.train, split.test, fitted(), unseen=split.unseen)
    assert found.unseen.status == "degenerate"
    assert math.isnan(found.unseen.value)


def test_scoring_fitted_items_is_refused():
    orbits = circle(width=6)
    with pytest.raises(OverlapError):
        extrapolation_error(orbits, orbits, fitted())


# --- displays ---------------------------------------------------------------------------------------------------------
@pytest.fixture(autouse=True)
def _no_figure_is_left():
    yield
    plt.close("all")


def test_the_extrapolation_display_draws_its_table():
    curve = extrapolation_curve(circle(noise=0.1), lambda h: RHO(1.1 * h), unseen=far)
    display = ExtrapolationDisplay.from_curve(curve, title="a tenth too fast")
    assert "ax_" not in vars(display)
    _, ax = plt.subplots()
    assert display.plot(ax) is display
    assert display.ax_ is ax
    new = curve.table.unseen
    assert display.unseen_.lines[0].get_ydata() == pytest.approx(curve.table.error[new].to_numpy())
    assert display.seen_.lines[0].get_xdata() == pytest.approx(curve.table["size"][~new].to_numpy())
    assert display.identity_.get_ydata() == pytest.approx(curve.table.identity.to_numpy())
    assert len(ax.patches) == new.sum()
    assert ax.get_title() == "a tenth too fast"
    one = ExtrapolationDisplay.from_curve(extrapolation_curve(circle(n=1), RHO, unseen=far)).plot()
    assert one.other_ is None


def test_the_display_of_a_split_is_that_of_its_errors():
    split = split_extrapolate(circle(n=60, width=6), 1.6)
    display = ExtrapolationDisplay.from_split(split, fitted(), seed=2).plot()
    direct = extrapolation_error(split.train, split.test, fitted(), unseen=split.unseen, seed=2)
    assert display.curve.table.equals(direct.table)
    assert display.figure_ is display.ax_.figure


def test_the_rollout_display_draws_its_table():
    codes, operators = rolled(noise=0.05), np.stack([turn(0.3 * k) for k in range(1, 9)])
    display = RolloutDisplay.from_codes(codes, turn(0.32), direct=operators).plot()
    table = rollout_error(codes, turn(0.32), direct=operators).table
    assert display.errors_.lines[0].get_ydata() == pytest.approx(table.error.to_numpy())
    assert display.direct_.get_ydata() == pytest.approx(table.direct.to_numpy())
    assert RolloutDisplay.from_rollout(rollout_error(codes, turn(0.32))).plot().direct_ is None


# --- malformed input --------------------------------------------------------------------------------------------------
ORBITS, CODES = circle(n=6), rolled(n=4)
MALFORMED = {
    "orbits": (lambda: extrapolation_curve(CODES, RHO, unseen=far), ParameterError),
    "rho": (lambda: extrapolation_curve(ORBITS, 3, unseen=far), ParameterError),
    "matrices": (lambda: extrapolation_curve(ORBITS, eye(3), unseen=far), ShapeError),
    "NaN": (lambda: extrapolation_curve(ORBITS, lambda h: np.nan * RHO(h), unseen=far), FiniteError),
    "unseen": (lambda: extrapolation_curve(ORBITS, RHO, unseen=3), ParameterError),
    "flags": (lambda: extrapolation_curve(ORBITS, RHO, unseen=lambda h: np.ones(3)), ShapeError),
    "bins": (lambda: extrapolation_curve(ORBITS, RHO, unseen=far, n_bins=0), ParameterError),
    "pairs": (lambda: extrapolation_curve(ORBITS, RHO, unseen=far, max_pairs=0), ParameterError),
    "level": (lambda: extrapolation_curve(ORBITS, RHO, unseen=far, level=0.0), ParameterError),
    "single rows": (lambda: extrapolation_curve(circle(m=1), RHO, unseen=far), DesignError),
    "train": (lambda: extrapolation_error(CODES, ORBITS, fitted()), ParameterError),
    "estimator": (lambda: extrapolation_error(ORBITS, ORBITS, 3), ParameterError),
    "reach": (lambda: split_extrapolate(ORBITS, 0.0), ParameterError),
    "large reach": (lambda: split_extrapolate(ORBITS, 4.0), DesignError),
    "small reach": (lambda: split_extrapolate(ORBITS, 0.1), DesignError),
    "band": (lambda: split_interpolate(ORBITS, 2.0, 1.0), ParameterError),
    "no product": (lambda: split_compose(ORBITS), ParameterError),
    "share": (lambda: split_items(ORBITS, test_size=1.0), ParameterError),
    "no orbits": (lambda: split_items(CODES), ParameterError),
    "codes": (lambda: rollout_error(CODES[0], turn(0.1)), ShapeError),
    "one code": (lambda: rollout_error(CODES[:, :1], turn(0.1)), ShapeError),
    "integers": (lambda: rollout_error(np.ones((3, 2, 2), dtype=int), turn(0.1)), ParameterError),
    "NaN codes": (lambda: rollout_error(np.nan * CODES, turn(0.1)), FiniteError),
    "operator": (lambda: rollout_error(CODES, np.eye(3)), ShapeError),
    "function": (lambda: rollout_error(CODES, lambda c: c[:1]), ShapeError),
    "direct": (lambda: rollout_error(CODES, turn(0.1), direct=np.ones((3, 2, 2))), ShapeError),
    "rollout level": (lambda: rollout_error(CODES, turn(0.1), level=2.0), ParameterError),
    "display": (lambda: ExtrapolationDisplay.from_curve(3), ParameterError),
    "display split": (lambda: ExtrapolationDisplay.from_split((ORBITS, ORBITS), fitted()), ParameterError),
    "rollout display": (lambda: RolloutDisplay.from_rollout(3), ParameterError),
}


@pytest.mark.parametrize("case", MALFORMED, ids=str)
def test_malformed_input_is_refused_with_a_sentence(case):
    call, error = MALFORMED[case]
    with pytest.raises(error) as caught:
        call()
    assert isinstance(caught.value, GeodisError)
    assert "expected" in str(caught.value).lower()
