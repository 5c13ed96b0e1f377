"""Which predicted code and which true code belong to each other: distances within galleries, with their ties.

A gallery is a set of rows that compete with each other. Distances that differ by rounding are ties, and a tie is worth
its expectation over random tie-breaking: a constant predictor is at chance, wherever the true row stands in the array.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy.spatial.distance import cdist

from geodis.errors import LengthError, ParameterError
from geodis.linalg import Array
from geodis.metrics.row_items import code_rows, row_items, variance

Distance = Literal["euclidean", "cosine"]
Query = Literal["target", "prediction"]

CHUNK = 2**22  # distances held at once


@dataclass(frozen=True, eq=False)
class Galleries:
    """Rows that ask, rows that are asked, and who competes with whom.

    Attributes
    ----------
    asking, asked : ndarray (n, d)
        Row i of `asked` is what row i of `asking` looks for.
    blocks : list of ndarray
        The rows of each gallery.
    sizes : ndarray (n,)
        How many candidates each row has.
    slack : float
        Distances that differ by less are ties.
    constant : str
        Which of the two codes does not vary within galleries ("" if both do): then everything is a tie.
    """

    asking: Array
    asked: Array
    blocks: list[Array]
    sizes: Array
    slack: float
    constant: str

    def chunks(self) -> Iterator[tuple[Array, Array, Array]]:
        """Rows (r,), their candidates (c,), and the distances between them (r, c), ordered as rows × candidates."""
        for block in self.blocks:
            for rows in np.array_split(block, max(1, math.ceil(len(block) ** 2 / CHUNK))):
                if len(rows):
                    yield rows, block, cdist(self.asking[rows], self.asked[block])

    def ranks(self) -> tuple[Array, Array]:
        """How many candidates are nearer than the true one, and how many as near, itself included: (n,), (n,)."""
        closer, tied = np.zeros(len(self.sizes), dtype=int), self.sizes.copy()
        if self.constant:
            return closer, tied
        for rows, block, distances in self.chunks():
            own = distances[np.arange(len(rows)), np.searchsorted(block, rows)][:, None]
            closer[rows] = (distances < own - self.slack).sum(axis=1)
            tied[rows] = (np.abs(distances - own) <= self.slack).sum(axis=1)
        return closer, tied


def galleries_of(predictions: Any, targets: Any, query: Query, galleries: Any, distance: Distance) -> Galleries:
    """Checked codes with the direction of the search.

    Raises
    ------
    ShapeError, LengthError, FiniteError, ParameterError
        For codes that do not fit together, NaN, an unknown direction or distance.
    """
    if query not in ("target", "prediction"):
        raise ParameterError("query", "'target' or 'prediction'", repr(query))
    if distance not in ("euclidean", "cosine"):
        raise ParameterError("distance", "'euclidean' or 'cosine'", repr(distance))
    true, true_rounding = code_rows(targets, "targets")
    predicted, rounding = code_rows(predictions, "predictions", true.shape[1])
    if len(predicted) != len(true):
        raise LengthError(predictions=len(predicted), targets=len(true))
    if distance == "cosine":
        # Directions carry the relative rounding of their vectors.
        rounding, true_rounding = _relative(rounding, predicted), _relative(true_rounding, true)
        predicted, true = _unit(predicted), _unit(true)
    label = np.zeros(len(true), dtype=int) if galleries is None else row_items(galleries, len(true))
    by_label = np.argsort(label, kind="stable")
    blocks = np.split(by_label, np.cumsum(np.bincount(label))[:-1])
    constant = "predictions" if _within(predicted, blocks) <= rounding else ""
    constant = "targets" if _within(true, blocks) <= true_rounding else constant
    asking, asked = (true, predicted) if query == "target" else (predicted, true)
    slack = math.sqrt(max(rounding, true_rounding))
    return Galleries(asking, asked, blocks, np.bincount(label)[label], slack, constant)


def _within(rows: Array, blocks: list[Array]) -> float:
    """Mean square distance to the mean of one's gallery."""
    return sum(len(block) * variance(rows[block]) for block in blocks) / len(rows)


def _relative(rounding: float, rows: Array) -> float:
    square = float((rows**2).sum(axis=1).mean())
    return rounding / square if square > 0.0 else 0.0


def _unit(rows: Array) -> Array:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(norms > 0.0, norms, 1.0)
