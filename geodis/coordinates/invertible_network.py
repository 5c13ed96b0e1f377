"""Networks that can be undone: coupling flows on principal axes, in which an edit is an edit of the embedding."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping
from itertools import pairwise
from math import sqrt
from typing import Any, Self, final

import numpy as np
import torch
from torch import Tensor, nn
from zuko.transforms import CouplingTransform, DependentTransform, MonotonicAffineTransform

from geodis.errors import ParameterError, ShapeError
from geodis.linalg import Array

FLOOR = 0.05  # of the mean spread: directions that hardly vary are not blown up
LEADING = 128  # what the spectral layer looks at


class AbstractInvertibleNetwork(nn.Module, ABC):
    """A map h = φ(z) of R^D onto itself with φ⁻¹ in closed form.

    `DeepCoordinates` train it like any network; their coordinates can then edit embeddings. To write one: a module with
    `forward` and `inverse`, and `arguments`, from which `of` builds the layers again.

    Attributes
    ----------
    n_features : int
        D.
    n_leading : int
        How many of the outputs, the first ones, are trained. The others shall carry little variance.
    """

    n_features: int
    n_leading: int

    @abstractmethod
    def forward(self, z: Tensor) -> Tensor:
        """The map φ, `(N, D) → (N, D)`."""

    @abstractmethod
    def inverse(self, h: Tensor) -> Tensor:
        """Its inverse φ⁻¹, `(N, D) → (N, D)`."""

    @abstractmethod
    def arguments(self) -> dict[str, Any]:
        """What JSON can hold and `of` takes: everything but the weights."""

    @classmethod
    @abstractmethod
    def of(cls, arguments: Mapping[str, Any]) -> Self:
        """The network with these arguments; its weights are still to be loaded."""


@final
class PrincipalAxes(AbstractInvertibleNetwork):
    """h = V'(z − mean)/spread on the principal axes V, constants that do not learn.

    Directions after the first k keep their proportions: they are divided by the spread of the k-th, so that what
    matters less in the embedding does so in h.
    """

    mean: Tensor
    axes: Tensor
    spread: Tensor

    def __init__(self, n_features: int, n_leading: int) -> None:
        super().__init__()
        self.n_features, self.n_leading = n_features, n_leading
        # Double precision also in training: V'V = 1 to rounding is what makes the transpose an inverse.
        self.register_buffer("mean", torch.zeros(n_features, dtype=torch.float64))
        self.register_buffer("axes", torch.eye(n_features, dtype=torch.float64))
        self.register_buffer("spread", torch.ones(n_features, dtype=torch.float64))

    @classmethod
    def fitted(cls, z: Array, n_leading: int) -> Self:
        """The axes of rows (N, D)."""
        rows = np.asarray(z, dtype=np.float64)
        layer = cls(rows.shape[1], n_leading)
        mean = rows.mean(axis=0)
        values, axes = np.linalg.eigh((rows - mean).T @ (rows - mean) / len(rows))
        spread = np.sqrt(values[::-1].clip(min=0.0))
        floor = max(spread[n_leading - 1], FLOOR * float(np.sqrt((spread**2).mean())), 1e-12)
        layer.mean.copy_(torch.from_numpy(mean))
        layer.axes.copy_(torch.from_numpy(axes[:, ::-1].copy()))
        layer.spread.copy_(torch.from_numpy(spread.clip(min=floor)))
        return layer

    def forward(self, z: Tensor) -> Tensor:
        """Standardised principal components."""
        return (z - self.mean.to(z.dtype)) @ self.axes.to(z.dtype) / self.spread.to(z.dtype)

    def inverse(self, h: Tensor) -> Tensor:
        """Rows with these components."""
        return (h * self.spread.to(h.dtype)) @ self.axes.to(h.dtype).T + self.mean.to(h.dtype)

    def arguments(self) -> dict[str, Any]:
        """D and the number of leading directions."""
        return {"n_features": self.n_features, "n_leading": self.n_leading}

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Self:
        """The layer with these arguments."""
        return cls(**arguments)


@final
class CouplingFlow(AbstractInvertibleNetwork):
    """Affine couplings: half of the coordinates a moves the other half, x_b ↦ s(x_a)·x_b + t(x_a), and stays itself.

    Undone exactly by (x_b − t(x_a))/s(x_a), whatever the networks s and t are. The halves are drawn anew in every other
    layer, where one moves the other, then the other the one. |log s| stays below log `stretch`, so that rounding errors
    grow by a bounded factor, far from the data, too. It starts as the identity.

    Of more than 128 coordinates only the first 128 are moved: `DeepCoordinates` put the principal axes first.

    Parameters
    ----------
    n_features : int
        D, at least two.
    n_layers : int
        Couplings.
    width, depth : int
        Of the hidden layers of the networks s and t.
    stretch : float
        Largest factor of a coupling, above 1.
    seed : int
        Seed of the halves and the weights; torch's global generator is left alone.

    Raises
    ------
    ParameterError
        For sizes that are no positive integers and stretches that are not above 1.

    References
    ----------
    Dinh, Krueger, Bengio: NICE (2014), arXiv 1410.8516; Dinh, Sohl-Dickstein, Bengio: Density estimation using Real NVP
    (2016), arXiv 1605.08803. Couplings are those of zuko.

    Examples
    --------
    >>> import torch
    >>> from geodis.training import CouplingFlow
    >>> flow, z = CouplingFlow(6), torch.linspace(-2, 2, 30).reshape(5, 6)
    >>> bool((flow.inverse(flow(z)) - z).abs().max() < 1e-6)
    True
    """

    halves: Tensor

    def __init__(
        self,
        n_features: int,
        *,
        n_layers: int = 8,
        width: int = 128,
        depth: int = 2,
        stretch: float = 2.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        lows = {"n_features": (n_features, 2), "n_layers": (n_layers, 1), "width": (width, 1), "depth": (depth, 1)}
        for name, (value, low) in lows.items():
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < low:
                raise ParameterError(f"CouplingFlow: {name}", f"an integer ≥ {low}", repr(value))
        if not isinstance(stretch, (int, float)) or not 1.0 < stretch < float("inf"):
            raise ParameterError("CouplingFlow: stretch", "a number above 1", repr(stretch))
        self.n_features, self.n_layers, self.width, self.depth = int(n_features), n_layers, width, depth
        self.stretch, self.n_leading = float(stretch), min(int(n_features), LEADING)
        generator = torch.Generator().manual_seed(seed)
        halves = _halves(self.n_features, self.n_leading, n_layers, generator)
        self.register_buffer("halves", halves)
        nets = []
        for half in halves:
            n_moving = int((~half).sum())
            nets.append(_conditioner(self.n_features - n_moving, 2 * n_moving, width, depth, generator))
        self.conditioners = nn.ModuleList(nets)

    def forward(self, z: Tensor) -> Tensor:
        """All couplings in turn."""
        self._check(z)
        for coupling in self._couplings():
            z = coupling(z)
        return z

    def inverse(self, h: Tensor) -> Tensor:
        """Their inverses in opposite order."""
        self._check(h)
        for coupling in reversed(self._couplings()):
            h = coupling.inv(h)
        return h

    def arguments(self) -> dict[str, Any]:
        """Sizes and the stretch; halves and weights are tensors."""
        names = ("n_features", "n_layers", "width", "depth", "stretch")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Self:
        """The flow with these arguments."""
        return cls(**arguments)

    def _couplings(self) -> list[Any]:
        def coupled(net: nn.Module) -> Any:
            def moved_by(still: Tensor) -> Any:
                shift, scale = net(still).chunk(2, dim=-1)
                return DependentTransform(MonotonicAffineTransform(shift, scale, slope=1.0 / self.stretch), 1)

            return moved_by

        pairs = zip(self.conditioners, self.halves, strict=True)
        return [CouplingTransform(coupled(net), half) for net, half in pairs]

    def _check(self, rows: Tensor) -> None:
        if rows.ndim != 2 or rows.shape[1] != self.n_features:
            raise ShapeError("CouplingFlow: rows", f"(N, {self.n_features})", tuple(rows.shape))


@final
class InvertibleSequence(AbstractInvertibleNetwork):
    """φ = φ_n ∘ … ∘ φ_1 of invertible networks; φ⁻¹ takes their inverses in opposite order."""

    def __init__(self, *layers: AbstractInvertibleNetwork) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.n_features, self.n_leading = layers[0].n_features, min(layer.n_leading for layer in layers)

    def forward(self, z: Tensor) -> Tensor:
        """Layer by layer."""
        for layer in self.layers:
            z = layer(z)
        return z

    def inverse(self, h: Tensor) -> Tensor:
        """Layer by layer, from the last."""
        for layer in reversed(self._layers):
            h = layer.inverse(h)
        return h

    def arguments(self) -> dict[str, Any]:
        """Kinds and arguments of the layers."""
        return {"layers": [describe(layer) for layer in self._layers]}

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Self:
        """The layers in turn."""
        return cls(*(build(entry) for entry in arguments["layers"]))

    @property
    def _layers(self) -> list[AbstractInvertibleNetwork]:
        return [layer for layer in self.layers if isinstance(layer, AbstractInvertibleNetwork)]


def on_principal_axes(network: AbstractInvertibleNetwork, z: Array) -> InvertibleSequence:
    """A copy of the network behind the principal axes of rows (N, D).

    Raises
    ------
    ParameterError
        For a network of another dimension.
    """
    if network.n_features != z.shape[1]:
        raise ParameterError("network", f"an invertible one of R^{z.shape[1]}", f"one of R^{network.n_features}")
    return InvertibleSequence(PrincipalAxes.fitted(z, network.n_leading), copy.deepcopy(network))


KINDS: dict[str, type[AbstractInvertibleNetwork]] = {
    kind.__name__: kind for kind in (PrincipalAxes, CouplingFlow, InvertibleSequence)
}


def describe(network: AbstractInvertibleNetwork) -> dict[str, Any]:
    """Kind and arguments, as JSON.

    Raises
    ------
    ParameterError
        For a kind of one's own, whose code cannot be written into a file.
    """
    kind = type(network).__name__
    if KINDS.get(kind) is not type(network):
        raise ParameterError("network", f"invertible layers out of {', '.join(KINDS)} to be saved", kind)
    return {"kind": kind, "arguments": network.arguments()}


def build(description: Mapping[str, Any]) -> AbstractInvertibleNetwork:
    """What `describe` wrote down; weights are still to be loaded."""
    if description["kind"] not in KINDS:
        raise ParameterError("network", f"a kind out of {', '.join(KINDS)}", description["kind"])
    return KINDS[description["kind"]].of(description["arguments"])


def _halves(n: int, n_leading: int, n_layers: int, generator: torch.Generator) -> Tensor:
    """Which coordinates stay, (n_layers, n): a random half of the leading ones, then the other, and all that trail."""
    out = torch.ones(n_layers, n, dtype=torch.bool)
    for layer in range(n_layers):
        if layer % 2 == 0:
            order = torch.randperm(n_leading, generator=generator)
            parts = order[: n_leading // 2], order[n_leading // 2 :]
        out[layer, parts[layer % 2]] = False
    return out


def _conditioner(n_in: int, n_out: int, width: int, depth: int, generator: torch.Generator) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a, b in pairwise([n_in, *[width] * depth]):
        # torch's own initialization draws from its global generator.
        layer = nn.utils.skip_init(nn.Linear, a, b)
        nn.init.normal_(layer.weight, std=sqrt(2.0 / a), generator=generator)
        nn.init.zeros_(layer.bias)
        layers += [layer, nn.SiLU()]
    last = nn.utils.skip_init(nn.Linear, width, n_out)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(*layers, last)
