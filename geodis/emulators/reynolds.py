"""Reynolds projection: any convolution, or any network, made equivariant by averaging it over the group."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from geodis.actions.fields import FieldSymmetries, Types, check_types
from geodis.emulators.geometric_conv import components
from geodis.errors import ParameterError, ShapeError, UnknownNameError
from geodis.groups import Hyperoctahedral

CONVOLUTIONS = (nn.Conv2d, nn.Conv3d)


def project_equivariant(module: nn.Module, types: Mapping[str, tuple[Any, Any]] | tuple[Any, Any]) -> nn.Module:
    """A copy of `module` that commutes with B_d: f ← mean_g ρ_out(g)⁻¹ f ρ_in(g), in a kernel where f is a convolution.

    The projection is orthogonal: of all equivariant maps it is the closest one, and one that is equivariant stays. For
    a convolution K ← mean_g ρ_out(g) K(g⁻¹ ·) ρ_in(g)⁻¹ costs nothing afterwards; biases keep what is invariant, those
    of scalars. A network between fields of two types becomes a `GroupAverage`, exact whatever stands in it, at 8 or 48
    times its cost a call. Naming types of its convolutions instead costs nothing, but is right only where everything
    between them commutes: pointwise functions do on scalars. Either way, train on from there.

    Parameters
    ----------
    module : nn.Module
        A `Conv2d` or `Conv3d` (no groups, odd or even kernels of one side), or a network.
    types : (types_in, types_out), or mapping of str to such pairs
        What channels are, of the module; or of convolutions of a network by the names of `named_modules`.

    Raises
    ------
    UnknownNameError, ParameterError, ShapeError
        For names that are no convolution, kernels that the group does not act on, or channels that types do not fit.

    Examples
    --------
    >>> conv = nn.Conv2d(3, 3, 3, padding=1, padding_mode="circular")
    >>> flow = ((0, 1, 1), (1, 1, 1))
    >>> once = project_equivariant(conv, (flow, flow))
    >>> bool(torch.allclose(project_equivariant(once, (flow, flow)).weight, once.weight, atol=1e-6))
    True
    """
    projected = copy.deepcopy(module)
    if isinstance(types, tuple) and not isinstance(module, CONVOLUTIONS):
        return GroupAverage(projected, *types)
    pairs = {"": types} if isinstance(types, tuple) else dict(types)
    named = dict(projected.named_modules())
    with torch.no_grad():
        for name, (types_in, types_out) in pairs.items():
            conv = named.get(name)
            if not isinstance(conv, CONVOLUTIONS):
                known = [key or "the module itself" for key, part in named.items() if isinstance(part, CONVOLUTIONS)]
                raise UnknownNameError("convolution", name, ", ".join(known))
            _project(conv, check_types(types_in), check_types(types_out))
    return projected


@final
class GroupAverage(nn.Module):
    """x ↦ mean over g ∈ B_d of ρ_out(g)⁻¹ f(ρ_in(g) x): any network between tensor fields, made equivariant.

    On periodic or zero-padded grids with equal sides. All 8 or 48 copies pass through the network as one batch; a
    network that commutes already is unchanged.

    Parameters
    ----------
    network : nn.Module
        f: fields of `types_in` → fields of `types_out`, of the same or another size.
    types_in, types_out : tuple of (order, parity, channels)
    dim : int
        d: 2 or 3.

    Raises
    ------
    ShapeError
        In `forward`, for fields of other types.

    Examples
    --------
    >>> flow = ((0, 1, 1), (1, 1, 1))
    >>> average = GroupAverage(nn.Sequential(nn.Conv2d(3, 8, 1), nn.GELU(), nn.Conv2d(8, 3, 1)), flow, flow)
    >>> tuple(average(torch.zeros(2, 3, 8, 8)).shape)
    (2, 3, 8, 8)
    """

    def __init__(self, network: nn.Module, types_in: Any, types_out: Any, dim: int = 2) -> None:
        super().__init__()
        self.network, self.dim = network, dim
        self.types_in, self.types_out = check_types(types_in), check_types(types_out)
        self._tables: dict[tuple[Any, ...], tuple[Tensor, Tensor]] = {}

    def forward(self, x: Tensor) -> Tensor:
        """Fields `(batch, components, *grid)` → the same or another size."""
        width = components(self.types_in, self.dim)
        if x.ndim != self.dim + 2 or x.shape[1] != width:
            raise ShapeError("fields", f"(batch, {width}, {', '.join('N' * self.dim)})", tuple(x.shape))
        group = Hyperoctahedral(self.dim)
        elements = group.elements()
        moved = self._moved(self.types_in, elements, x[None].expand(len(elements), *x.shape))
        out = self.network(moved.flatten(0, 1)).unflatten(0, (len(elements), len(x)))
        back = self._moved(self.types_out, group.inverse(elements), out)
        return back.mean(0)

    def _moved(self, types: Types, elements: Any, x: Tensor) -> Tensor:
        """Element i applied to x[i] `(batch, components, *grid)`, with gradients."""
        shape = tuple(x.shape[2:])
        key = (types, shape, np.asarray(elements).tobytes())
        if key not in self._tables:
            self._tables[key] = _signed_sources(types, self.dim, elements, shape)
        source, sign = (table.to(x.device) for table in self._tables[key])
        flat = x.flatten(2)
        return (flat.gather(2, source[:, None].expand(*flat.shape)) * sign.to(x)[:, None]).reshape(x.shape)


def _signed_sources(types: Types, dim: int, elements: Any, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Where every entry of g·x comes from, and its sign, read off a field that counts its entries."""
    action, n = FieldSymmetries(types, dim), int(np.prod(shape))
    counted = np.broadcast_to(np.arange(1.0, n + 1).reshape(1, *shape), (len(elements), *shape))
    signed = np.asarray(action.act(np.asarray(elements, dtype=np.float64), counted)).reshape(len(elements), n)
    return torch.from_numpy(np.abs(signed).astype(np.int64) - 1), torch.from_numpy(np.sign(signed))


def equivariance_defect(conv: nn.Conv2d | nn.Conv3d, types: tuple[Any, Any]) -> float:
    """‖K − projected K‖/‖K‖: 0 for an equivariant convolution, about √(1 − invariants/entries) for a random one.

    Examples
    --------
    >>> conv = nn.Conv2d(1, 1, 3)
    >>> 0.0 < equivariance_defect(conv, (((0, 1, 1),), ((0, 1, 1),))) < 1.0
    True
    """
    projected = project_equivariant(conv, types)
    weight = conv.weight.detach()
    return float((weight - projected.weight.detach()).norm() / weight.norm())  # type: ignore[operator]


def _project(conv: nn.Conv2d | nn.Conv3d, types_in: Types, types_out: Types) -> None:
    dim = conv.weight.ndim - 2
    sides = tuple(conv.weight.shape[2:])
    if len(set(sides)) > 1 or conv.groups != 1:
        raise ParameterError("convolution", "one side for all axes, and no groups", f"{sides}, {conv.groups} groups")
    for what, types, channels in (("in", types_in, conv.in_channels), ("out", types_out, conv.out_channels)):
        if components(types, dim) != channels:
            raise ShapeError(f"channels {what}", f"{components(types, dim)}, those of {types}", channels)
    inner, outer = FieldSymmetries(types_in, dim), FieldSymmetries(types_out, dim)
    kernel = conv.weight.detach().to(torch.float64).cpu().numpy()
    mean = np.zeros_like(kernel)
    elements = Hyperoctahedral(dim).elements()
    for g in elements:
        # As a field of outputs for every input channel, then as one of inputs for every output channel.
        turned = outer.act(_every(g, kernel.shape[1]), kernel.swapaxes(0, 1)).swapaxes(0, 1)
        mean += _components_only(inner, g, turned)
    conv.weight.copy_(torch.from_numpy(mean / len(elements)).to(conv.weight))
    if conv.bias is not None:
        conv.bias.mul_(_scalars(types_out, dim).to(conv.bias))


def _components_only(action: FieldSymmetries, g: Any, kernel: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The components of the second axis turned by g, the pixels left where they are."""
    one = np.zeros((kernel.shape[1], kernel.shape[1], *(1,) * (kernel.ndim - 2)))
    one[np.arange(len(one)), np.arange(len(one))] = 1.0
    matrix = action.act(_every(g, len(one)), one).reshape(len(one), len(one))  # row i: where component i goes
    return np.einsum("ij,oi...->oj...", matrix, kernel)


def _every(g: Any, n: int) -> np.ndarray[Any, Any]:
    return np.repeat(np.asarray(g, dtype=np.float64)[None], n, axis=0)


def _scalars(types: Types, dim: int) -> Tensor:
    return torch.cat([torch.full((c * dim**k,), float((k, p) == (0, 1))) for k, p, c in types])
