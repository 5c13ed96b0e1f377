"""Is a distribution the same after a group has moved it? A kernel two-sample test with exact p. A leaf, plain arrays.

Under the null z has the same distribution as gz with g a Haar element. Given which orbit each row lies on, the rows and
freshly moved copies of them are then exchangeable, so that the rank of the rows' statistic among those of the copies is
uniform: no asymptotics, for any sample size and any kernel.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from geodis.errors import ParameterError, ShapeError
from geodis.linalg import Array
from geodis.statistics import PermutationTest, checked_array, permutation_p

Move = Callable[[Array, np.random.Generator], Array]  # rows (n, D), generator → every row moved by a fresh element
CELLS = 1_000_000  # kernel values held at once: 8 MB
MEDIAN_ROWS = 500  # the bandwidth is a median over the pairs of so many rows
TIE = 1e-12  # of the kernel's size: what rounding can make of two equal statistics


def invariance_test(z: Any, move: Move, n_draws: int = 199, seed: int = 0, cells: int = CELLS) -> PermutationTest:
    """MMD²(rows, moved rows) among the same of freshly moved copies: conditional Monte Carlo, exact p.

    Parameters
    ----------
    z : array (n, D)
        Independent rows.
    move : callable
        Rows and a generator → every row moved by its own Haar element.
    n_draws : int
        Moved copies B; the smallest p is 1/(B + 1).
    seed : int
        Seed of the elements.
    cells : int
        Kernel values held in memory at once.

    Returns
    -------
    PermutationTest
        Large statistics are evidence against invariance.

    Raises
    ------
    ShapeError, FiniteError, ParameterError
        For other shapes, NaN, counts below 1, or moved rows of another shape.

    Notes
    -----
    A Gaussian kernel whose bandwidth is the median distance of the reference rows: a function of what does not
    distinguish the rows from their copies, as exactness asks for.

    References
    ----------
    Chiu and Bloem-Reddy, "Non-parametric hypothesis tests for distributional group symmetry", 2023, arXiv:2307.15834.

    Examples
    --------
    >>> import numpy as np
    >>> def flip(rows, rng):
    ...     return rows * rng.choice([-1.0, 1.0], size=(len(rows), 1))
    >>> z = np.random.default_rng(0).normal(size=(80, 1))
    >>> invariance_test(z, flip, n_draws=99).p_value > 0.05, invariance_test(z + 1.0, flip, n_draws=99).p_value
    (True, 0.01)
    """
    rows = checked_array(z, "invariance_test: z", 2)
    for name, count in (("n_draws", n_draws), ("cells", cells)):
        if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < 1:
            raise ParameterError(f"invariance_test: {name}", "an integer ≥ 1", count)
    rng = np.random.default_rng(seed)
    reference = _moved(rows, move, rng)
    # Distances do not see a common centre, and squares then do not cancel.
    centre = reference.mean(axis=0)
    reference = reference - centre
    scale = _median_square(reference)
    observed = float(_statistics((rows - centre)[None], reference, scale, cells)[0])
    null = np.empty(n_draws)
    batch = max(1, cells // len(rows) ** 2)
    for start in range(0, n_draws, batch):
        copies = np.stack([_moved(rows, move, rng) for _ in range(min(batch, n_draws - start))]) - centre
        null[start : start + batch] = _statistics(copies, reference, scale, cells)
    return PermutationTest(permutation_p(observed, null), observed, null, 1.0 / (1 + n_draws))


def _moved(rows: Array, move: Move, rng: np.random.Generator) -> Array:
    out = checked_array(move(rows, rng), "invariance_test: moved rows", 2)
    if out.shape != rows.shape:
        raise ShapeError("invariance_test: moved rows", str(rows.shape), out.shape)
    return out


def _median_square(reference: Array) -> float:
    """The median squared distance; 1 where all rows coincide."""
    part = reference[:: max(1, math.ceil(len(reference) / MEDIAN_ROWS))]
    above = np.triu_indices(len(part), k=1)
    squares = _squares(part[None], part[None])[0][above]
    apart = squares[squares > 0.0]
    return float(np.median(apart)) if len(apart) else 1.0


def _statistics(copies: Array, reference: Array, scale: float, cells: int) -> Array:
    """E k(x, x') − 2 E k(x, r) of each copy (b, n, D): MMD² up to what depends on the reference alone.

    Rounded, so that copies which are equal but for the last bits tie.
    """
    values = _kernel_means(copies, copies, scale, cells) - 2.0 * _kernel_means(copies, reference[None], scale, cells)
    return np.asarray(np.round(values / TIE) * TIE)


def _kernel_means(x: Array, y: Array, scale: float, cells: int) -> Array:
    """Mean of exp(−|x − y|²/2s) over all pairs of each copy, a few rows at a time."""
    step = max(1, cells // (len(x) * y.shape[1]))
    totals = np.zeros(len(x))
    for start in range(0, x.shape[1], step):
        squares = _squares(x[:, start : start + step], y)
        squares /= -2.0 * scale
        totals += np.exp(squares, out=squares).sum(axis=(1, 2))
    return totals / (x.shape[1] * y.shape[1])


def _squares(x: Array, y: Array) -> Array:
    """|x − y|² of all pairs: (b, n, D), (b or 1, n', D) → (b, n, n')."""
    out = x @ np.swapaxes(y, 1, 2)
    out *= -2.0
    out += np.einsum("bna,bna->bn", x, x)[:, :, None]
    out += np.einsum("bna,bna->bn", y, y)[:, None, :]
    return np.maximum(out, 0.0, out=out)
