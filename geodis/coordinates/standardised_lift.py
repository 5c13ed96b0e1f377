"""Lifts that keep the embedding, at unit variance, and add nonlinear features of it or of its principal directions."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.spatial.distance import pdist
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from geodis.coordinates.lift import AbstractLift
from geodis.coordinates.rows import as_rows
from geodis.errors import ParameterError
from geodis.linalg import Array
from geodis.orbits import as_embeddings

PILOT_ROWS = 8192  # rows that choose principal directions and landmarks
MEDIAN_ROWS = 1000  # rows between which distances are measured
BATCH_ROWS = 65536
MOST_FEATURES = 4096  # their covariance, fold by fold, takes .7 GB


@dataclass(frozen=True, eq=False)
class Standardisation:
    """x = (z − mean)/scale with leading variance 1, and y, its principal directions.

    All columns have variance 1/s², s² being the largest variance of a direction: products of weak directions are then
    weaker than both, so that the leading directions of the lifted embedding begin with those of the embedding.

    Attributes
    ----------
    mean, scale : ndarray (D,)
    axes : ndarray (D, k) or None
        Orthonormal directions of x, y = x·axes; y = x without.
    """

    mean: Array
    scale: Array
    axes: Array | None

    @property
    def n_directions(self) -> int:
        """k, the length of y."""
        return len(self.mean) if self.axes is None else int(self.axes.shape[1])

    def __call__(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """`(x, y)` of rows (N, D): (N, D), (N, k)."""
        x = (rows - as_rows(self.mean, rows)) / as_rows(self.scale, rows)
        return x, x if self.axes is None else x @ as_rows(self.axes, rows)

    def tensors(self) -> dict[str, Array]:
        """The arrays by name."""
        found = {"mean": self.mean, "scale": self.scale}
        return found if self.axes is None else found | {"axes": self.axes}

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, Array]) -> Standardisation:
        """From what `tensors` gave."""
        return cls(tensors["mean"], tensors["scale"], tensors.get("axes"))


@dataclass(frozen=True, eq=False, repr=False)
class AbstractStandardisedLift(AbstractLift):
    """φ(z) = (x, ψ(y)): the standardised embedding, then nonlinear features of its directions.

    As x is among the features, coordinates of the lift can be whatever coordinates of the embedding can be.
    """

    standardisation: Standardisation

    def _lift(self, rows: Tensor) -> Tensor:
        x, y = self.standardisation(rows)
        return torch.cat([x, self._features(y)], dim=1)

    @abstractmethod
    def _features(self, y: Tensor) -> Tensor:
        """ψ(y), `(N, k) → (N, F − D)`."""


def standardise(z: Any, n_components: int | None) -> tuple[Standardisation, Array]:
    """`(the standardisation of these embeddings, y of evenly spread rows)`."""
    rows = as_embeddings(z)
    eps, scaler = float(np.finfo(rows.dtype).eps), StandardScaler()
    for start in range(0, len(rows), BATCH_ROWS):
        scaler.partial_fit(rows[start : start + BATCH_ROWS].astype(np.float64))
    scale = _scale(scaler.mean_, scaler.var_, eps)
    given = rows[:: -(-len(rows) // PILOT_ROWS)].astype(np.float64)
    picked = (given - scaler.mean_) / scale
    leading, directions = _directions(picked, n_components)
    found = Standardisation(scaler.mean_, scale * leading, directions)
    _, y = found(torch.from_numpy(given))
    return found, y.numpy()


def _directions(x: Array, n_components: int | None) -> tuple[float, Array | None]:
    """`(standard deviation of the leading direction, 1 if there is none; directions (D, k), or None for all)`."""
    every = n_components is None or n_components >= x.shape[1]
    if len(x) < 2 or not x.var(axis=0).any():
        return 1.0, None if every else np.eye(x.shape[1])[:, :n_components]
    most = 1 if every or n_components is None else min(n_components, len(x))
    pca = PCA(most, svd_solver="covariance_eigh").fit(x)
    leading = float(np.sqrt(max(pca.explained_variance_[0], 0.0)))
    # A column that varies has variance 1, so that less than it is rounding.
    return leading if leading > 0.1 else 1.0, None if every else np.ascontiguousarray(pca.components_.T)


def _scale(mean: Array, variance: Array, eps: float) -> Array:
    """Standard deviations; the size of columns whose deviation is rounding, which must not be blown up."""
    size, deviation = np.sqrt(mean**2 + variance), np.sqrt(variance)
    still = deviation <= 64 * eps * size
    return np.where(still, np.where(size > 0, size, 1.0), deviation)


def median_gamma(y: Array, seed: int) -> float:
    """γ = 1/(2σ²) of exp(−γ|y − y'|²), with σ the median distance between rows."""
    rng = np.random.default_rng(seed)
    distances = pdist(y[rng.permutation(len(y))[:MEDIAN_ROWS]])
    median = float(np.median(distances)) if len(distances) else 0.0
    return 1.0 / (2.0 * median**2) if median > 0 else 1.0


def check_count(what: str, value: object, least: int = 1) -> None:
    """Raise `ParameterError` unless `value` is an integer ≥ least."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ParameterError(what, f"an integer ≥ {least}", repr(value))


def check_components(what: str, value: object) -> None:
    """Raise `ParameterError` unless `value` is a number of directions, or None for all."""
    if value is not None:
        check_count(f"{what}: n_components", value)


def check_gamma(what: str, value: object) -> None:
    """Raise `ParameterError` unless `value` is a positive number, or None for the median heuristic."""
    number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if value is not None and not (number and np.isfinite(value) and float(value) > 0):  # type: ignore[call-overload,arg-type]
        raise ParameterError(f"{what}: gamma", "a positive number, or None (median heuristic)", repr(value))


def check_width(what: str, width: int) -> None:
    """Raise `ParameterError` for more features than a fit can hold the covariance of."""
    if width > MOST_FEATURES:
        raise ParameterError(
            what, f"at most {MOST_FEATURES} features", width, "Lower the degree or n_components, the directions lifted."
        )
