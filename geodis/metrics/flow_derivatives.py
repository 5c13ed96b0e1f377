"""Named codes of items differentiated along a flow, batch by batch, with what the flow's own inexactness makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from geodis.errors import LengthError, ParameterError, ShapeError
from geodis.groups.options import count, positive
from geodis.linalg import Array, check_finite, to_numpy
from geodis.metrics.differences import central_derivative
from geodis.metrics.generators import Flow

OUTPUT = ""  # the name of what the whole encoder returns

Path = Callable[[Any], Mapping[str, Any]]  # times (n,) → codes (n, ...) by name
Derivatives = dict[str, tuple[Array, Array, Array]]  # (codes, their derivative, its uncertainty) by name
Differentiate = Callable[[Path, Any], Derivatives]  # … of a path at times (n,)


@dataclass(frozen=True, eq=False)
class Tangents:
    """Codes of items and how they start to move along a flow.

    Attributes
    ----------
    codes : ndarray (n, ...)
        f(x_i).
    moved : ndarray (n, ...)
        d/dt f(exp(tX)x_i) at t = 0.
    uncertainty : ndarray (n,)
        Estimated error of `moved`, a norm: large where central differences and the derivative disagree (a kink).
    detours : ndarray (K,)
        Squared distance between d/dt f(exp((t+s)X)x) and d/dt f(exp(tX)(exp(sX)x)) at t = 0, s random, for K items: 0
        if the flow is one. Empty where it was not measured.

    Examples
    --------
    >>> Tangents(np.ones((3, 2)), np.zeros((3, 2)), np.zeros(3), np.array([1.0, 3.0])).floor
    2.0
    """

    codes: Array
    moved: Array
    uncertainty: Array
    detours: Array

    @property
    def floor(self) -> float:
        """The mean square that the flow's own inexactness makes; NaN where it was not measured."""
        return float(self.detours.mean()) if len(self.detours) else float("nan")


@dataclass(frozen=True, eq=False)
class FlowProblem:
    """Named codes of items along a flow, however they are differentiated."""

    encoder: Callable[[Any], Mapping[str, Any]]
    flow: Flow
    items: Any
    detour: float
    n_detours: int
    batch_size: int
    seed: int

    def __post_init__(self) -> None:
        if not callable(self.flow):
            raise ParameterError("flow", "a callable (t, items) → items", type(self.flow).__name__)
        positive(self.detour, "detour")
        count(self.n_detours, "n_detours", 0)
        count(self.batch_size, "batch_size", 1)

    def tangents(self, differentiate: Differentiate) -> dict[str, Tangents]:
        """Tangents of every named code, with the floor measured along detours."""
        self._starts_at_the_items()
        n = len(self.items)
        start = self._batched(self.items, np.zeros(n), lambda x, t: differentiate(self._path(x), t))
        apart = {name: np.zeros(0) for name in start}
        if self.n_detours:
            rng = np.random.default_rng([self.seed, 11])
            some = np.sort(rng.choice(n, min(self.n_detours, n), replace=False))
            far = rng.uniform(-self.detour, self.detour, len(some))
            along = self._batched(self.items[some], far, lambda x, s: differentiate(self._path(x), s))
            anew = self._batched(
                self.items[some], far, lambda x, s: differentiate(self._path(self.flow(s, x)), 0.0 * s)
            )
            apart = {name: _norms(along[name][1] - anew[name][1]) ** 2 for name in start}
        return {name: Tangents(*parts, apart[name]) for name, parts in start.items()}

    def _path(self, items: Any) -> Path:
        return lambda t: self.encoder(self.flow(t, items))

    def _batched(self, items: Any, at: Array, derivatives: Callable[[Any, Any], Derivatives]) -> Derivatives:
        """Derivatives of all items at their times, batch by batch."""
        parts = []
        for start in range(0, len(items), self.batch_size):
            x = items[start : start + self.batch_size]
            parts.append(derivatives(x, _times(x, at[start : start + self.batch_size])))
        first, second, third = (
            {name: np.concatenate([part[name][i] for part in parts]) for name in parts[0]} for i in range(3)
        )
        return {name: (first[name], second[name], third[name]) for name in first}

    def _starts_at_the_items(self) -> None:
        items = self.items[: self.batch_size]
        x, moved = to_numpy(items), to_numpy(self.flow(_times(items, np.zeros(len(items))), items))
        if moved.shape != x.shape:
            raise ShapeError("flow(t, items)", str(x.shape), moved.shape)
        check_finite(moved, "flow(0, items)")
        off, size = float(np.abs(moved - x).max()), float(np.abs(x).max())
        if off > float(np.sqrt(np.finfo(x.dtype).eps)) * size:
            raise ParameterError("flow", "flow(0, x) = x", f"a distance of {off:.3g} on items up to {size:.3g}")


def by_jvp(path: Path, at: Tensor) -> Derivatives:
    """Forward-mode derivatives of a path in torch; the uncertainty is the distance from a central difference."""

    def tensors(t: Tensor) -> dict[str, Tensor]:
        return {name: _checked(code, len(at)) for name, code in path(t).items()}

    try:
        # Fused attention and fused encoder layers, which run without gradients, have no forward-mode derivative.
        with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
            codes, derivatives = torch.func.jvp(tensors, (at,), (torch.ones_like(at),))  # type: ignore[misc]
    except RuntimeError as error:
        advice = "`tangents_by_central_differences` takes any flow and any encoder."
        raise ParameterError("flow and encoder", "torch functions with a derivative", str(error), advice) from error
    eps = float(torch.finfo(at.dtype).eps)
    h = float(np.cbrt(eps))
    with torch.no_grad():
        ahead, behind = tensors(at + h), tensors(at - h)
    found = {}
    for name, derivative in derivatives.items():
        code, moved = _numbers(codes[name]), _numbers(derivative)
        difference = (_numbers(ahead[name]) - _numbers(behind[name])) / (2 * h)
        if not moved.any() and np.linalg.norm(difference) > np.sqrt(eps) * np.linalg.norm(code):
            raise ParameterError("flow and encoder", "torch functions with a derivative", "one that is cut off")
        found[name] = (code, moved, _norms(moved - difference))
    return found


def by_differences(path: Path, at: Any, step: float) -> Derivatives:
    """Extrapolated central differences of the output along a path."""

    def codes(t: Any) -> Array:
        with torch.no_grad():
            return _numbers(_checked(path(t)[OUTPUT], len(at)))

    return {OUTPUT: (codes(at), *central_derivative(lambda h: codes(at + h), step))}


def _times(items: Any, at: Array) -> Any:
    """Times in the kind and dtype of the items, so that nothing is promoted."""
    return torch.from_numpy(at).to(items) if isinstance(items, Tensor) else at


def _checked(code: Any, n: int) -> Any:
    shape = tuple(code.shape)
    if not shape or 0 in shape:
        raise ShapeError("codes", "(n, ...)", shape)
    if shape[0] != n:
        raise LengthError(items=n, codes=shape[0])
    return code


def _numbers(x: Any) -> Array:
    values = to_numpy(x).astype(np.float64)
    check_finite(values, "codes")
    return values


def _norms(x: Array) -> Array:
    return np.sqrt(np.square(x).sum(axis=tuple(range(1, x.ndim))))
