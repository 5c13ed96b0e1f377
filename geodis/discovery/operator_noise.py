"""How noisy operators are, per entry, read from what exact ones satisfy: orthogonality, symmetry, a small span.

An independent noise level is what lets a block structure be judged: without one, noise and a weak coupling are the
same number.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from geodis.linalg import Array

LARGEST_SHARE = 0.4  # of the energy; arbitrary matrices are half skew, half symmetric: 1 by each law
SPAN_SHARE = 0.8  # of the singular values at most belong to the signal
SPAN_DROP = 3.0  # of the singular values where signal ends


class OperatorNoise(NamedTuple):
    """Standard deviation of the noise of an entry, its share of the energy, and what told it.

    Attributes
    ----------
    level : float
        NaN where nothing tells the noise.
    source : str
        ``"given"``, ``"orthogonal"``, ``"skew"``, ``"symmetric"``, ``"span"`` or ``"unknown"``.
    """

    level: float
    source: str

    @property
    def known(self) -> bool:
        """Whether there is a level."""
        return math.isfinite(self.level)


def operator_noise(operators: Array) -> OperatorNoise:
    """The noise level of operators `(B, D, D)`, from the law that they break least.

    Orthogonal (up to a factor): the off-diagonal entries of MᵀM have variance 2s² + Ds⁴. Skew or symmetric: the other
    part has variance s²/2. Else the singular values of the stacked operators beyond a sharp drop.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> turns = np.linalg.qr(rng.normal(size=(50, 8, 8)))[0]
    >>> found = operator_noise(turns + 0.05 * rng.normal(size=turns.shape))
    >>> found.source, round(found.level, 2)
    ('orthogonal', 0.05)
    """
    energy = float(np.mean(operators**2))
    if energy == 0.0:
        return OperatorNoise(0.0, "symmetric")
    laws = {"orthogonal": _orthogonal, "skew": _skew, "symmetric": _symmetric}
    levels = {name: law(operators) for name, law in laws.items()}
    name = min(levels, key=lambda key: levels[key])
    if levels[name] <= LARGEST_SHARE * energy:
        return OperatorNoise(math.sqrt(levels[name]), name)
    variance = _span(operators)
    if variance <= LARGEST_SHARE * energy:
        return OperatorNoise(math.sqrt(variance), "span")
    return OperatorNoise(math.nan, "unknown")


def _orthogonal(operators: Array) -> float:
    """s² of M = √c·O + noise."""
    d = operators.shape[-1]
    if d == 1:
        return math.inf
    gram = np.swapaxes(operators, -1, -2) @ operators
    scale = float(np.trace(gram, axis1=1, axis2=2).mean() / d)
    above = gram[:, ~np.eye(d, dtype=bool)] / scale
    x = float(np.mean(above**2))
    # x = 2t − D·t² in t = s²/c, where c is the energy of a column, noise included; noise alone has t = 1/D.
    return scale * (1.0 - math.sqrt(max(1.0 - d * x, 0.0))) / d


def _skew(operators: Array) -> float:
    return float(2.0 * np.mean(((operators + np.swapaxes(operators, -1, -2)) / 2)[:, _off(operators)] ** 2))


def _symmetric(operators: Array) -> float:
    return float(2.0 * np.mean(((operators - np.swapaxes(operators, -1, -2)) / 2)[:, _off(operators)] ** 2))


def _off(operators: Array) -> Array:
    d = operators.shape[-1]
    return ~np.eye(d, dtype=bool) if d > 1 else np.ones((1, 1), dtype=bool)


def _span(operators: Array) -> float:
    """s² beyond the sharpest drop of the singular values of (B, D²); infinite where none is sharp."""
    values = np.linalg.svd(operators.reshape(len(operators), -1), compute_uv=False)
    n, m = len(values), max(len(operators), operators[0].size)
    last = int(SPAN_SHARE * n)
    if last < 1 or n < 4:
        return math.inf
    tiny = 1e-15 * values[0]
    drops = (values[:last] + tiny) / (values[1 : last + 1] + tiny)
    rank = int(np.argmax(drops)) + 1
    if drops[rank - 1] < SPAN_DROP:
        return math.inf
    return float((values[rank:] ** 2).sum() / ((n - rank) * (m - rank)))
