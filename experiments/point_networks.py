"""Baselines of particles' motion re-implemented from their papers: an EGNN and a plain graph network.

`Egnn` follows Satorras, Hoogeboom, Welling (ICML 2021, arXiv:2102.09844), eq. 3-7 with the velocity; `GraphNetwork` is
the message passing of Gilmer et al. (ICML 2017, arXiv:1704.01212) on coordinates, which knows nothing of rotations.
Both map positions, velocities and charges `(batch, n, ·)` to positions.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn


def mlp(*widths: int, last: bool = False) -> nn.Sequential:
    """Linear layers with SiLU between them, and after them where `last`."""
    parts: list[nn.Module] = []
    for a, b in pairwise(widths):
        parts += [nn.Linear(a, b), nn.SiLU()]
    return nn.Sequential(*(parts if last else parts[:-1]))


class EgnnLayer(nn.Module):
    """One equivariant layer: messages of distances, then velocities, positions and features."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.edge = mlp(2 * hidden + 2, hidden, hidden, last=True)
        self.coordinate = mlp(hidden, hidden, 1)
        self.velocity = mlp(hidden, hidden, 1)
        self.node = mlp(2 * hidden, hidden, hidden)
        nn.init.xavier_uniform_(self.coordinate[-1].weight, gain=1e-3)

    def forward(self, h: Tensor, x: Tensor, v: Tensor, products: Tensor) -> tuple[Tensor, Tensor]:
        """Features and positions after one round; `products` are those of the charges `(batch, n, n, 1)`."""
        n = x.shape[1]
        r = x[:, :, None] - x[:, None]
        pair = torch.cat([_rows(h, n, 2), _rows(h, n, 1), r.square().sum(-1, keepdim=True), products], -1)
        m = self.edge(pair) * (1.0 - torch.eye(n))[:, :, None]
        x = x + (r * self.coordinate(m)).sum(2) / (n - 1) + self.velocity(h) * v
        return h + self.node(torch.cat([h, m.sum(2)], -1)), x


class Egnn(nn.Module):
    """Four layers, 64 features, as published for the charged particles."""

    def __init__(self, hidden: int = 64, layers: int = 4) -> None:
        super().__init__()
        self.start = nn.Linear(1, hidden)
        self.layers = nn.ModuleList(EgnnLayer(hidden) for _ in range(layers))

    def forward(self, x: Tensor, v: Tensor, charges: Tensor) -> Tensor:
        """Positions `(batch, n, 3)`."""
        h = self.start(v.norm(dim=-1, keepdim=True))
        products = charges[:, :, None] * charges[:, None]
        for layer in self.layers:
            h, x = layer(h, x, v, products)
        return x


class GraphNetwork(nn.Module):
    """Message passing on positions and velocities as plain features; the output is a displacement."""

    def __init__(self, hidden: int = 64, layers: int = 4) -> None:
        super().__init__()
        self.start = nn.Linear(7, hidden)
        self.edges = nn.ModuleList(mlp(2 * hidden + 1, hidden, hidden, last=True) for _ in range(layers))
        self.nodes = nn.ModuleList(mlp(2 * hidden, hidden, hidden) for _ in range(layers))
        self.head = mlp(hidden, hidden, 3)

    def forward(self, x: Tensor, v: Tensor, charges: Tensor) -> Tensor:
        """Positions `(batch, n, 3)`."""
        return x + self.head(self.features(x, v, charges))

    def features(self, x: Tensor, v: Tensor, charges: Tensor) -> Tensor:
        """What the last round knows of every particle `(batch, n, hidden)`."""
        n = x.shape[1]
        h = self.start(torch.cat([x, v, charges], -1))
        products, others = charges[:, :, None] * charges[:, None], (1.0 - torch.eye(n))[:, :, None]
        for edge, node in zip(self.edges, self.nodes, strict=True):
            m = edge(torch.cat([_rows(h, n, 2), _rows(h, n, 1), products], -1)) * others
            h = h + node(torch.cat([h, m.sum(2)], -1))
        return h


def _rows(h: Tensor, n: int, axis: int) -> Tensor:
    return h.unsqueeze(axis).expand(-1, n, n, -1)
