"""Reynolds projection: any convolution made equivariant by averaging its kernel over the group."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from geodis.actions.fields import FieldSymmetries, Types, check_types
from geodis.emulators.geometric_conv import components
from geodis.errors import ParameterError, ShapeError, UnknownNameError
from geodis.groups import Hyperoctahedral

CONVOLUTIONS = (nn.Conv2d, nn.Conv3d)


def project_equivariant(module: nn.Module, types: Mapping[str, tuple[Any, Any]] | tuple[Any, Any]) -> nn.Module:
    """A copy of `module` whose convolutions commute with B_d: K ← mean_g ρ_out(g) K(g⁻¹ ·) ρ_in(g)⁻¹.

    The projection is orthogonal: of all equivariant kernels it is the closest one, and a kernel that is equivariant
    stays. Biases keep what is invariant: those of scalars. A trained network is changed by as much as it was not
    equivariant; train on from there, and project again from time to time.

    Parameters
    ----------
    module : nn.Module
        A `Conv2d` or `Conv3d` (no groups, odd or even kernels of one side), or a network that holds some.
    types : (types_in, types_out), or mapping of str to such pairs
        What the channels of a convolution are; for a network by the names of `named_modules`. Pointwise functions
        between them are equivariant only on scalars: leave others to convolutions alone, or to `VectorNeuron`.

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
