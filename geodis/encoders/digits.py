"""A convolutional classifier of handwritten digits, with its trained weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

from torch import Tensor, nn

from geodis.encoders.shipped import bare, draw_weights, read_weights, write_weights
from geodis.errors import ShapeError
from geodis.files import read_safetensors

FORMAT, VERSION = "geodis.digits_net", 1
WEIGHTS = Path(__file__).with_name("digits.safetensors")
SIZE = 28  # pixels a side
WIDTH = 64  # of the dense layer
CLASSES = 10


@final
class DigitsNet(nn.Module):
    """Images `(batch, 28, 28)` of digits in [0, 1] → logits of the ten classes `(batch, 10)`.

    An ordinary classifier: three convolutions, the first two with average pooling, a dense layer and the logits. Its
    filters are free, the padding is square, the dense layer sees every place with weights of its own: nothing in it
    knows of rotations. Layers: ``conv1`` (16 × 14 × 14), ``conv2`` and ``conv3`` (32 × 7 × 7), ``dense`` (64),
    ``logits``.

    Parameters
    ----------
    seed : int
        Seed of the initial weights.

    Raises
    ------
    ShapeError
        In `forward`, for inputs of another shape.

    Examples
    --------
    >>> import torch
    >>> DigitsNet()(torch.zeros(5, 28, 28)).shape
    torch.Size([5, 10])
    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        side = SIZE // 4
        self.conv1 = nn.Sequential(_convolution(1, 16, 5), nn.GELU(), nn.AvgPool2d(2))
        self.conv2 = nn.Sequential(_convolution(16, 32, 5), nn.GELU(), nn.AvgPool2d(2))
        self.conv3 = nn.Sequential(_convolution(32, 32, 3), nn.GELU())
        self.dense = nn.Sequential(nn.Flatten(), bare(nn.Linear, 32 * side**2, WIDTH), nn.GELU())
        self.logits = bare(nn.Linear, WIDTH, CLASSES)
        draw_weights(self, seed)

    def forward(self, images: Tensor) -> Tensor:
        """The logits of the ten classes."""
        if images.ndim != 3 or images.shape[1:] != (SIZE, SIZE):
            raise ShapeError("images", f"(batch, {SIZE}, {SIZE})", tuple(images.shape))
        h = self.conv3(self.conv2(self.conv1(images[:, None])))
        logits: Tensor = self.logits(self.dense(h))
        return logits


def load_digits_encoder(path: str | Path = WEIGHTS) -> DigitsNet:
    """The trained network in evaluation mode: pass it to `geodis.encode` with the name of a layer.

    Trained by ``experiments/train_digits_encoder.py`` to tell the digits of `geodis.simulators.digit_images` under
    random rotations, on the first part of `geodis.simulators.digit_split`; it never saw the second.

    Parameters
    ----------
    path : path
        A file that `save_digits_encoder` wrote; by default the one that geodis ships.

    Raises
    ------
    FileNotFoundError, FileFormatError
        Without the file, or when it holds something else.

    Examples
    --------
    >>> load_digits_encoder().training
    False
    """
    net = DigitsNet()
    read_weights(net, path, FORMAT, VERSION)
    return net.eval()


def save_digits_encoder(net: DigitsNet, path: str | Path, metadata: Mapping[str, Any]) -> None:
    """Write the weights with `metadata`, which says how they came about; to a temporary name, then moved."""
    write_weights(net, path, FORMAT, VERSION, metadata)


def digits_metadata(path: str | Path = WEIGHTS) -> dict[str, str]:
    """How the weights in `path` came about: seed, digits, accuracy on unseen digits under rotation, command.

    Raises
    ------
    FileNotFoundError, FileFormatError
        Without the file, or when it holds something else.

    Examples
    --------
    >>> float(digits_metadata()["accuracy"]) > 0.8
    True
    """
    return read_safetensors(path, FORMAT, VERSION)[0]


def _convolution(n_in: int, n_out: int, size: int) -> nn.Module:
    return bare(nn.Conv2d, n_in, n_out, size, padding=size // 2)
