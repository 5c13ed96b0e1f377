"""Does a map between data commute with a group? For emulators: f(g·x) against g·f(x), with the rounding floor."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from geodis.actions.action import AbstractAction
from geodis.errors import ParameterError, ShapeError
from geodis.groups.options import count
from geodis.linalg import Array, check_finite, to_numpy
from geodis.metrics.result import MetricResult, Status
from geodis.statistics import check_level, ratio_clustered_t


def map_equivariance_error(
    function: Callable[[Any], Any],
    items: Any,
    action: AbstractAction,
    after: AbstractAction | None = None,
    *,
    invariant: bool = False,
    n_elements: int = 8,
    level: float = 0.95,
    seed: int = 0,
) -> MetricResult:
    """RMS of ‖f(g·x) − g·f(x)‖ over that of f(g·x) about its mean: 0 for an equivariant map, √2 for an unrelated one.

    Measured on the data side, with actions in place of representations: for emulators, which map particles to
    particles and fields to fields. A relative error, so that scaling an output changes nothing and a constant map is
    ``degenerate`` and not perfect. See :doc:`/catalogue` for maps that fool published checks.

    Parameters
    ----------
    function : callable
        Batch of items → batch of outputs, arrays or tensors `(n, ...)`.
    items : array or tensor (n, ...)
        Items that `action` moves.
    action : AbstractAction
        How g moves items.
    after : AbstractAction, optional
        How the same g moves outputs (with the same group); `action` by default.
    invariant : bool
        Whether the claim is f(g·x) = f(x); `after` plays no role then.
    n_elements : int
        Elements an item.
    level : float
        Level of the t interval over items.
    seed : int
        Seed of the elements and of the rounding that the floor is measured with.

    Returns
    -------
    MetricResult
        `per_item` holds the root-mean-square error of each item. `floor` is what f makes of the last digit of its
        input: the same error between f(x) and f at x(1 ± ε); an error near it is rounding. `baselines`: ``identity``
        is the error of the claim of invariance, ``chance`` that against the outputs of other items.

    Raises
    ------
    ParameterError, ShapeError, FiniteError
        For options out of range, actions of two groups, outputs that are no batch of one shape, NaN.

    Examples
    --------
    >>> from geodis.actions import RotationAction
    >>> clouds = np.random.default_rng(0).normal(size=(20, 5, 3))
    >>> bool(map_equivariance_error(lambda x: x - x.mean(1, keepdims=True), clouds, RotationAction(3)).value < 1e-15)
    True
    >>> bool(map_equivariance_error(lambda x: x**3, clouds, RotationAction(3)).value > 0.3)
    True
    """
    check_level(level)
    after = action if after is None else after
    if repr(after.group) != repr(action.group):
        raise ParameterError("after", f"an action of {action.group!r}, as `action`", repr(after.group))
    n, m = len(items), count(n_elements, "n_elements", 1)
    if n == 0:
        raise ParameterError("items", "at least one item", "none")
    elements = to_numpy(action.orbit(items, m, seed=seed))
    m = elements.shape[1]
    g, rows = elements.reshape(n * m, -1), np.repeat(np.arange(n), m)
    still = _outputs(function, items)
    expected = _flat(still[rows] if invariant else after.act(g, _floats(still)[rows]))
    moved = _outputs(function, action.act(g, items[rows]))
    if moved.shape[1:] != still.shape[1:]:
        raise ShapeError("function(g·items)", f"outputs of shape {still.shape[1:]}", moved.shape[1:])
    moved, still = _flat(moved), _flat(still)
    spread = _squares(moved - moved.mean(0)).reshape(n, m).mean(1)
    return _result(_squares(moved - expected).reshape(n, m).mean(1), spread, m, level, {
        "identity": _squares(moved - still[rows]).reshape(n, m).mean(1),
        "chance": _squares(moved - np.roll(expected, m, 0)).reshape(n, m).mean(1),
        "floor": _squares(_flat(_outputs(function, _rounded(items, seed))) - still),
    })  # fmt: skip


def _result(error: Array, spread: Array, m: int, level: float, others: dict[str, Array]) -> MetricResult:
    size, n = float(spread.mean()), len(error)
    if size <= 0:
        return MetricResult(
            "map_equivariance_error", math.nan, None, "", level, n, m, status="degenerate",
            notes=("the output is the same for all items and elements",),
        )  # fmt: skip
    low, high = (math.sqrt(max(end, 0.0)) for end in _ends(ratio_clustered_t(error, spread, level=level)))
    relative = {name: math.sqrt(float(value.mean()) / size) for name, value in others.items()}
    floor = relative.pop("floor")
    status: Status = "insufficient" if n < 2 else "ok"
    return MetricResult(
        "map_equivariance_error", math.sqrt(float(error.mean()) / size), (low, high), "t over items", level, n, m,
        relative, floor=floor, status=status, per_item=np.sqrt(error / size),
    )  # fmt: skip


def _ends(interval: Any) -> tuple[float, float]:
    return (math.nan, math.nan) if not math.isfinite(interval.low) else (interval.low, interval.high)


def _outputs(function: Callable[[Any], Any], items: Any) -> Array:
    out = to_numpy(function(items))
    if out.ndim < 1 or len(out) != len(items):
        raise ShapeError("function(items)", f"a batch of {len(items)} outputs", out.shape)
    check_finite(out, "function(items)")
    return out


def _floats(outputs: Array) -> Array:
    """Outputs as floats that an action takes."""
    return outputs if outputs.dtype.kind == "f" else outputs.astype(np.float64)


def _flat(x: Any) -> Array:
    array = to_numpy(x).astype(np.float64)
    return array.reshape(len(array), -1)


def _squares(x: Array) -> Array:
    return (x**2).sum(1)


def _rounded(items: Any, seed: int) -> Any:
    """Items times 1 ± ε, ε the spacing of their dtype."""
    array = to_numpy(items)
    signs = np.random.default_rng([seed, 1]).choice([-1.0, 1.0], array.shape)
    moved = (array * (1.0 + np.finfo(array.dtype).eps * signs)).astype(array.dtype)
    return moved if isinstance(items, np.ndarray) else items.new_tensor(moved)
