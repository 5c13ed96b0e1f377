"""Linear theory: velocities of tracers by the smoothed gravity of their own density contrast."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np

from geodis.emulators.fourier_sums import FourierSums
from geodis.emulators.vector_ridge import AbstractFeatureRidge
from geodis.linalg import Array


@final
class LinearTheoryVelocities(AbstractFeatureRidge):
    """v(k) = i aHf k/k² δ(k)/b, smoothed by Gaussians; the amplitude of each smoothing is fitted.

    δ is the tracers' density contrast, by exact Fourier sums. One smoothing with its fitted amplitude is linear theory
    with the tracers' bias b [1]_; several approach the best linear filter. With displacements as vectors it is
    Zel'dovich's approximation. Commutes with permutations, shifts and the symmetries of the box.

    Parameters
    ----------
    box : float
        Length of the side.
    smoothings : sequence of float
        Radii of the Gaussians, in the unit of the box.
    n_max : int
        Largest wavenumber, in turns a side.
    verbose : bool
        Whether to show a progress bar.

    References
    ----------
    .. [1] P. J. E. Peebles, *The Large-Scale Structure of the Universe*, Princeton, 1980, §14.

    Examples
    --------
    >>> x = np.random.default_rng(0).random((2, 50, 3))
    >>> LinearTheoryVelocities(1.0, (0.2,), n_max=3).fit(x, np.sin(2 * np.pi * x)).predict(x).shape
    (2, 50, 3)
    """

    def __init__(self, box: float, smoothings: Sequence[float] = (8.0,), n_max: int = 8, verbose: bool = False) -> None:
        self.box = box
        self.smoothings = smoothings
        self.n_max = n_max
        self.verbose = verbose

    def _features(self, positions: Array) -> Array:
        sums = FourierSums.of(self.box, self.n_max)
        return sums.attraction(sums.waves(positions), np.ones((len(positions), 1)), self.smoothings)
