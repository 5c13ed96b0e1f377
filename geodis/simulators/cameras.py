"""Cameras: projective maps of space onto the image and a nearness."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np

from geodis.errors import ParameterError
from geodis.linalg import Array


class AbstractCamera(ABC):
    """A projective map of space onto screen coordinates and nearness (u, v, 1, s)."""

    @property
    @abstractmethod
    def matrix(self) -> Array:
        """(X, Y, Z, 1) ↦ (u, v, 1, s) up to a positive factor: `(4, 4)`; the image is |u|, |v| ≤ 1."""

    @property
    @abstractmethod
    def far(self) -> float:
        """A nearness below that of every object."""

    @abstractmethod
    def thickness(self, entry: Array, leave: Array) -> Array:
        """Difference in depth between two levels of nearness."""


@final
@dataclass(frozen=True)
class Perspective(AbstractCamera):
    """A pinhole on the z axis, at `distance` from the centre: u = √(d² − 1) X/(d − Z), so that the unit ball fills it.

    Near parts look larger, so that depth can be told.
    """

    distance: float = 3.0

    def __post_init__(self) -> None:
        if not np.isfinite(self.distance) or self.distance < 1.1:
            raise ParameterError("distance", "a finite number ≥ 1.1, outside of the objects", self.distance)

    @property
    def matrix(self) -> Array:
        """(fX, fY, d − Z, 1): s is the inverse depth 1/(d − Z)."""
        f = np.sqrt(self.distance**2 - 1)
        return np.array([[f, 0, 0, 0], [0, f, 0, 0], [0, 0, -1, self.distance], [0, 0, 0, 1.0]])

    @property
    def far(self) -> float:
        """Inverse depth 0: infinitely far."""
        return 0.0

    def thickness(self, entry: Array, leave: Array) -> Array:
        """1/s − 1/s'."""
        return 1 / leave - 1 / entry


@final
@dataclass(frozen=True)
class Orthographic(AbstractCamera):
    """Parallel projection, (u, v) = (X, Y): size and place on the image say nothing about depth."""

    @property
    def matrix(self) -> Array:
        """(X, Y, 1, Z): s is the height Z towards the viewer."""
        return np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0.0]])

    @property
    def far(self) -> float:
        """Behind the unit ball."""
        return -1.1

    def thickness(self, entry: Array, leave: Array) -> Array:
        """Difference s − s'."""
        return entry - leave
