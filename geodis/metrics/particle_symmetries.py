"""The symmetries that mechanics promises, for a map of particles: O(d), translations, Galilei boosts, permutations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from geodis.actions.action import AbstractAction
from geodis.actions.galilei import GalileiAction
from geodis.actions.points import OrthogonalAction, PermutationAction, TranslationAction
from geodis.errors import ShapeError
from geodis.groups.options import count
from geodis.linalg import Array, to_numpy
from geodis.metrics.map_equivariance import map_equivariance_error
from geodis.metrics.result import MetricResult

MOST_POINTS = 18  # that `PermutationAction` permutes


def particle_symmetries(
    step: Callable[[Any, Any, Any], tuple[Any, Any]],
    positions: Any,
    velocities: Any,
    scalars: Any,
    *,
    span: float,
    n_steps: int = 1,
    n_elements: int = 4,
    seed: int = 0,
) -> dict[str, MetricResult]:
    """`map_equivariance_error` of (x, v) ↦ (x, v) a time later, for each symmetry of mechanics.

    Parameters
    ----------
    step : callable
        (x, v, scalars) → (x, v) a time `span` later, such as `NBodyDynamics.predict`.
    positions, velocities : array (n, bodies, d)
    scalars : array (n, bodies, k)
        What bodies carry; no symmetry moves them, permutations apart.
    span : float
        The time of one step, in the unit of the velocities.
    n_steps : int
        Steps one after the other: roll-outs of chaotic systems grow with their floor.
    n_elements, seed : int
        As in `map_equivariance_error`.

    Returns
    -------
    dict of str to MetricResult
        ``"rotations and reflections"``, ``"translations"``, ``"boosts"`` and, for up to 18 bodies, ``"permutations"``.

    Raises
    ------
    ShapeError, ParameterError, FiniteError
        For arrays that do not fit together, options out of range, NaN.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x, v = rng.normal(size=(2, 8, 4, 3))
    >>> drift = lambda x, v, s: (x + 0.5 * v, v)
    >>> found = particle_symmetries(drift, x, v, np.ones((8, 4, 1)), span=0.5)
    >>> all(result.value < 1e-14 for result in found.values())
    True
    """
    x, v, s = (to_numpy(part) for part in (positions, velocities, scalars))
    if x.ndim != 3 or v.shape != x.shape or s.shape[:2] != x.shape[:2] or s.ndim != 3:
        got = f"{x.shape}, {v.shape} and {s.shape}"
        raise ShapeError("positions, velocities, scalars", "(n, bodies, d) twice and (n, bodies, k)", got)
    (_, bodies, d), k, n_steps = x.shape, s.shape[2], count(n_steps, "n_steps", 1)
    clouds = np.concatenate([x, v, s], -1)

    def later(cloud: Array) -> Array:
        a, b, carried = cloud[..., :d], cloud[..., d : 2 * d], cloud[..., 2 * d :]
        for _ in range(n_steps):
            a, b = (to_numpy(part) for part in step(a, b, carried))
        return np.concatenate([a, b, carried], -1)

    pairs: dict[str, tuple[AbstractAction, AbstractAction | None]] = {
        "rotations and reflections": (OrthogonalAction(d, 2, k), None),
        "translations": (TranslationAction(d, 2, k), None),
        "boosts": (GalileiAction(d, scalars=k), GalileiAction(d, float(span) * n_steps, scalars=k)),
    }
    if bodies <= MOST_POINTS:
        pairs["permutations"] = (PermutationAction(bodies), None)
    return {
        name: map_equivariance_error(later, clouds, before, after, n_elements=n_elements, seed=seed)
        for name, (before, after) in pairs.items()
    }
