"""What the trained baselines share: batches of views, one small network for all, CPU seconds, codes of every set.

A baseline is a function (data, seed, seconds, settings…) → `Coder`. It sees `data.fit` only. Its clock counts CPU
seconds of this process (`Plan.max_seconds`), so that two one-thread processes at a time do not slow each other's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from protocol import Codes, Representation
from solid_data import SolidData, Views
from torch import Tensor, nn

from geodis.encoders.shipped import bare
from geodis.linalg import Array
from geodis.loop import Plan, train
from geodis.training.networks import draw

CHUNK = 1000  # images embedded at once
UNLIMITED = 10**9


@dataclass(frozen=True)
class Coder:
    """A trained method: `codes` maps images (N, H, W) to (N, p); `rho` acts on them if the method has one."""

    codes: Callable[[Array], Array]
    rho: Representation | None = None


@dataclass(frozen=True)
class Pixels:
    """Standardised images: uint8 (N, H, W) → float32 (N, 1, H, W) of mean 0 and deviation 1 over the fitted ones."""

    mean: float
    deviation: float

    @classmethod
    def of(cls, views: Views) -> Pixels:
        """Of every pixel of every fitted image alike."""
        some = views.images[:500].astype(np.float32)
        return cls(float(some.mean()), float(some.std()))

    def __call__(self, images: Array) -> Tensor:
        """Standardise."""
        return torch.from_numpy((images.astype(np.float32) - self.mean) / self.deviation)[:, None]


def run(modules: nn.Module, loss: Callable[[int], Tensor], seconds: float, rate: float = 2e-3) -> None:
    """Train for `seconds` of CPU, the learning rate falling along a cosine of the time spent."""
    torch.set_num_threads(1)
    plan = Plan(max_steps=UNLIMITED, max_seconds=seconds, learning_rate=rate, evaluate_every=UNLIMITED, patience=None)
    train(modules, loss, plan)


def coder(net: nn.Module, pixels: Pixels, rho: Representation | None = None) -> Coder:
    """Wrap a network whose output is the code."""
    net.eval()

    def codes(images: Array) -> Array:
        with torch.no_grad():
            parts = [net(pixels(images[i : i + CHUNK])).numpy() for i in range(0, len(images), CHUNK)]
        return np.concatenate(parts).astype(np.float64)

    return Coder(codes, rho)


def turned(views: Views, rng: np.random.Generator, n: int, shifts: Array) -> Array:
    """`n` objects, each at a random view of its grid and at those `shifts` (n, k) grid steps from it: (n, k, H, W).

    >>> from solid_data import Views
    >>> views = Views(np.arange(24).reshape(2, 12, 1, 1), np.zeros((2, 12, 1)))
    >>> x = turned(views, np.random.default_rng(0), 2, np.array([[0, 1], [0, 11]]))[..., 0, 0]
    >>> ((x[:, 1] - x[:, 0]) % 12).tolist()
    [1, 11]
    """
    n_objects, side = views.images.shape[:2]
    who = rng.choice(n_objects, n, replace=n > n_objects)
    at = (rng.integers(side, size=(n, 1)) + shifts) % side
    return views.images[who[:, None], at]


def decoder(n_features: int, seed: int, width: int = 32) -> nn.Sequential:
    """Codes (N, p) → images (N, 1, 32, 32): two linear layers, three transposed convolutions that double the side."""
    layers: list[nn.Module] = [bare(nn.Linear, n_features, 256), nn.ReLU(), bare(nn.Linear, 256, 64 * width)]
    layers += [nn.BatchNorm1d(64 * width), nn.ReLU(), nn.Unflatten(1, (4 * width, 4, 4))]
    for a, b in ((4 * width, 2 * width), (2 * width, width)):
        layers += [bare(nn.ConvTranspose2d, a, b, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU()]
    net = nn.Sequential(*layers, bare(nn.ConvTranspose2d, width, 1, 4, stride=2, padding=1))
    draw(net, seed)
    return net


def embedded(method: Coder, data: SolidData) -> Codes:
    """Codes of the four sets that `protocol.scored` asks for."""

    def of(views: Views) -> Array:
        flat = views.images.reshape(-1, *views.images.shape[2:])
        return method.codes(flat).reshape(*views.images.shape[:2], -1)

    return Codes(
        of(data.held), data.held.angles, of(data.views), data.views.angles, of(data.steps), of(data.content)
    )  # fmt: skip
