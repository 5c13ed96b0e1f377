"""Handwritten digits as smooth images with room to turn: scikit-learn's 8 × 8 digits in a larger frame."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.interpolate import BSpline

from geodis.errors import ParameterError
from geodis.linalg import Array

SIZE = 28  # pixels a side
MIN_SIZE = 16  # below, strokes are as narrow as pixels, and rotations blur them
PITCH = 0.08  # of an original pixel, as a share of the frame: the whole digit then lies in the inscribed disc
ORIGINAL = 8  # pixels a side of scikit-learn's digits
DEGREE = 3
N_TRAINED = 1197  # digits that the encoder of `geodis.encoders.digits` was trained on: the first two thirds


def digit_images(size: int = SIZE) -> tuple[Array, Array]:
    """The 1797 digits of scikit-learn: images `(1797, size, size)` in float32, values in [0, 1], and labels `(1797,)`.

    Every original pixel becomes a cubic B-spline about two pixels wide: a smooth image without overshoot, nearly
    band-limited on the finer grid. The 8 × 8 pixels fill 64 % of the frame's side, and zeros are around them, so that
    a rotation about the centre clips nothing that can be seen. The digits come in the data set's order [1]_, in which
    the sheets of its 13 writers follow each other.

    Parameters
    ----------
    size : int
        Pixels a side, 16 or more; 28 by default.

    Raises
    ------
    ParameterError
        For a size that is no integer or too small.

    References
    ----------
    .. [1] E. Alpaydin, C. Kaynak, *Optical Recognition of Handwritten Digits*, UCI Machine Learning Repository, 1998.

    Examples
    --------
    >>> images, labels = digit_images()
    >>> images.shape, labels[:5].tolist(), bool(images.min() >= 0) and bool(images.max() <= 1)
    ((1797, 28, 28), [0, 1, 2, 3, 4], True)
    """
    if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < MIN_SIZE:
        raise ParameterError("digit_images: size", f"an integer ≥ {MIN_SIZE}", repr(size))
    images, labels = _originals()
    spread = _splines(int(size))
    return (spread @ images @ spread.T).astype(np.float32), labels.copy()


def digit_split() -> tuple[Array, Array]:
    """Indices `(1197,)` of the digits that the shipped encoder was trained on, and `(600,)` of those it never saw.

    Split in the data set's order and not at random, so that but for one sheet the writers differ as well.

    Examples
    --------
    >>> trained, unseen = digit_split()
    >>> len(trained), len(unseen), len(np.intersect1d(trained, unseen))
    (1197, 600, 0)
    """
    n = len(_originals()[1])
    return np.arange(N_TRAINED), np.arange(N_TRAINED, n)


@lru_cache(maxsize=1)
def _originals() -> tuple[Array, Array]:
    # Not at the top of the file: the data set takes longer to load than the rest of the package's simulators.
    from sklearn.datasets import load_digits

    data = load_digits()
    return data.images / 16.0, data.target


def _splines(size: int) -> Array:
    """`(size, 8)`: how much each original row contributes to each new row; sums to one inside the digit."""
    places = (np.arange(size) - (size - 1) / 2) / (PITCH * size) + (ORIGINAL - 1) / 2
    half = (DEGREE + 1) / 2
    spline = BSpline.basis_element(np.linspace(-half, half, DEGREE + 2), extrapolate=False)
    return np.nan_to_num(spline(places[:, None] - np.arange(ORIGINAL)))
