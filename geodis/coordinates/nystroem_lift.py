"""Nyström features: a Gaussian kernel against landmarks, exact between the landmarks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from sklearn.kernel_approximation import Nystroem as SklearnNystroem
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
class Nystroem(AbstractLiftSpec):
    """The embedding and k(y, L)k(L, L)^(−1/2) with landmarks L among the rows, k(y, y') = exp(−γ|y − y'|²).

    Parameters
    ----------
    n_features : int
        The number of landmarks; all rows where there are fewer.
    gamma : float, optional
        γ in units of the standardised embedding; 1/(2σ²) by default, σ the median distance between rows.
    n_components : int, optional
        Only so many principal directions of the standardised embedding are lifted; all of them by default.

    References
    ----------
    Williams and Seeger, "Using the Nyström method to speed up kernel machines", NeurIPS 2000.

    Examples
    --------
    >>> import numpy as np
    >>> from geodis.coordinates import Nystroem
    >>> Nystroem(n_features=20).fit(np.random.default_rng(0).normal(size=(50, 3)), seed=1)
    NystroemLift(R^3 → R^23)
    """

    n_features: int = 256
    gamma: float | None = None
    n_components: int | None = None

    def __post_init__(self) -> None:
        check_count("Nystroem: n_features", self.n_features)
        check_gamma("Nystroem", self.gamma)
        check_components("Nystroem", self.n_components)

    def fit(self, z: Any, *, seed: int = 0) -> NystroemLift:
        """The kernel against landmarks drawn among `z` (N, D) with the seed.

        Raises
        ------
        ShapeError, FiniteError, ParameterError
            For no embeddings, NaN, more features than can be handled.
        """
        standardisation, y = standardise(z, self.n_components)
        dim, count = len(standardisation.mean), min(self.n_features, len(y))
        check_width(f"{self} of {dim} columns", dim + count)
        gamma = median_gamma(y, seed) if self.gamma is None else float(self.gamma)
        found = SklearnNystroem(gamma=gamma, n_components=count, random_state=seed).fit(y)
        root = found.normalization_.T.copy()
        return NystroemLift(dim, dim + count, standardisation, found.components_, root, gamma)


@dataclass(frozen=True, eq=False, repr=False)
class NystroemLift(AbstractStandardisedLift):
    """φ(z) = (x, exp(−γ|y − L|²)·R); see `Nystroem`.

    Attributes
    ----------
    landmarks : ndarray (K, k)
    root : ndarray (K, K)
        R = k(L, L)^(−1/2).
    gamma : float
    """

    landmarks: Array
    root: Array
    gamma: float
    kind: ClassVar[str] = "nystroem"

    def _features(self, y: Tensor) -> Tensor:
        landmarks = as_rows(self.landmarks, y)
        squares = (y**2).sum(dim=1, keepdim=True) - 2.0 * y @ landmarks.T + (landmarks**2).sum(dim=1)
        return torch.exp(-self.gamma * squares.clamp(min=0.0)) @ as_rows(self.root, y)

    def state(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """What a file holds of the lift: `(config, tensors)`."""
        return {"gamma": self.gamma}, self.standardisation.tensors() | {"landmarks": self.landmarks, "root": self.root}

    @classmethod
    def from_state(cls, config: Mapping[str, Any], tensors: Mapping[str, Array]) -> Self:
        """The lift with this state."""
        dim, landmarks = len(tensors["mean"]), tensors["landmarks"]
        standardisation = Standardisation.of_tensors(tensors)
        return cls(dim, dim + len(landmarks), standardisation, landmarks, tensors["root"], config["gamma"])
