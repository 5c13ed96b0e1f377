"""Lifts: features by hand, planted curved actions recovered on unseen items, a choice that prefers none."""

import math
from itertools import combinations_with_replacement

import numpy as np
import pandas as pd
import pytest
import torch
from curved_codes import Shear, circle, monomials, sphere
from scipy.spatial.distance import cdist
from sklearn.base import clone

from geodis import LinearCoordinates, Orbits
from geodis.coordinates import Nystroem, Polynomial, RandomFourier, select_lift
from geodis.coordinates.known_lifts import KNOWN_LIFTS
from geodis.coordinates.lift import frozen, same_lift
from geodis.coordinates.spread import Spread
from geodis.errors import DesignError, FiniteError, ParameterError, ShapeError
from geodis.groups import SO2

SPECS = [
    Polynomial(2),
    Polynomial(3, n_components=2),
    Polynomial(3, interaction_only=True),
    RandomFourier(40),
    RandomFourier(30, gamma=0.5, n_components=2),
    Nystroem(30),
    Nystroem(500, n_components=3),
]


def rows(n=60, d=4, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)) * np.arange(1, d + 1) + 5.0


# --- the maps themselves ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("spec", SPECS, ids=repr)
class TestEveryLift:
    def test_kind_dtype_and_gradients(self, spec):
        z = rows()
        lift = spec.fit(z, seed=3)
        h = lift(z)
        assert isinstance(h, np.ndarray)
        assert h.shape == (60, lift.n_features)
        assert lift.n_features_in == 4
        single = lift(z.astype(np.float32))
        assert single.dtype == np.float32
        assert np.abs(single - h).max() < 1e-3
        tensor = torch.from_numpy(z).requires_grad_()
        out = lift(tensor)
        assert torch.is_tensor(out)
        assert out.dtype == torch.float64
        assert np.array_equal(out.detach().numpy(), h)
        assert torch.autograd.gradcheck(lift, torch.from_numpy(z[:2]).requires_grad_())
        assert lift(torch.from_numpy(z).to(torch.bfloat16)).dtype == torch.bfloat16
        assert lift(z[:0]).shape == (0, lift.n_features)

    def test_rows_are_lifted_one_by_one(self, spec):
        z = rows()
        lift = spec.fit(z)
        parts = np.concatenate([lift(z[a : a + 7]) for a in range(0, 60, 7)])
        assert np.allclose(parts, lift(z), rtol=0, atol=1e-12)

    def test_the_embedding_is_among_the_features(self, spec):
        z = rows()
        h = spec.fit(z)(z)
        found = np.linalg.lstsq(np.hstack([h[:, :4], np.ones((60, 1))]), z, rcond=None)[0]
        assert np.allclose(np.hstack([h[:, :4], np.ones((60, 1))]) @ found, z)
        assert np.isclose(np.linalg.eigvalsh(np.cov(h[:, :4].T))[-1], 1.0)

    def test_units_of_columns_do_not_matter(self, spec):
        z = rows()
        scaled = z * np.array([1.0, 1e3, 1e-3, 7.0]) - 3.0
        assert np.allclose(spec.fit(z)(z), spec.fit(scaled)(scaled), atol=1e-6)

    def test_state_rebuilds_the_lift(self, spec):
        lift = spec.fit(rows(), seed=1)
        config, tensors = lift.state()
        again = type(lift).from_state(config, tensors)
        assert np.array_equal(again(rows(seed=2)), lift(rows(seed=2)))
        assert same_lift(lift, again)
        assert not same_lift(lift, None)
        assert type(lift) in KNOWN_LIFTS
        assert not same_lift(lift, spec.fit(rows(seed=9), seed=1))

    def test_malformed_rows_are_refused(self, spec):
        lift = spec.fit(rows())
        with pytest.raises(ShapeError):
            lift(rows(d=3))
        with pytest.raises(ShapeError):
            lift(rows()[0])
        with pytest.raises(FiniteError):
            lift(np.full((2, 4), np.nan))
        with pytest.raises(ParameterError):
            lift(np.zeros((2, 4), dtype=complex))
        with pytest.raises(ParameterError):
            lift(np.array([["a"] * 4]))
        with pytest.raises(FiniteError):
            spec.fit(np.full((5, 4), np.inf))
        with pytest.raises(ShapeError):
            spec.fit(np.zeros((0, 4)))

    def test_still_columns_and_single_rows_give_finite_features(self, spec):
        z = rows()
        z[:, 1] = 3.0
        assert np.isfinite(spec.fit(z)(z)).all()
        assert np.isfinite(spec.fit(z[:1])(z)).all()
        still = (1e6 + 1e-2 * rows(d=4)).astype(np.float32)  # differences are rounding
        assert np.abs(spec.fit(still)(still)[:, :4]).max() < 1e-4

    def test_specs_are_values(self, spec):
        assert clone(spec, safe=False) == spec
        assert spec != Polynomial(7)
        assert hash(spec) == hash(clone(spec, safe=False))


def test_polynomial_features_are_the_weighted_monomials():
    z = rows()
    lift = Polynomial(3).fit(z)
    x, higher = np.split(lift(z), [4], axis=1)
    expected = []
    for degree in (2, 3):
        for picked in combinations_with_replacement(range(4), degree):
            counts = [picked.count(i) for i in set(picked)]
            ways = math.factorial(degree) / math.prod(map(math.factorial, counts))
            expected.append(math.sqrt(ways) * np.prod(x[:, list(picked)], axis=1))
    assert np.allclose(higher, np.array(expected).T)
    gram = x @ x.T
    assert np.allclose(higher @ higher.T, gram**2 + gram**3)


def test_fourier_features_approach_the_kernel_and_nystroem_is_exact_on_its_landmarks():
    z = rows(200)
    fourier, nystroem = RandomFourier(4000).fit(z), Nystroem(200).fit(z)
    x = fourier(z)[:, :4]
    distances = cdist(x, x)
    assert np.isclose(fourier.gamma, 1 / (2 * np.median(distances[np.triu_indices(200, 1)]) ** 2))
    kernel = np.exp(-fourier.gamma * distances**2)
    psi, exact = fourier(z)[:, 4:], nystroem(z)[:, 4:]
    assert np.abs(psi @ psi.T - kernel).max() < 0.12
    assert np.abs(exact @ exact.T - kernel).max() < 1e-6


def test_seeds_draw_and_nothing_global_is_touched():
    z, state = rows(), np.random.get_state()[1].copy()  # noqa: NPY002
    same, other = (RandomFourier(20).fit(z, seed=s) for s in (0, 1))
    assert np.array_equal(RandomFourier(20).fit(z, seed=0)(z), same(z))
    assert not np.allclose(same(z), other(z))
    assert np.array_equal(np.random.get_state()[1], state)  # noqa: NPY002


@pytest.mark.parametrize(
    "make",
    [
        lambda: Polynomial(1),
        lambda: Polynomial(2.5),
        lambda: Polynomial(True),
        lambda: Polynomial(2, n_components=0),
        lambda: Polynomial(2, interaction_only="yes"),
        lambda: RandomFourier(0),
        lambda: RandomFourier(10, gamma=-1.0),
        lambda: RandomFourier(10, gamma=np.nan),
        lambda: Nystroem("many"),
        lambda: Nystroem(10, n_components=1.5),
        lambda: Polynomial(6).fit(rows(d=20)),
        lambda: RandomFourier(10**5).fit(rows()),
        lambda: frozen("polynomial", rows(), 0),
        lambda: LinearCoordinates(SO2(), lift=lambda z: z).fit_orbits(circle()),
    ],
)
def test_malformed_specs_are_refused(make):
    with pytest.raises(ParameterError):
        make()


def test_spread_is_additive_and_sees_collapse():
    z = rows(50)
    both = Spread.of(z[:20]) + Spread.of(z[20:])
    assert np.isclose(both.variance, ((z - z.mean(0)) ** 2).sum(1).mean())
    assert np.allclose(both.mean, z.mean(0))
    assert Spread.of(np.full((9, 3), 7.3)).vanishes(1e-16)
    assert not both.vanishes(1e-7)


# --- planted truth ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("orbits", "group_order", "name"), [(circle, 1, "m=1"), (sphere, 1, "l=1")], ids=["circle", "sphere"]
)
def test_a_curved_action_is_found_by_the_lift_and_missed_without(orbits, group_order, name):
    train, test = orbits().split(0.4)
    settings = {"max_order": group_order, "min_energy": 0.9, "n_null": 39}
    linear = LinearCoordinates(train.group, **settings).fit_orbits(train)
    assert linear.spectrum_.multiplicity(name) == 0
    assert linear.spectrum_.energies[name][0] < 0.85
    lifted = LinearCoordinates(train.group, lift=Polynomial(2), **settings).fit_orbits(train)
    assert lifted.spectrum_.multiplicity(name) == 1
    assert lifted.spectrum_.energies[name][0] > 0.98
    assert lifted.score(*test.arrays()[:2], items=test.items) > 0.98
    straight, _ = orbits(bend=0.0).split(0.4)
    assert LinearCoordinates(train.group, **settings).fit_orbits(straight).spectrum_.multiplicity(name) == 1


def test_the_sheared_code_itself_is_recovered():
    """Coordinates of unseen items agree with the planted code up to a rotation and a scale."""
    orbits = circle(noise=0.003)
    train, test = orbits.split(0.4)
    est = LinearCoordinates(SO2(), max_order=1, min_energy=0.9, lift=Polynomial(2), n_null=39).fit_orbits(train)
    straight = circle(bend=0.0, noise=0.0).split(0.4)[1]
    c = est.coordinates_.transform(test.z)[:, est.coordinates_.blocks[0].columns]
    target = straight.z - straight.z.mean(0)
    left = target - c @ np.linalg.lstsq(c, target, rcond=None)[0]
    assert (left**2).sum() / (target**2).sum() < 0.01


def test_monomials_of_a_code_hold_its_double_order_and_their_lift_the_fourfold():
    train, test = monomials().split(0.4)
    settings = {"max_order": 4, "min_energy": 0.9, "n_null": 39}
    linear = LinearCoordinates(SO2(), **settings).fit_orbits(train)
    assert linear.spectrum_.multiplicities == {"m=0": 1, "m=2": 1}
    lifted = LinearCoordinates(SO2(), lift=Polynomial(2), **settings).fit_orbits(train)
    found = lifted.spectrum_.multiplicities
    assert found["m=4"] == 1
    assert found["m=2"] == 2
    assert "m=1" not in found
    assert "m=3" not in found
    assert lifted.score(*test.arrays()[:2], items=test.items) > 0.95


@pytest.mark.parametrize("lift", [RandomFourier(150), Nystroem(150)], ids=repr)
def test_kernel_features_find_it_too(lift):
    train, _ = circle().split(0.4)
    est = LinearCoordinates(SO2(), max_order=1, min_energy=0.9, lift=lift, n_null=39).fit_orbits(train)
    assert est.spectrum_.energies["m=1"][0] > 0.97


@pytest.mark.parametrize("lift", [Polynomial(2), RandomFourier(60), Nystroem(60)], ids=repr)
def test_nothing_is_found_in_noise(lift):
    orbits = circle()
    noise = orbits.map(lambda z: np.random.default_rng(5).normal(size=z.shape))
    est = LinearCoordinates(SO2(), max_order=3, min_energy=0.3, lift=lift, n_null=39).fit_orbits(noise)
    assert not [name for name in est.spectrum_.multiplicities if name != "m=0"]
    assert est.status_ == "degenerate"


@pytest.mark.parametrize("value", [0.0, 7.3])
def test_a_collapsed_embedding_stays_degenerate_through_a_lift(value):
    orbits = circle(seed=3)
    for spread in (0.0, 1e-7):
        flat = orbits.map(lambda z, s=spread: (value + s * z).astype(np.float32) if value else 0 * z)
        for lift in (Polynomial(2), RandomFourier(30)):
            assert LinearCoordinates(SO2(), lift=lift, n_null=19).fit_orbits(flat).status_ == "degenerate"
    assert LinearCoordinates(SO2(), min_energy=0.9, lift=Polynomial(2), n_null=39).fit_orbits(orbits).status_ == "ok"


# --- streaming --------------------------------------------------------------------------------------------------------
def test_streamed_batches_are_lifted_as_they_come():
    orbits = circle(n=60)
    est = LinearCoordinates(SO2(), max_order=1, min_energy=0.9, lift=Polynomial(2), n_null=39)
    whole = clone(est).fit_orbits(orbits)
    moments, other = est.new_moments(orbits.z), est.new_moments(orbits.z)
    for half, sums in ((slice(0, 360), moments), (slice(360, 720), other)):
        for a in range(half.start, half.stop, 60):
            sums.update(*(x[a : a + 60] for x in orbits.arrays()))
    moments.merge(other)
    streamed = est.fit_moments(moments)
    assert streamed.n_features_in_ == 5
    assert streamed.lift_.n_features == 20
    for name, energies in whole.spectrum_.energies.items():
        assert np.allclose(streamed.spectrum_.energies[name][:1], energies[:1], atol=0.02), name
    assert streamed.transform(orbits.z).shape == (720, streamed.coordinates_.n_coordinates)
    with pytest.raises(ShapeError):
        est.new_moments(orbits.z).update(np.zeros((4, 20)), np.zeros((4, 1)), np.arange(4))
    with pytest.raises(DesignError):
        est.new_moments(orbits.z).merge(est.new_moments(2 * orbits.z))


def test_get_params_and_grid():
    est = LinearCoordinates(SO2(), lift=Polynomial(2))
    assert est.get_params()["lift"] == Polynomial(2)
    assert clone(est).lift == Polynomial(2)
    assert clone(est).set_params(lift=None).lift is None
    lift = Polynomial(2).fit(rows())
    assert isinstance(clone(est).set_params(lift=lift).lift, type(lift))


# --- the choice -------------------------------------------------------------------------------------------------------
FITS = LinearCoordinates(SO2(), max_order=3, n_null=19)


def test_the_curved_code_takes_a_lift_and_the_straight_one_none(capsys):
    candidates = [Polynomial(3), Polynomial(2)]
    curved = select_lift(circle(bend=1.0), candidates, estimator=FITS, n_folds=4)
    assert curved.lift in candidates
    assert curved.name == repr(curved.lift)
    motion = curved.table.set_index("lift")["motion"]
    assert motion[curved.name] > motion["linear"] + 0.1
    straight = select_lift(circle(bend=0.0), candidates, estimator=FITS, n_folds=4)
    assert straight.lift is None
    assert straight.name == "linear"
    table = straight.table
    assert table["lift"].iloc[0] == "linear"
    assert table["n_features"].is_monotonic_increasing
    assert table["score"].iloc[1] > table["score"].iloc[0] + 1, "sums of energies count squares as new blocks"
    assert table["chosen"].tolist() == [True, False, False]
    assert len(straight.folds) == 12
    assert capsys.readouterr().err == ""


def test_noise_takes_none_and_has_no_energy():
    noise = circle().map(lambda z: np.random.default_rng(5).normal(size=z.shape))
    choice = select_lift(noise, {"square": Polynomial(2), "kernel": Nystroem(40)}, estimator=FITS, n_folds=3)
    assert choice.name == "linear"
    assert (choice.table[["score", "energy", "motion"]] < 0.05).all(axis=None)


def test_clusters_are_held_out_whole(monkeypatch):
    orbits = circle(n=24)
    grouped = Orbits.from_arrays(*orbits.arrays(), orbits.group, clusters=orbits.items // 4)
    seen, original = [], LinearCoordinates.fit_orbits

    def record(self, part):
        seen.append(set(part.clusters))
        return original(self, part)

    monkeypatch.setattr(LinearCoordinates, "fit_orbits", record)
    select_lift(grouped, [], estimator=FITS, n_folds=3)
    assert [len(s) for s in seen] == [4, 4, 4]
    assert set.union(*seen) == set(range(6))
    out = [set(range(6)) - s for s in seen]
    assert sum(len(o) for o in out) == 6
    assert set.union(*out) == set(range(6))


def test_a_frozen_lift_is_a_candidate():
    choice = select_lift(circle(n=30), {"shear": Shear(5, 5, 1.0)}, estimator=FITS, n_folds=2, verbose=True)
    assert isinstance(choice.table, pd.DataFrame)
    assert set(choice.table["lift"]) == {"linear", "shear"}


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"orbits": np.zeros((3, 2))}, ParameterError),
        ({"candidates": "polynomial"}, ParameterError),
        ({"candidates": [3]}, ParameterError),
        ({"candidates": {"linear": Polynomial(2)}}, ParameterError),
        ({"n_folds": 1}, ParameterError),
        ({"n_folds": True}, ParameterError),
        ({"estimator": "linear"}, ParameterError),
        ({"estimator": LinearCoordinates(SO2() * SO2())}, ParameterError),
        ({"orbits": circle(n=1)}, DesignError),
    ],
)
def test_malformed_choices_are_refused(change, error):
    arguments = {"orbits": circle(n=10), "candidates": [Polynomial(2)], "estimator": FITS} | change
    with pytest.raises(error):
        select_lift(arguments.pop("orbits"), arguments.pop("candidates"), **arguments)
