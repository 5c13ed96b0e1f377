"""The colors of all pictures, in one place: told apart by color-blind eyes, and never the only sign. A leaf."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

# Okabe and Ito, Color Universal Design (2008); every series has its own marker or line style as well.
FOUND = "#0072B2"  # what was measured
NULL = "#D55E00"  # chance: relabelled elements, another item
CEILING = "#B87A00"  # the best free linear map
FLOOR = "#00795A"  # interpolation alone
STILL = "#5b6b78"  # not acting
REJECTED = "#ffffff"
INK = "#1d2b36"
SOFT = "#5b6b78"
FAINT = "#9fb3c1"
LINE = "#c9d6df"

D65 = np.array([0.95047, 1.0, 1.08883])
XYZ_TO_RGB = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])


def wheel(n: int = 256) -> Colormap:
    """A cyclic color map without white and black.

    Blue–yellow goes round in quadrature with lightness, so that who cannot tell red from green still sees where on the
    circle a color lies.
    """
    from matplotlib.colors import ListedColormap

    h = 2 * np.pi * np.arange(n) / n
    lab = np.stack([62 - 14 * np.cos(h), -30 * np.cos(h), -38 * np.sin(h)], axis=1)
    return ListedColormap(_rgb_of_lab(lab), name="geodis wheel")


def ramp() -> Colormap:
    """A sequential color map whose bright end can still be seen on white."""
    import matplotlib as mpl
    from matplotlib.colors import ListedColormap

    return ListedColormap(mpl.colormaps["viridis"](np.linspace(0.0, 0.88, 256)), name="geodis ramp")


def _rgb_of_lab(lab: np.ndarray) -> np.ndarray:
    """CIE L*a*b* (D65) → sRGB in [0, 1]."""
    y = (lab[:, 0] + 16) / 116
    f = np.stack([y + lab[:, 1] / 500, y, y - lab[:, 2] / 200], axis=1)
    xyz = D65 * np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29))
    linear = np.clip(xyz @ XYZ_TO_RGB.T, 0.0, 1.0)
    return np.asarray(np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055))
