"""Least-squares kernels: velocities as sums over pairs of sines times powers of the distance, a fit by the field."""

from __future__ import annotations

from typing import final

import numpy as np

from geodis.emulators.pair_kernels import nearest
from geodis.emulators.vector_ridge import AbstractFeatureRidge
from geodis.groups.options import count
from geodis.linalg import Array


@final
class LeastSquaresKernels(AbstractFeatureRidge):
    """v_x(i) = Σ_{k≤K, p<P} w_kp Σ_j sin(2πk(x_i − x_j)/L) (L/r_ij)^p, one set of weights for all axes [1]_.

    Distances are those of nearest images; a point at no distance exerts nothing. Commutes with permutations, shifts and
    the symmetries of the box.

    Parameters
    ----------
    box : float
        L, length of the side.
    n_waves : int
        K.
    n_powers : int
        P: powers 0, …, P−1.
    verbose : bool
        Whether to show a progress bar.

    References
    ----------
    .. [1] N. Huang, R. Stiskalek, J.-Y. Lee, A. E. Bayer, C. C. Margossian, C. K. Jespersen, L. A. Perez, L. K. Saul,
       F. Villaescusa-Navarro, *CosmoBench: a multiscale, multiview, multitask cosmology benchmark for geometric deep
       learning*, 2025 (arXiv 2507.03707).

    Examples
    --------
    >>> x = np.random.default_rng(0).random((2, 50, 3))
    >>> LeastSquaresKernels(1.0, 3, 2).fit(x, np.sin(2 * np.pi * x)).weights_.shape
    (6,)
    """

    def __init__(self, box: float, n_waves: int = 10, n_powers: int = 3, verbose: bool = False) -> None:
        self.box = box
        self.n_waves = n_waves
        self.n_powers = n_powers
        self.verbose = verbose

    def _features(self, positions: Array) -> Array:
        n_waves, n_powers = count(self.n_waves, "n_waves", 1), count(self.n_powers, "n_powers", 1)
        n = len(positions)
        away = nearest(positions, self.box)
        squared = np.einsum("cij,cij->ij", away, away)
        apart = squared > 0
        steps = np.where(apart, self.box / np.sqrt(np.where(apart, squared, 1.0)), 0.0)
        phase = (2 * np.pi / self.box) * positions[:, :, None] * np.arange(1, n_waves + 1)
        cosine, sine = np.cos(phase), np.sin(phase)
        # sin(a − b) = sin a cos b − cos a sin b: all waves of one power in a single product of matrices.
        waves = np.concatenate([cosine.reshape(n, -1), sine.reshape(n, -1)], axis=1)
        power, out = apart.astype(np.float64), []
        for _ in range(n_powers):
            even, odd = np.split((power @ waves).reshape(n, 6, n_waves), 2, axis=1)
            out.append(sine * even - cosine * odd)
            power = power * steps
        return np.concatenate(out, axis=-1)
