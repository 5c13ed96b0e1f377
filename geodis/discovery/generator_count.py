"""How many generators: tests against noise alone, replication across halves of the batches, and when not to know.

Noise alone (the wild bootstrap of `batch_operators`) has a largest singular value; k generators are enough when what
their maximum-likelihood fit leaves stays below it. They are claimed when two halves of the batches find them both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np
from scipy.linalg import expm

from geodis.discovery.batch_operators import BatchOperators, completed
from geodis.discovery.generator_likelihood import SpanFit, maximize
from geodis.discovery.generator_span import (
    NoiseEdge,
    Whitening,
    centred_spectrum,
    leading,
    noise_edge,
    principal_angles,
    roots,
)
from geodis.linalg import Array

N_SPLITS = 10
REPLICATED = 0.5  # cos² of the worst angle between halves; unrelated directions have about k/(D p)
CERTAIN = 1e-4  # p of one more direction below which the count is open though halves do not agree on that direction
OUTLYING = 5.0  # times the median of what is left of a batch: it obeys other laws, or its logarithm is another branch


@final
@dataclass(frozen=True, eq=False, repr=False)
class GeneratorCount:
    """The fit with as many generators as the data show.

    Parameters
    ----------
    fit : SpanFit or None
        None for no generator.
    used : array (B,) of bool
        Batches that the fit rests on.
    spectrum : array (B,)
        Singular values of the whitened logarithms about their mean.
    edge : NoiseEdge
        The law of the largest one under noise alone.
    p_moves : float
        P(noise alone moves points as much): small if there is any generator.
    p_more : float
        P(noise alone leaves as much as this fit does): small if there are more generators.
    replication : float
        cos² of the worst principal angle between halves of the batches, median over splits; NaN for no generator.
    decided : bool
        Whether the tests agree.
    """

    fit: SpanFit | None
    used: Array
    spectrum: Array
    edge: NoiseEdge
    p_moves: float
    p_more: float
    replication: float
    decided: bool

    @property
    def k(self) -> int:
        """Number of generators."""
        return 0 if self.fit is None else len(self.fit.rows)


def moved(operators: BatchOperators, whiten: Whitening, draws: Array) -> float:
    """P(noise alone differs as much between batches): the test of "no generator", which needs no logarithm."""
    white = whiten(operators.operators - np.eye(*operators.operators.shape[1:]))
    return noise_edge(draws, whiten).p_value(float(centred_spectrum(white)[0]))


def count_generators(
    operators: BatchOperators,
    whiten: Whitening,
    draws: Array,
    logarithms: Array,
    p_moves: float,
    level: float,
    most: int,
) -> GeneratorCount:
    """The smallest number of generators that leaves nothing but noise, if halves of the batches agree on it.

    Parameters
    ----------
    operators, whiten, draws
        The data: operators, their metric, draws of their noise (n, B, D, p).
    logarithms : array (B, D, p)
        Of the operators.
    p_moves : float
        From `moved`.
    level : float
        Confidence of each test.
    most : int
        Largest number tried.
    """
    edge = noise_edge(draws @ np.linalg.inv(operators.square), whiten)
    spectrum = centred_spectrum(whiten(logarithms))
    everything = np.ones(len(logarithms), dtype=bool)
    above = int((spectrum[: min(most, len(spectrum) - 1)] > edge.threshold(level)).sum())
    if above == 0 or p_moves >= 1.0 - level:
        return GeneratorCount(None, everything, spectrum, edge, p_moves, p_moves, np.nan, p_moves >= 1.0 - level)
    k = 1 + int(np.argmax(spectrum[:above] / np.maximum(spectrum[1 : above + 1], 1e-300)))
    while k and (tried := _replicated(operators, whiten, draws, logarithms, k)) is None:
        k -= 1
    if not k or tried is None:
        return GeneratorCount(None, everything, spectrum, edge, p_moves, p_moves, np.nan, False)
    while tried.p_more < 1.0 - level and k < most:
        k += 1
        if (wider := _replicated(operators, whiten, draws, logarithms, k)) is None:
            break
        tried = wider
    return GeneratorCount(
        tried.fit, tried.used, spectrum, edge, p_moves, tried.p_more, tried.replication, tried.p_more >= CERTAIN
    )


class _Tried(NamedTuple):
    fit: SpanFit
    used: Array
    p_more: float
    replication: float


def _replicated(operators: BatchOperators, whiten: Whitening, draws: Array, logarithms: Array, k: int) -> _Tried | None:
    """The fit with k generators, None where halves of the batches do not agree on them."""
    fit, used = _robust(operators, whiten, logarithms, k)
    agreed = replication(fit, whiten, k)
    if agreed < REPLICATED:
        return None
    return _Tried(fit, used, enough(whiten, draws[:, used], fit), agreed)


def enough(whiten: Whitening, draws: Array, fit: SpanFit) -> float:
    """P(noise alone leaves as much as the fit does between batches).

    Each batch is whitened by its own design: there its elements are an orthogonal projection, which takes noise away
    and adds none; in the common metric it would be oblique, and translations would look like one generator more.
    """
    own = roots(fit.design)
    back = expm(-completed(np.tensordot(fit.elements, fit.rows, axes=1)))

    def white(rows: Array) -> Array:
        return np.asarray((whiten.left @ rows @ own).reshape(len(own), -1))

    return noise_edge(draws @ back, white).p_value(float(centred_spectrum(white(fit.defects))[0]))


def replication(fit: SpanFit, whiten: Whitening, k: int, *, seed: int = 0) -> float:
    """cos² of the worst principal angle between the k leading directions of two halves of the batches; the median."""
    rng, white, found = np.random.default_rng([seed, 89]), whiten(fit.logarithms), []
    if len(white) < 2 * (k + 1):
        return 0.0
    for _ in range(N_SPLITS):
        order = rng.permutation(len(white))
        halves = np.array_split(order, 2)
        one, two = (leading(white[half], k)[0] for half in halves)
        found.append(float(np.cos(principal_angles(one, two).max()) ** 2))
    return float(np.median(found))


def _robust(operators: BatchOperators, whiten: Whitening, logarithms: Array, k: int) -> tuple[SpanFit, Array]:
    """The fit, once more without the batches that it does not describe."""
    fit = maximize(operators, whiten, logarithms, k)
    pairs = np.einsum("bii->b", operators.gram)  # up to a factor: more of them, less noise
    left = np.square(whiten(fit.defects)).sum(axis=1) * pairs
    used = left <= OUTLYING * np.median(left)
    if used.all() or used.sum() < 2 * (k + 1):
        return fit, np.ones(len(left), dtype=bool)
    return maximize(operators.take(used), whiten, logarithms[used], k), used
