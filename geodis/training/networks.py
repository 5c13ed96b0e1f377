"""Networks to start from: a multilayer perceptron for embeddings, a convolutional network for images."""

from __future__ import annotations

from itertools import pairwise
from math import prod, sqrt

import torch
from torch import nn

from geodis.encoders.shipped import bare
from geodis.errors import ParameterError


def mlp(n_features_in: int, n_features: int, *, width: int = 256, depth: int = 2, seed: int = 0) -> nn.Sequential:
    """R^D → R^F through `depth` hidden layers of `width`, with layer normalization before each rectifier.

    Parameters
    ----------
    n_features_in, n_features : int
        D and F.
    width, depth : int
        Of the hidden layers.
    seed : int
        Seed of the weights; torch's global generator is left alone.

    Examples
    --------
    >>> import torch
    >>> from geodis.training import mlp
    >>> mlp(384, 32)(torch.zeros(5, 384)).shape
    torch.Size([5, 32])
    """
    _positive(n_features_in=n_features_in, n_features=n_features, width=width, depth=depth)
    sizes = [n_features_in, *[width] * depth]
    layers: list[nn.Module] = []
    for a, b in pairwise(sizes):
        layers += [bare(nn.Linear, a, b), nn.LayerNorm(b), nn.ReLU()]
    net = nn.Sequential(*layers, bare(nn.Linear, width, n_features))
    draw(net, seed)
    return net


def convnet(
    n_features: int, shape: tuple[int, int, int] = (1, 32, 32), *, width: int = 32, hidden: int = 256, seed: int = 0
) -> nn.Sequential:
    """Images (N, C, H, W) → R^F: four convolutions that halve the image, batch normalization, two linear layers.

    Parameters
    ----------
    n_features : int
        F.
    shape : (int, int, int)
        Channels, height and width of the images; each side at least 16.
    width : int
        Channels of the first convolution; they double twice.
    hidden : int
        Width of the linear layer before the last.
    seed : int
        Seed of the weights.

    Examples
    --------
    >>> import torch
    >>> from geodis.training import convnet
    >>> convnet(32)(torch.zeros(5, 1, 32, 32)).shape
    torch.Size([5, 32])
    """
    if len(shape) != 3 or min(shape[1:]) < 16:
        raise ParameterError("convnet: shape", "(channels, height ≥ 16, width ≥ 16)", shape)
    _positive(n_features=n_features, channels=shape[0], width=width, hidden=hidden)
    channels = [shape[0], width, 2 * width, 4 * width, 4 * width]
    layers: list[nn.Module] = []
    for a, b in pairwise(channels):
        layers += [bare(nn.Conv2d, a, b, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU()]
    side = [-(-s // 16) for s in shape[1:]]
    head = [
        nn.Flatten(),
        bare(nn.Linear, channels[-1] * prod(side), hidden),
        nn.ReLU(),
        bare(nn.Linear, hidden, n_features),
    ]
    net = nn.Sequential(*layers, *head)
    draw(net, seed)
    return net


def draw(net: nn.Module, seed: int) -> None:
    """Normal weights that keep the variance through a rectifier, zero biases; normalization starts as the identity."""
    generator = torch.Generator().manual_seed(seed)
    for module in net.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(module.weight, std=sqrt(2.0 / module.weight[0].numel()), generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def _positive(**sizes: int) -> None:
    for name, value in sizes.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ParameterError(name, "an integer ≥ 1", repr(value))
