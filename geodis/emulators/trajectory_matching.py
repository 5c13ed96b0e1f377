"""Coefficients of a Hamiltonian whose solutions pass closest by the data: least squares with a free start a window.

What regression in integrated form leaves (polynomials that miss a sharp turn, noise in the regressors) is taken away:
solutions are compared with the data themselves. Multiple shooting, H. G. Bock (1983).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np

from geodis.emulators.extrapolation import solve
from geodis.emulators.hamiltonian_field import HamiltonianField
from geodis.emulators.hamiltonian_library import HamiltonianLibrary
from geodis.emulators.monomial import Monomial
from geodis.emulators.thresholded_regression import least_squares
from geodis.emulators.weak_form import Windows
from geodis.linalg import Array

STEP = 1e-5  # relative, of central differences: their error is its square
BLOCK = 128  # windows at once
CONVERGED = 1e-5  # relative decrease of the sum of squares, after which the next one is far smaller
COLUMNS = 4  # of the extrapolation: cheaper than six for these tolerances
SHARPER = 1e-3  # solutions are as exact as this share of what they miss the data by, if that is coarser
COARSEST = 1e-5
DAMPED = 1e8  # the damping beyond which nothing is left to gain


@final
@dataclass(frozen=True, eq=False)
class Match:
    """The closest solutions.

    Attributes
    ----------
    coefficients : ndarray (terms,)
    covariance : ndarray (terms, terms)
        Of the coefficients' errors, with runs as the independent units.
    residuals : ndarray (W,)
        Root mean square deviation in a window, in units of its scale, corrected for the free start.
    steps : int
        How often the problem was linearised.
    """

    coefficients: Array
    covariance: Array
    residuals: Array
    steps: int


class _Point(NamedTuple):
    """The problem at one choice of coefficients and starts."""

    squares: Array  # (W,) sums of squares
    grams: Array  # (runs, terms, terms): BᵀB with the starts projected out
    scores: Array  # (runs, terms): Bᵀr likewise
    starts: Array  # (W, state) Gauss–Newton steps of the starts, without that of the coefficients
    follow: Array  # (W, state, terms): how the starts follow the coefficients


def match_trajectories(
    library: HamiltonianLibrary,
    terms: Sequence[Monomial],
    coefficients: Array,
    windows: Windows,
    *,
    max_steps: int = 12,
    tolerance: float = 1e-9,
) -> Match:
    """Gauss's and Newton's method from `coefficients`, damped where a step would make the deviations larger.

    Parameters
    ----------
    library : HamiltonianLibrary
    terms : sequence of Monomial
        Of the Hamiltonian.
    coefficients : array (terms,)
        To start from; data are the first guess of the windows' starts.
    windows : Windows
    max_steps : int
        Linearisations at most.
    tolerance : float
        Of the solver at last, in units of the windows' scales; coarser while solutions are far from the data.

    Returns
    -------
    Match
    """
    problem = _Problem(library, tuple(terms), windows)
    c, starts = np.asarray(coefficients, dtype=np.float64), windows.states[:, 0].copy()
    now, damping, steps = problem.at(c, starts, COARSEST), 0.0, 0
    while steps < max_steps:
        steps += 1
        gram = now.grams.sum(axis=0)
        gram += damping * np.diag(np.diag(gram))
        moved = -least_squares(gram, now.scores.sum(axis=0))
        shift = (now.starts + now.follow @ moved).reshape(starts.shape) * windows.scale[..., None]
        sharp = min(max(SHARPER * float(np.median(problem.residuals(now))), tolerance), COARSEST)
        trial = problem.at(c + moved, starts + shift / (1 + damping), sharp)
        gain = 1.0 - trial.squares.sum() / now.squares.sum() if np.isfinite(trial.squares).all() else -1.0
        if gain > 0:
            c, starts, now, damping = c + moved, starts + shift / (1 + damping), trial, damping / 10
            damping = damping if damping > 1e-4 else 0.0
        else:
            damping = max(10 * damping, 1e-2)
        exact = now.squares.max() <= windows.states[0].size * tolerance**2 / 100
        if 0 <= gain < CONVERGED or damping > DAMPED or exact:
            break
    return Match(c, _covariance(now), problem.residuals(now), steps)


class _Problem:
    def __init__(self, library: HamiltonianLibrary, terms: tuple[Monomial, ...], windows: Windows) -> None:
        self.library, self.terms, self.windows = library, terms, windows
        self.n_state = int(np.prod(windows.states.shape[2:]))
        self.runs, self.place = np.unique(windows.run, return_inverse=True)

    def at(self, c: Array, starts: Array, tolerance: float) -> _Point:
        w, n, k, s = len(self.windows), len(self.runs), len(c), self.n_state
        point = _Point(np.empty(w), np.zeros((n, k, k)), np.zeros((n, k)), np.empty((w, s)), np.empty((w, s, k)))
        for kind in range(len(self.windows.times)):
            for index in self.windows.of_kind(kind, BLOCK):
                times = self.windows.times[kind]
                residual, by_start, by_term = self._linearised(c, starts[index], index, times, tolerance)
                if not np.isfinite(by_term).all() or not np.isfinite(by_start).all():
                    point.squares[index] = np.inf
                    continue
                q, r = np.linalg.qr(by_start)
                inner = np.swapaxes(q, 1, 2)
                left = residual - np.einsum("wns,ws->wn", q, np.einsum("wsn,wn->ws", inner, residual))
                free = by_term - q @ (inner @ by_term)
                np.add.at(point.grams, self.place[index], np.swapaxes(free, 1, 2) @ free)
                np.add.at(point.scores, self.place[index], np.einsum("wnk,wn->wk", free, left))
                point.squares[index] = np.square(residual).sum(axis=1)
                point.starts[index] = -np.linalg.solve(r, (inner @ residual[..., None]))[..., 0]
                point.follow[index] = -np.linalg.solve(r, inner @ by_term)
        return point

    def residuals(self, point: _Point) -> Array:
        free = int(np.prod(self.windows.states.shape[1:])) - self.n_state
        return np.asarray(np.sqrt(point.squares / max(free, 1)))

    def _linearised(
        self, c: Array, starts: Array, index: Array, times: Array, tolerance: float
    ) -> tuple[Array, Array, Array]:
        """Deviations `(W, rows)` with their derivatives by starts (in units of the scale) and by coefficients."""
        windows, s, k = self.windows, self.n_state, len(c)
        scale = windows.scale[index][..., None]
        shifts = np.eye(s).reshape(s, 1, *starts.shape[1:]) * STEP * scale
        one = np.zeros((1, *shifts.shape[1:]))
        still = np.zeros((2 * k, *shifts.shape[1:]))
        begin = starts + np.concatenate([one, shifts, -shifts, still])
        steps = STEP * np.maximum(np.abs(c), 1.0)
        nudge = np.zeros((k, len(begin)))
        nudge[np.arange(k), 1 + 2 * s + np.arange(k)] = steps
        nudge[np.arange(k), 1 + 2 * s + k + np.arange(k)] = -steps
        field = HamiltonianField(
            self.library, self.terms, list((c[:, None] + nudge)[..., None]), windows.constants_of(index)
        )

        def size(difference: Array) -> Array:
            return np.asarray(np.sqrt(np.square(difference / scale).mean(axis=(-2, -1))))

        with np.errstate(all="ignore"):
            path = np.stack(solve(field, begin, times, size, tolerance, COLUMNS), axis=2) / scale[:, None]
        rows = path.reshape(len(begin), len(index), -1)
        data = (windows.states[index] / scale[:, None]).reshape(len(index), -1)
        plus, minus = rows[1 : 1 + s], rows[1 + s : 1 + 2 * s]
        up, down = rows[1 + 2 * s : 1 + 2 * s + k], rows[1 + 2 * s + k :]
        by_start = np.moveaxis((plus - minus) / (2 * STEP), 0, -1)
        by_term = np.moveaxis((up - down) / (2 * steps[:, None, None]), 0, -1)
        return rows[0] - data, by_start, by_term


def _covariance(point: _Point) -> Array:
    """The jackknife over runs, linearised, about the estimate: errors within a run need not be independent."""
    n, total = len(point.grams), point.grams.sum(axis=0)
    parts = zip(point.grams, point.scores, strict=True)
    moved = np.array([np.linalg.pinv(total - gram, hermitian=True) @ score for gram, score in parts])
    return np.asarray((n - 1) / n * moved.T @ moved)
