"""A convolutional network that forecasts a turbulent flow, with its trained weights."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from pathlib import Path
from typing import Any, final

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from geodis.errors import FileFormatError, ShapeError
from geodis.files import read_safetensors, write_atomically

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
    >>> TurbulenceNet()(torch.zeros(5, 2, 32, 32)).shape
    torch.Size([5, 2, 32, 32])
    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        side = GRID // 8
        self.down1 = _stage(2, 24, size=5, stride=2)
        self.down2 = _stage(24, 48, size=3, stride=2)
        self.down3 = _stage(48, 48, size=3, stride=2)
        self.bottleneck = _layer(nn.Linear, 48 * side**2, WIDTH)
        self.up1 = nn.Sequential(_layer(nn.Linear, WIDTH, 48 * side**2), nn.GELU(), nn.Unflatten(1, (48, side, side)))
        self.up2 = _stage(48, 48, size=3)
        self.up3 = _stage(48, 24, size=3)
        self.out = _convolution(24, 2, size=5)
        _draw(self, seed)

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
    _, tensors = read_safetensors(path, FORMAT, VERSION)
    net = TurbulenceNet()
    expected = {name: tuple(p.shape) for name, p in net.state_dict().items()}
    got = {name: tuple(x.shape) for name, x in tensors.items()}
    if got != expected:
        raise FileFormatError(path, f"the weights {expected}", got)
    weights = {name: torch.from_numpy(x) for name, x in tensors.items()}
    wrong = [name for name, x in weights.items() if x.dtype != torch.float32 or not torch.isfinite(x).all()]
    if wrong:
        raise FileFormatError(path, "finite weights in float32", f"others in {', '.join(wrong)}")
    net.load_state_dict(weights)
    return net.eval()


def save_turbulence_encoder(net: TurbulenceNet, path: str | Path, metadata: Mapping[str, Any]) -> None:
    """Write the weights with `metadata`, which says how they came about; to a temporary name, then moved."""
    tensors = {name: p.contiguous() for name, p in net.state_dict().items()}
    meta = {name: str(value) for name, value in metadata.items()} | {"format": FORMAT, "version": str(VERSION)}
    write_atomically(path, lambda temporary: save_file(tensors, temporary, metadata=meta))


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
    return _layer(nn.Conv2d, n_in, n_out, size, stride=stride, padding=size // 2, padding_mode="circular")


def _layer(kind: type[nn.Module], *args: Any, **options: Any) -> nn.Module:
    # Without the default initialization, which draws from torch's global generator.
    return nn.utils.skip_init(kind, *args, **options)


def _draw(net: nn.Module, seed: int) -> None:
    """Normal weights that keep the variance through a rectifier, zero biases."""
    generator = torch.Generator().manual_seed(seed)
    for p in net.parameters():
        if p.ndim > 1:
            nn.init.normal_(p, std=sqrt(2.0 / p[0].numel()), generator=generator)
        else:
            nn.init.zeros_(p)
