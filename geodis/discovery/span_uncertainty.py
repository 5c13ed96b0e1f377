"""How sure a span of generators is: the bootstrap over batches for its angle, held-out pairs for its operators."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from geodis.discovery.batch_moments import BatchMoments
from geodis.discovery.batch_operators import (
    BatchOperators,
    completed,
    enough_pairs,
    fit_operators,
    homogeneous_moments,
)
from geodis.discovery.generator_likelihood import (
    SpanFit,
    elements_of,
    maximize,
    solve_elements,
    solve_rows,
    solve_rows_within,
)
from geodis.discovery.generator_orbit import OrbitFit
from geodis.discovery.generator_span import Whitening, principal_angles
from geodis.linalg import Array

N_BOOT = 50
SHARE = 5  # one pair in so many is held out


class HeldOut(NamedTuple):
    """Σ |gz − M z|² on pairs that fitted nothing, as shares of that of the identity; generators from other batches.

    Attributes
    ----------
    model : float
        exp(Σ t_k L_k), with t from the batch's other pairs.
    free : float
        The operator of the batch's other pairs.
    n_pairs : int
        Pairs scored.
    """

    model: float
    free: float
    n_pairs: int


def bootstrap_angles(
    fit: SpanFit, whiten: Whitening, orbit: OrbitFit, *, n_draws: int = N_BOOT, seed: int = 0
) -> Array:
    """Largest principal angles [rad] between the span and that of resampled batches, to first order, (n_draws,)."""
    rng, b = np.random.default_rng([seed, 97]), len(fit.elements)
    problem = orbit.problem
    full, d, found = completed(fit.rows), fit.rows.shape[1], []
    for _ in range(n_draws):
        weights = rng.multinomial(b, np.full(b, 1.0 / b)).astype(np.float64)
        if problem is None:
            rows = solve_rows(fit, fit.elements, weights)
        else:
            X = problem.solve(weights)
            turned = (X @ full - full @ X)[:, :d]
            rows = solve_rows_within(fit, fit.elements, whiten.left, orbit.algebra, weights) + turned
        found.append(float(principal_angles(rows, fit.rows).max()))
    return np.array(found)


def held_out(
    z: Array, gz: Array, batches: Array, operators: BatchOperators, logarithms: Array, k: int, *, source_noise: float,
    seed: int = 0,
) -> HeldOut:  # fmt: skip
    """Two-fold over batches, a fifth of the pairs of each held out.

    Parameters
    ----------
    z, gz, batches
        Pairs of the batches in `operators`, and no others.
    operators, logarithms
        Operators of all pairs and their logarithms (B, D, p): the generators of the other batches come from them.
    k : int
        Number of generators.
    source_noise : float
        As in `fit_operators`.
    seed : int
        Seed of the splits.
    """
    *rest, test = BatchMoments.folds(z, gz, batches, SHARE, seed=seed)
    train = rest[0]
    for part in rest[1:]:
        train = train + part
    errors = np.zeros(3)
    order = np.random.default_rng([seed, 101]).permutation(len(operators.labels))
    if not enough_pairs(train, affine=operators.affine).all():
        return HeldOut(np.nan, np.nan, 0)
    fitted = fit_operators(train, affine=operators.affine, source_noise=source_noise, centre=operators.centre)
    for half in (0, 1):
        learn, score = np.sort(order[half::2]), np.sort(order[1 - half :: 2])
        whiten = Whitening.of(operators.take(learn))
        rows = maximize(operators.take(learn), whiten, logarithms[learn], k).rows
        errors += _errors(fitted.take(score), test.take(score), whiten, rows, logarithms[score])
    return HeldOut(float(errors[0] / errors[2]), float(errors[1] / errors[2]), int(test.n.sum()))


def _errors(fitted: BatchOperators, test: BatchMoments, whiten: Whitening, rows: Array, logarithms: Array) -> Array:
    """Summed squared errors of the model, the free operators and the identity."""
    flat = SpanFit(rows, np.zeros((len(logarithms), len(rows))), logarithms, logarithms, fitted.gram)
    start = solve_elements(flat, rows, whiten.left)
    model = elements_of(fitted, whiten, rows, start).operators[:, : rows.shape[1]]
    still = np.broadcast_to(np.eye(*rows.shape[1:]), model.shape)
    return np.array([_squares(test, fitted, M) for M in (model, fitted.operators, still)])


def _squares(test: BatchMoments, fitted: BatchOperators, M: Array) -> float:
    c = fitted.centre
    gram, cross = homogeneous_moments(test, c) if fitted.affine else (test.zz, test.gz)
    about = np.trace(test.gg.sum(axis=0)) - 2.0 * float(test.sg.sum(axis=0) @ c) + test.n.sum() * float(c @ c)
    return float(about - 2.0 * np.einsum("bij,bij->", M, cross) + np.einsum("bij,bij->", M @ gram, M))
