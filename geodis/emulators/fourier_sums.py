"""Fields of points in a periodic box by exact Fourier sums: no grid, so that every shift commutes with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from geodis.errors import ParameterError
from geodis.groups.options import count
from geodis.linalg import Array


@final
@dataclass(frozen=True, eq=False)
class FourierSums:
    """Waves of a periodic box with wavenumbers 0 < |n| ≤ n_max turns a side, one of each pair ±n.

    Every symmetry of the box maps the ball of wavevectors onto itself.

    Attributes
    ----------
    vectors : ndarray (M, 3)
        Wavevectors 2πn/box.

    Examples
    --------
    >>> FourierSums.of(1.0, 2).vectors.shape
    (16, 3)
    """

    vectors: Array

    @classmethod
    def of(cls, box: float, n_max: int) -> FourierSums:
        """Those of a box of side `box` up to `n_max` turns; raises `ParameterError` for `n_max` below one."""
        axis = np.arange(-count(n_max, "n_max", 1), n_max + 1)
        n = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
        n = n[len(n) // 2 + 1 :]  # the later one of n and −n, in an order that −1 turns round
        return cls(2 * np.pi / box * n[(n**2).sum(1) <= n_max**2])

    def waves(self, positions: Array) -> tuple[Array, Array]:
        """The waves cos k·x and sin k·x at positions `(n, 3)`, each `(n, M)`."""
        phase = positions @ self.vectors.T
        return np.cos(phase), np.sin(phase)

    def attraction(self, waves: tuple[Array, Array], sources: Array, smoothings: Any) -> Array:
        """−∇∇⁻²δ of points at the points: source weights `(n, B)` → `(n, 3, R·B)`, smoothed by Gaussians of R radii.

        δ has the mean weight of the sources (not the mean of the weights) as its unit, so that B = 1 with unit weights
        gives Zel'dovich's displacements of the density contrast.
        """
        cosine, sine = waves
        n, n_sources = sources.shape
        even, odd = sources.T @ cosine, sources.T @ sine  # (B, M)
        pulls = self._pulls(smoothings)  # (R, 3, M)

        def summed(wave: Array, amplitude: Array) -> Array:
            weighted = pulls[:, :, None] * amplitude[None, None]  # (R, 3, B, M)
            return wave @ weighted.reshape(-1, weighted.shape[-1]).T

        field = summed(cosine, odd) - summed(sine, even)
        return field.reshape(n, len(pulls), 3, n_sources).swapaxes(1, 2).reshape(n, 3, -1) / n

    def _pulls(self, smoothings: Sequence[float]) -> Array:
        """2k exp(−k²R²/2)/k², twice for −k, `(R, 3, M)`."""
        radii = np.asarray(smoothings, dtype=np.float64)
        if radii.ndim != 1 or not len(radii) or not (np.isfinite(radii) & (radii >= 0)).all():
            raise ParameterError("smoothings", "radii ≥ 0", smoothings)
        squared = (self.vectors**2).sum(1)
        damping = 2 * np.exp(-squared * radii[:, None] ** 2 / 2) / squared
        return damping[:, None] * self.vectors.T[None]
