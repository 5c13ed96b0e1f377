"""Colours: what an image shows of an object's hue."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np

from geodis.linalg import Array
from geodis.simulators.lights import check_between


class AbstractColour(ABC):
    """What becomes of an object's hue."""

    @abstractmethod
    def weights(self, hues: Array) -> Array:
        """Brightness of each channel `(n, channels)` in [0, 1] from hues `(n,)`."""


@final
@dataclass(frozen=True)
class Gray(AbstractColour):
    """One channel; the hue is not seen."""

    def weights(self, hues: Array) -> Array:
        """One for all."""
        return np.ones((len(hues), 1))


@final
@dataclass(frozen=True)
class HueCircle(AbstractColour):
    """Channels red, green, blue, k = 0, 1, 2: 1 − σ + σ (1 + cos(hue − 2πk/3))/2, times the brightness.

    One harmonic on the circle, so that the hue acts linearly on pixels: m = 0 and m = 1.

    Attributes
    ----------
    saturation : float
        σ, the same for all objects; 1 − σ is the share of white.
    """

    saturation: float = 0.8

    def __post_init__(self) -> None:
        check_between(0.0, self.saturation, 1.0, "saturation")

    def weights(self, hues: Array) -> Array:
        """Red, green, blue."""
        phases = hues[:, None] - 2 * np.pi * np.arange(3) / 3
        return 1 - self.saturation + self.saturation * (1 + np.cos(phases)) / 2
