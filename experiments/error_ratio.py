"""How far is c(g₂x) from ρ(h)c(g₁x), against doing nothing: the error ratio of theory §9, in plain numpy.

Codes are arrays (objects, views, p). The whole vector counts, every block divided by its training deviation; ratios of
means; `degenerate` where nothing moves, since 0/0 is no success.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from geodis.errors import LengthError, ParameterError, ShapeError
from geodis.linalg import Array

Blocks = tuple[tuple[int, ...], ...]  # the rows of each block

GRID = 64  # elements that distances are minimised over
ROUNDING = 1e-12  # share of the code's power below which motion and distances are rounding


@dataclass(frozen=True)
class Representation:
    """ρ on codes: `matrices` maps elements (..., q) to (..., p, p); `blocks` are the rows that scale together."""

    matrices: Callable[[Array], Array]
    blocks: Blocks


@dataclass(frozen=True)
class ErrorRatio:
    """E|c(g₂x) − ρ(h)c(g₁x)|² / E|c(g₂x) − c(g₁x)|²; `value` is NaN where nothing moves (`degenerate`)."""

    error: float
    motion: float
    power: float

    @property
    def degenerate(self) -> bool:
        """No motion beyond rounding: an invariant or constant code."""
        return self.motion <= ROUNDING * self.power

    @property
    def value(self) -> float:
        """The ratio of means."""
        return float("nan") if self.degenerate else self.error / self.motion


# --- representations --------------------------------------------------------------------------------------------------
def planes(orders: Sequence[int]) -> Representation:
    """SO(2) on codes whose blocks have these orders: order 0 is one row that stays, order m a plane turned by mθ.

    >>> planes([0, 2]).blocks
    ((0,), (1, 2))
    >>> planes([0, 1]).matrices(np.array([np.pi / 2])).round().tolist()
    [[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]]
    """
    sizes = [2 if order else 1 for order in orders]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    p = int(starts[-1])

    def matrices(params: Array) -> Array:
        angles = np.asarray(params, dtype=np.float64)[..., 0]
        out = np.zeros((*angles.shape, p, p))
        for order, i in zip(orders, starts, strict=False):
            if order == 0:
                out[..., i, i] = 1.0
                continue
            cos, sin = np.cos(order * angles), np.sin(order * angles)
            out[..., i, i], out[..., i, i + 1], out[..., i + 1, i], out[..., i + 1, i + 1] = cos, -sin, sin, cos
        return out

    blocks = tuple(tuple(range(i, i + size)) for i, size in zip(starts.tolist(), sizes, strict=False))
    return Representation(matrices, blocks)


def circle(n: int = GRID) -> Array:
    """`n` evenly spread angles (n, 1), the identity first."""
    return 2 * np.pi * np.arange(n)[:, None] / n


def difference(second: Array, first: Array) -> Array:
    """Compute h = g₂g₁⁻¹ of a group whose parameters add."""
    return second - first


# --- scaling ----------------------------------------------------------------------------------------------------------
def by_block(train: Array, blocks: Blocks) -> Array:
    """Training deviation of each row's block (p,): √ of the mean variance of its rows; 1 where nothing varies."""
    rows = stacked(train).reshape(-1, train.shape[-1])
    variance, power = rows.var(axis=0), (rows**2).mean()
    scales = np.ones(rows.shape[1])
    for block in blocks:
        own = variance[list(block)].mean()
        scales[list(block)] = np.sqrt(own) if own > ROUNDING * power else 1.0
    return scales


def as_a_whole(train: Array, blocks: Blocks) -> Array:
    """One deviation for all rows, as if they were one block."""
    del blocks
    return by_block(train, (tuple(range(train.shape[-1])),))


def error_ratio(
    codes: Array,
    params: Array,
    matrices: Callable[[Array], Array],
    *,
    scales: Array | None = None,
    relative: Callable[[Array, Array], Array] = difference,
) -> ErrorRatio:
    """E|c(g₂x) − ρ(h)c(g₁x)|² over E|c(g₂x) − c(g₁x)|², all ordered pairs of different views, h = g₂g₁⁻¹.

    Parameters
    ----------
    codes, params : ndarray (n, m, p), (n, m, q)
        Codes of unseen objects and the elements that they were seen at.
    matrices : callable
        h (..., q) → ρ(h) (..., p, p).
    scales : ndarray (p,), optional
        What each row is divided by, the same within a block (`by_block` of training codes).
    relative : callable
        (g₂, g₁) → g₂g₁⁻¹.
    """
    c = stacked(codes)
    params = np.asarray(params, dtype=np.float64)
    n, m, p = c.shape
    if params.shape[:2] != (n, m):
        raise LengthError(codes=n * m, params=int(np.prod(params.shape[:2])))
    if m < 2:
        raise ParameterError("views an object", "two at least", m)
    c = c if scales is None else c / scales
    first, second = np.nonzero(~np.eye(m, dtype=bool))
    error = motion = 0.0
    for own, angles in zip(c, params, strict=True):
        rho = matrices(relative(angles[second], angles[first]))
        if rho.shape != (len(first), p, p):
            raise ShapeError("ρ(h)", f"({len(first)}, {p}, {p})", rho.shape)
        moved = np.matmul(rho, own[first][:, :, None])[:, :, 0]
        error += float(((own[second] - moved) ** 2).sum())
        motion += float(((own[second] - own[first]) ** 2).sum())
    pairs = n * len(first)
    return ErrorRatio(error / pairs, motion / pairs, float((c**2).sum(axis=-1).mean()))


def stacked(codes: Array) -> Array:
    c = np.asarray(codes, dtype=np.float64)
    if c.ndim != 3:
        raise ShapeError("codes", "(objects, views, p)", c.shape)
    return c
