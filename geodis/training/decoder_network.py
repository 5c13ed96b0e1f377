"""The convolutional network of a decoder: coordinates to images, the mirror of `convnet`."""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from geodis.encoders.shipped import bare
from geodis.errors import ParameterError
from geodis.training.networks import draw

HALVINGS = 3


def deconvnet(
    n_features: int, shape: tuple[int, int, int] = (1, 32, 32), *, width: int = 32, hidden: int = 256, seed: int = 0
) -> nn.Sequential:
    """R^F → images (N, C, H, W): two linear layers, then three transposed convolutions that double the image.

    Parameters
    ----------
    n_features : int
        F.
    shape : (int, int, int)
        Channels, height and width of the images, of any parity; each side at least 8.
    width : int
        Channels before the last layer; there are twice as many in each layer before.
    hidden : int
        Width of the linear layer.
    seed : int
        Seed of the weights; torch's global generator is left alone.

    Raises
    ------
    ParameterError
        For other shapes, and sizes that are no positive integers.

    Examples
    --------
    >>> import torch
    >>> from geodis.training import deconvnet
    >>> deconvnet(10, (3, 28, 33))(torch.zeros(5, 10)).shape
    torch.Size([5, 3, 28, 33])
    """
    sizes = {"n_features": n_features, "width": width, "hidden": hidden}
    for name, value in sizes.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ParameterError(f"deconvnet: {name}", "an integer ≥ 1", repr(value))
    if len(shape) != 3 or shape[0] < 1 or min(shape[1:]) < 8:
        raise ParameterError("deconvnet: shape", "(channels, height ≥ 8, width ≥ 8)", shape)
    sides = [tuple(shape[1:])]
    for _ in range(HALVINGS):
        sides.insert(0, tuple(-(-side // 2) for side in sides[0]))
    channels = [4 * width, 2 * width, width, shape[0]]
    layers: list[nn.Module] = [
        bare(nn.Linear, n_features, hidden),
        nn.ReLU(),
        bare(nn.Linear, hidden, channels[0] * sides[0][0] * sides[0][1]),
        nn.Unflatten(1, (channels[0], *sides[0])),
    ]
    for (a, b), side in zip(pairwise(channels), sides[1:], strict=True):
        # From s pixels, a kernel of 4 makes 2s of them, one of 3 makes 2s − 1.
        kernel = tuple(4 - n % 2 for n in side)
        layers += [nn.BatchNorm2d(a), nn.ReLU(), bare(nn.ConvTranspose2d, a, b, kernel, stride=2, padding=1)]
    net = nn.Sequential(*layers)
    draw(net, seed)
    return net
