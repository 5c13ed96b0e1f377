"""What no training reaches already: principal components of the pixels, and a network with random weights."""

from __future__ import annotations

import numpy as np
from baseline_training import Coder, Pixels, coder
from solid_data import SolidData

from geodis.linalg import Array
from geodis.training.networks import convnet

ROWS = 12_000  # images that the components are fitted on


def pca(data: SolidData, seed: int, seconds: float, *, k: int = 8) -> Coder:
    """The first k principal components of the pixels of training images."""
    del seed, seconds
    pixels = Pixels.of(data.fit)
    flat = data.fit.images.reshape(-1, *data.fit.images.shape[2:])
    rows = _rows(pixels, flat[:: max(1, len(flat) // ROWS)])
    mean = rows.mean(axis=0)
    _, basis = np.linalg.eigh((rows - mean).T @ (rows - mean))
    leading = basis[:, ::-1][:, :k]
    return Coder(lambda images: (_rows(pixels, images) - mean) @ leading)


def random_network(data: SolidData, seed: int, seconds: float, *, n_features: int = 128) -> Coder:
    """The same network as the others', before its training."""
    del seconds
    return coder(convnet(n_features, seed=seed), Pixels.of(data.fit))


def _rows(pixels: Pixels, images: Array) -> Array:
    return pixels(images).flatten(1).numpy().astype(np.float64)
