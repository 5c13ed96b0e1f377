"""The last layer of a network solved before its training, for signals so weak that chance rows have no slope."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from geodis.coordinates.unit_parts import UnitParts
from geodis.groups import Representation
from geodis.training.spectral_score import moment_matrix, whitening

RIDGE = 1e-2  # of what the last layer sees: directions that hardly vary before training are rounding


@torch.no_grad()
def spectral_start(
    network: nn.Module, rows: Tensor, params: Tensor, layout: Sequence[tuple[Representation, int]]
) -> bool:
    """Give the network's last linear layer the copies of highest energy that the layer before it already holds.

    The energy of a row that follows an irrep by the share a of its amplitude is a²: at a = 0 its slope is zero, and a
    factor that random features hardly show, such as the direction of the light, is found late or never. The spectral
    layer, S w = λ(T + ridge)w on the hidden features, has no such saddle; training goes on from its solution.

    Parameters
    ----------
    network : nn.Module
        Changed in place when it is a chain that ends in `nn.Linear`, before `UnitParts` or not; any other is left as it
        is.
    rows : Tensor (n·m, D)
        A batch of inputs, n items at m elements.
    params : Tensor (n, m, p)
        The elements.
    layout : sequence of (Representation, int)
        What the layer's first outputs are to become.

    Returns
    -------
    bool
        Whether there was such a layer.

    Examples
    --------
    >>> from geodis.groups import SO2
    >>> from geodis.training import mlp
    >>> angle = torch.from_numpy(SO2().orbit(60, 8))
    >>> code = torch.cat([torch.cos(angle), torch.sin(angle)], dim=-1).float()
    >>> net = mlp(2, 6)
    >>> spectral_start(net, code.reshape(-1, 2), angle, [(SO2().irrep("m=1"), 1)])
    True
    >>> turning = net(code.reshape(-1, 2))[:, :2].reshape(60, 8, 2)
    >>> agree = torch.nn.functional.cosine_similarity(turning, code, dim=-1)
    >>> bool(agree.abs().std() < 0.2)
    True
    """
    head = last_layer(network)
    if not isinstance(head, nn.Linear):
        return False
    n, m = params.shape[:2]
    hidden = _inputs_of(head, network, rows).reshape(n, m, -1)
    mean, root = hidden.mean((0, 1)), whitening(hidden, RIDGE)
    white = (hidden - mean) @ root.mT
    place = 0
    for rep, k in layout:
        solution = _copies(white, params, rep, k).to(root) @ root  # (k', d, H)
        block = solution.flatten(0, 1)
        head.weight[place : place + len(block)] = block
        if head.bias is not None:
            head.bias[place : place + len(block)] = -(block @ mean)
        place += k * rep.dim
    return True


def last_layer(network: nn.Module) -> nn.Module:
    """What comes last in a chain, norms aside."""
    while isinstance(network, nn.Sequential) and len(network):
        network = network[-2] if isinstance(network[-1], UnitParts) and len(network) > 1 else network[-1]
    return network


def _inputs_of(layer: nn.Module, network: nn.Module, rows: Tensor) -> Tensor:
    """What `layer` sees. Batch normalization uses the batch, as in the first step of training."""
    seen: list[Tensor] = []
    handle = layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        network(rows)
    finally:
        handle.remove()
    return seen[0]


def _copies(white: Tensor, params: Tensor, rep: Representation, k: int) -> Tensor:
    """W of the k copies of highest energy, whitened (k, d, H); fewer when there is no room for k."""
    width = white.shape[-1]
    matrix = moment_matrix(white, params, rep)
    _, vectors = torch.linalg.eigh(matrix)
    leading = vectors[:, -k:].mT.flip(0)
    w = leading.reshape(len(leading), -1, width)
    return w if rep.half is None else torch.cat([w.real, w.imag], dim=1)
