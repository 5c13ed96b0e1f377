"""The scikit-learn contract: its own checks, clones, pipelines, searches, pandas output."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from geodis import LinearCoordinates
from geodis.groups import SE, SO2, SO3, Cyclic, Translation
from geodis.simulators import planted

EXPECTED_FAILURES: dict[str, str] = {}

CHECKED = [
    LinearCoordinates(SO2()),
    LinearCoordinates(Translation(1), max_order=1),
    LinearCoordinates(Cyclic(3), isometric=True),
    LinearCoordinates(Cyclic(12), ridge=0.1, min_energy=0.6),
]


@parametrize_with_checks(CHECKED, expected_failed_checks=lambda estimator: EXPECTED_FAILURES)
def test_scikit_learn_agrees(estimator, check):
    check(estimator)


def turning(n=60, m=8, d=6, seed=0):
    """`(X, y, items)`: one plane that turns twice as fast as the angle, beside noise."""
    group, rng = SO2(), np.random.default_rng(seed)
    angles = group.orbit(n, m, seed=seed).reshape(-1, 1)
    phase = 2 * angles[:, 0] + np.repeat(rng.uniform(0, 2 * np.pi, n), m)
    code = np.stack([np.cos(phase), np.sin(phase)], axis=-1) @ rng.normal(size=(2, d))
    return code + 0.1 * rng.normal(size=(n * m, d)), angles, np.repeat(np.arange(n), m)


def test_clones_are_unfitted_copies():
    X, y, items = turning()
    est = LinearCoordinates(SO2(), max_order=3, min_energy=0.6, n_null=39).fit(X, y, items=items)
    unfitted = clone(est)
    assert unfitted.get_params() == est.get_params()
    assert unfitted.group == SO2()
    assert not hasattr(unfitted, "coordinates_")
    unfitted.set_params(max_order=1).fit(X, y, items=items)
    assert unfitted.coordinates_.blocks == (), "order 1 cannot hold m=2"
    assert [b.irrep.name for b in est.coordinates_.blocks] == ["m=2"]
    assert clone(est).fit(X, y, items=items).score(X, y) == est.score(X, y)


def test_options_are_stored_as_given_and_read_by_fit():
    est = LinearCoordinates("no group", max_order=-3, ridge="?")
    assert est.get_params()["group"] == "no group"
    assert est.max_order == -3
    assert "LinearCoordinates" in repr(LinearCoordinates(SO2(), max_order=2))


def test_a_grid_search_finds_the_order():
    X, y, items = turning()
    grid = {"linearcoordinates__max_order": [1, 2], "linearcoordinates__isometric": [False]}
    pipeline = make_pipeline(StandardScaler(), LinearCoordinates(SO2(), n_null=39))
    # Without items in fit and score, each fold is one pooled orbit, which a fit calls insufficient: score 0 ...
    search = GridSearchCV(pipeline, grid, cv=GroupKFold(3), refit=False)
    search.fit(X, y, groups=items)
    assert np.allclose(search.cv_results_["mean_test_score"], 0.0)

    # ... so that a search hands the items on, by a scorer and by fit's parameters.
    def score(estimator, X, y):
        return estimator.score(X[:, 1:], y, items=X[:, 0])

    class WithItems(LinearCoordinates):
        """Reads the items from the first column."""

        def fit(self, X, y=None):
            return super().fit(X[:, 1:], y, items=X[:, 0])

    options = {"group": SO2(), "n_null": 39}
    search = GridSearchCV(WithItems(**options), {"max_order": [1, 2]}, cv=GroupKFold(3), scoring=score, refit=True)
    search.fit(np.hstack([items[:, None], X]), y, groups=items)
    assert search.best_params_ == {"max_order": 2}
    assert search.cv_results_["mean_test_score"][0] == 0.0
    assert search.best_score_ > 0.9


def test_pipelines_hand_items_on():
    X, y, items = turning()
    pipeline = make_pipeline(StandardScaler(), LinearCoordinates(SO2(), max_order=2, n_null=39))
    pipeline.fit(X, y, linearcoordinates__items=items)
    assert pipeline[-1].status_ == "ok"
    assert pipeline.transform(X).shape == (len(X), 2)
    assert pipeline.score(X, y) < 0.5, "pooled, the items' phases do not agree"
    direct = LinearCoordinates(SO2(), max_order=2, n_null=39).fit(StandardScaler().fit_transform(X), y, items=items)
    np.testing.assert_array_equal(pipeline.transform(X), direct.transform(StandardScaler().fit_transform(X)))


def test_frames_and_names():
    X, y, items = turning()
    est = LinearCoordinates(SO2(), max_order=2, n_null=39).fit(X, y, items=items)
    assert est.get_feature_names_out().tolist() == ["linearcoordinates0", "linearcoordinates1"]
    frame = est.set_output(transform="pandas").transform(X)
    assert isinstance(frame, pd.DataFrame)
    assert frame.columns.tolist() == ["linearcoordinates0", "linearcoordinates1"]
    np.testing.assert_array_equal(frame.to_numpy(), est.coordinates_.transform(X))
    named = LinearCoordinates(SO2(), max_order=2, n_null=39)
    table = pd.DataFrame(X, columns=[f"unit {i}" for i in range(X.shape[1])])
    named.fit(table, y, items=pd.Series(items))
    np.testing.assert_allclose(named.transform(table), est.coordinates_.transform(X), rtol=0, atol=1e-12)
    assert named.feature_names_in_.tolist() == table.columns.tolist()
    with pytest.raises(ValueError, match="feature names"):
        named.transform(table.rename(columns={"unit 0": "other"}))


@pytest.mark.parametrize("group", [SO2(), SO3(), SE(2), SO2() * Cyclic(3)], ids=repr)
def test_fitted_estimators_travel_between_processes(group):
    params = group.orbit(80, 8)
    reps = [(rep, 1) for rep in (*group.irreps(1)[1:2], *group.affine_representations())]
    code = planted(reps, params, n_features=8)
    est = LinearCoordinates(group, max_order=1, n_null=39).fit(code.z, code.params, items=code.items)
    assert est.status_ == "ok"
    for other in (pickle.loads(pickle.dumps(est)), copy.deepcopy(est)):
        assert [b.irrep.name for b in other.coordinates_.blocks] == [b.irrep.name for b in est.coordinates_.blocks]
        np.testing.assert_array_equal(
            other.coordinates_.edit(code.z, code.params), est.coordinates_.edit(code.z, code.params)
        )
        assert other.spectrum_.multiplicities == est.spectrum_.multiplicities


def test_what_is_not_fitted_says_so():
    X, y, _ = turning()
    for method, arguments in (("transform", (X,)), ("inverse_transform", (X,)), ("score", (X, y))):
        with pytest.raises(Exception, match="not fitted"):
            getattr(LinearCoordinates(SO2()), method)(*arguments)
