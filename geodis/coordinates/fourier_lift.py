"""Random Fourier features: cosines in random directions, whose inner products approach a Gaussian kernel."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from sklearn.kernel_approximation import RBFSampler
from torch import Tensor

from geodis.coordinates.lift import AbstractLiftSpec
from geodis.coordinates.rows import as_rows
from geodis.coordinates.standardised_lift import (
    AbstractStandardisedLift,
    Standardisation,
    check_components,
    check_count,
    check_gamma,
    check_width,
    median_gamma,
    standardise,
)
from geodis.linalg import Array


@dataclass(frozen=True)
class RandomFourier(AbstractLiftSpec):
    """The embedding and √(2/K)·cos(⟨w, y⟩ + b) with w ~ N(0, 2γ), b uniform: ⟨ψ(y), ψ(y')⟩ ≈ exp(−γ|y − y'|²).

    Parameters
    ----------
    n_features : int
        K, the number of cosines.
    gamma : float, optional
        γ in units of the standardised embedding; 1/(2σ²) by default, σ the median distance between rows.
    n_components : int, optional
        Only so many principal directions of the standardised embedding are lifted; all of them by default.

    References
    ----------
    Rahimi and Recht, "Random features for large-scale kernel machines", NeurIPS 2007.

    Examples
    --------
    >>> import numpy as np
    >>> from geodis.coordinates import RandomFourier
    >>> RandomFourier(n_features=20).fit(np.random.default_rng(0).normal(size=(50, 3)), seed=1)
    FourierLift(R^3 → R^23)
    """

    n_features: int = 256
    gamma: float | None = None
    n_components: int | None = None

    def __post_init__(self) -> None:
        check_count("RandomFourier: n_features", self.n_features)
        check_gamma("RandomFourier", self.gamma)
        check_components("RandomFourier", self.n_components)

    def fit(self, z: Any, *, seed: int = 0) -> FourierLift:
        """The cosines for embeddings like `z` (N, D), directions drawn with the seed.

        Raises
        ------
        ShapeError, FiniteError, ParameterError
            For no embeddings, NaN, more features than can be handled.
        """
        standardisation, y = standardise(z, self.n_components)
        dim = len(standardisation.mean)
        check_width(f"{self} of {dim} columns", dim + self.n_features)
        gamma = median_gamma(y, seed) if self.gamma is None else float(self.gamma)
        sampler = RBFSampler(gamma=gamma, n_components=self.n_features, random_state=seed).fit(y)
        return FourierLift(
            dim, dim + self.n_features, standardisation, sampler.random_weights_, sampler.random_offset_, gamma
        )


@dataclass(frozen=True, eq=False, repr=False)
class FourierLift(AbstractStandardisedLift):
    """φ(z) = (x, √(2/K)·cos(yW + b)); see `RandomFourier`.

    Attributes
    ----------
    weights : ndarray (k, K)
    offsets : ndarray (K,)
    gamma : float
    """

    weights: Array
    offsets: Array
    gamma: float
    kind: ClassVar[str] = "fourier"

    def _features(self, y: Tensor) -> Tensor:
        phase = y @ as_rows(self.weights, y) + as_rows(self.offsets, y)
        return math.sqrt(2.0 / len(self.offsets)) * torch.cos(phase)

    def state(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """What a file holds of the lift: `(config, tensors)`."""
        tensors = self.standardisation.tensors() | {"weights": self.weights, "offsets": self.offsets}
        return {"gamma": self.gamma}, tensors

    @classmethod
    def from_state(cls, config: Mapping[str, Any], tensors: Mapping[str, Array]) -> Self:
        """The lift with this state."""
        dim, offsets = len(tensors["mean"]), tensors["offsets"]
        standardisation = Standardisation.of_tensors(tensors)
        return cls(dim, dim + len(offsets), standardisation, tensors["weights"], offsets, config["gamma"])
