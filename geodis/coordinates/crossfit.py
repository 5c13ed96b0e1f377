"""Cross-fitting over items: every printed energy comes from items that its coordinates have not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from geodis.coordinates.forms import HaarForms, Whitening, homogeneous, whitening
from geodis.coordinates.fourier import half_dim
from geodis.coordinates.pairs import PairForms, solve_pairs
from geodis.coordinates.spectral import solve
from geodis.linalg import Array

RIDGES = (1e-4, 1e-2, 1e-1, 1.0)  # fractions of the mean variance tr(T)/q
PAIR_RIDGES = (1e-1, 1.0)  # pairs know the covariance less well: a smaller ridge never helped
OVERFIT = 0.01  # in-sample minus cross-fitted energy that makes a search for the ridge worth its time


@dataclass(frozen=True)
class Folds:
    """Whitenings with every set of folds left out that cross-fitting needs, computed once.

    Attributes
    ----------
    second : ndarray (K, q+1, q+1)
        Σ_i C̃_i of each fold.
    n : ndarray (K,)
        Items of each fold.
    floor : float
        Variance below which directions are rounding.
    """

    second: Array
    n: Array
    floor: float
    _memory: dict[tuple[int, ...], Whitening]

    @classmethod
    def of(cls, second: Array, n: Array, floor: float) -> Folds:
        """Folds of these sums, with no whitening computed yet."""
        return cls(second, n, floor, {})

    @property
    def used(self) -> list[int]:
        """The folds that hold items."""
        return [f for f in range(len(self.n)) if self.n[f] > 0]

    def restrict(self, subspace: Array) -> Folds:
        """The same folds seen through the columns of `subspace` (q, q')."""
        lift = homogeneous(subspace)
        return Folds.of(np.einsum("kef,ex,fy->kxy", self.second, lift, lift, optimize=True), self.n, self.floor)

    def without(self, *left_out: int) -> tuple[Array, Whitening]:
        """`(folds that stay, their whitening)`."""
        stay = np.array([f for f in self.used if f not in left_out], dtype=int)
        key = tuple(stay.tolist())
        if key not in self._memory:
            self._memory[key] = whitening(self.second[stay].sum(0), float(self.n[stay].sum()), self.floor)
        return stay, self._memory[key]


@dataclass(frozen=True)
class CrossFit:
    """Cross-fitted copies of one irrep.

    Attributes
    ----------
    energies : ndarray (r,)
        1 − Σ_f loss/Σ_f denominator, with solutions of the other folds.
    in_sample : ndarray (r,)
        The mean energy on the folds that were fitted.
    solutions : dict of int to ndarray
        For every fold the copies fitted on the other folds.
    """

    energies: Array
    in_sample: Array
    solutions: dict[int, Array]


def fit_copies(
    forms: HaarForms | PairForms, stay: Array, white: Whitening, ridge: float, k: int
) -> tuple[Array, Array]:
    """`(solutions, in-sample energies)` of the k best copies on the folds `stay`."""
    if isinstance(forms, PairForms):
        pair_copies = solve_pairs(forms, stay, white, ridge, k)
        return pair_copies.solution, pair_copies.energies
    copies = solve(forms, stay, white, ridge, k)
    return copies.solution, copies.energies


def cross_fit(forms: HaarForms | PairForms, folds: Folds, ridges: float | dict[int, float], k: int) -> CrossFit:
    """Energies of the k best copies on items that their coordinates have not seen."""
    solutions: dict[int, Array] = {}
    in_sample, losses, dens = [], [], []
    for f in folds.used:
        stay, white = folds.without(f)
        ridge = ridges[f] if isinstance(ridges, dict) else ridges
        solutions[f], energies = fit_copies(forms, stay, white, ridge, k)
        in_sample.append(energies)
        loss, den = forms.evaluate(np.array([f]), solutions[f])
        losses.append(loss)
        dens.append(den)
    r = min((len(e) for e in in_sample), default=0)
    if r == 0:
        return CrossFit(np.zeros(0), np.zeros(0), {})
    loss, den = (np.sum([x[:r] for x in xs], axis=0) for xs in (losses, dens))
    energies = np.where(den > 0, 1.0 - loss / np.where(den > 0, den, 1.0), -np.inf)
    return CrossFit(energies, np.mean([e[:r] for e in in_sample], axis=0), {f: s[:r] for f, s in solutions.items()})


def choose_ridges(
    all_forms: Sequence[HaarForms | PairForms],
    first: Sequence[CrossFit],
    folds: Folds,
    min_energy: float,
    k: int = 3,
    grid: Sequence[float] = RIDGES,
) -> tuple[float, dict[int, float]]:
    """`(ridge of the final fit, ridge of each outer fold)`: maximizes Σ_b h_b max(0, λ_b) on inner folds.

    `first` holds the cross-fits with the least ridge of the grid. The search is skipped when they do not overfit:
    in-sample and cross-fitted energies agree.
    """
    if len(folds.used) < 3 or not _overfits(first, min_energy):
        return grid[0], dict.fromkeys(folds.used, grid[0])
    scores = np.zeros((len(grid), len(folds.n)))
    for a, ridge in enumerate(grid):
        for f in folds.used:
            inner = folds.used[(folds.used.index(f) + 1) % len(folds.used)]
            stay, white = folds.without(f, inner)
            scores[a, f] = sum(_score(forms, stay, white, ridge, inner, k) for forms in all_forms)
    return grid[int(scores.sum(1).argmax())], {f: grid[int(scores[:, f].argmax())] for f in folds.used}


def _overfits(first: Sequence[CrossFit], min_energy: float) -> bool:
    gaps = [gap for fit in first for gap in (fit.in_sample - fit.energies)[fit.energies > min_energy]]
    return not gaps or max(gaps) > OVERFIT


def _score(forms: HaarForms | PairForms, stay: Array, white: Whitening, ridge: float, inner: int, k: int) -> float:
    solution, _ = fit_copies(forms, stay, white, ridge, k)
    loss, den = forms.evaluate(np.array([inner]), solution)
    energies = 1.0 - loss / np.where(den > 0, den, np.inf)
    return float(half_dim(forms.rep) * np.maximum(energies, 0.0)[:k].sum())
