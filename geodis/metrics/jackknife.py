"""An interval for any statistic of rows: leave out one group of items at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from geodis.linalg import Array
from geodis.statistics import Interval, clustered_t
from geodis.threads import one_blas_thread

GROUPS = 20


@one_blas_thread
def grouped_jackknife(
    statistic: Callable[[Array], float], value: float, index: Array, level: float, seed: int
) -> Interval:
    """The t interval over the pseudo-values gθ − (g − 1)θ₍₋ₖ₎ of at most 20 random groups of items.

    A bootstrap would repeat rows, and a repeated row is its own nearest neighbor and its own copy: it fakes dimension
    and similarity. Leaving out does not.

    Parameters
    ----------
    statistic : callable
        Indices of the rows that are kept → number.
    value : float
        θ, the statistic of all rows: the center of the interval.
    index : ndarray (n,)
        The item of each row.
    level : float
        Confidence level.
    seed : int
        Seed of the groups.

    References
    ----------
    Miller, "The jackknife: a review", Biometrika 1974.
    """
    n_items = int(index.max()) + 1
    groups = min(GROUPS, n_items)
    group = (np.random.default_rng(seed).permutation(n_items) % groups)[index]
    without = np.array([statistic(np.flatnonzero(group != k)) for k in range(groups)])
    interval = clustered_t(groups * value - (groups - 1) * without, level)
    # Pseudo-values are centred at the bias-corrected estimate; the interval is for the one that is printed.
    shift = value - (interval.low + interval.high) / 2
    return interval._replace(low=interval.low + shift, high=interval.high + shift, method="grouped jackknife t")
