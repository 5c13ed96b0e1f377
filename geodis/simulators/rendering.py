"""Images of solids: a camera, a light, colours, and a renderer that turns `Solids` into arrays of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any, final

import numpy as np

from geodis.errors import ParameterError
from geodis.linalg import Array
from geodis.simulators.cameras import AbstractCamera, Perspective
from geodis.simulators.colours import AbstractColour, Gray
from geodis.simulators.lights import AbstractLight, Light
from geodis.simulators.ray_casting import Scene, patches
from geodis.simulators.solids import Solids, joined

SAMPLES = 2**22  # of images at a time: the more, the fewer and larger the groups of cells that are alike


@final
@dataclass(frozen=True)
class Renderer:
    """Solids → images: a camera, a light and colours. The first step of an encoder.

    The image shows |u|, |v| ≤ 1, its first row at v = 1, and contains the unit ball, so that no pose leaves it. Rays
    meet cells exactly, without polygons; each pixel is the mean of several. The background is 0.

    Attributes
    ----------
    size : int
        Pixels along each side.
    camera : AbstractCamera
        `Perspective` or `Orthographic`.
    light : AbstractLight
        `Light`, `headlight()` or `XRay`.
    colour : AbstractColour
        `Gray` (one channel) or `HueCircle` (three).
    oversampling : int
        Rays along each side of a pixel: with 2 × 2 or more, images vary smoothly with the pose.

    Examples
    --------
    >>> from geodis.simulators import HueCircle, solid_objects
    >>> images = Renderer(size=32, colour=HueCircle())(solid_objects(5))
    >>> images.shape, images.dtype, bool(images.min() == 0), bool(0.5 < images.max() <= 1)
    ((5, 3, 32, 32), dtype('float32'), True, True)
    """

    size: int = 32
    camera: AbstractCamera = field(default_factory=Perspective)
    light: AbstractLight = field(default_factory=Light)
    colour: AbstractColour = field(default_factory=Gray)
    oversampling: int = 2

    def __post_init__(self) -> None:
        check_whole(self.size, 2, "size")
        check_whole(self.oversampling, 1, "oversampling")

    def __call__(self, solids: Solids | Sequence[Solids], rotations: Any = None) -> Array:
        """Images `(n, channels, size, size)`, float32 in [0, 1], of the solids, turned by rotations `(n, 3, 3)`."""
        moved = joined(solids) if rotations is None else joined(solids).rotated(rotations)
        weights = self.colour.weights(moved.hues).astype(np.float32)
        images = np.empty((*weights.shape, self.size, self.size), dtype=np.float32)
        step = max(1, SAMPLES // (self.size * self.oversampling) ** 2)
        for start in range(0, len(moved), step):
            rows = slice(start, start + step)
            np.multiply(weights[rows, :, None, None], self._bright(moved.select(rows))[:, None], out=images[rows])
        return images

    def _bright(self, solids: Solids) -> Array:
        n, k = len(solids), self.oversampling
        side = k * self.size
        scene = Scene(solids.kinds, solids.cells, solids.albedos, solids.poses, self.light.frames(solids.lights))
        fine = self.light.image(patches(scene, self.camera.matrix, side), self.camera, (n, side, side))
        rows = reduce(np.add, (fine[:, i::k] for i in range(k)))
        return reduce(np.add, (rows[..., i::k] for i in range(k))) * np.float32(1 / k**2)


def depth_twin(solids: Solids) -> Solids:
    """The mirror image of every object through the image plane, (X, Y, Z) ↦ (X, Y, −Z), as another object.

    M = diag(1, 1, −1) turns a rotation by θ about the vertical into one by −θ: what turns to the right and its twin,
    turning to the left, cover the same points of an orthographic image at all times. Under `XRay` light their images
    agree, so that no encoder of single images tells which way an object turns: f(g·x) = ρ(g) f(x) on objects and twins
    alike forces ρ(g)² f(x) = f(x). Opaque surfaces keep the outline only; what lies inside of it (occlusion, shading)
    tells the two apart.

    Parameters
    ----------
    solids : Solids

    Returns
    -------
    Solids
        The twin of the twin is the object.

    Examples
    --------
    >>> from geodis.simulators import Orthographic, OutOfPlane, XRay, solid_objects
    >>> see, x, turn = Renderer(camera=Orthographic(), light=XRay()), solid_objects(3), OutOfPlane()
    >>> angles = np.full(3, 0.7)
    >>> bool(np.allclose(see(turn.act(angles, x)), see(turn.act(-angles, depth_twin(x))), atol=1e-4))
    True
    """
    mirror = np.diag([1.0, 1.0, -1.0, 1.0])
    return replace(solids, cells=mirror @ solids.cells, poses=mirror[:3, :3] @ solids.poses @ mirror[:3, :3])


def check_whole(value: Any, least: int, what: str) -> None:
    """Raise unless the value is an integer ≥ least."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ParameterError(what, f"an integer ≥ {least}", value)
