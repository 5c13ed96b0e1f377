"""Least-squares operator between frames, after Miyato, Koyama and Fukumizu 2022 (arXiv 2210.05972), from the paper.

An encoder maps a frame to a matrix H (a, m). Of three frames at constant velocity, M* = argmin |M H₁ − H₂|² follows
from the first two, and a decoder has to draw the third from M* H₂; the loss is on pixels alone. The group element is
never given. M* belongs to a pair and not to an element, so that the codes are scored with the best map of each element.
"""

from __future__ import annotations

import numpy as np
import torch
from baseline_training import Coder, Pixels, coder, decoder, run, turned
from solid_data import SolidData
from torch import Tensor, nn

from geodis.training.networks import convnet

BATCH = 128
RIDGE = 1e-4  # share of tr(HHᵀ)/a; without one the solve fails as soon as a batch holds a singular HHᵀ


def msp(data: SolidData, seed: int, seconds: float, *, a: int = 8, m: int = 16) -> Coder:
    """Train on triplets (x, gx, g²x), g a random multiple of the grid's step."""
    pixels, encode, decode = Pixels.of(data.fit), convnet(a * m, seed=seed), decoder(a * m, seed + 1)
    side = data.fit.images.shape[1]

    def loss(step: int) -> Tensor:
        rng = np.random.default_rng([seed, step])
        velocity = rng.integers(1, side, (BATCH, 1))
        frames = pixels(turned(data.fit, rng, BATCH, velocity * np.arange(3)).reshape(-1, *data.fit.images.shape[2:]))
        frames = frames.unflatten(0, (BATCH, 3))
        first, second = encode(frames[:, :2].flatten(0, 1)).unflatten(0, (BATCH, 2)).unflatten(2, (a, m)).unbind(1)
        third = operator(first, second) @ second
        return nn.functional.mse_loss(decode(third.flatten(1)), frames[:, 2])

    run(nn.ModuleList([encode, decode]), loss, seconds)
    return coder(encode, pixels)


def operator(first: Tensor, second: Tensor, ridge: float = RIDGE) -> Tensor:
    """M* = H₂H₁ᵀ(H₁H₁ᵀ + ε)⁻¹ for H (…, a, m): (…, a, a).

    >>> h = torch.eye(2, 3)[None]
    >>> operator(h, 2 * h, 0.0).tolist()
    [[[2.0, 0.0], [0.0, 2.0]]]
    """
    gram = first @ first.mT
    scale = gram.diagonal(dim1=-2, dim2=-1).mean(-1)[..., None, None]
    return torch.linalg.solve(gram + ridge * scale * torch.eye(gram.shape[-1]), first @ second.mT).mT
