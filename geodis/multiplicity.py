"""Many tests at once: p-values adjusted for the family that they belong to. A leaf, plain arrays only."""

from __future__ import annotations

from typing import Any

import numpy as np

from geodis.errors import ParameterError, ShapeError
from geodis.linalg import Array
from geodis.statistics import TIE, checked_array


def holm(p: Any) -> Array:
    """Holm's adjusted p-values: rejecting those ≤ α makes any false rejection at most α likely.

    References
    ----------
    Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 1979.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).round(3)
    array([0.03, 0.06, 0.06])
    """
    values = _p_values(p, "holm: p")
    order = np.argsort(values, kind="stable")
    factors = len(values) - np.arange(len(values))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(values[order] * factors), 1.0)
    return adjusted


def westfall_young(observed: Any, null: Any) -> Array:
    """Step-down max-T adjusted p-values: as Holm's, but using how the statistics vary together under the null.

    Parameters
    ----------
    observed : array (K,)
        Statistics, large values being evidence.
    null : array (B, K)
        The same statistics of B relabellings, each row from one relabelling.

    References
    ----------
    Westfall and Young, "Resampling-Based Multiple Testing", Wiley 1993, algorithm 4.1.

    Examples
    --------
    >>> import numpy as np
    >>> westfall_young([3.0, 0.0], np.array([[0.0, 1.0], [2.0, 0.5], [1.0, -1.0]]))
    array([0.25, 0.75])
    """
    values, draws = (
        checked_array(observed, "westfall_young: observed", 1),
        checked_array(null, "westfall_young: null", 2),
    )
    if draws.shape[1] != len(values):
        raise ShapeError("westfall_young: null", f"(B, {len(values)})", draws.shape)
    order = np.argsort(-values, kind="stable")
    # The r-th largest statistic competes with the maximum over itself and all smaller ones.
    suffix_max = np.maximum.accumulate(draws[:, order][:, ::-1], axis=1)[:, ::-1]
    exceed = (suffix_max >= values[order] - TIE).sum(axis=0)
    adjusted = np.empty(len(values))
    adjusted[order] = np.maximum.accumulate((1 + exceed) / (1 + len(draws)))
    return adjusted


def benjamini_hochberg(p: Any) -> Array:
    """Bound the false discovery rate by adjusted p-values: min over later ranks of p_(r)·K/r.

    References
    ----------
    Benjamini and Hochberg, "Controlling the false discovery rate", JRSS B 1995.

    Examples
    --------
    >>> benjamini_hochberg([0.01, 0.04, 0.03]).round(3)
    array([0.03, 0.04, 0.04])
    """
    values = _p_values(p, "benjamini_hochberg: p")
    order = np.argsort(values, kind="stable")
    scaled = values[order] * len(values) / np.arange(1, len(values) + 1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum.accumulate(np.minimum(scaled, 1.0)[::-1])[::-1]
    return adjusted


def _p_values(p: Any, what: str) -> Array:
    values = checked_array(p, what, 1)
    if (values < 0).any() or (values > 1).any():
        raise ParameterError(what, "p-values in [0, 1]", values.tolist())
    return values
