"""Coarse simulations corrected towards fine ones: a learned equivariant residual, so that few fine runs are enough."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Self, final

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted
from torch import Tensor
from tqdm import tqdm

from geodis.emulators.lattice_vectors import LatticeVectors
from geodis.emulators.vector_ridge import vector_weights
from geodis.errors import ParameterError, ShapeError
from geodis.groups.options import count
from geodis.linalg import Array, check_finite, to_numpy
from geodis.mesh import nearest_image

ALONE = 1e-5  # the ridge of a single box, which has as many rows as particles


class AbstractCorrection(BaseEstimator, ABC):
    """Positions of a coarse run → positions of the fine run of the same start: a subclass names the features.

    Parameters
    ----------
    box : float
        Length of the side.
    n_passes : int
        Corrections, one after the other; each sees the particles where the one before has put them.
    verbose : bool
        Whether to show a progress bar.

    Attributes
    ----------
    weights_ : tuple of ndarray
        Of each pass.
    ridges_ : tuple of float
        Chosen on boxes left out, or 1e-5 for a single box.
    scales_ : ndarray (C,)
        What the vectors are multiplied by, so that they are as large as displacements.
    """

    def __init__(self, box: float, n_passes: int = 2, verbose: bool = False) -> None:
        self.box = box
        self.n_passes = n_passes
        self.verbose = verbose

    @abstractmethod
    def _fields(self, at: LatticeVectors, positions: Tensor, fields: list[Tensor]) -> list[Tensor]:
        """Vector fields `(3, N³)` of one box; `fields` are its displacement and its other vectors."""

    def fit(self, positions: Any, vectors: Any, fine: Any) -> Self:
        """Closed-form weights from coarse positions `(boxes, N³, 3)`, vectors `(boxes, C, N³, 3)`, fine positions.

        Particles are in the order of their N³ lattice. `vectors` is what else the coarse run knows, such as the
        displacements of its start and the momenta at its end; C may be 0.

        Raises
        ------
        ShapeError, FiniteError, ParameterError
            For other shapes, NaN, or options outside their ranges.
        """
        x, v = self._read(positions, vectors)
        target = as_particles(fine, "fine")
        if target.shape != x.shape:
            raise ShapeError("fine", f"{tuple(x.shape)} as the coarse positions", tuple(target.shape))
        at = self._lattice(x)
        size = float(torch.stack([at.displacement(p) for p in x]).std())
        spread = v.numpy().std(axis=(0, 2, 3))
        self.scales_ = size / np.where(spread > 0, spread, 1.0)
        self.weights_: tuple[Array, ...] = ()
        self.ridges_: tuple[float, ...] = ()
        moved = list(x)
        for i in range(count(self.n_passes, "n_passes", 1)):
            boxes = tqdm(range(len(x)), desc=f"pass {i + 1} of {self.n_passes}", disable=not self.verbose)
            rows = (self._features(at, moved[b], v[b]) for b in boxes)
            missing = (nearest_image(fine_x - p, self.box).numpy() for fine_x, p in zip(target, moved, strict=True))
            found = vector_weights(rows, missing, alone=ALONE)
            self.weights_ += (found.values,)
            self.ridges_ += (found.ridge,)
            if i + 1 < self.n_passes:
                moved = [self._moved(at, p, q, found.values) for p, q in zip(moved, v, strict=True)]
        return self

    def predict(self, positions: Any, vectors: Any) -> Array:
        """Corrected positions `(boxes, N³, 3)`, not wrapped into the box."""
        check_is_fitted(self, "weights_")
        x, v = self._read(positions, vectors)
        if v.shape[1] != len(self.scales_):
            raise ShapeError("vectors", f"(boxes, {len(self.scales_)}, N³, 3) as fitted", tuple(v.shape))
        at = self._lattice(x)
        out = []
        for p, q in zip(x, v, strict=True):
            moved = p
            for weights in self.weights_:
                moved = self._moved(at, moved, q, weights)
            out.append(moved.numpy())
        return np.stack(out)

    def score(self, positions: Any, vectors: Any, fine: Any) -> float:
        """1 − Σ|x̂ − x|² / Σ|x_coarse − x|²: the share of the coarse run's own error that is gone."""
        corrected = torch.from_numpy(self.predict(positions, vectors))
        x, true = as_particles(positions, "positions"), as_particles(fine, "fine")
        left, own = (nearest_image(a - true, self.box).square().sum() for a in (corrected, x))
        return float(1 - left / own)

    def _all(self, at: LatticeVectors, positions: Tensor, vectors: Tensor) -> list[Tensor]:
        scaled = [q.T * s for q, s in zip(vectors, self.scales_, strict=True)]
        return self._fields(at, positions, [at.displacement(positions), *scaled])

    def _features(self, at: LatticeVectors, positions: Tensor, vectors: Tensor) -> Array:
        return torch.stack(self._all(at, positions, vectors), dim=-1).transpose(0, 1).contiguous().numpy()

    def _moved(self, at: LatticeVectors, positions: Tensor, vectors: Tensor, weights: Array) -> Tensor:
        moved = positions.T.clone()
        for field, weight in zip(self._all(at, positions, vectors), weights, strict=True):
            moved.add_(field, alpha=float(weight))
        return moved.T.contiguous()

    def _lattice(self, x: Tensor) -> LatticeVectors:
        if isinstance(self.box, bool) or not isinstance(self.box, (int, float)) or not 0 < self.box < np.inf:
            raise ParameterError("box", "a positive length", repr(self.box))
        return LatticeVectors.of(round(x.shape[1] ** (1 / 3)), self.box)

    def _read(self, positions: Any, vectors: Any) -> tuple[Tensor, Tensor]:
        x = as_particles(positions, "positions")
        v = torch.from_numpy(np.array(to_numpy(vectors), dtype=np.float64))
        if v.ndim != 4 or v.shape[0] != len(x) or v.shape[2:] != x.shape[1:]:
            raise ShapeError("vectors", f"({len(x)}, C, {x.shape[1]}, 3)", tuple(v.shape))
        check_finite(v.numpy(), "vectors")
        return x, v


@final
class LinearTransfer(AbstractCorrection):
    """x̂ = x + Σ T_c(k) · (displacement and other vectors): isotropic linear filters alone, the usual correction.

    The options are those of `CoarseCorrection`, whose baseline it is; filters are Gaussians of five radii.

    Examples
    --------
    >>> from geodis.mesh import lattice
    >>> x = lattice(4, 1.0).numpy() + 0.01 * np.random.default_rng(0).standard_normal((2, 64, 3))
    >>> none = np.zeros((2, 0, 64, 3))
    >>> round(LinearTransfer(1.0, 1).fit(x, none, x).score(x, none, x + 0.001), 6)
    0.0
    """

    def _fields(self, at: LatticeVectors, positions: Tensor, fields: list[Tensor]) -> list[Tensor]:
        return at.linear(fields)


@final
class CoarseCorrection(AbstractCorrection):
    """x̂ = x + Σ w_a F_a: vector fields that commute with the lattice's symmetries, weighed in closed form.

    F are isotropic filters of the displacement and of the run's other vectors (its start has the small scales that a
    coarse mesh has lost), gravity where the particles are at four smoothings, their products with local densities,
    gradients of the displacement acting on them, and gravity of the gradients' invariants. Inductive bias: shifts by
    lattice spacings, axis permutations and reflections exactly, permutations of equal particles no; gravity as a
    kernel, no cosmology and no integrator. One fine box fits the weights.

    Parameters
    ----------
    box : float
        Length of the side.
    n_passes : int
        Corrections, one after the other; each sees the particles where the one before has put them.
    verbose : bool
        Whether to show a progress bar.

    References
    ----------
    .. [1] N. Kaushal, F. Villaescusa-Navarro, E. Giusarma, Y. Li, C. Hawry, M. Reyes, "NECOLA: toward a universal
       field-level cosmological emulator", ApJ 930, 2022 (arXiv 2111.02441), whose networks learn such residuals.

    Examples
    --------
    >>> from geodis.mesh import lattice
    >>> x = lattice(4, 1.0).numpy() + 0.05 * np.random.default_rng(0).standard_normal((2, 64, 3))
    >>> start = 0.5 * (x - lattice(4, 1.0).numpy())[:, None]
    >>> estimator = CoarseCorrection(1.0, 1).fit(x, start, x + 0.2 * start[:, 0])
    >>> estimator.score(x, start, x + 0.2 * start[:, 0]) > 0.9
    True
    """

    def _fields(self, at: LatticeVectors, positions: Tensor, fields: list[Tensor]) -> list[Tensor]:
        return [*at.linear(fields), *at.nonlinear(positions, fields)]


def as_particles(positions: Any, what: str) -> Tensor:
    """Positions `(boxes, N³, 3)` in float64, or the named error."""
    x = np.array(to_numpy(positions), dtype=np.float64)
    n = round(x.shape[1] ** (1 / 3)) if x.ndim == 3 else 0
    if x.ndim != 3 or x.shape[-1] != 3 or not len(x) or n < 2 or n**3 != x.shape[1]:
        raise ShapeError(what, "(boxes, N³, 3), N ≥ 2", x.shape)
    check_finite(x, what)
    return torch.from_numpy(x)
