"""Velocities or displacements of tracers from their positions: gravity of reweighted neighbours, near and far."""

from __future__ import annotations

from typing import Any, Self, final

import numpy as np
from sklearn.utils.validation import check_is_fitted
from tqdm import tqdm

from geodis.emulators.fourier_sums import FourierSums
from geodis.emulators.pair_kernels import PairKernels
from geodis.emulators.vector_ridge import AbstractTracerEstimator, as_tracers, as_vectors, vector_weights
from geodis.groups.options import count
from geodis.linalg import Array

# All lengths in mean separations of the tracers.
N_RADII = 8  # 1, 1/√2, …, 1/11
FAR = (0.4, 0.63, 1.0, 1.4, 2.1)
MODES = 0.8  # wavenumbers up to this over one turn a separation
NEAR, MIDDLE, WIDE = 5, 3, 1  # radii 1/5.7, 1/2.8, 1/1.4, at which densities are measured


@final
class TracerVectors(AbstractTracerEstimator):
    """v(i) = Σ w_abc s_a(i) Σ_j t_b(j) K_c(x_j − x_i): receivers' and sources' densities weigh near and far gravity.

    Sums over pairs with Gaussian kernels (odd: K_c ∝ x) and smoothed gravity by exact Fourier sums reach from a tenth
    of the mean separation to the box. Tracers crowd where matter does, so that a source counts by functions t_b of the
    density of tracers around it (1, its logarithm at three scales, the square, inverses), and a receiver responds by
    functions s_a of its own. A second pass adds what the neighbours' predicted vectors say: their means and the
    stretching around the receiver. Weights are solved for in closed form, the ridge of each pass is chosen on training
    boxes left out. Inductive bias: translations, reflections and axis permutations of the box (exactly), rotations (the
    weights; the box has none), permutations; no dynamics and no cosmology.

    Parameters
    ----------
    box : float
        Length of the side.
    n_passes : int
        Solves; each after the first sees the predictions of the one before.
    verbose : bool
        Whether to show a progress bar.

    Attributes
    ----------
    separation_ : float
        box/n^{1/3} of the fitted tracers, the unit of all lengths.
    weights_ : tuple of ndarray
        Of each pass.
    ridges_, held_out_ : tuple of float
        The chosen ridge and the unexplained share of the boxes left out, of each pass.

    Raises
    ------
    ShapeError, FiniteError, ParameterError
        For positions or vectors that are not `(boxes, n, 3)`, NaN, or options outside their ranges.

    Examples
    --------
    >>> x = np.random.default_rng(0).random((4, 60, 3))
    >>> v = np.sin(2 * np.pi * x)
    >>> estimator = TracerVectors(1.0).fit(x, v)
    >>> estimator.predict(x).shape, len(estimator.weights_)
    ((4, 60, 3), 2)
    """

    def __init__(self, box: float, n_passes: int = 2, verbose: bool = False) -> None:
        self.box = box
        self.n_passes = n_passes
        self.verbose = verbose

    def fit(self, positions: Any, vectors: Any) -> Self:
        """Closed-form weights from boxes `(boxes, n, 3)` of positions and of vectors."""
        x, v = as_tracers(positions, self.box), as_vectors(vectors, positions)
        self.separation_ = self.box / x.shape[1] ** (1 / 3)
        self.weights_: tuple[Array, ...] = ()
        self.ridges_: tuple[float, ...] = ()
        self.held_out_: tuple[float, ...] = ()
        for i in range(count(self.n_passes, "n_passes", 1)):
            boxes = tqdm(x, desc=f"pass {i + 1} of {self.n_passes}", disable=not self.verbose)
            found = vector_weights((self._features(p, self.weights_) for p in boxes), v)
            self.weights_ += (found.values,)
            self.ridges_ += (found.ridge,)
            self.held_out_ += (found.held_out,)
        return self

    def predict(self, positions: Any) -> Array:
        """Vectors `(boxes, n, 3)` at positions `(boxes, n, 3)`."""
        check_is_fitted(self, "weights_")
        weights = self.weights_
        return np.stack([self._features(p, weights[:-1]) @ weights[-1] for p in as_tracers(positions, self.box)])

    def _features(self, positions: Array, passes: tuple[Array, ...]) -> Array:
        """Those of one box that the pass after `passes` sees, `(n, 3, F)`."""
        near = PairKernels.of(positions, self.box, self.separation_, N_RADII)
        features = first = self._gravity(positions, near)
        rarity = 1 / near.densities()[:, MIDDLE]
        for weights in passes:
            features = np.concatenate([first, near.flow(features @ weights, rarity)], axis=-1)
        return features

    def _gravity(self, positions: Array, near: PairKernels) -> Array:
        density = near.densities()
        # Of tracers without clustering a Gaussian holds this many, the tracer itself not counted.
        expected = (2 * np.pi) ** 1.5 * (np.array(near.radii) / self.separation_) ** 3
        contrast = np.log(density / (expected + 1))
        small, middle, wide = (contrast[:, a] for a in (NEAR, MIDDLE, WIDE))
        one = np.ones_like(small)
        inverses = 1 / density[:, MIDDLE], 1 / density[:, NEAR]
        sources = np.stack([one, small, middle, wide, middle**2, *inverses], axis=1)
        receivers = np.stack([one, small, middle, wide], axis=1)
        sums = FourierSums.of(self.box, max(round(MODES * self.box / self.separation_), 1))
        far = sums.attraction(sums.waves(positions), sources, np.array(FAR) * self.separation_)
        pulls = np.concatenate([near.attraction(sources), far], axis=-1)
        return (pulls[..., None] * receivers[:, None, None]).reshape(*positions.shape, -1)
