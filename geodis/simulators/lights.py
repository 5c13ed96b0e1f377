"""Lights: what the brightness of an image is, given the cells that its rays meet."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

import numpy as np

from geodis.errors import ParameterError
from geodis.linalg import Array
from geodis.simulators.cameras import AbstractCamera
from geodis.simulators.ray_casting import Patches


class AbstractLight(ABC):
    """What makes the brightness of an image out of cells that rays meet."""

    @abstractmethod
    def frames(self, azimuths: Array) -> Array:
        """Orthonormal rows `(n, 3, 3)`, the first towards the light, from azimuths `(n,)`."""

    @abstractmethod
    def image(self, traced: Iterable[Patches], camera: AbstractCamera, shape: tuple[int, int, int]) -> Array:
        """Brightness `(n, rows, columns)` in [0, 1], float32."""


@final
@dataclass(frozen=True)
class Light(AbstractLight):
    """A distant light on opaque, matt surfaces: a + (1 − a) max(0, (l·n + w)/(1 + w)), times the albedo; n the normal.

    The light stands still in the camera's frame, l = (sin τ cos α, sin τ sin α, cos τ): shading depends on orientation.
    No shadows are cast.

    Attributes
    ----------
    tilt : float
        τ, the angle between the light and the viewing direction [rad]; its azimuth α is `Solids.lights`.
    ambient : float
        a, the share of light that comes from everywhere.
    wrap : float
        w: 0 is Lambert's law; at greater values the light reaches around the edge of the shadow.
    """

    tilt: float = 0.9
    ambient: float = 0.1
    wrap: float = 0.3

    def __post_init__(self) -> None:
        check_between(0.0, self.tilt, np.pi, "tilt")
        check_between(0.0, self.ambient, 1.0, "ambient")
        check_between(0.0, self.wrap, 1.0, "wrap")

    def frames(self, azimuths: Array) -> Array:
        """Light, azimuth, elevation."""
        s, c, x, y = np.sin(self.tilt), np.cos(self.tilt), np.cos(azimuths), np.sin(azimuths)
        zero = np.zeros_like(x)
        rows = ((s * x, s * y, c + zero), (-y, x, zero), (-c * x, -c * y, s + zero))
        return np.stack([np.stack(row, -1) for row in rows], -2)

    def image(self, traced: Iterable[Patches], camera: AbstractCamera, shape: tuple[int, int, int]) -> Array:
        """The brightness of the nearest surface; 0 where there is none."""
        nearness, shade = np.full(shape, camera.far, dtype=np.float32), np.zeros(shape, dtype=np.float32)
        for patch in traced:
            np.copyto(patch.entry, camera.far, where=patch.entry < patch.exit)
            entry, light = patch.stacked(patch.entry), patch.stacked(self._brightness(patch))
            depths, shades = patch.windows(nearness), patch.windows(shade)
            for rows, where in patch.without_repeats():
                old, lit = depths[where], shades[where]
                np.copyto(lit, light[rows], where=entry[rows] > old)
                depths[where] = np.maximum(entry[rows], old, out=old)
                shades[where] = lit
        return shade

    def _brightness(self, patch: Patches) -> Array:
        scale = (1 - self.ambient) / (1 + self.wrap)
        light = patch.cosine * np.float32(scale)
        light += np.float32(scale * self.wrap)
        np.maximum(light, 0, out=light)
        light += np.float32(self.ambient)
        light *= patch.albedo
        return light


def headlight() -> Light:
    """Light along the viewing direction: brightness tells how steep a surface is, and not which way it falls."""
    return Light(tilt=0.0, wrap=0.0)


@final
@dataclass(frozen=True)
class XRay(AbstractLight):
    """Light through translucent cells: 1 − exp(−μ Σ thickness · albedo), summed over all cells on the ray.

    With an `Orthographic` camera nothing tells front from back: an object and its `depth_twin` have the same image.

    Attributes
    ----------
    absorption : float
        μ, per unit of length.
    """

    absorption: float = 1.0

    def __post_init__(self) -> None:
        if not np.isfinite(self.absorption) or self.absorption <= 0:
            raise ParameterError("absorption", "a finite number > 0", self.absorption)

    def frames(self, azimuths: Array) -> Array:
        """The camera's frame: there is no direction."""
        return np.tile(np.eye(3), (len(azimuths), 1, 1))

    def image(self, traced: Iterable[Patches], camera: AbstractCamera, shape: tuple[int, int, int]) -> Array:
        """What is absorbed."""
        depth = np.zeros(shape, dtype=np.float32)
        for patch in traced:
            missed = patch.entry <= patch.exit
            np.copyto(patch.entry, np.float32(1), where=missed)
            np.copyto(patch.exit, np.float32(1), where=missed)
            added = patch.stacked(camera.thickness(patch.entry, patch.exit) * patch.albedo)
            depths = patch.windows(depth)
            for rows, where in patch.without_repeats():
                depths[where] = depths[where] + added[rows]
        return -np.expm1(np.float32(-self.absorption) * depth)


def check_between(low: float, value: float, high: float, what: str) -> None:
    """Raise unless low ≤ value ≤ high."""
    if not low <= value <= high:
        raise ParameterError(what, f"a number from {low:g} to {high:.4g}", value)
