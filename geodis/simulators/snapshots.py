"""States at equal intervals of any stepper, with an error where they blow up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from geodis.errors import FiniteError
from geodis.linalg import Array


def snapshots(
    state: Any,
    step: Callable[[Any], Any],
    shown: Callable[[Any], Array],
    n_times: int,
    n_steps: int,
    *,
    interval: float,
    dtype: Any,
    advice: str,
) -> Array:
    """Fields `(runs, n_times, components, *grid)` at 0, T, 2T, …, with `n_steps` steps between.

    Parameters
    ----------
    state
        What `step` moves, such as a spectrum.
    step : callable
        State → state after T/n_steps.
    shown : callable
        State → fields `(runs, components, *grid)`.
    n_times, n_steps : int
    interval : float
        T, for the error.
    dtype
        Of the result.
    advice : str
        What to do about a flow that blows up.

    Raises
    ------
    FiniteError
        At the first snapshot that is not finite.

    Examples
    --------
    >>> start = np.ones((1, 1, 2, 2))
    >>> halves = snapshots(start, lambda x: x / 2, lambda x: x, 3, 1, interval=1.0, dtype=float, advice="")
    >>> halves[0, :, 0, 0, 0].tolist()
    [1.0, 0.5, 0.25]
    """
    out = []
    for t in range(n_times):
        with np.errstate(over="ignore", invalid="ignore"):
            for _ in range(n_steps if t else 0):
                state = step(state)
            fields = shown(state)
        if not np.isfinite(fields).all():
            raise FiniteError(f"fields at time {t * interval:g}", int((~np.isfinite(fields)).sum()), advice)
        out.append(fields.astype(dtype))
    return np.stack(out, 1)
