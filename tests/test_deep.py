"""DeepCoordinates: the scikit-learn contract, planted bent codes found, noise refused, content kept, the same bits."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from curved_codes import circle, sphere
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import nn

from geodis import DeepCoordinates, LatentCoordinates, LinearCoordinates, verify
from geodis.errors import (
    FileFormatError,
    FiniteError,
    GeodisError,
    LengthError,
    NotInvertibleError,
    OverlapError,
    ParameterError,
    UnknownNameError,
)
from geodis.groups import SO2, SO3, Cyclic, Scaling
from geodis.orbits import Orbits
from geodis.training import convnet, mlp

SMALL = {"max_order": 2, "n_features": 6, "n_content": 2, "max_steps": 250, "evaluate_every": 25, "n_null": 39}
TINY = SMALL | {"max_steps": 6, "evaluate_every": 2, "n_null": 19}


def deep(group=None, **options):
    network = options.pop("network", None)
    return DeepCoordinates(SO2() if group is None else group, network, **SMALL | options)


@pytest.fixture(scope="module")
def bent():
    """`(train, test, estimator)` of a bent circle."""
    train, test = circle(n=300, m=8, bend=2.0).split(0.3)
    return train, test, deep().fit_orbits(train)


def best(coordinates):
    return max((block.energy for block in coordinates.blocks if not block.irrep.trivial), default=0.0)


# --- the scikit-learn contract ----------------------------------------------------------------------------------------
@parametrize_with_checks([DeepCoordinates(SO2(), **TINY), DeepCoordinates(Cyclic(3), **TINY | {"n_content": 0})])
def test_scikit_learn_agrees(estimator, check):
    check(estimator)


def test_clones_are_unfitted_copies(bent):
    _, _, est = bent
    unfitted = clone(est)
    assert unfitted.get_params() == est.get_params()
    assert not hasattr(unfitted, "coordinates_")
    assert unfitted.set_params(max_steps=3).max_steps == 3
    assert est.max_steps == 250
    assert DeepCoordinates("no group", max_order=-3).get_params()["group"] == "no group"


def test_fitted_names_and_shapes(bent):
    _, test, est = bent
    assert {"coordinates_", "spectrum_", "history_", "status_", "n_features_in_"} <= set(vars(est))
    assert est.n_features_in_ == 5
    c = est.transform(test.z)
    assert c.shape == (len(test.z), est.coordinates_.n_coordinates)
    assert c.dtype == np.float64
    assert est.transform(test.z.astype(np.float32)).dtype == np.float32
    assert np.allclose(est.transform(torch.from_numpy(test.z)), c)
    assert est.get_feature_names_out().tolist() == [f"deepcoordinates{i}" for i in range(c.shape[1])]
    assert isinstance(copy.deepcopy(est).set_output(transform="pandas").transform(test.z), pd.DataFrame)
    other = pickle.loads(pickle.dumps(est))
    assert np.array_equal(other.transform(test.z), c)


def test_fit_takes_arrays_and_orbits(bent):
    train, test, _ = bent
    one = deep(**TINY).fit_orbits(train)
    two = deep(**TINY).fit(train.z, train.params, items=train.items)
    assert np.array_equal(one.transform(test.z), two.transform(test.z))


def test_fitted_items_are_not_scored(bent):
    train, test, est = bent
    with pytest.raises(OverlapError):
        est.score(train.z, train.params, items=train.items)
    seen_and_not = np.concatenate([test.items[:8], train.items[:8]])
    z, g = np.concatenate([test.z[:8], train.z[:8]]), np.concatenate([test.params[:8], train.params[:8]])
    with pytest.raises(OverlapError):
        est.score(z, g, items=seen_and_not)
    assert est.score(test.z, test.params, items=test.items) > 0.9
    # What the network has seen counts as fitted like what the spectral layer has seen.
    assert len(est.coordinates_.fitted) == train.n_items


def test_what_is_not_fitted_says_so():
    for method in ("transform", "inverse_transform", "score"):
        with pytest.raises(Exception, match="not fitted"):
            getattr(deep(), method)(np.eye(3))


# --- planted truth and controls ---------------------------------------------------------------------------------------
def test_a_bent_circle_is_straightened_and_linear_coordinates_cannot(bent):
    train, test, est = bent
    linear = LinearCoordinates(SO2(), max_order=2, n_null=39).fit_orbits(train)
    assert best(est.coordinates_) > 0.95
    assert best(est.coordinates_) > best(linear.coordinates_) + 0.2
    score, straight = (e.score(test.z, test.params, items=test.items) for e in (est, linear))
    assert score > 0.95
    assert score > straight + 0.2
    assert est.status_ == "ok"
    report = verify(test, est.coordinates_, n_null=19)
    assert float(report.rows.set_index("block").loc["all", "value"]) < 0.05
    assert est.history_.status in ("finished", "stopped early")
    scores = [score for _, score in est.history_.evaluations]
    assert scores[-1] > scores[0]


@pytest.mark.slow
def test_a_bent_sphere_is_straightened():
    train, test = sphere(n=250, m=8).split(0.3)
    est = deep(SO3(), max_order=1, max_steps=300).fit_orbits(train)
    linear = LinearCoordinates(SO3(), max_order=1, n_null=39).fit_orbits(train)
    assert best(est.coordinates_) > 0.93
    assert est.score(test.z, test.params, items=test.items) > linear.score(test.z, test.params, items=test.items)


@pytest.mark.parametrize("kind", ["noise", "shuffled", "invariant"])
def test_where_nothing_is_nothing_is_kept(kind):
    rng, orbits = np.random.default_rng(0), circle(n=120, m=8)
    z, g = orbits.z, orbits.params
    if kind == "noise":
        z = rng.normal(size=z.shape)
    elif kind == "shuffled":
        g = g.reshape(120, 8)[np.arange(120)[:, None], rng.random((120, 8)).argsort(1)].reshape(-1, 1)
    else:
        z = np.repeat(rng.normal(size=(120, 5)), 8, axis=0)
    est = deep(max_steps=60).fit(z, g, items=orbits.items)
    assert best(est.coordinates_) == 0.0
    assert est.status_ == "degenerate"
    if kind == "noise":
        fresh = rng.normal(size=(80, 5))
        assert abs(est.score(fresh, g[:80], items=1000 + orbits.items[:80])) < 0.3


def test_content_features_keep_items_apart():
    """A bent circle beside numbers of each item: with a contrast the invariant blocks tell items apart."""
    rng, orbits = np.random.default_rng(0), circle(n=240, m=8, d=4)
    who = rng.normal(size=(240, 3))
    noisy = np.repeat(who, 8, axis=0) + 0.05 * rng.normal(size=(1920, 3))
    full = Orbits.from_arrays(np.hstack([orbits.z, noisy]), orbits.params, orbits.items, SO2())
    train, test = full.split(0.3)

    def apart(est):
        """The share of views whose nearest other view, by invariant coordinates, is of the same item."""
        c = est.coordinates_.transform(test.z)
        rows = [i for block in est.coordinates_.blocks if block.irrep.trivial for i in block.rows]
        if not rows:
            return 0.0
        c = c[:, rows]
        distance = ((c[:, None] - c[None]) ** 2).sum(-1)
        np.fill_diagonal(distance, np.inf)
        return float((test.items[distance.argmin(axis=1)] == test.items).mean())

    options = {"n_features": 12, "max_steps": 120}
    kept = deep(n_content=6, **options).fit_orbits(train)
    without = deep(n_content=0, **options).fit_orbits(train)
    assert apart(kept) > 0.45
    assert apart(kept) > 2 * apart(without)
    assert best(kept.coordinates_) > 0.8


def test_other_designs():
    """A range of angles, and a group that is not compact: the pair score."""
    rng = np.random.default_rng(0)
    start, radius = rng.uniform(0, 6.28, (150, 1)), rng.uniform(0.5, 1.5, (150, 1))
    angle = rng.uniform(-0.6, 0.6, (150, 6))
    phase = angle + start
    z = np.stack([radius * np.cos(phase), radius * np.sin(phase) + (radius * np.cos(phase)) ** 2], -1).reshape(-1, 2)
    items = np.repeat(np.arange(150), 6)
    est = deep(max_order=1, n_features=6, n_content=0, max_steps=60).fit(z, angle.reshape(-1, 1), items=items)
    assert est.coordinates_.limited
    assert best(est.coordinates_) > 0.5
    factor = rng.uniform(-0.5, 0.5, (150, 6))
    size = np.exp(factor) * rng.uniform(0.5, 2, (150, 1))
    z = np.stack([np.log(size), np.sqrt(size)], -1).reshape(-1, 2)
    est = deep(Scaling(), max_order=1, n_features=6, n_content=0, max_steps=40)
    est.fit(z, factor.reshape(-1, 1), items=items)
    assert est.coordinates_.limited


def test_whole_inputs_end_to_end():
    rng = np.random.default_rng(0)
    axis = np.arange(16) - 7.5
    angle = SO2().orbit(60, 8)
    phase, radius = angle[..., 0] + rng.uniform(0, 6.28, (60, 1)), rng.uniform(2, 5, (60, 1))
    row, column = (radius * f(phase) for f in (np.cos, np.sin))
    images = np.exp(-((axis[:, None] - row[..., None, None]) ** 2 + (axis - column[..., None, None]) ** 2) / 4)
    net = nn.Sequential(nn.Unflatten(1, (1, 16, 16)), convnet(8, (1, 16, 16), width=4, hidden=16))
    before = {name: x.clone() for name, x in net.state_dict().items()}
    est = deep(network=net, n_content=2, max_order=1, max_steps=100, batch_items=24, min_energy=0.6)
    est.fit(images.reshape(-1, 256), angle.reshape(-1, 1), items=np.repeat(np.arange(60), 8))
    assert all(torch.equal(x, net.state_dict()[name]) for name, x in before.items()), "the network given is copied"
    assert best(est.coordinates_) > 0.9
    with pytest.raises(NotInvertibleError):
        est.inverse_transform(est.transform(images.reshape(-1, 256)[:3]))


# --- the same bits ----------------------------------------------------------------------------------------------------
def test_files_hold_every_bit(bent, tmp_path):
    _, test, est = bent
    est.coordinates_.save(tmp_path / "c.safetensors")
    again = LatentCoordinates.load(tmp_path / "c.safetensors")
    assert np.array_equal(again.transform(test.z), est.transform(test.z))
    reports = [verify(test, c, n_null=19).rows for c in (est.coordinates_, again)]
    pd.testing.assert_frame_equal(*reports, check_exact=True)


def test_convolutions_in_files_hold_every_bit(tmp_path):
    images, orbits = np.random.default_rng(0).normal(size=(160, 256)), circle(n=20, m=8)
    net = nn.Sequential(nn.Unflatten(1, (1, 16, 16)), convnet(8, (1, 16, 16), width=4, hidden=16))
    est = deep(network=net, n_content=2, max_steps=4, evaluate_every=2, batch_items=8, min_energy=0.0, n_null=19)
    est.fit(images, orbits.params, items=orbits.items)
    est.coordinates_.save(tmp_path / "c.safetensors")
    again = LatentCoordinates.load(tmp_path / "c.safetensors")
    assert np.array_equal(again.lift(images), est.coordinates_.lift(images))
    assert np.array_equal(again.transform(images), est.transform(images))


class Killed(Exception):
    """What stops a run."""


def test_a_fit_that_was_killed_gives_the_same_bits(tmp_path, monkeypatch):
    train, test = circle(n=60, m=8).split(0.3)
    options = {"max_steps": 12, "evaluate_every": 4, "n_null": 19, "batch_items": 16}
    whole = deep(**options).fit_orbits(train)
    path = tmp_path / "run.safetensors"
    from geodis.training.batches import OrbitBatches

    draw = OrbitBatches.__call__

    def dying(self, step):
        if step == 9:
            raise Killed
        return draw(self, step)

    with monkeypatch.context() as patch:
        patch.setattr(OrbitBatches, "__call__", dying)
        with pytest.raises(Killed):
            deep(checkpoint=path, **options).fit_orbits(train)
    assert path.exists()
    resumed = deep(checkpoint=path, **options).fit_orbits(train)
    assert resumed.history_.losses == whole.history_.losses
    assert np.array_equal(resumed.transform(test.z), whole.transform(test.z))
    for changed in ({"learning_rate": 1e-3}, {"random_state": 1}):
        with pytest.raises(FileFormatError, match="very run"):
            deep(checkpoint=path, **options | changed).fit_orbits(train)
    with pytest.raises(FileFormatError, match="very run"):
        deep(checkpoint=path, **options).fit_orbits(circle(n=60, m=8, seed=1).split(0.3)[0])


def test_seeds_are_arguments(bent):
    train, test, _ = bent
    state = torch.get_rng_state()
    one, again, two = (deep(**TINY | {"random_state": seed, "min_energy": 0.0}).fit_orbits(train) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    assert one.history_.losses == again.history_.losses
    assert np.array_equal(one.transform(test.z), again.transform(test.z))
    assert one.history_.losses != two.history_.losses


# --- malformed --------------------------------------------------------------------------------------------------------
def test_too_little_is_told():
    z, g = np.random.default_rng(0).normal(size=(12, 3)), SO2().orbit(12, 1).reshape(-1, 1)
    assert deep(**TINY).fit(z, g).status_ == "insufficient"
    assert deep(**TINY).fit(z, g, items=np.arange(12)).status_ in ("insufficient", "degenerate")
    est = deep(**TINY).fit(z)
    assert est.transform(z).shape == (12, 0)


WRONG = {
    "group": ({"group": "SO2"}, ParameterError),
    "max_order": ({"max_order": 0}, ParameterError),
    "n_features": ({"n_features": 0}, ParameterError),
    "n_content": ({"n_content": 6}, ParameterError),
    "negative content": ({"n_content": -1}, ParameterError),
    "content": ({"content": -1.0}, ParameterError),
    "temperature": ({"temperature": 0.0}, ParameterError),
    "held_out": ({"held_out": 1.0}, ParameterError),
    "max_steps": ({"max_steps": 0}, ParameterError),
    "max_seconds": ({"max_seconds": -1.0}, ParameterError),
    "network": ({"network": "mlp"}, ParameterError),
    "network of other width": ({"network": mlp(4, 3)}, Exception),
    "batch_items": ({"batch_items": 1}, ParameterError),
    "batch_elements": ({"batch_elements": 1}, ParameterError),
    "irreps": ({"irreps": ("m=1", "l=2")}, UnknownNameError),
    "trivial irreps": ({"irreps": ("m=0",)}, ParameterError),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_options_are_refused_by_fit(case):
    options, error = WRONG[case]
    orbits = circle(n=20, m=6)
    with pytest.raises(error) as caught:
        DeepCoordinates(**{"group": SO2()} | TINY | options).fit(orbits.z, orbits.params, items=orbits.items)
    assert error is Exception or isinstance(caught.value, GeodisError)


def test_wrong_data_is_refused():
    orbits = circle(n=20, m=6)
    z, g, who = orbits.z, orbits.params, orbits.items
    cases = {
        "NaN": ((np.where(z > 1, np.nan, z), g, who), FiniteError),
        "lengths": ((z, g[:-1], who), LengthError),
        "items": ((z, g, who[:-1]), LengthError),
        "params": ((z, np.hstack([g, g]), who), GeodisError),
    }
    for (x, y, items), error in cases.values():
        with pytest.raises(error):
            deep(**TINY).fit(x, y, items=items)
    with pytest.raises(ParameterError):
        deep(**TINY).fit_orbits(z)
    est = deep(**TINY).fit_orbits(orbits)
    with pytest.raises(ValueError, match="features"):
        est.transform(z[:, :3])
