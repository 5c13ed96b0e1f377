"""Which of several fitted orbits a cloud lies on: distances of held-out points, and the smaller orbit where two fit.

An orbit of T² holds the closed curves that wind in it, so that a smaller distance alone would always choose the larger
group. Of all candidates whose mean square held-out distance, over their own directions across, is near the least, the
one of least dimension is chosen; its rivals are those of no larger dimension.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.spatial.distance import cdist
from scipy.stats import ttest_1samp

from geodis.discovery.closest_representation import Candidate, Start
from geodis.discovery.orbit_fit import OrbitFit, fit_orbit, squared_distances
from geodis.linalg import Array

AS_NEAR = 1.2  # ratio of mean square distances up to which an orbit fits as well as the nearest
ROUNDING = 1e-12  # mean square distances below it, in units of the radius, are none
HAAR = 1000  # points of an orbit that have to find the cloud near them
FILLINGS = 20  # clouds drawn from the orbit, behind the null of coverage


@final
@dataclass(frozen=True, eq=False)
class Contender:
    """A candidate with squared distances (n,) of points from its orbit fitted without them, per direction across."""

    start: Start
    grid: Array
    dimension: int
    squared: Array

    @property
    def candidate(self) -> Candidate:
        """The representation."""
        return self.start.candidate

    @property
    def mean_square(self) -> float:
        """Mean square distance per direction across the orbit."""
        return float(self.squared.mean())


def contend(points: Array, start: Start, halves: tuple[Array, Array]) -> Contender:
    """Fit a candidate to each half of a cloud (n, r) and measure the other half."""
    grid = start.candidate.elements(start.candidate.grid)
    squared, dimensions = np.empty(len(points)), []
    for fitted, held in (halves, halves[::-1]):
        fit = fit_orbit(points[fitted], start, grid)
        squared[held] = squared_distances(fit, points[held], grid) / max(1, points.shape[1] - fit.dimension)
        dimensions.append(fit.dimension)
    return Contender(start, grid, max(dimensions), squared)


def chosen_of(contenders: Sequence[Contender]) -> tuple[Contender, Contender | None]:
    """The orbit of least dimension among the nearest ones, and its nearest rival of no larger dimension."""
    least = min(c.mean_square for c in contenders)
    near = [c for c in contenders if c.mean_square <= AS_NEAR * max(least, ROUNDING)]
    best = min(near, key=lambda c: (c.dimension, c.mean_square))
    rivals = [c for c in contenders if c is not best and _type(c) != _type(best) and c.dimension <= best.dimension]
    return best, min(rivals, key=lambda c: c.mean_square, default=None)


def confidence_over(best: Contender, rival: Contender | None) -> float:
    """1 − p that the rival is farther, by a paired one-sided t test over points; NaN without a rival."""
    if rival is None:
        return np.nan
    excess = rival.squared - best.squared
    if np.ptp(excess) == 0.0:
        return 0.5 if excess[0] == 0.0 else float(excess[0] > 0.0)
    return float(1.0 - ttest_1samp(excess, 0.0, alternative="greater").pvalue)


def coverage(fit: OrbitFit, points: Array, noise: float, rng: np.random.Generator) -> tuple[float, Array, float]:
    """Mean distance of the orbit from the cloud, the same for clouds drawn from it, and the greatest distance."""
    r = points.shape[1]
    orbit = _draw(fit, HAAR, rng)
    nearest = cdist(orbit, (points - fit.centre) @ fit.frame).min(axis=1)
    drawn = (_draw(fit, len(points), rng) + noise * rng.standard_normal((len(points), r)) for _ in range(FILLINGS))
    null = np.array([cdist(orbit, one).min(axis=1).mean() for one in drawn])
    return float(nearest.mean()), null, float(nearest.max())


def _draw(fit: OrbitFit, n: int, rng: np.random.Generator) -> Array:
    return np.asarray(fit.candidate.elements(fit.candidate.sample(n, rng)) @ fit.point)


def _type(contender: Contender) -> tuple[str, object]:
    return contender.candidate.group, contender.candidate.weights
