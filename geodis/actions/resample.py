"""Images rotated and scaled about their centre, as near to band-limited as a finite frame allows; zero outside.

Pixels are samples of Σ_j x_j sinc(t − j). Of the resamplers tried (splines on the pixels, shears by FFT) this breaks
the group law least at equal cost; `experiments/action_laws.py` measures what is left.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil, pi, sqrt

import numpy as np
from scipy.ndimage import affine_transform, spline_filter1d

from geodis.linalg import Array

OVERSAMPLING = 2
# Quintic: between the half pixels its error is 1e-6 on smooth images, where a cubic's is 6e-5, for half as much time.
SPLINE_ORDER = 5
SPLINE_REACH = 2  # pixels at the border where the spline's mirrored ends are felt

QUARTER_TOLERANCE = 1e-12  # angles this near to a quarter turn [rad] differ from it by the rounding of sums


def rotate(images: Array, angles: Array) -> Array:
    """Square images `(n, C, N, N)` turned about their centre by angles `(n,)` [rad], axis −2 towards axis −1.

    Quarter turns permute the pixels and are exact; other angles interpolate.
    """
    turns = np.rint(angles * (2 / pi))
    oblique = np.abs(angles - turns * (pi / 2)) > QUARTER_TOLERANCE
    out = np.empty(images.shape)
    out[~oblique] = quarter_turns(images[~oblique], turns[~oblique])
    out[oblique] = _rotate_oblique(images[oblique], angles[oblique])
    return out


def quarter_turns(images: Array, turns: Array) -> Array:
    """Images `(n, …, N, N)` turned by a whole number of quarter turns each `(n,)`, axis −2 towards axis −1."""
    steps, out = np.rint(turns).astype(int) % 4, np.empty_like(images)
    for step in range(4):
        out[steps == step] = np.rot90(images[steps == step], step, axes=(-2, -1))
    return out


def scale(images: Array, factors: Array) -> Array:
    """Images `(n, C, H, W)` enlarged about their centre by factors `(n,)` > 0; shrunken ones lose what aliases."""
    rows, columns = (_scaling_matrices(side, factors)[:, None] for side in images.shape[-2:])
    return np.asarray(rows @ images @ np.swapaxes(columns, -1, -2))


def _rotate_oblique(images: Array, angles: Array) -> Array:
    side = images.shape[-1]
    half_pixels, first = _spline_of_pixels(side)
    centre, cosine, sine = (side - 1) / 2, np.cos(angles), np.sin(angles)
    out = np.empty(images.shape)
    for image, moved, c, s in zip(images, out, cosine, sine, strict=True):
        # Where a pixel of the result comes from: the inverse rotation.
        back = np.array([[c, s], [-s, c]])
        origin = OVERSAMPLING * (centre - first - back @ (centre, centre))
        for channel, target in zip(image, moved, strict=True):
            coefficients = half_pixels @ channel @ half_pixels.T
            affine_transform(
                coefficients, OVERSAMPLING * back, origin, output=target, output_shape=target.shape,
                order=SPLINE_ORDER, mode="mirror", prefilter=False,
            )  # fmt: skip
    return out


@lru_cache(maxsize=16)
def _spline_of_pixels(side: int) -> tuple[Array, float]:
    """Spline coefficients on half pixels, as a matrix applied to `side` pixels, and the first half pixel's place.

    The half pixels reach as far as the corners of a turned frame, so that no rotation asks for more.
    """
    margin = ceil((sqrt(2) - 1) / 2 * side) + SPLINE_REACH
    places = np.arange(-margin * OVERSAMPLING, (side - 1 + margin) * OVERSAMPLING + 1) / OVERSAMPLING
    between = np.sinc(places[:, None] - np.arange(side))
    matrix = spline_filter1d(between, SPLINE_ORDER, axis=0, mode="mirror")
    matrix.setflags(write=False)  # the cache hands the same array to everybody
    return matrix, float(-margin)


def _scaling_matrices(side: int, factors: Array) -> Array:
    """`(n, side, side)`: pixel i of the result is the image at (i − centre)/factor, in the band that both hold."""
    centre = (side - 1) / 2
    places = (np.arange(side) - centre) / factors[:, None] + centre
    band = np.minimum(factors, 1.0)[:, None, None]
    return np.asarray(band * np.sinc(band * (places[:, :, None] - np.arange(side))))
