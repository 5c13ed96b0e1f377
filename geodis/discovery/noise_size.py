"""The law of ‖e‖² for a noise e whose covariance is known, or estimated from fits without one part."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.special import chdtrc, chdtri, fdtrc, fdtri

from geodis.linalg import Array


class NoiseSize(NamedTuple):
    """E‖e‖² = tr Σ and what its law depends on; entries may differ in variance and be correlated.

    ‖e‖²/tr Σ is taken as χ²_h/h, h = (tr Σ)²/tr Σ² (Satterthwaite), or as F where Σ is estimated.

    Attributes
    ----------
    mean : float
        tr Σ.
    square : float
        tr Σ², between (tr Σ)²/n and (tr Σ)² for n real entries.
    df : float
        Degrees of freedom of the estimate of Σ; infinite where it is known.

    References
    ----------
    Satterthwaite, "An approximate distribution of estimates of variance components", Biometrics 1946.

    Examples
    --------
    >>> white = NoiseSize(mean=10.0, square=10.0, df=np.inf)  # ten entries of variance 1
    >>> round(white.p_value(18.307), 3), round(white.exceeded(0.05), 2)
    (0.05, 18.31)
    """

    mean: float
    square: float
    df: float

    @property
    def freedom(self) -> float:
        """h, the number of equal entries that would vary as much."""
        return self.mean**2 / self.square

    def p_value(self, size: float) -> float:
        """The probability that ‖e‖² exceeds `size`."""
        h, share = self.freedom, size / self.mean
        return float(chdtrc(h, share * h) if math.isinf(self.df) else fdtrc(h, self.df * h, share))

    def exceeded(self, alpha: float) -> float:
        """What ‖e‖² exceeds with probability alpha."""
        h = self.freedom
        share = chdtri(h, alpha) / h if math.isinf(self.df) else fdtri(h, self.df * h, 1.0 - alpha)
        return float(share) * self.mean


def jackknife_draws(folds: Array) -> Array:
    """Fits without one part (K, …) as draws whose sum of squares estimates the covariance of the fit on all parts."""
    k = len(folds)
    return np.asarray((folds - folds.mean(axis=0)) * math.sqrt((k - 1) / k))


def size_of_draws(draws: Array, least: float = 0.0) -> NoiseSize:
    """From draws (K, n), real or complex, of K − 1 degrees of freedom; at least `least` in the mean.

    Under Wishart's law with ν degrees of freedom E tr Σ̂² = (1 + 1/ν) tr Σ² + (tr Σ)²/ν. It is used as it comes: undone,
    it varies so much at few draws that p-values of uneven noise come out too small, three times as many below .01 as
    there should be at five draws. Left alone, h is at most ν, and tests are cautious where noise is even.
    """
    gram, df = np.real(draws @ draws.conj().T), len(draws) - 1
    n = draws.shape[1] * (2 if np.iscomplexobj(draws) else 1)
    mean = float(np.trace(gram))
    if mean <= least:
        return NoiseSize(least, least**2 / n, math.inf)
    square = float(np.square(gram).sum())
    return NoiseSize(mean, min(max(square, mean**2 / n), mean**2), df)
