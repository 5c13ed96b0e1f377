"""How far rows spread, in one pass: whether an embedding is constant up to rounding, before a lift blows that up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from geodis.linalg import Array


@dataclass(frozen=True, eq=False)
class Spread:
    """Sums of rows that add up: their number, mean, total variance and mean square.

    Attributes
    ----------
    n : int
    mean : ndarray (D,)
    variance : float
        E|z − mean|².
    square : float
        E|z|².
    """

    n: int
    mean: Array
    variance: float
    square: float

    @classmethod
    def of(cls, rows: Array) -> Spread:
        """Of rows (N, D)."""
        z = rows.astype(np.float64, copy=False)
        mean = z.mean(axis=0)
        return cls(len(z), mean, float(((z - mean) ** 2).sum() / len(z)), float((z**2).sum() / len(z)))

    def __add__(self, other: Spread) -> Spread:
        n = self.n + other.n
        a, b = self.n / n, other.n / n
        apart = other.mean - self.mean
        variance = a * self.variance + b * other.variance + a * b * float(apart @ apart)
        return Spread(n, self.mean + b * apart, variance, a * self.square + b * other.square)

    def vanishes(self, eps: float) -> bool:
        """Whether the rows are all the same up to rounding; `eps` is the machine epsilon of the rows as they came."""
        return self.variance <= rounding_share(eps) * self.square


def rounding_share(eps: float) -> float:
    """The share of the mean square below which a variance is rounding."""
    return max(64 * eps, 1e-10) ** 2
