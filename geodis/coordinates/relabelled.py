"""Null N2, "is this group structure special?": one common relabelling of the elements, the whole solve repeated."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from tqdm import tqdm

from geodis.coordinates.crossfit import Folds, cross_fit
from geodis.coordinates.evidence import Evidence, Settings
from geodis.coordinates.forms import Folded, haar_forms_of_rows
from geodis.coordinates.fourier import analysis_weights, half_dim, split_coefficients
from geodis.coordinates.pairs import make_pairs, pair_forms
from geodis.coordinates.spectral import top_eigenvectors
from geodis.groups import AbstractGroup, Product, Representation
from geodis.linalg import Array
from geodis.statistics import permutation_p
from geodis.threads import one_blas_thread

BAND = (0.05, 0.95)
TESTABLE = 0.05  # a floor of p above it means that the structure cannot be tested


@dataclass(frozen=True)
class StructureNull:
    """Cross-fitted energies of one irrep under the true labels and under common relabellings.

    Attributes
    ----------
    observed : ndarray (r,)
        Energies of the best copies, by the same steps as the draws.
    draws : ndarray (B,)
        Energies of the best copy under each relabelling; empty where the structure cannot be tested.
    """

    observed: Array
    draws: Array

    @property
    def mean(self) -> float:
        """The mean energy under relabellings."""
        return float(self.draws.mean()) if len(self.draws) else float("nan")

    @property
    def band(self) -> tuple[float, float]:
        """The 5 % and 95 % quantiles of the energies under relabellings."""
        if not len(self.draws):
            return float("nan"), float("nan")
        # Draws without any copy count as the lowest, without an interpolation towards minus infinity.
        low, high = np.quantile(self.draws, BAND, method="higher")
        return float(low), float(high)

    def p(self, copy: int = 0) -> float:
        """The p-value of a copy against the best relabelled one."""
        if not len(self.draws) or copy >= len(self.observed):
            return float("nan")
        return permutation_p(float(self.observed[copy]), self.draws)


@one_blas_thread
def structure_null(
    copies: Mapping[str, int], reps: Sequence[Representation], evidence: Evidence, settings: Settings, ridge: float
) -> dict[str, StructureNull]:
    """The null of the group structure for every irrep that moves something: name → observed energies and draws.

    Each draw relabels the elements once, for all items and folds, and repeats the cross-fitted solve. `copies` tells
    how many copies of an irrep are asked for.
    """
    acting = [rep for rep in reps if rep.factors]
    if not acting:
        return {}
    solver = _solver(evidence, ridge, settings.seed)
    observed = {rep.name: solver([rep], evidence.rows, max(1, copies.get(rep.name, 1)))[0] for rep in acting}
    tested = [rep for rep in acting if testable(evidence.group, rep)]
    draws: dict[str, list[float]] = {rep.name: [] for rep in acting}
    for draw in tqdm(range(settings.n_null), desc="relabelling", disable=not settings.verbose or not tested):
        for factor in sorted({rep.factors[0] for rep in tested}):
            mine = [rep for rep in tested if rep.factors[0] == factor]
            moved = relabelled_rows(evidence, factor, np.random.default_rng([settings.seed, 4, draw, factor]))
            if moved is None:
                continue
            for rep, energies in zip(mine, solver(mine, moved, 1), strict=True):
                draws[rep.name].append(float(energies[0]) if len(energies) else float("-inf"))
    return {name: StructureNull(observed[name], np.array(values)) for name, values in draws.items()}


def testable(group: AbstractGroup, rep: Representation) -> bool:
    """Whether enough relabellings differ: for C_n, 2n of the n! leave its circles as they are."""
    order = (group.groups[rep.factors[0]] if isinstance(group, Product) else group).order
    return order is None or 2 * order / math.factorial(min(order, 20)) <= TESTABLE


def relabelled_rows(evidence: Evidence, factor: int, rng: np.random.Generator) -> Folded | None:
    """The retained rows under one random common relabelling."""
    params = np.concatenate([stack.params.reshape(-1, stack.params.shape[-1]) for stack, _ in evidence.rows])
    relabelling = evidence.group.relabelling(params, rng, factor)
    if relabelling is None:
        return None
    return [
        (
            stack._replace(
                params=np.asarray(relabelling(stack.params.reshape(-1, stack.params.shape[-1]))).reshape(
                    stack.params.shape
                )
            ),
            folds,
        )
        for stack, folds in evidence.rows
    ]


Solver = Callable[[Sequence[Representation], Folded, int], list[Array]]


def _solver(evidence: Evidence, ridge: float, seed: int) -> Solver:
    """How the energies of the best copies are found: (irreps, rows, how many) → cross-fitted energies."""
    if evidence.design.limited:
        return partial(_pair_energies, evidence=evidence, ridge=ridge, seed=seed)
    if len(evidence.rows) == 1:
        return _RegularSolver(evidence, ridge)
    return partial(_ragged_energies, evidence=evidence, ridge=ridge)


def _pair_energies(
    reps: Sequence[Representation], rows: Folded, n_copies: int, *, evidence: Evidence, ridge: float, seed: int
) -> list[Array]:
    pairs, n_folds = make_pairs(rows, evidence.group, seed), len(evidence.folds.n)
    forms = [pair_forms(rep, pairs, evidence.group, n_folds) for rep in reps]
    return [cross_fit(f, evidence.folds, ridge, n_copies).energies for f in forms]


def _ragged_energies(
    reps: Sequence[Representation], rows: Folded, n_copies: int, *, evidence: Evidence, ridge: float
) -> list[Array]:
    forms = haar_forms_of_rows(reps, rows, len(evidence.folds.n), evidence.design.repeated)
    # Relabelling leaves the covariance alone; with all rows retained its whitenings are there already.
    complete = np.isclose(forms[0].n.sum(), evidence.folds.n.sum())
    folds = evidence.folds if complete else Folds.of(forms[0].second, forms[0].n, evidence.folds.floor)
    return [cross_fit(f, folds, ridge, n_copies).energies for f in forms]


class _RegularSolver:
    """The best copies of orbits of equal size m, as leading singular vectors of stacked coefficients.

    S = (mB − T)/(m − 1) has the eigenvectors of B = MᴴM, M the coefficients of whitened rows. The rows are whitened
    once for each fold; labels change nothing in that.
    """

    def __init__(self, evidence: Evidence, ridge: float) -> None:
        stack, self.fold_of = evidence.rows[0]
        self.repeated = evidence.design.repeated
        self.used = [f for f in evidence.folds.used if (self.fold_of == f).any()]
        self.whitened = {}
        for f in self.used:
            _, white = evidence.folds.without(f)
            self.whitened[f] = (stack.z[..., :-1] - white.mean) @ white.matrix(ridge)

    def __call__(self, reps: Sequence[Representation], rows: Folded, n_copies: int) -> list[Array]:
        weights = analysis_weights(reps, rows[0][0].params)
        loss, total = np.zeros((len(reps), n_copies)), np.zeros((len(reps), n_copies))
        for f in self.used:
            y, test = self.whitened[f], self.fold_of == f
            n, m, _ = y.shape
            for i, (rep, piece) in enumerate(zip(reps, split_coefficients(reps, weights @ y), strict=True)):
                h = half_dim(rep)
                stacked = piece.reshape(n, h, -1)
                w = leading_right(stacked[~test].reshape(-1, stacked.shape[-1]), n_copies)
                kept = _squares(stacked[test] @ w.T)
                codes = np.einsum("nme,rae->nmar", y[test], w.reshape(len(w), h, -1), optimize=True)
                variation = _squares(codes) / m
                loss[i, : len(w)] += m / (m - 1) * (variation - kept)
                total[i, : len(w)] += variation
        error = loss / (1 - self.repeated) / np.where(total > 0, total, np.inf)
        return [1.0 - e[t > 0] for e, t in zip(error, total, strict=True)]


def leading_right(x: Array, k: int) -> Array:
    """The k leading right singular vectors of X as rows (k, columns), from the smaller Gram matrix."""
    if x.shape[0] >= x.shape[1]:
        return top_eigenvectors(x.conj().T @ x, k)
    left = top_eigenvectors(x @ x.conj().T, k)
    right = left.conj() @ x
    return np.asarray(right.conj() / np.maximum(np.linalg.norm(right, axis=1, keepdims=True), 1e-300))


def _squares(x: Array) -> Array:
    """Σ|x|² over all axes but the last."""
    flat = x.reshape(-1, x.shape[-1])
    return np.asarray((flat.conj() * flat).real.sum(axis=0))
