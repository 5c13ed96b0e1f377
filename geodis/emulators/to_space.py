"""Networks trained in the plane, carried over to space: training in two dimensions is cheaper by a whole axis."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from geodis.actions.fields import Types, check_types
from geodis.emulators.field_networks import GeometricResNet
from geodis.emulators.geometric_conv import GeometricConv
from geodis.emulators.tensor_product import TensorProduct
from geodis.errors import DesignError, ParameterError

EXACT = 1e-4  # relative: weights are single precision


def space_types(types: Any) -> Types:
    """What fields of the plane are in space: a pseudoscalar is the third component of a pseudovector.

    Raises
    ------
    DesignError
        For types other than scalars, pseudoscalars and vectors.

    Examples
    --------
    >>> space_types(((0, 1, 2), (0, -1, 1), (1, 1, 3)))
    ((0, 1, 2), (1, -1, 1), (1, 1, 3))
    """
    named = {(0, 1): (0, 1), (0, -1): (1, -1), (1, 1): (1, 1)}
    checked = check_types(types)
    if any(kind[:2] not in named for kind in checked):
        raise DesignError(f"Expected scalars, pseudoscalars and vectors of the plane, got {checked}.")
    return tuple((*named[k, p], c) for k, p, c in checked)


def in_space(fields: Tensor, types: Any, depth: int) -> Tensor:
    """Level fields of space `(batch, …, depth, N, N)` made of fields of the plane `(batch, components, N, N)`.

    Axis 0 of space is the new one: vectors have no component along it, pseudoscalars become pseudovectors along it.

    Examples
    --------
    >>> in_space(torch.ones(1, 3, 4, 4), ((0, 1, 1), (1, 1, 1)), 2).mean((0, 2, 3, 4)).tolist()
    [1.0, 0.0, 1.0, 1.0]
    """
    lift = _lift(check_types(types)).to(fields)
    return torch.einsum("oi,bi...->bo...", lift, fields)[:, :, None].expand(-1, -1, depth, -1, -1).contiguous()


def extend_to_space(network: GeometricResNet) -> GeometricResNet:
    """The network of space that does on level fields what `network` does in the plane: E(net(x)) = net₃(E(x)).

    E is `in_space`. For every layer the equation is linear in the weights of the layer of space, and has solutions; of
    all, the smallest is taken. The rest of what the network of space does is open, a start for training with few
    simulations of space.

    Parameters
    ----------
    network : GeometricResNet
        Of two dimensions, its types scalars, pseudoscalars and vectors.

    Raises
    ------
    ParameterError, DesignError
        For another network, other types, or a layer that no layer of space continues.

    Examples
    --------
    >>> flow = ((0, 1, 1), (1, 1, 1))
    >>> plane = GeometricResNet(flow, flow, channels=2, dilations=(1,))
    >>> space = extend_to_space(plane)
    >>> x = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    >>> bool(torch.allclose(space(in_space(x, flow, 6)), in_space(plane(x), flow, 6), atol=1e-4))
    True
    """
    if not isinstance(network, GeometricResNet) or network.dim != 2:
        raise ParameterError("network", "a GeometricResNet of two dimensions", type(network).__name__)
    space = GeometricResNet(
        space_types(network.types_in), space_types(network.types_out), network.channels, network.dilations,
        size=network.size, dim=3, boundary=network.boundary,
    )  # fmt: skip
    flat_parts = dict(network.named_modules())
    with torch.no_grad():
        for name, part in space.named_modules():
            flat: Any = flat_parts[name]
            if isinstance(part, GeometricConv):
                _extend_convolution(flat, part, name)
            elif isinstance(part, TensorProduct):
                _extend_product(flat, part, name)
    return space.to(next(network.parameters()))


def _extend_convolution(flat: GeometricConv, space: GeometricConv, name: str) -> None:
    """Weights of space whose kernels, summed over the new axis and seen on lifted fields, are those of the plane."""
    at = 0
    for place, (order, _, _) in enumerate(space.types_out):
        for start, (k, _, _) in enumerate(space.types_in):
            flat_basis = getattr(flat, f"basis_{place}_{start}")
            space_basis = getattr(space, f"basis_{place}_{start}")
            out_kind, in_kind = flat.types_out[place][:2], flat.types_in[start][:2]
            rows, columns = _embedding(out_kind, 3**order), _embedding(in_kind, 3**k)
            side = space.size
            kernels = space_basis.reshape(len(space_basis), 3**order, 3**k, *(side,) * 3).sum(3)
            # All of what a lifted input gives, also where the plane has no component to put it.
            seen = torch.einsum("foixy,ij->fojxy", kernels, columns.to(kernels))
            wanted = flat_basis.reshape(len(flat_basis), rows.shape[1], columns.shape[1], side, side)
            wanted = torch.einsum("foixy,po->fpixy", wanted, rows.to(wanted))
            weight = torch.einsum("foc,f...->oc...", flat.weights[at].to(wanted), wanted)
            solved = _solved(seen.flatten(1), weight.flatten(2).flatten(0, 1), name)
            space.weights[at].copy_(solved.T.reshape(len(seen), *weight.shape[:2]))
            at += 1
    if flat.bias is not None and space.bias is not None:
        space.bias.copy_(flat.bias)


def _extend_product(flat: TensorProduct, space: TensorProduct, name: str) -> None:
    """As for convolutions, with the bilinear maps of a pixel."""
    lift = _lift(tuple((k, p, 1) for k, p, _ in flat.types))
    for place, (order, parity, _) in enumerate(flat.types_out):
        rows = _embedding((order, parity), 3 ** space.types_out[place][0])
        maps, wanted = getattr(space, f"maps_{place}"), getattr(flat, f"maps_{place}")
        seen = torch.einsum("noij,ia,jb->noab", maps, lift.to(maps), lift.to(maps))
        target = torch.einsum("nc,noab,po->cpab", flat.weights[place].to(maps), wanted.to(maps), rows.to(maps))
        space.weights[place].copy_(_solved(seen.flatten(1), target.flatten(1), name).T)


def _solved(seen: Tensor, wanted: Tensor, name: str) -> Tensor:
    """The smallest c with c · seen = wanted, row by row."""
    if not len(seen):
        if float(wanted.abs().max()) > 0:
            raise DesignError(f"{name}: no layer of space does what this layer of the plane does.")
        return wanted.new_zeros(len(wanted), 0)
    a, b = seen.double(), wanted.double()
    found = b @ torch.linalg.pinv(a)
    if float((found @ a - b).norm()) > EXACT * max(float(b.norm()), 1e-12):
        raise DesignError(f"{name}: no layer of space does what this layer of the plane does. Take a larger kernel.")
    return found


def _lift(types: Types) -> Tensor:
    """Components of the plane → components of space."""
    blocks = []
    for k, p, c in types:
        blocks += [_embedding((k, p), 1 if (k, p) == (0, 1) else 3)] * c
    return torch.block_diag(*blocks)


def _embedding(kind: tuple[int, int], width: int) -> Tensor:
    """(components of space, components of the plane) of one tensor."""
    if kind == (0, 1):
        return torch.ones(1, 1)
    if kind == (0, -1):
        return torch.eye(width)[:, :1]
    return torch.eye(width)[:, 1:]
