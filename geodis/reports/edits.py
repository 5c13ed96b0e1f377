"""Edits by the linear action, judged by nearest neighbours, beside a free ridge map for each step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GroupKFold

from geodis.coordinates import AbstractInvertibleLift, LatentCoordinates
from geodis.errors import DesignError
from geodis.linalg import Array
from geodis.orbits import Orbits
from geodis.statistics import Interval, clustered_t

ALPHAS = np.logspace(-3, 1, 5)  # of the ridge map, for rows of about unit norm
FOLDS = 4


@dataclass(frozen=True, eq=False)
class Edits:
    """Row `source` of unseen orbits, moved by `step`: its nearest neighbour among all rows is `found`.

    Attributes
    ----------
    source, step, wanted, found : ndarray (n_edits,)
        Rows of the orbits; `wanted` is the same item `step` elements further.
    ridge : ndarray (n_edits,) of bool
        Whether the free ridge map found the wanted row.
    clusters : ndarray (n_edits,)
        What was drawn independently.
    """

    source: Array
    step: Array
    wanted: Array
    found: Array
    ridge: Array
    clusters: Array

    @property
    def right(self) -> Array:
        """Whether the nearest neighbour is the wanted row."""
        return np.asarray(self.found == self.wanted)

    @property
    def top1(self) -> float:
        """The share of right edits."""
        return float(self.right.mean())

    @property
    def ridge_top1(self) -> float:
        """The share that the ridge map gets right."""
        return float(self.ridge.mean())

    def interval(self, level: float = 0.95) -> Interval:
        """Confidence interval of `top1`, a t interval over clusters."""
        shares = [self.right[self.clusters == c].mean() for c in np.unique(self.clusters)]
        return clustered_t(np.array(shares), level)


def edit_unseen(coordinates: LatentCoordinates, fitted: Orbits, unseen: Orbits, steps: Sequence[int]) -> Edits:
    """Move every unseen row by each step and look for its nearest neighbour (cosine) among all unseen rows.

    Orbits are full orbits of a cyclic group. The ridge maps are affine, one a step, fitted on all pairs of `fitted`
    with a ridge chosen on folds of clusters.

    Raises
    ------
    DesignError
        When an item lacks an element.
    """
    rows = np.arange(len(unseen))
    z = unseen.z.astype(np.float64)
    predictions = _ridge_maps(fitted, z, steps)
    parts = []
    for step, predicted in zip(steps, predictions, strict=True):
        wanted = moved_rows(unseen, step)
        found = edited_nearest(coordinates, z, rows, np.full((len(z), 1), float(step)))
        parts.append(
            (rows, np.full_like(rows, step), wanted, found, nearest_rows(predicted, z) == wanted, unseen.clusters)
        )
    return Edits(*(np.concatenate(x) for x in zip(*parts, strict=True)))


def edited_top1(coordinates: LatentCoordinates, unseen: Orbits, steps: Sequence[int]) -> float:
    """The share of unseen rows whose edit has the wanted row as nearest neighbour, over all steps."""
    z = unseen.z.astype(np.float64)
    elements = [np.full((len(z), 1), float(step)) for step in steps]
    found = [edited_nearest(coordinates, z, np.arange(len(z)), element) for element in elements]
    return float(np.mean([f == moved_rows(unseen, step) for f, step in zip(found, steps, strict=True)]))


def edited_nearest(coordinates: LatentCoordinates, z: Array, source: Array, params: Array) -> Array:
    """The row of `z` that is nearest (cosine) to each row `source` edited by `params`.

    Where a lift cannot be undone there is no edited embedding: then the row whose coordinates are nearest (Euclidean)
    to the coordinates acted on.
    """
    if coordinates.lift is None or isinstance(coordinates.lift, AbstractInvertibleLift):
        return nearest_rows(np.asarray(coordinates.edit(z[source], params)), z)
    codes = np.asarray(coordinates.transform(z))
    moved = np.asarray(coordinates.act(codes[source], params))
    return np.asarray(cdist(moved, codes).argmin(axis=1))


def moved_rows(orbits: Orbits, step: int) -> Array:
    """The row of the same item `step` elements further, for every row of full cyclic orbits."""
    n = orbits.group.order or 0
    item = np.repeat(np.arange(orbits.n_items), orbits.sizes)
    element = np.rint(orbits.params[:, 0]).astype(int) % max(n, 1)
    row = np.full((orbits.n_items, max(n, 1)), -1)
    row[item, element] = np.arange(len(orbits))
    if len(orbits) != row.size or (row < 0).any():
        raise DesignError(f"Expected full orbits of a cyclic group, got {orbits!r}.")
    return np.asarray(row[item, (element + step) % n])


def nearest_rows(z: Array, among: Array) -> Array:
    """The row of `among` with the largest cosine to each row of z."""
    unit = among / np.maximum(np.linalg.norm(among, axis=1, keepdims=True), 1e-300)
    return np.asarray((z @ unit.T).argmax(axis=1))


def _ridge_maps(fitted: Orbits, unseen: Array, steps: Sequence[int]) -> Array:
    """Predictions of a free affine map for each step: (steps, N, D)."""
    z = fitted.z.astype(np.float64)
    targets = np.hstack([z[moved_rows(fitted, step)] for step in steps])
    n_clusters = len(np.unique(fitted.clusters))
    folds = None
    if n_clusters >= 2:
        folds = list(GroupKFold(min(FOLDS, n_clusters)).split(z, groups=fitted.clusters))
    model = RidgeCV(ALPHAS, cv=folds, scoring="neg_mean_squared_error").fit(z, targets)
    return np.stack(np.split(model.predict(unseen), len(steps), axis=1))
