"""The smallest value of a function over the elements of a group that are not near e: listed, or drawn and improved."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize

from geodis.errors import ParameterError
from geodis.groups.group import AbstractGroup
from geodis.groups.options import positive
from geodis.groups.size import element_size
from geodis.linalg import Array

STARTS = 2  # draws that are improved
REACH = 0.1  # size of the first simplex, in the algebra
STEPS = 80  # evaluations a dimension of the algebra


def least_motion(
    motion: Callable[[Array], Array], group: AbstractGroup, radius: float, n_draws: int, seed: int
) -> tuple[float, int]:
    """The minimum of `motion` (N, p) → (N,) and over how many elements: see `geodis.metrics.faithfulness`.

    Raises
    ------
    ParameterError
        For a radius that is not positive, or that no element drawn reaches.

    Examples
    --------
    >>> from geodis.groups import SO2
    >>> half = lambda g: np.abs(np.sin(g[:, 0] / 2 + 0.3))  # zero at −.6
    >>> value, _ = least_motion(half, SO2(), 0.5, 100, 0)
    >>> value < 1e-6
    True
    """
    positive(radius, "radius")
    if group.order is not None and group.order <= n_draws:
        others = _away(group, group.orbit(1, group.order, seed=seed)[0], 1e-9)
        return float(motion(others).min()), len(others)
    drawn = _away(group, group.sample(n_draws, seed=seed), 1e-9 if group.order is not None else radius)
    values = motion(drawn)
    best = float(values.min())
    if group.order is None and group.tangent_dim:
        for start in drawn[np.argsort(values)[:STARTS]]:
            best = min(best, _improved(motion, group, radius, start)) if best > 0.0 else best
    return best, len(drawn)


def _away(group: AbstractGroup, g: Array, radius: float) -> Array:
    far = g[element_size(group, g) >= radius]
    if len(far) == 0:
        raise ParameterError("radius", f"a distance from e that elements of {group!r} have", radius)
    return far


def _improved(motion: Callable[[Array], Array], group: AbstractGroup, radius: float, start: Array) -> float:
    """What a simplex search over start·exp(a) finds, no nearer to e than `radius`."""
    largest = 10.0 * float(motion(start[None])[0]) + 1.0

    def value(a: Array) -> float:
        g = np.asarray(group.compose(start[None], group.exp(a[None])))
        inside = radius - float(element_size(group, g)[0])
        return largest * (1.0 + inside) if inside > 0 else float(motion(g)[0])

    d = group.tangent_dim
    simplex = np.concatenate([np.zeros((1, d)), REACH * np.eye(d)])
    options = {"initial_simplex": simplex, "maxfev": STEPS * d, "xatol": 1e-10, "fatol": 1e-12}
    return float(minimize(value, np.zeros(d), method="Nelder-Mead", options=options).fun)
