"""The first layer of a learned lift: inputs centred and scaled by constants measured on the training rows."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from geodis.linalg import Array

FLOOR = 0.05  # of the mean spread: features that hardly vary are not blown up


class Standardize(nn.Module):
    """z ↦ (z − mean)/scale with constants that do not learn."""

    mean: Tensor
    scale: Tensor

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.n_features = n_features
        self.register_buffer("mean", torch.zeros(n_features))
        self.register_buffer("scale", torch.ones(n_features))

    def forward(self, z: Tensor) -> Tensor:
        """Rows (N, D) → (N, D)."""
        return (z - self.mean) / self.scale


def standardize_each(z: Array) -> Standardize:
    """Every feature by its own mean and spread: for embeddings, whose features have scales of their own."""
    spread = z.std(axis=0)
    floor = FLOOR * float((spread**2).mean() ** 0.5)
    return _layer(z.mean(axis=0), spread.clip(min=max(floor, 1e-12)))


def standardize_all(z: Array) -> Standardize:
    """All features by one mean and one spread: for images and fields, whose pixels are to stay comparable."""
    spread = max(float(z.std()), 1e-12)
    return _layer(z.mean() + 0 * z[0], spread + 0 * z[0])


def _layer(mean: Array, scale: Array) -> Standardize:
    layer = Standardize(len(mean))
    layer.mean.copy_(torch.from_numpy(mean.astype("float32")))
    layer.scale.copy_(torch.from_numpy(scale.astype("float32")))
    return layer
