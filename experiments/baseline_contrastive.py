"""SimCLR (Chen et al. 2020, arXiv 2002.05709) and CARE (Gupta et al. 2023, arXiv 2306.13924), from the papers.

Both embed on the unit sphere and pull two views of one object together, against the other objects of the batch; the
views differ by an element of the whole group. CARE adds a term that asks an augmentation, when it is the *same* for
several objects, to keep the inner products between them: it then acts on the sphere by an orthogonal map. Neither has a
representation to offer: their codes are scored with the best map of each element.
"""

from __future__ import annotations

import numpy as np
import torch
from baseline_training import Coder, Pixels, coder, run, turned
from solid_data import SolidData
from torch import Tensor, nn

from geodis.training.contrastive import nt_xent
from geodis.training.networks import convnet
from geodis.training.pair_invariants import gram_loss

BATCH, CHUNKS = 256, 8


class OnSphere(nn.Module):
    """Rows divided by their norm."""

    def forward(self, z: Tensor) -> Tensor:
        """(N, p) → (N, p)."""
        return nn.functional.normalize(z, dim=1)


def simclr(data: SolidData, seed: int, seconds: float, *, temperature: float = 0.5, n_features: int = 32) -> Coder:
    """NT-Xent between two views of each object, a random rotation apart."""
    pixels, net = Pixels.of(data.fit), nn.Sequential(convnet(n_features, seed=seed), OnSphere())
    side = data.fit.images.shape[1]

    def loss(step: int) -> Tensor:
        rng = np.random.default_rng([seed, step])
        apart = rng.integers(1, side, (BATCH, 1))
        a, b = _embedded(net, pixels, turned(data.fit, rng, BATCH, np.concatenate([0 * apart, apart], axis=1)))
        return nt_xent(a, b, temperature)

    run(net, loss, seconds)
    return coder(net, pixels)


def care(
    data: SolidData, seed: int, seconds: float, *, weight: float = 1.0, temperature: float = 0.5, n_features: int = 32
) -> Coder:
    """NT-Xent + weight · E(⟨f(ax), f(ax')⟩ − ⟨f(x), f(x')⟩)², one rotation a for each of 8 chunks of the batch."""
    pixels, net = Pixels.of(data.fit), nn.Sequential(convnet(n_features, seed=seed), OnSphere())
    side = data.fit.images.shape[1]

    def loss(step: int) -> Tensor:
        rng = np.random.default_rng([seed, step])
        apart = rng.integers(1, side, CHUNKS).repeat(BATCH // CHUNKS)[:, None]
        a, b = _embedded(net, pixels, turned(data.fit, rng, BATCH, np.concatenate([0 * apart, apart], axis=1)))
        kept = [gram_loss(x, gx) for x, gx in zip(a.chunk(CHUNKS), b.chunk(CHUNKS), strict=True)]
        return nt_xent(a, b, temperature) + weight * torch.stack(kept).mean()

    run(net, loss, seconds)
    return coder(net, pixels)


def _embedded(net: nn.Module, pixels: Pixels, images: np.ndarray) -> tuple[Tensor, ...]:
    """Both views of a batch (n, 2, H, W), embedded together so that normalization layers see them alike."""
    n, k = images.shape[:2]
    return net(pixels(images.reshape(n * k, *images.shape[2:]))).unflatten(0, (n, k)).unbind(1)
