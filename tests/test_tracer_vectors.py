"""Vectors of tracers from positions: planted laws are found, symmetries commute, density weights pay on real boxes."""

from functools import cache

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError

from geodis.emulators import LeastSquaresKernels, LinearTheoryVelocities, TracerVectors
from geodis.emulators.fourier_sums import FourierSums
from geodis.emulators.pair_kernels import PairKernels, nearest
from geodis.emulators.vector_ridge import explained, vector_weights
from geodis.errors import DesignError, FiniteError, GeodisError, LengthError, ParameterError, ShapeError
from geodis.groups import Hyperoctahedral
from geodis.simulators import density_weighted_tracers, simulate_boxes

BOX = 64.0
ESTIMATORS = {
    "linear": LinearTheoryVelocities(BOX, (4.0, 8.0), n_max=4),
    "kernels": LeastSquaresKernels(BOX, 6, 3),
    "tracers": TracerVectors(BOX),
}
# Float64, sums over some hundred pairs; (L/r)² of close pairs amplifies rounding of the difference.
ROUNDING = 1e-12
KERNEL_ROUNDING = 1e-11


@cache
def boxes(n_boxes=8, n=250):
    runs = simulate_boxes(n_boxes, 16, BOX, seed=11, n_mesh=16, n_steps=6)
    chosen = [density_weighted_tracers(run, n, seed=[11, i]) for i, run in enumerate(runs)]
    return np.stack([c.positions for c in chosen]), np.stack([c.velocities for c in chosen])


# --- closed-form weights ----------------------------------------------------------------------------------------------
def test_planted_weights_are_found_and_noise_asks_for_a_ridge():
    rng = np.random.default_rng(0)
    f, w = rng.standard_normal((6, 40, 3, 5)) * [1, 10, 0.1, 1, 1e-3], np.array([1.0, -0.2, 3.0, 0.0, 50.0])
    found = vector_weights(f, f @ w)
    np.testing.assert_allclose(found.values, w, rtol=1e-6, atol=1e-6)
    assert found.ridge == 1e-8
    assert found.held_out < 1e-12
    noise = rng.standard_normal((6, 40, 3))
    f = rng.standard_normal((6, 40, 3, 90))
    chosen = vector_weights(f, 0.3 * f[..., 0] + noise)
    assert chosen.ridge >= 0.1
    free = vector_weights(f, 0.3 * f[..., 0] + noise, ridges=(1e-8,))
    assert chosen.held_out < free.held_out


def test_folds_are_boxes_not_rows():
    rng = np.random.default_rng(1)
    f = np.repeat(rng.standard_normal((24, 1, 1, 40)), 50, axis=1) + 1e-3 * rng.standard_normal((24, 50, 1, 40))
    v = np.repeat(rng.standard_normal((24, 1, 1)), 50, axis=1)  # each box its own, which tells nothing of the others
    assert vector_weights(f, v).held_out > 0.8
    assert vector_weights(f.swapaxes(0, 1), v.swapaxes(0, 1)).held_out < 0.01, "rows of one box on both sides"


def test_silent_features_and_single_items_are_handled():
    f = np.random.default_rng(0).standard_normal((1, 30, 3, 2))
    f[..., 1] = 0
    found = vector_weights(f, f[..., 0], alone=1e-6)
    np.testing.assert_allclose(found.values, [1.0, 0.0], atol=1e-5)
    assert found.ridge == 1e-6
    assert np.isnan(found.held_out)
    with pytest.raises(DesignError):
        vector_weights([], [])
    with pytest.raises(LengthError):
        vector_weights(f, f[:, :-1, :, 0])


# --- features ---------------------------------------------------------------------------------------------------------
def test_fourier_sums_are_the_direct_ones():
    rng = np.random.default_rng(0)
    x, t = rng.random((20, 3)) * BOX, rng.random((20, 2))
    sums = FourierSums.of(BOX, 3)
    n = np.rint(sums.vectors * BOX / (2 * np.pi)).astype(int)
    assert len({tuple(k) for k in (*n, *-n)}) == 2 * len(n) == 122, "half of the ball, no wave twice"
    found = sums.attraction(sums.waves(x), t, (2.0, 5.0)).reshape(20, 3, 2, 2)
    for r, radius in enumerate((2.0, 5.0)):
        for b in range(2):
            direct = np.zeros((20, 3))
            for k in (*sums.vectors, *-sums.vectors):
                delta = (t[:, b] * np.exp(-1j * x @ k)).sum() / 20
                wave = 1j * k / (k @ k) * np.exp(-(k @ k) * radius**2 / 2) * delta
                direct += (np.exp(1j * x @ k)[:, None] * wave).real
            np.testing.assert_allclose(found[:, :, r, b], direct, atol=1e-12)


def test_pair_sums_are_the_direct_ones():
    rng = np.random.default_rng(0)
    x, t, v, w = rng.random((15, 3)), rng.random((15, 2)), rng.standard_normal((15, 3)), rng.random(15)
    near = PairKernels.of(x, 1.0, 0.2, 3)
    pulls, flow = near.attraction(t).reshape(15, 3, 3, 2), near.flow(v, w, every=1).reshape(15, 3, 3, 3)
    for a, radius in enumerate((0.2, 0.2 / np.sqrt(2), 0.1)):
        assert near.radii[a] == pytest.approx(radius)
        for i in range(15):
            d = x - x[i]
            d -= np.round(d)
            k = np.exp(-(d**2).sum(1) / (2 * radius**2))
            np.testing.assert_allclose(pulls[i, :, a], (k[:, None] * d).T @ t / radius, atol=1e-12)
            np.testing.assert_allclose(near.densities()[i, a], k.sum(), rtol=1e-12)
            stretch = (k * (d * (v - v[i])).sum(1)) @ d / k.sum() / radius**2
            means = k @ v / k.sum(), (k * w) @ v / (k @ w), stretch
            np.testing.assert_allclose(flow[i, :, a], np.stack(means, 1), atol=1e-12)


def test_nearest_differences_are_odd_and_short():
    x = np.random.default_rng(0).random((30, 3)) * 5 - 2
    away = nearest(x, 1.0)
    np.testing.assert_array_equal(away, -away.swapaxes(1, 2))
    assert np.abs(away).max() <= 0.5


# --- planted laws -----------------------------------------------------------------------------------------------------
def test_each_baseline_finds_its_own_law():
    x = np.random.default_rng(0).random((4, 60, 3)) * BOX
    for name in ("linear", "kernels"):
        law = ESTIMATORS[name]
        law.fit(x, np.zeros_like(x))
        law.weights_ = np.linspace(-1, 1, len(law.weights_))
        v = law.predict(x)
        again = type(law)(**law.get_params()).fit(x[:3], v[:3])
        assert again.score(x[3:], v[3:]) > 1 - 1e-6


def test_kernels_are_the_sums_of_their_formula():
    x = np.random.default_rng(0).random((1, 12, 3)) * BOX
    law = LeastSquaresKernels(BOX, 2, 3).fit(x, x)
    law.weights_ = np.arange(1.0, 7.0)
    direct = np.zeros((12, 3))
    for i in range(12):
        for j in range(12):
            d = x[0, i] - x[0, j]
            r = np.linalg.norm(d - BOX * np.round(d / BOX))
            for p in range(3 if i != j else 0):
                for k in (1, 2):
                    direct[i] += law.weights_[2 * p + k - 1] * np.sin(2 * np.pi * k * d / BOX) * (BOX / r) ** p
    np.testing.assert_allclose(law.predict(x)[0], direct, rtol=1e-9, atol=1e-9 * np.abs(direct).max())


def test_density_weights_pay_on_simulated_boxes():
    x, v = boxes()
    scores = {name: e.fit(x[:6], v[:6]).score(x[6:], v[6:]) for name, e in ESTIMATORS.items()}
    assert min(scores.values()) > 0.05, scores
    assert 1 - scores["tracers"] < 0.92 * (1 - max(scores["linear"], scores["kernels"])), scores
    shuffled = v[np.roll(np.arange(6), 1)]
    assert TracerVectors(BOX).fit(x[:6], shuffled).score(x[6:], v[6:]) < 0.05, "velocities of another box teach nothing"


def test_the_second_pass_helps_on_boxes_left_out():
    x, v = boxes()
    estimator = TracerVectors(BOX).fit(x, v)
    assert estimator.held_out_[1] < estimator.held_out_[0] < 1
    assert len(TracerVectors(BOX, n_passes=1).fit(x, v).weights_) == 1


# --- symmetries -------------------------------------------------------------------------------------------------------
def fitted_on(x, name):
    """The estimator fitted on simulated boxes, and what it says of positions that it has not seen."""
    estimator = ESTIMATORS[name].fit(*(a[:2] for a in boxes()))
    return estimator, estimator.predict(x)[0]


def degenerate():
    """Tracers that coincide, lie on a line, or outside of the box."""
    x = boxes()[0][:1, :80].copy()
    x[0, 1] = x[0, 0]
    x[0, 2:6] = x[0, 2] + np.arange(4)[:, None] * np.array([1.0, 0.5, -0.25])
    x[0, 7] += BOX
    return x


@pytest.mark.parametrize("name", ESTIMATORS)
def test_symmetries_of_the_box_commute(name):
    x = degenerate()
    estimator, v = fitted_on(x, name)
    size, tolerance = np.sqrt((v**2).mean()), KERNEL_ROUNDING if name == "kernels" else ROUNDING
    assert size > 1
    for m in np.asarray(Hyperoctahedral(3).matrix(np.arange(48.0)[::5, None])):
        assert np.abs(estimator.predict(x @ m.T)[0] - v @ m.T).max() < tolerance * size
    rng = np.random.default_rng(0)
    shift = rng.random(3) * BOX
    assert np.abs(estimator.predict(np.mod(x + shift, BOX))[0] - v).max() < tolerance * size
    order = rng.permutation(x.shape[1])
    assert np.abs(estimator.predict(x[:, order])[0] - v[order]).max() < tolerance * size
    np.testing.assert_array_equal(v[0], v[1]) if name != "tracers" else np.testing.assert_allclose(
        v[0], v[1], rtol=1e-9
    )
    turn = np.array([[0.6, -0.8, 0.0], [0.8, 0.6, 0.0], [0.0, 0.0, 1.0]])
    assert np.abs(estimator.predict(x @ turn.T)[0] - v @ turn.T).max() > 1e-3 * size, "the box does not turn"


def test_fits_repeat_and_torch_is_read():
    x, v = boxes()
    a = TracerVectors(BOX).fit(x[:2], v[:2]).predict(x[2:3])
    b = TracerVectors(BOX).fit(torch.from_numpy(x[:2]), torch.from_numpy(v[:2])).predict(torch.from_numpy(x[2:3]))
    np.testing.assert_array_equal(a, b)
    assert isinstance(b, np.ndarray)


# --- malformed input --------------------------------------------------------------------------------------------------
GOOD = np.random.default_rng(0).random((2, 10, 3))


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize(
    ("x", "v", "error"),
    [
        (GOOD[0], GOOD[0], ShapeError),
        (GOOD[..., :2], GOOD[..., :2], ShapeError),
        (GOOD[:0], GOOD[:0], ShapeError),
        (GOOD, GOOD[:, :5], ShapeError),
        (GOOD * np.nan, GOOD, FiniteError),
        (GOOD, GOOD * np.inf, FiniteError),
    ],
)
def test_wrong_tracers_are_a_named_error(name, x, v, error):
    with pytest.raises(error) as caught:
        ESTIMATORS[name].fit(x, v)
    assert isinstance(caught.value, GeodisError)


@pytest.mark.parametrize(
    "estimator",
    [
        TracerVectors(0.0), TracerVectors(1.0, n_passes=0), LeastSquaresKernels(1.0, 0), LeastSquaresKernels(1.0, 2, 0),
        LinearTheoryVelocities(1.0, ()), LinearTheoryVelocities(1.0, (-1.0,)), LinearTheoryVelocities(1.0, n_max=0),
        LinearTheoryVelocities(np.nan),
    ],
)  # fmt: skip
def test_wrong_options_are_named_errors(estimator):
    with pytest.raises(ParameterError):
        estimator.fit(GOOD, GOOD)


def test_explained_variance_asks_for_pairs():
    with pytest.raises(ShapeError):
        explained(GOOD, GOOD[0])
    assert explained(GOOD, GOOD.mean((0, 1)) + 0 * GOOD) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("kind", [TracerVectors, LeastSquaresKernels, LinearTheoryVelocities])
def test_what_is_not_fitted_says_so(kind):
    with pytest.raises(NotFittedError):
        kind(1.0).predict(np.zeros((1, 5, 3)))
