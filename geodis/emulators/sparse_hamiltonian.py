"""The sparsest Hamiltonian of a library whose solutions follow the trajectories, with a word on whether any does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy as np
from scipy import stats
from sklearn.base import BaseEstimator
from tqdm import tqdm

from geodis.emulators.hamiltonian_library import HamiltonianLibrary
from geodis.emulators.learned_hamiltonian import LearnedHamiltonian
from geodis.emulators.monomial import Monomial
from geodis.emulators.thresholded_regression import (
    THRESHOLDS,
    Choice,
    Sums,
    choose_threshold,
    sum_of,
    thresholded,
    zero_sums,
)
from geodis.emulators.trajectory_matching import Match, match_trajectories
from geodis.emulators.weak_form import BLOCK, NODES, Windows, ascending, weak_rows, windows_of
from geodis.errors import DesignError, ParameterError, ShapeError
from geodis.groups.options import count
from geodis.linalg import Array
from geodis.statistics import check_level

RESOLUTION = 1e-8  # of positions and momenta: smaller deviations are those of the computation
FOLLOWED = 0.95  # quantile of the F distribution: one window in twenty exceeds it where noise explains all
SEEN = 1e-10  # relative eigenvalue of the terms' correlation matrix below which they cannot be told apart


@final
class SparseHamiltonian(BaseEstimator):
    """Learn H = Σ c_k φ_k, few c_k ≠ 0, from positions and momenta at some times: no derivatives, no training.

    1. Hamilton's equations in integrated form on windows of `nodes` times (`weak_form`): linear in c. A window counts
       the less, the more of it polynomials miss.
    2. Least squares with sequential thresholding; the threshold is the largest whose error on held-out trajectories is
       within a standard error of the least.
    3. The kept coefficients are refined until solutions pass closest by the data (`trajectory_matching`).
    4. Every window's deviation is compared with the noise that is visible without a model (what no polynomial of degree
       nodes − 2 fits), by an F test; too many windows beyond it mean that the library does not hold the truth.

    Parameters
    ----------
    library : HamiltonianLibrary
        The terms to choose from.
    nodes : int
        Times a window; all of a trajectory's if it has fewer.
    n_folds : int
        Of the cross-validation over trajectories (as many as there are trajectories, if fewer).
    thresholds : sequence of float
        Shares of the motion, to choose from.
    level : float
        A library that holds the truth is called misspecified with probability at most about 1 − level.
    verbose : bool
        Whether to show progress.
    random_state : int
        Seed of the folds.

    Attributes
    ----------
    hamiltonian_ : LearnedHamiltonian
        What was found.
    choice_ : Choice
        Thresholds with their held-out errors.
    weak_coefficients_ : ndarray (len(library),)
        After step 2.

    Notes
    -----
    Windows are measured in units of their own positions and momenta, so that the fit commutes with O(d) and with every
    change of units, even one that differs between trajectories. What it cannot see: missing terms whose effect within
    a window stays below the noise, or below what polynomials miss in smooth data.

    References
    ----------
    Brunton, Proctor, Kutz, PNAS 113 (2016); Messenger, Bortz, Weak SINDy, Multiscale Model. Simul. 19 (2021), arXiv
    2005.04339; units: Villar et al., JMLR 24 (2023), arXiv 2204.00887.

    Examples
    --------
    >>> from geodis.emulators import HamiltonianLibrary, UnitScalars
    >>> t, k = np.arange(10) * 0.3, np.linspace(1.0, 2.0, 6)[:, None, None]
    >>> wave = np.sqrt(k) * t[None, :, None]
    >>> q = np.concatenate([np.cos(wave), np.sin(wave)], -1)
    >>> p = np.sqrt(k) * np.concatenate([-np.sin(wave), np.cos(wave)], -1)
    >>> scalars = UnitScalars({"q": "m", "p": "kg m s^-1"}, {"m": "kg", "k": "kg s^-2"}, lengths=["q"])
    >>> found = SparseHamiltonian(HamiltonianLibrary(scalars, [("q", "p")]))
    >>> found.fit({"q": q, "p": p, "m": 1.0, "k": k[:, 0, 0]}, t).hamiltonian_.coefficients.round(6).tolist()
    [0.5, 0.5]
    """

    def __init__(
        self,
        library: HamiltonianLibrary,
        *,
        nodes: int = NODES,
        n_folds: int = 5,
        thresholds: tuple[float, ...] = THRESHOLDS,
        level: float = 0.999,
        verbose: bool = False,
        random_state: int = 0,
    ) -> None:
        self.library = library
        self.nodes = nodes
        self.n_folds = n_folds
        self.thresholds = thresholds
        self.level = level
        self.verbose = verbose
        self.random_state = random_state

    def fit(self, x: Mapping[str, Any], times: Any) -> SparseHamiltonian:
        """Learn from n trajectories.

        Parameters
        ----------
        x : mapping of str to array
            Positions and momenta `(n, T, d)`; what stays constant: vectors `(d,)`, `(n, d)` or `(n, 1, d)`, numbers
            `()`, `(n,)` or `(n, 1)`.
        times : array (T,)
            Of all trajectories, ascending, not necessarily in equal steps.

        Raises
        ------
        UnknownNameError, ParameterError, ShapeError, FiniteError, DesignError
            For names that are missing or unknown, shapes that do not fit, NaN, options outside their ranges, fewer than
            two trajectories or three times.
        """
        self._check()
        at = ascending(times)
        states, constants = split_runs(self.library, x, len(at))
        if len(states) < 2 or len(at) < 3:
            got = f"{len(states)} with {len(at)} times"
            raise DesignError(f"Expected at least two trajectories of three times, got {got}.")
        windows = windows_of(states, constants, at, min(self.nodes, len(at)))
        parts = self._parts(windows, len(states))
        self.choice_ = choose_threshold(parts, self.thresholds)
        total = sum_of(parts)
        self.weak_coefficients_ = thresholded(total, self.choice_.threshold)
        kept = np.flatnonzero(self.weak_coefficients_)
        terms = tuple(self.library.terms[k] for k in kept)
        match = match_trajectories(self.library, terms, self.weak_coefficients_[kept], windows)
        self.hamiltonian_ = self._judged(terms, match, windows, self.choice_, total.gram[np.ix_(kept, kept)])
        return self

    def _check(self) -> None:
        if not isinstance(self.library, HamiltonianLibrary):
            raise ParameterError("library", "a HamiltonianLibrary", type(self.library).__name__)
        count(self.nodes, "nodes", 3, 16)
        count(self.n_folds, "n_folds", 2)
        check_level(self.level)
        if not len(self.thresholds) or not all(0 <= t < 1 for t in self.thresholds):
            raise ParameterError("thresholds", "shares in [0, 1)", self.thresholds)

    def _parts(self, windows: Windows, n_runs: int) -> list[Sums]:
        """Sums of squares of every fold of trajectories."""
        n_folds = min(self.n_folds, n_runs)
        order = np.random.default_rng(self.random_state).permutation(n_runs)
        fold_of = np.empty(n_runs, dtype=int)
        fold_of[order] = np.arange(n_runs) % n_folds
        sums = [zero_sums(len(self.library)) for _ in range(n_folds)]
        weights = window_weights(windows)
        blocks = [(k, index) for k in range(len(windows.times)) for index in windows.of_kind(k, BLOCK)]
        for kind, index in tqdm(blocks, desc="weak form", disable=not self.verbose):
            rows, moved = self._rows(windows, kind, index)
            rows *= weights[index][:, None, None]
            moved *= weights[index][:, None]
            for fold in range(n_folds):
                mine = fold_of[windows.run[index]] == fold
                a, y = rows[mine].reshape(-1, rows.shape[-1]), moved[mine].ravel()
                sums[fold] = sums[fold].plus(Sums(a.T @ a, a.T @ y, float(y @ y)))
        return sums

    def _rows(self, windows: Windows, kind: int, index: Array) -> tuple[Array, Array]:
        values = {name: v[:, None] for name, v in windows.constants_of(index).items()}
        states = windows.states[index]
        values |= {name: states[:, :, i] for i, name in enumerate(self.library.names)}
        return weak_rows(self.library.fields(values), states, windows.times[kind], windows.scale[index])

    def _judged(
        self, terms: tuple[Monomial, ...], match: Match, windows: Windows, choice: Choice, gram: Array
    ) -> LearnedHamiltonian:
        visible = np.maximum(windows.roughness, RESOLUTION)
        ratio = match.residuals / visible
        width = int(np.prod(windows.states.shape[2:]))
        free = (windows.states.shape[1] - 1) * width
        beyond = int((ratio**2 > stats.f.ppf(FOLLOWED, free, width)).sum())
        p_value = float(stats.binom.sf(beyond - 1, len(ratio), 1 - FOLLOWED))
        unit = gram / np.sqrt(np.outer(np.diag(gram), np.diag(gram)))
        # The smallest p-value that so few windows can give must be able to tell.
        told_apart = np.linalg.eigvalsh(unit)[0] > SEEN and (1 - FOLLOWED) ** len(ratio) < 1 - self.level
        status = "ok" if p_value >= 1 - self.level else "misspecified"
        return LearnedHamiltonian(
            self.library, terms, match.coefficients, np.sqrt(np.diag(match.covariance)),
            status if told_apart else "insufficient", p_value, float(np.median(ratio)),
            float(np.median(match.residuals)), choice.threshold, len(np.unique(windows.run)),
        )  # fmt: skip


def window_weights(windows: Windows) -> Array:
    """1/√(ε² + median ε²) with ε the roughness: windows with a turn that polynomials miss hardly count."""
    typical = np.median(windows.roughness)
    return np.asarray(1.0 / np.sqrt(windows.roughness**2 + typical**2 + RESOLUTION**2))


def split_runs(library: HamiltonianLibrary, x: Mapping[str, Any], n_times: int) -> tuple[Array, dict[str, Array]]:
    """Named trajectories → states `(n, T, vectors, d)` and constants `(n,)` or `(n, d)`."""
    values = library.scalars.checked({name: _shaped(library, name, value) for name, value in x.items()})
    shapes = {name: values[name].shape for name in library.names}
    if len(set(shapes.values())) != 1 or next(iter(shapes.values()))[1:2] != (n_times,):
        raise ShapeError("positions and momenta", f"(n, {n_times}, d), the same for all", shapes)
    states = np.stack([values[name] for name in library.names], axis=2)
    n, d = len(states), states.shape[-1]
    constants = {}
    for name, value in values.items():
        if name not in library.names:
            full = (n, d) if name in library.scalars.vectors else (n,)
            flat = value[:, 0] if value.ndim == len(full) + 1 else value
            constants[name] = np.broadcast_to(flat, full)
    return states, constants


def _shaped(library: HamiltonianLibrary, name: str, value: Any) -> Array:
    """Constants with an axis of length one for the times."""
    from geodis.linalg import to_numpy

    array = np.asarray(to_numpy(value), dtype=np.float64)
    if name in library.names:
        if array.ndim != 3:
            raise ShapeError(name, "(n, T, d)", array.shape)
        return array
    if name in library.scalars.scalars:
        if array.ndim > 2 or (array.ndim == 2 and array.shape[1] != 1):
            raise ShapeError(name, "(), (n,) or (n, 1): it stays constant", array.shape)
        return array[:, None] if array.ndim == 1 else array
    if array.ndim not in (1, 2, 3) or (array.ndim == 3 and array.shape[1] != 1):
        raise ShapeError(name, "(d,), (n, d) or (n, 1, d): it stays constant", array.shape)
    return array[:, None] if array.ndim == 2 else array
