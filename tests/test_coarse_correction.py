"""A coarse run is corrected towards the fine one from a single pair, and the correction commutes with the lattice."""

from functools import cache

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError

from geodis.emulators import CoarseCorrection, LinearTransfer
from geodis.errors import FiniteError, GeodisError, ParameterError, ShapeError
from geodis.groups import Hyperoctahedral
from geodis.mesh import lattice
from geodis.simulators import evolve, gaussian_density, lagrangian_start

BOX, N = 64.0, 16
ROUNDING = 1e-11  # of the rms correction: FFTs of a few thousand points, twice


@cache
def runs(n_boxes=3):
    coarse, vectors, fine = [], [], []
    for i in range(n_boxes):
        start = lagrangian_start(gaussian_density(N, BOX, seed=[2, i]), BOX, a=0.1)
        end = evolve(start, n_mesh=8, n_steps=3)
        coarse.append(end.positions)
        vectors.append(torch.stack([start.displacements, end.momenta]))
        fine.append(evolve(start, n_mesh=32, n_steps=10).positions)
    return tuple(torch.stack(x).numpy() for x in (coarse, vectors, fine))


def split(n):
    return [a[:n] for a in runs()], [a[-1:] for a in runs()]


def test_one_fine_run_corrects_another():
    train, test = split(1)
    ours, linear = CoarseCorrection(BOX).fit(*train), LinearTransfer(BOX, 1).fit(*train)
    assert 1 - ours.score(*test) < 0.2
    assert 1 - ours.score(*test) < 0.5 * (1 - linear.score(*test))
    assert linear.score(*test) > 0
    x, v, y = train
    wrong = CoarseCorrection(BOX).fit(x, v, np.roll(y - x, 7, axis=1) + x)
    assert wrong.score(*test) < 0.1, "residuals of other particles teach nothing"


def test_a_second_pass_and_more_boxes_do_not_harm():
    train, test = split(2)
    one, two = (CoarseCorrection(BOX, n).fit(*train) for n in (1, 2))
    assert two.score(*test) > one.score(*test)
    assert len(two.weights_) == len(two.ridges_) == 2


def test_a_planted_linear_filter_is_found():
    (x, v, _), (x_test, v_test, _) = split(2)
    law = LinearTransfer(BOX, 1).fit(x, v, x)
    law.weights_ = (np.linspace(-0.1, 0.1, len(law.weights_[0])),)
    y, y_test = law.predict(x, v), law.predict(x_test, v_test)
    for kind in (LinearTransfer, CoarseCorrection):
        assert kind(BOX, 1).fit(x, v, y).score(x_test, v_test, y_test) > 1 - 1e-6


def moved(x, v, m, cells, n, box):
    """Turn (about the origin) and shift a run: positions and vectors, in the order of their new lattice points."""
    shift = np.asarray(cells) * box / n
    home = np.rint((lattice(n, box).numpy() @ m.T + shift) * n / box).astype(int) % n
    order = np.argsort(home @ np.array([n * n, n, 1]))
    return (x @ m.T + shift)[:, order], (v @ m.T)[:, :, order], order, shift


@pytest.mark.parametrize("kind", [CoarseCorrection, LinearTransfer])
def test_symmetries_of_the_lattice_commute(kind):
    n, box, rng = 6, 12.0, np.random.default_rng(0)
    x = lattice(n, box).numpy() + 1.5 * rng.standard_normal((2, n**3, 3))  # beyond crossings
    v = rng.standard_normal((2, 1, n**3, 3))
    x[:, 3], v[:, :, 3] = x[:, 4], v[:, :, 4]  # coincident
    estimator = kind(box).fit(x, v, x + 0.3 * v[:, 0] + 0.2 * np.sin(x))
    found = estimator.predict(x, v)
    size = np.sqrt(((found - x) ** 2).mean())
    cases = [(m, (0, 0, 0)) for m in np.asarray(Hyperoctahedral(3).matrix(np.arange(48.0)[1::9, None]))]
    for m, cells in [*cases, (np.eye(3), (1, 0, 4)), (np.eye(3), (2, 3, 5))]:
        x_moved, v_moved, order, shift = moved(x, v, m, cells, n, box)
        away = estimator.predict(x_moved, v_moved) - (found @ m.T + shift)[:, order]
        assert np.abs(away - box * np.round(away / box)).max() < ROUNDING * size
    x_moved, v_moved, order, shift = moved(x, v, np.eye(3), (0.5, 0, 0), n, box)
    away = estimator.predict(x_moved, v) - (found + shift)
    assert np.abs(away - box * np.round(away / box)).max() > 1e-3 * size, "half a cell is no symmetry"


def test_vectors_may_be_absent():
    (x, v, y), test = split(1)
    none = v[:, :0]
    estimator = CoarseCorrection(BOX, 1).fit(x, none, y)
    assert 0 < estimator.score(test[0], test[1][:, :0], test[2]) < CoarseCorrection(BOX, 1).fit(x, v, y).score(*test)


X = np.zeros((1, 27, 3))
V = np.zeros((1, 1, 27, 3))


@pytest.mark.parametrize(
    ("x", "v", "y", "error"),
    [
        (X[0], V, X, ShapeError),
        (X[:, :26], V[:, :, :26], X[:, :26], ShapeError),
        (X[..., :2], V[..., :2], X, ShapeError),
        (X[:, :1], V[:, :, :1], X[:, :1], ShapeError),
        (X, V[0], X, ShapeError),
        (X, V[:, :, :8], X, ShapeError),
        (X, V, X[:, :8], ShapeError),
        (X * np.nan, V, X, FiniteError),
        (X, V * np.nan, X, FiniteError),
        (X, V, X + np.inf, FiniteError),
    ],
)
def test_wrong_runs_are_a_named_error(x, v, y, error):
    with pytest.raises(error) as caught:
        CoarseCorrection(3.0).fit(x, v, y)
    assert isinstance(caught.value, GeodisError)


def test_wrong_options_are_named_errors():
    for estimator in (CoarseCorrection(0.0), CoarseCorrection(3.0, 0)):
        with pytest.raises(ParameterError):
            estimator.fit(X, V, X)
    fitted = LinearTransfer(BOX, 1).fit(*split(1)[0])
    with pytest.raises(ShapeError):
        fitted.predict(runs()[0], runs()[1][:, :1])


@pytest.mark.parametrize("kind", [CoarseCorrection, LinearTransfer])
def test_what_is_not_fitted_says_so(kind):
    with pytest.raises(NotFittedError):
        kind(1.0).predict(np.zeros((1, 8, 3)), np.zeros((1, 0, 8, 3)))
