"""A convolutional network that forecasts a turbulent flow, with its trained weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

from torch import Tensor, nn

from geodis.encoders.shipped import bare, draw_weights, read_weights, write_weights
from geodis.errors import ShapeError
from geodis.files import read_safetensors

FORMAT, VERSION = "geodis.turbulence_net", 1
WEIGHTS = Path(__file__).with_name("turbulence.safetensors")
GRID = 32  # cells a side
WIDTH = 96  # of the bottleneck


@final
class TurbulenceNet(nn.Module):
    """Velocity `(batch, 2, 32, 32)` → the velocity one time unit later, through a bottleneck of 96 numbers.

    An ordinary encoder and decoder: three convolutions with periodic padding and stride 2, a dense bottleneck, the way
    back by upsampling. Nothing in it knows that turned, reflected or shifted flows are flows: the filters are free, the
    dense layers see every place with weights of its own. Layers: ``down1``, ``down2``, ``down3``, ``bottleneck``,
    ``up1``, ``up2``, ``up3``, ``out``.

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
    >>> TurbulenceNet()(torch.zeros(5, 2, 32, 32)).shape
    torch.Size([5, 2, 32, 32])
    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        side = GRID // 8
        self.down1 = _stage(2, 24, size=5, stride=2)
        self.down2 = _stage(24, 48, size=3, stride=2)
        self.down3 = _stage(48, 48, size=3, stride=2)
        self.bottleneck = bare(nn.Linear, 48 * side**2, WIDTH)
        self.up1 = nn.Sequential(bare(nn.Linear, WIDTH, 48 * side**2), nn.GELU(), nn.Unflatten(1, (48, side, side)))
        self.up2 = _stage(48, 48, size=3)
        self.up3 = _stage(48, 24, size=3)
        self.out = _convolution(24, 2, size=5)
        draw_weights(self, seed)

    def forward(self, velocity: Tensor) -> Tensor:
        """The velocity one time unit later."""
        if velocity.ndim != 4 or velocity.shape[1:] != (2, GRID, GRID):
            raise ShapeError("velocity", f"(batch, 2, {GRID}, {GRID})", tuple(velocity.shape))
        z = self.bottleneck(self.down3(self.down2(self.down1(velocity))).flatten(1))
        h = self.up1(z)
        for stage in (self.up2, self.up3, self.out):
            h = stage(nn.functional.interpolate(h, scale_factor=2.0, mode="nearest"))
        return h


def load_turbulence_encoder(path: str | Path = WEIGHTS) -> TurbulenceNet:
    """The trained network in evaluation mode: pass it to `geodis.encode`, with ``layer="bottleneck"`` for its code.

    Trained by ``experiments/train_turbulence_encoder.py`` on flows of `geodis.simulators.simulate_turbulence` with
    default settings. No flow was turned, reflected or shifted for it; the flows are statistically isotropic and
    homogeneous, so that such flows are as likely as others.

    Parameters
    ----------
    path : path
        A file that `save_turbulence_encoder` wrote; by default the one that geodis ships.

    Raises
    ------
    FileNotFoundError, FileFormatError
        Without the file, or when it holds something else.

    Examples
    --------
    >>> load_turbulence_encoder().training
    False
    """
    net = TurbulenceNet()
    read_weights(net, path, FORMAT, VERSION)
    return net.eval()


def save_turbulence_encoder(net: TurbulenceNet, path: str | Path, metadata: Mapping[str, Any]) -> None:
    """Write the weights with `metadata`, which says how they came about; to a temporary name, then moved."""
    write_weights(net, path, FORMAT, VERSION, metadata)


def turbulence_metadata(path: str | Path = WEIGHTS) -> dict[str, str]:
    """How the weights in `path` came about: seed, steps, errors on unseen flows, command.

    Raises
    ------
    FileNotFoundError, FileFormatError
        Without the file, or when it holds something else.

    Examples
    --------
    >>> meta = turbulence_metadata()
    >>> float(meta["test_error"]) < float(meta["persistence_error"])
    True
    """
    return read_safetensors(path, FORMAT, VERSION)[0]


def _stage(n_in: int, n_out: int, *, size: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(_convolution(n_in, n_out, size=size, stride=stride), nn.GELU())


def _convolution(n_in: int, n_out: int, *, size: int, stride: int = 1) -> nn.Module:
    return bare(nn.Conv2d, n_in, n_out, size, stride=stride, padding=size // 2, padding_mode="circular")
