"""Gaussian kernels between all pairs of points in a periodic box, and the vector sums that they make."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import final

import numpy as np

from geodis.linalg import Array

PAIRS = tuple(combinations_with_replacement(range(3), 2))


def nearest(positions: Array, box: float) -> Array:
    """x_j − x_i to the nearest image, `(3, n, n)`: exactly odd in exchange, and equal points exactly 0 apart."""
    away = positions.T[:, None, :] - positions.T[:, :, None]
    return away - box * np.round(away / box)


@final
@dataclass(frozen=True, eq=False)
class PairKernels:
    """exp(−r²/2R²) of all pairs, r the distance of nearest images, for radii R that fall by √2 each.

    Smooth where points meet. Radii should stay below about a sixth of the box, where the nearest image changes.

    Attributes
    ----------
    away : ndarray (3, n, n)
        Nearest differences x_j − x_i.
    values : tuple of ndarray (n, n)
        A kernel a radius.
    radii : tuple of float
        R, the largest first.
    """

    away: Array
    values: tuple[Array, ...]
    radii: tuple[float, ...]

    @classmethod
    def of(cls, positions: Array, box: float, largest: float, n_radii: int) -> PairKernels:
        """Kernels of points `(n, 3)` with radii `largest`, `largest`/√2, …."""
        away = nearest(positions, box)
        kernel = np.exp(np.einsum("cij,cij->ij", away, away) * (-0.5 / largest**2))
        values = [kernel]
        for _ in range(n_radii - 1):
            kernel = kernel * kernel  # half the square of the radius: no further exponential
            values.append(kernel)
        return cls(away, tuple(values), tuple(largest * 2 ** (-a / 2) for a in range(n_radii)))

    def densities(self) -> Array:
        """Σ_j K(r_ij), the point itself included, `(n, radii)`."""
        return np.stack([k.sum(1) for k in self.values], axis=1)

    def attraction(self, sources: Array) -> Array:
        """Σ_j K(r_ij) t_j (x_j − x_i)/R: source weights `(n, B)` → `(n, 3, radii·B)`."""
        out = [
            np.stack([(k * self.away[c]) @ sources for c in range(3)], axis=1) / radius
            for k, radius in zip(self.values, self.radii, strict=True)
        ]
        return np.concatenate(out, axis=-1)

    def flow(self, vectors: Array, weights: Array, every: int = 2) -> Array:
        """What neighbours' vectors v `(n, 3)` say, `(n, 3, 3·radii/every)`, for every so many radii.

        Means of v, means of v with weights w `(n,)`, and the stretching mean_j (x_j − x_i)(x_j − x_i)·(v_j − v_i)/R².
        """
        out = []
        heavy = np.concatenate([vectors, weights[:, None] * vectors, np.ones((len(vectors), 1)), weights[:, None]], 1)
        for kernel, radius in list(zip(self.values, self.radii, strict=True))[::every]:
            sums = kernel @ heavy
            stretch = np.zeros_like(vectors)
            for c, d in PAIRS:
                square = kernel * self.away[c]
                square *= self.away[d]
                apart = square @ np.column_stack([vectors, np.ones(len(vectors))])
                change = apart[:, :3] - apart[:, 3:] * vectors
                stretch[:, c] += change[:, d]
                if c != d:
                    stretch[:, d] += change[:, c]
            means = sums[:, :3] / sums[:, 6:7], sums[:, 3:6] / sums[:, 7:8], stretch / sums[:, 6:7] / radius**2
            out.append(np.stack(means, axis=-1))
        return np.concatenate(out, axis=-1)
