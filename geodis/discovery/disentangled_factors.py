"""Which operators move which blocks: blocks that are never moved together with others are disentangled factors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import networkx as nx
import numpy as np
from scipy.stats import chi2

from geodis.linalg import Array

CHANCE = 0.01  # that any block at rest seems to be moved by any operator
SLACK = 1.1  # of the noise: blocks are estimated
UNKNOWN = 0.1  # of the largest block: what counts as moved where the noise is not known
EXACT = 3e-5


@final
@dataclass(frozen=True)
class Factor:
    """Blocks that some operators move together, and no operator moves with any other block.

    Attributes
    ----------
    blocks, operators : tuple of int
    """

    blocks: tuple[int, ...]
    operators: tuple[int, ...]


def disentangled_factors(parts: list[Array], levels: list[float], rest: float) -> tuple[Array, tuple[Factor, ...]]:
    """Activity (B, k) of blocks `(B, d, d)`, and the components of the graph of blocks that an operator moves together.

    The activity of operator b on a block is ‖M_b − rest·I‖/√d; it counts as a movement beyond what noise makes of it.
    """
    activity = np.stack([_activity(part, rest) for part in parts], axis=1)
    moves = activity > _thresholds(parts, levels)
    graph = nx.Graph()
    graph.add_nodes_from(np.flatnonzero(moves.any(axis=0)).tolist())
    for row in moves:
        nx.add_path(graph, np.flatnonzero(row).tolist())
    found = sorted(tuple(sorted(component)) for component in nx.connected_components(graph))
    return activity, tuple(Factor(c, tuple(np.flatnonzero(moves[:, c].any(axis=1)).tolist())) for c in found)


def _activity(part: Array, rest: float) -> Array:
    d = part.shape[-1]
    return np.asarray(np.sqrt(((part - rest * np.eye(d)) ** 2).sum(axis=(1, 2)) / d))


def _thresholds(parts: list[Array], levels: list[float]) -> Array:
    """The activity that noise makes of a block at rest `(k,)`."""
    top = max(float(np.sqrt(np.mean(part**2) * part.shape[-1])) for part in parts)
    chance = CHANCE / (len(parts[0]) * len(parts))
    noise = [
        UNKNOWN * top if math.isnan(level) else SLACK * level * math.sqrt(chi2.isf(chance, d * d) / d)
        for d, level in zip((part.shape[-1] for part in parts), levels, strict=True)
    ]
    return np.maximum(noise, EXACT * top)
