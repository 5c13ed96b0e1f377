"""Ordinary networks of fields, for comparison: a residual CNN, the CNN on turned data, a Fourier neural operator.

`FourierOperator` follows Li et al. (ICLR 2021, arXiv:2010.08895): spectral convolutions beside pointwise ones.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from geodis.actions import FieldSymmetries


class PlainCnn(nn.Module):
    """Two residual blocks of two 3 × 3 convolutions on a periodic grid, `width` channels."""

    def __init__(self, n_in: int, n_out: int, width: int = 24, blocks: int = 2, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.first = _conv(n_in, width)
            self.blocks = nn.ModuleList(
                nn.Sequential(nn.GELU(), _conv(width, width), nn.GELU(), _conv(width, width)) for _ in range(blocks)
            )
            self.last = _conv(width, n_out)

    def forward(self, x: Tensor) -> Tensor:
        """Fields `(batch, n_in, N, N)` → `(batch, n_out, N, N)`."""
        x = self.first(x)
        for block in self.blocks:
            x = x + block(x)
        return self.last(functional.gelu(x))


class FourierOperator(nn.Module):
    """Lifting, layers of spectral and pointwise convolutions, projection."""

    def __init__(self, n_in: int, n_out: int, width: int = 16, modes: int = 10, layers: int = 3, seed: int = 0) -> None:
        super().__init__()
        self.modes = modes
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.lift, self.project = nn.Conv2d(n_in, width, 1), nn.Conv2d(width, n_out, 1)
            self.pointwise = nn.ModuleList(nn.Conv2d(width, width, 1) for _ in range(layers))
            shape = (width, width, 2 * modes, modes, 2)
            self.spectral = nn.ParameterList(nn.Parameter(torch.randn(shape) / width) for _ in range(layers))

    def forward(self, x: Tensor) -> Tensor:
        """Fields `(batch, n_in, N, N)` → `(batch, n_out, N, N)`."""
        x = self.lift(x)
        for i, (weight, mix) in enumerate(zip(self.spectral, self.pointwise, strict=True)):
            after = self._convolved(x, torch.view_as_complex(weight)) + mix(x)
            x = functional.gelu(after) if i + 1 < len(self.spectral) else after
        return self.project(x)

    def _convolved(self, x: Tensor, weight: Tensor) -> Tensor:
        m, spectrum = self.modes, torch.fft.rfft2(x)
        low = torch.cat([spectrum[..., :m, :m], spectrum[..., -m:, :m]], -2)
        mixed = torch.einsum("bixy,oixy->boxy", low, weight)
        out = torch.zeros(len(x), mixed.shape[1], *spectrum.shape[2:], dtype=spectrum.dtype)
        out[..., :m, :m], out[..., -m:, :m] = mixed[..., :m, :], mixed[..., m:, :]
        return torch.fft.irfft2(out, s=x.shape[2:])


class Turned(nn.Module):
    """In training, each batch passes through a random symmetry of the square and back: data augmentation."""

    def __init__(self, network: nn.Module, types_in: object, types_out: object, seed: int = 0) -> None:
        super().__init__()
        self.network, self.rng = network, np.random.default_rng(seed)
        self.before, self.after = FieldSymmetries(types_in, 2), FieldSymmetries(types_out, 2)
        self.elements = self.before.group.elements()

    def forward(self, x: Tensor) -> Tensor:
        """As the network, wherever the square was turned to."""
        if not self.training:
            return self.network(x)
        g = self.elements[self.rng.integers(len(self.elements))]
        back = self.before.group.inverse(np.asarray(g)[None])[0]
        turned = self.network(_moved(self.before, g, x))
        return _moved(self.after, back, turned)


def _moved(action: FieldSymmetries, g: object, x: Tensor) -> Tensor:
    """g·x with gradients: where every entry comes from, and its sign, are read off a field that counts its entries."""
    entries = np.arange(1.0, x[0].numel() + 1).reshape(1, *x.shape[1:])
    signed = action.act(np.asarray(g, dtype=np.float64)[None], entries).ravel()
    source, sign = torch.from_numpy(np.abs(signed).astype(int) - 1), torch.from_numpy(np.sign(signed)).to(x)
    return (x.flatten(1)[:, source] * sign).reshape(x.shape)


def _conv(a: int, b: int) -> nn.Conv2d:
    return nn.Conv2d(a, b, 3, padding=1, padding_mode="circular")
