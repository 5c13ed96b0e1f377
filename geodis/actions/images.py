"""Groups that move images: turned, shifted, scaled, recolored.

Items are batches `(n, H, W)` or `(n, C, H, W)` of floating-point numbers, numpy or torch; what comes back has the same
shape, dtype and kind (computed in float64 on the CPU, without gradients). Axis 0 of an image points down, axis 1 right;
a rotation by θ moves the pixel at p (seen from the centre) to ρ(θ)p with ρ(θ) = (cos θ, −sin θ; sin θ, cos θ) on
(row, column), which turns the displayed image counter-clockwise, as `numpy.rot90` does.
"""

from __future__ import annotations

from abc import abstractmethod
from math import pi
from typing import final

import numpy as np

from geodis.actions.array_action import AbstractArrayAction
from geodis.actions.resample import quarter_turns, rotate, scale
from geodis.actions.spectral_shift import shift_periodic
from geodis.errors import ShapeError
from geodis.groups import SO2, Cyclic, Dihedral, Scaling, Translation
from geodis.groups.options import count
from geodis.linalg import Array


class AbstractImageAction(AbstractArrayAction):
    """An action on batches of images; a subclass moves float64 arrays `(n, C, H, W)`."""

    what = "images"
    layout = "(n, H, W) or (n, C, H, W)"

    def _move(self, params: Array, items: Array) -> Array:
        images = (items if items.ndim == 4 else items[:, None]).astype(np.float64)
        return self._move_channels(params, images).reshape(items.shape)

    @abstractmethod
    def _move_channels(self, params: Array, images: Array) -> Array:
        """Elements `(n, p)`, images `(n, C, H, W)` → images of the same shape."""

    def _check_shape(self, items: Array) -> None:
        if items.ndim not in (3, 4) or 0 in items.shape[1:]:
            raise ShapeError(self.what, self.layout, items.shape)


class AbstractSquareAction(AbstractImageAction):
    """An action on images that are as high as wide."""

    layout = "(n, N, N) or (n, C, N, N)"

    def _check_shape(self, items: Array) -> None:
        super()._check_shape(items)
        if items.shape[-1] != items.shape[-2]:
            raise ShapeError(self.what, self.layout, items.shape, "Only square images turn in their frame; pad them.")


@final
class ImageRotation(AbstractSquareAction):
    """SO(2) on square images: counter-clockwise as displayed, about the centre of the frame, zero outside.

    Quarter turns are exact. Other angles interpolate (band-limited, `geodis.actions.resample`): the group law holds up
    to the discretization floor, which is small for smooth images that vanish outside the inscribed disc; what turns
    out of the frame is lost.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.zeros((1, 3, 3))
    >>> image[0, 1, 2] = 1.0  # on the right
    >>> ImageRotation().act([np.pi / 2], image)[0].tolist()  # at the top
    [[0.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """

    exact = False

    def __init__(self) -> None:
        self.group = SO2()

    def _move_channels(self, params: Array, images: Array) -> Array:
        return rotate(images, params[:, 0])

    def __repr__(self) -> str:
        return "ImageRotation()"


@final
class ImageShift(AbstractImageAction):
    """Periodic shifts of H × W images by (rows, columns) in pixels: what leaves on one side enters on the other.

    Whole pixels are rolled; fractions shift the phases of the Fourier series. On odd sides the group law is exact. On
    an even side the highest (Nyquist) frequency has one real coefficient, which no fractional shift can turn: the law
    misses by that coefficient's size, and `exact` is False.

    Parameters
    ----------
    height, width : int
        The images' size in pixels, which is the group's period.

    Raises
    ------
    ParameterError
        For a size that is no positive integer.
    ShapeError
        In `act`, for images of another size.

    Examples
    --------
    >>> import numpy as np
    >>> ImageShift(2, 3).act([[0.0, 1.0]], np.array([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]])).tolist()
    [[[3.0, 1.0, 2.0], [6.0, 4.0, 5.0]]]
    """

    def __init__(self, height: int, width: int) -> None:
        self.shape = (count(height, "height", 1), count(width, "width", 1))
        self.group = Translation(2, period=self.shape)
        self.exact = all(side % 2 == 1 for side in self.shape)

    def _move_channels(self, params: Array, images: Array) -> Array:
        return shift_periodic(images, params)

    def _check_shape(self, items: Array) -> None:
        super()._check_shape(items)
        if items.shape[-2:] != self.shape:
            raise ShapeError(self.what, f"(…, {self.shape[0]}, {self.shape[1]})", items.shape)

    def __repr__(self) -> str:
        return f"ImageShift({self.shape[0]}, {self.shape[1]})"


@final
class ImageScaling(AbstractImageAction):
    """Scalings about the centre: the element τ shows the image e^τ times as large in the same frame, zero outside.

    Interpolation is band-limited, and a shrunken image loses the frequencies that its pixels cannot hold. Enlarging
    loses what leaves the frame; shrinking again does not bring it back. Smooth images that stay inside have a small
    floor.

    Parameters
    ----------
    spread : float
        Standard deviation of the sampled log factors: .2 is mostly between two thirds and one and a half.

    Raises
    ------
    ParameterError
        For a spread that is no positive number.

    Examples
    --------
    >>> import numpy as np
    >>> blob = np.exp(-np.linspace(-6, 6, 33) ** 2)
    >>> double = ImageScaling().act([np.log(2.0)], np.outer(blob, blob)[None])
    >>> round(float(double.sum() / np.outer(blob, blob).sum()), 3)
    4.0
    """

    exact = False

    def __init__(self, spread: float = 0.2) -> None:
        group = Scaling(spread)
        self.group, self.spread = group, group.spread

    def _move_channels(self, params: Array, images: Array) -> Array:
        return scale(images, np.exp(params[:, 0]))

    def __repr__(self) -> str:
        return f"ImageScaling(spread={self.spread})"


@final
class HueRotation(AbstractImageAction):
    """SO(2) on RGB images `(n, 3, H, W)`: colors turn about the grey axis, red towards green towards blue.

    A third of a turn takes red to green exactly. Exact because nothing is clipped: colors may leave [0, 1] and come
    back; clip a copy to look at them.

    Examples
    --------
    >>> import numpy as np
    >>> red = np.array([1.0, 0.0, 0.0]).reshape(1, 3, 1, 1)
    >>> HueRotation().act([2 * np.pi / 3], red).round(12).ravel().tolist()
    [0.0, 1.0, 0.0]
    """

    layout = "(n, 3, H, W)"

    def __init__(self) -> None:
        self.group = SO2()

    def _move_channels(self, params: Array, images: Array) -> Array:
        return np.einsum("nij,nj...->ni...", _turns_about_grey(params[:, 0]), images)

    def _check_shape(self, items: Array) -> None:
        if items.ndim != 4 or items.shape[1] != 3 or 0 in items.shape[2:]:
            raise ShapeError(self.what, self.layout, items.shape, "Hue needs red, green and blue in this order.")

    def __repr__(self) -> str:
        return "HueRotation()"


@final
class QuarterTurns(AbstractSquareAction):
    """Z/4 on square images: step k turns by k quarter turns counter-clockwise as displayed; exact.

    Examples
    --------
    >>> import numpy as np
    >>> QuarterTurns().act([1.0], np.array([[[1.0, 2.0], [3.0, 4.0]]])).tolist()
    [[[2.0, 4.0], [1.0, 3.0]]]
    """

    def __init__(self) -> None:
        self.group = Cyclic(4)

    def _move_channels(self, params: Array, images: Array) -> Array:
        return quarter_turns(images, params[:, 0])

    def __repr__(self) -> str:
        return "QuarterTurns()"


@final
class SquareSymmetries(AbstractSquareAction):
    """D₄ on square images: (k, f) first mirrors left and right if f = 1, then turns by k quarter turns; exact.

    The pixel at p moves to ρ(g)p with ρ(g) = `group.matrix(g)` on (row, column).

    Examples
    --------
    >>> import numpy as np
    >>> SquareSymmetries().act([[0.0, 1.0]], np.array([[[1.0, 2.0], [3.0, 4.0]]])).tolist()
    [[[2.0, 1.0], [4.0, 3.0]]]
    """

    def __init__(self) -> None:
        self.group = Dihedral(4)

    def _move_channels(self, params: Array, images: Array) -> Array:
        flipped = (np.rint(params[:, 1]) == 1)[:, None, None, None]
        return quarter_turns(np.where(flipped, images[..., ::-1], images), params[:, 0])

    def __repr__(self) -> str:
        return "SquareSymmetries()"


def _turns_about_grey(angles: Array) -> Array:
    """Rotations of (red, green, blue) about (1, 1, 1) `(n, 3, 3)`: circulant, each row sums to 1."""
    shifts = 2 * pi / 3 * np.arange(3)
    circulant = (1 + 2 * np.cos(angles[:, None] - shifts)) / 3
    return np.asarray(circulant[:, (np.arange(3)[:, None] - np.arange(3)) % 3])
