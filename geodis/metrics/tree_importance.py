"""Importances of coordinates from ensembles of trees, as DCI was published with."""

from __future__ import annotations

from typing import Any, final

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.ensemble import RandomForestClassifier

from geodis.errors import ParameterError
from geodis.groups.options import count
from geodis.linalg import Array
from geodis.metrics.block_importance import item_folds
from geodis.metrics.importance import (
    BINS,
    AbstractPredictiveImportance,
    Importance,
    factor_levels,
    single_coordinates,
)


@final
class TreeImportance(AbstractPredictiveImportance):
    """Share of the splits' gain that each coordinate has in trees which predict a factor's level.

    Parameters
    ----------
    classifier : sklearn classifier, optional
        With `feature_importances_`; a random forest of 50 trees that sees all coordinates at each split by default.
        `GradientBoostingClassifier()` is what disentanglement_lib uses, and takes minutes for many levels.
    n_bins, n_levels : int
        Factors with more than `n_levels` distinct values, or than half of the rows, are put into `n_bins` equal bins.

    Raises
    ------
    ParameterError
        For something else than an estimator, or options outside their range.

    Examples
    --------
    >>> z = np.random.default_rng(0).normal(size=(200, 2))
    >>> TreeImportance().measure(z, z[:, :1] > 0, np.arange(200)).matrix.tolist()
    [[1.0], [0.0]]
    """

    n_resamples = 0

    def __init__(self, classifier: Any = None, n_bins: int = BINS, n_levels: int = 64) -> None:
        if classifier is not None and not isinstance(classifier, BaseEstimator):
            raise ParameterError("TreeImportance: classifier", "a classifier of trees", repr(classifier))
        self.classifier = classifier
        self.n_bins = count(n_bins, "TreeImportance: n_bins", 2)
        self.n_levels = count(n_levels, "TreeImportance: n_levels", 2)

    def parts(self, d: int) -> tuple[Array, ...]:
        """Single coordinates."""
        return single_coordinates(d)

    def measure(self, z: Array, factors: Array, items: Array) -> Importance:
        """The importances of all rows' trees, which sum to 1 for every factor."""
        columns = [np.abs(self._fitted(z, level).feature_importances_) for level in self._levels(factors)]
        return Importance(np.stack(columns, axis=1), np.ones(factors.shape[1]))

    def informativeness(self, z: Array, factors: Array, items: Array) -> Array:
        """Accuracy on the items of one fold of three."""
        test = item_folds(items, 3) == 0
        if test.all():
            return np.full(factors.shape[1], np.nan)
        return np.array(
            [np.mean(self._fitted(z[~test], y[~test]).predict(z[test]) == y[test]) for y in self._levels(factors)]
        )

    def _fitted(self, z: Array, level: Array) -> Any:
        # With all coordinates at each split, one that says nothing is never chosen.
        forest = RandomForestClassifier(50, max_features=None, random_state=0)
        return clone(forest if self.classifier is None else self.classifier).fit(z, level)

    def _levels(self, factors: Array) -> list[Array]:
        return [factor_levels(column, self.n_bins, self.n_levels) for column in factors.T]
