"""The coupling graph: coordinates (or blocks) as nodes, how strongly operators couple them as edges.

C_ij = √(Σ_b (N_b,ij² + N_b,ji²)/2B) for operators N_b in some frame. Its components, over edges above what noise makes,
are the common blocks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree
from scipy.stats import chi2

from geodis.discovery.operator_noise import OperatorNoise
from geodis.errors import ParameterError
from geodis.linalg import Array, real_array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from networkx import Graph

CHANCE = 0.01  # that any edge of noise alone passes the threshold
SLACK = 1.25  # of the threshold, in amplitude: the frame is estimated, too
EXACT = 1e-9  # relative to the strongest coupling
GAP = 3.0  # without a noise level: how sharply the strengths of a spanning tree have to fall, in amplitude


@final
@dataclass(frozen=True, eq=False)
class CouplingGraph:
    """Who is coupled to whom.

    Attributes
    ----------
    strengths : ndarray (n, n)
        Root mean square coupling of each pair; the diagonal is zero.
    threshold : float
        Couplings below it are what noise makes (or lie below the sharpest gap, where the noise is unknown).
    names : tuple of str
    """

    strengths: Array
    threshold: float
    names: tuple[str, ...]

    @property
    def components(self) -> tuple[tuple[int, ...], ...]:
        """The connected sets of nodes, each ascending, by their first node."""
        _, labels = connected_components(self.strengths > self.threshold, directed=False)
        return tuple(tuple(np.flatnonzero(labels == label).tolist()) for label in dict.fromkeys(labels.tolist()))

    @property
    def bond(self) -> float:
        """The weakest coupling that holds a component together; infinite when all components are single nodes."""
        tree = spanning_strengths(self.strengths)
        kept = tree[tree > self.threshold]
        return float(kept.min()) if len(kept) else math.inf

    @property
    def leak(self) -> float:
        """The strongest coupling between components; 0 for one component."""
        _, labels = connected_components(self.strengths > self.threshold, directed=False)
        between = self.strengths[labels[:, None] != labels[None, :]]
        return float(between.max()) if between.size else 0.0

    @property
    def graph(self) -> Graph:
        """The networkx graph: every node, and an edge of weight `strength` for every coupling above the threshold."""
        import networkx as nx

        graph = nx.Graph()
        graph.add_nodes_from(self.names)
        for i, j in np.argwhere(np.triu(self.strengths > self.threshold, 1)):
            graph.add_edge(self.names[i], self.names[j], strength=float(self.strengths[i, j]))
        return graph

    def plot(self, ax: Axes | None = None) -> Axes:
        """Nodes on a circle, component by component; edges as thick as the coupling is strong."""
        from matplotlib import pyplot as plt

        from geodis import palette

        ax = ax if ax is not None else plt.subplots(figsize=(4.5, 4.5))[1]
        colors = palette.wheel()
        order = [node for component in self.components for node in component]
        angle = np.empty(len(order))
        angle[order] = 2 * np.pi * np.arange(len(order)) / len(order)
        x, y = np.cos(angle), np.sin(angle)
        top = max(float(self.strengths.max(initial=0.0)), self.threshold, 1e-300)
        for i, j in np.argwhere(np.triu(self.strengths > self.threshold, 1)):
            width = 0.3 + 2.5 * self.strengths[i, j] / top
            ax.plot(x[[i, j]], y[[i, j]], color=palette.FAINT, linewidth=width, zorder=1)
        for c, component in enumerate(self.components):
            nodes = list(component)
            tint = colors(c / max(len(self.components), 1))
            ax.scatter(x[nodes], y[nodes], s=90, color=tint, edgecolor=palette.INK, zorder=2)
        for i, name in enumerate(self.names):
            ax.annotate(name, (1.12 * x[i], 1.12 * y[i]), ha="center", va="center", fontsize=8, color=palette.INK)
        ax.set(xlim=(-1.3, 1.3), ylim=(-1.3, 1.3), aspect="equal", title=f"{len(self.components)} components")
        ax.set_axis_off()
        return ax

    def __repr__(self) -> str:
        sizes = " + ".join(str(len(c)) for c in self.components)
        return (
            f"CouplingGraph({len(self.names)} nodes = {sizes}; couplings between components ≤ {self.leak:.2g}, "
            f"threshold {self.threshold:.2g})"
        )


def coupling_graph(operators: Any, *, noise: float | None = None, names: Any = None) -> CouplingGraph:
    """The graph of coordinates that operators `(B, D, D)` couple.

    Parameters
    ----------
    operators : array (B, D, D)
        In the frame whose coordinates are the nodes.
    noise : float, optional
        Standard deviation of an entry. Edges are then couplings that noise makes with a chance below 1 % over all
        pairs; without it, those above the sharpest gap in the spanning tree's strengths.
    names : sequence of str, optional
        Of the D coordinates; their numbers by default.

    Raises
    ------
    ShapeError, FiniteError, ParameterError, LengthError

    Examples
    --------
    >>> turn = np.zeros((1, 3, 3))
    >>> turn[0, :2, :2] = [[0.6, -0.8], [0.8, 0.6]]
    >>> turn[0, 2, 2] = 1.0
    >>> coupling_graph(turn, noise=0.0).components
    ((0, 1), (2,))
    """
    matrices = real_array(operators, "operators", ("B", "D", "D"))
    level = OperatorNoise(math.nan, "unknown") if noise is None else given_noise(noise)
    listed = tuple(map(str, range(matrices.shape[-1]) if names is None else names))
    if len(listed) != matrices.shape[-1] or len(set(listed)) != len(listed):
        raise ParameterError("names", f"{matrices.shape[-1]} different names", listed)
    return graph_of(matrices, level, listed)


def graph_of(operators: Array, noise: OperatorNoise, names: tuple[str, ...]) -> CouplingGraph:
    """The same for operators that were read."""
    strengths = coupling_strengths(operators)
    return CouplingGraph(strengths, coupling_threshold(strengths, noise, len(operators)), names)


def coupling_strengths(operators: Array) -> Array:
    """C_ij, `(B, D, D) → (D, D)`, the diagonal zero."""
    squares = (operators**2).mean(axis=0)
    squares = (squares + squares.T) / 2
    np.fill_diagonal(squares, 0.0)
    return np.sqrt(squares)


def block_strengths(strengths: Array, blocks: tuple[tuple[int, ...], ...]) -> Array:
    """Root mean square couplings of blocks with blocks (k, k)."""
    out = np.zeros((len(blocks), len(blocks)))
    for a, rows in enumerate(blocks):
        for b, cols in enumerate(blocks):
            if a != b:
                out[a, b] = math.sqrt(float(np.mean(strengths[np.ix_(rows, cols)] ** 2)))
    return out


def coupling_threshold(strengths: Array, noise: OperatorNoise, n_operators: int) -> float:
    """What noise makes: with a level s, s·√(χ²/2B) at its Bonferroni quantile; else the sharpest gap."""
    top = float(strengths.max(initial=0.0))
    floor = max(EXACT * top, 1e-300)
    if noise.known:
        n_pairs = max(len(strengths) * (len(strengths) - 1) // 2, 1)
        tail = chi2.isf(CHANCE / n_pairs, 2 * n_operators) / (2 * n_operators)
        return max(SLACK * noise.level * math.sqrt(tail), floor)
    tree = np.maximum(spanning_strengths(strengths), floor)
    if len(tree) < 2 or (falls := tree[:-1] / tree[1:]).max() < GAP:
        return floor
    at = int(np.argmax(falls))
    return float(math.sqrt(tree[at] * tree[at + 1]))


def spanning_strengths(strengths: Array) -> Array:
    """The couplings of the strongest spanning tree, descending: where to cut for c components."""
    n = len(strengths)
    shifted = np.where(np.eye(n, dtype=bool), 0.0, 1.0 + strengths.max(initial=0.0) - strengths)
    tree = minimum_spanning_tree(shifted).toarray()
    return np.sort(strengths[tree > 0])[::-1]


def given_noise(noise: Any) -> OperatorNoise:
    """A level that the user gives, or a named error."""
    real = isinstance(noise, (int, float, np.integer, np.floating)) and not isinstance(noise, bool)
    if not real or not math.isfinite(noise) or noise < 0:
        raise ParameterError("noise", "a standard deviation ≥ 0 of an entry", noise)
    return OperatorNoise(float(noise), "given")
