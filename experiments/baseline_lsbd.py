"""Supervised circles, after Tonnaer, Pérez Rey, Menkovski, Holenderski and Portegies 2022 (arXiv 2011.05070).

An autoencoder whose latent space is a product of circles and a Euclidean part, from the paper: encodings of views at
*known* elements are turned back by them and pulled to their mean, which lies on the circle again; the Euclidean part,
where the group acts trivially, is pulled to its mean. The paper's variational terms are left out: a batch
normalization without scale keeps the Euclidean part from shrinking instead. ρ is the method's own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from baseline_training import Coder, Pixels, coder, decoder, run, turned
from protocol import planes
from solid_data import SolidData
from torch import Tensor, nn

from geodis.training.networks import convnet

OBJECTS, VIEWS = 64, 4


class CirclesAndContent(nn.Module):
    """(N, 2k + c) → k points on circles, and c numbers of mean 0 and variance 1 over the batch."""

    def __init__(self, n_circles: int, n_content: int) -> None:
        super().__init__()
        self.n_circles = n_circles
        self.normalize = nn.BatchNorm1d(n_content, affine=False)

    def forward(self, z: Tensor) -> Tensor:
        """(N, 2k + c) → (N, 2k + c)."""
        on_circles = nn.functional.normalize(z[:, : 2 * self.n_circles].unflatten(1, (self.n_circles, 2)), dim=2)
        return torch.cat([on_circles.flatten(1), self.normalize(z[:, 2 * self.n_circles :])], dim=1)


def lsbd(
    data: SolidData,
    seed: int,
    seconds: float,
    *,
    orders: Sequence[int] = (1,),
    n_content: int = 16,
    weight: float = 1.0,
) -> Coder:
    """Reconstruction + weight · mean |z' − its mean over views|², z' the encoding with the known element undone."""
    pixels, k = Pixels.of(data.fit), len(orders)
    encode = nn.Sequential(convnet(2 * k + n_content, seed=seed), CirclesAndContent(k, n_content))
    decode = decoder(2 * k + n_content, seed + 1)
    side = data.fit.images.shape[1]
    frequencies = torch.tensor(orders, dtype=torch.float32)

    def loss(step: int) -> Tensor:
        rng = np.random.default_rng([seed, step])
        shifts = np.argsort(rng.random((OBJECTS, side)), axis=1)[:, :VIEWS]  # different elements of one orbit
        images = pixels(turned(data.fit, rng, OBJECTS, shifts).reshape(-1, *data.fit.images.shape[2:]))
        z = encode(images)
        angles = torch.from_numpy(2 * np.pi * shifts / side).float()[..., None] * frequencies
        return nn.functional.mse_loss(decode(z), images) + weight * dispersion(z.unflatten(0, (OBJECTS, VIEWS)), angles)

    run(nn.ModuleList([encode, decode]), loss, seconds)
    return coder(encode, pixels, planes([*orders, *[0] * n_content]))


def dispersion(z: Tensor, angles: Tensor) -> Tensor:
    """How far encodings (n, m, 2k + c) are from one point per object once turned back by `angles` (n, m, k).

    >>> a = torch.tensor([[[0.0], [1.0]]])
    >>> round(float(dispersion(torch.cat([a.cos(), a.sin(), a * 0], dim=2), a)), 6)
    0.0
    """
    k = angles.shape[2]
    x, y = z[..., : 2 * k].unflatten(2, (k, 2)).unbind(-1)
    cos, sin = angles.cos(), angles.sin()
    back = torch.stack([cos * x + sin * y, cos * y - sin * x], dim=-1)
    centre = nn.functional.normalize(back.mean(dim=1, keepdim=True), dim=-1)
    rest = z[..., 2 * k :]
    on_circles = (back - centre).square().sum(-1).mean()
    return on_circles + (rest - rest.mean(dim=1, keepdim=True)).square().mean()
