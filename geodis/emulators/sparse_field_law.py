"""The equation that fields obey, found in a few runs: closed form first, then refined through its own solutions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, final

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted
from tqdm import tqdm

from geodis.emulators.field_law import FieldLaw, Grid, checked_fields, checked_fixed, jets_of
from geodis.emulators.field_terms import FieldLibrary
from geodis.emulators.thresholded_regression import (
    SINGULAR,
    THRESHOLDS,
    Sums,
    choose_threshold,
    least_squares,
    sum_of,
    thresholded,
    zero_sums,
)
from geodis.emulators.weak_form import integration_matrix, window_starts
from geodis.errors import DesignError, ParameterError
from geodis.groups.options import count, positive
from geodis.linalg import Array

NODES = 5  # snapshots a window of the integrated form
SAME = 1e-8  # share of a step's change by which more substeps may still move it
SETTLED = 1e-6  # relative change of coefficients at which refinement ends
MOST_SUBSTEPS = 32
STEP = 1e-4  # of a finite difference, as a share of the term's part in the motion


@final
class SparseFieldLaw(BaseEstimator):
    """Learn ∂x/∂t = Σ c_k term_k(x), few c_k ≠ 0, from snapshots of fields on a periodic grid.

    1. The equation in integrated form on windows of `nodes` snapshots: linear in c, no derivatives in time.
    2. Least squares with sequential thresholding; the threshold is the sparsest whose error on held-out runs is within
       a standard error of the least.
    3. The kept terms are refined through the solution itself: c ↦ state after one interval (Runge–Kutta, as many
       substeps as change nothing any more) is linearised, and 2. repeated, until nothing moves.

    Snapshots may lie too far apart for differences in time; the fit takes seconds, and what it finds can be read. It
    knows no more than the library: an equation of these terms, first order in time, on a periodic grid.

    Parameters
    ----------
    library : FieldLibrary
        The terms to choose from.
    interval : float
        Time between snapshots.
    length : float
        Of the periodic square's or cube's side.
    nodes : int
        Snapshots a window.
    n_windows : int
        Windows, and later steps, that are looked at; drawn from all there are.
    n_folds : int
        Of the cross-validation: over runs, or over windows where there are fewer runs than folds.
    thresholds : sequence of float
        Shares of the motion, to choose from.
    n_refinements : int
        At most.
    random_state : int
    verbose : bool
        Whether to show progress.

    Attributes
    ----------
    law_ : FieldLaw

    References
    ----------
    Brunton, Proctor, Kutz, PNAS 113 (2016); Messenger, Bortz, Weak SINDy for partial differential equations, J. Comput.
    Phys. 443 (2021), arXiv:2007.02848. Equivariant libraries: Villar et al., NeurIPS 2021, arXiv:2106.06610.

    Examples
    --------
    >>> library = FieldLibrary({"c": (0, 1)}, derivatives=(2, 0))
    >>> truth = FieldLaw.of(library, {"c": {"∂_j∂_j c": 0.05, "c": 1.0, "c c": -1.0}}, interval=0.5)
    >>> start = np.abs(Grid.of((12, 12), 6.28).cut(np.random.default_rng(0).normal(size=(3, 1, 12, 12))))
    >>> found = SparseFieldLaw(library, interval=0.5).fit(truth.rollout(start, 8)).law_
    >>> print(found)
    ∂c/∂t = 1 c + 0.05 ∂_j∂_j c - 1 c c
    """

    def __init__(
        self,
        library: FieldLibrary,
        *,
        interval: float = 1.0,
        length: float = 2 * np.pi,
        nodes: int = NODES,
        n_windows: int = 24,
        n_folds: int = 5,
        thresholds: tuple[float, ...] = THRESHOLDS,
        n_refinements: int = 8,
        random_state: int = 0,
        verbose: bool = False,
    ) -> None:
        self.library = library
        self.interval = interval
        self.length = length
        self.nodes = nodes
        self.n_windows = n_windows
        self.n_folds = n_folds
        self.thresholds = thresholds
        self.n_refinements = n_refinements
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, runs: Any, fixed: Any = None) -> SparseFieldLaw:
        """Learn from runs `(runs, times, components, *grid)` and fixed fields `(runs, components, *grid)`.

        Raises
        ------
        ShapeError, FiniteError, LengthError, ParameterError, DesignError
            For arrays that do not fit the library, NaN, options out of range, fewer than three snapshots.
        """
        states, still = self._checked(runs, fixed)
        rng = np.random.default_rng(self.random_state)
        law = self._closed_form(states, still, rng)
        steps = self._drawn(states, 2, rng)
        ends = self._windows(states, steps, 2)
        constant = None if still is None else still[steps[:, 0]]
        law = replace(law, substeps=_substeps(law, ends[:, 0], constant))
        for _ in tqdm(range(self.n_refinements), desc="refinement", disable=not self.verbose):
            before, law = law, self._refined(law, ends, constant, steps[:, 0])
            law = replace(law, substeps=_substeps(law, ends[:, 0], constant))
            if before.terms == law.terms and _moved(before, law) < SETTLED:
                break
        self.law_ = law
        return self

    def rollout(self, start: Any, n_steps: int, fixed: Any = None) -> Array:
        """As `FieldLaw.rollout`."""
        check_is_fitted(self, "law_")
        return self.law_.rollout(start, n_steps, fixed)

    # --- the integrated form ------------------------------------------------------------------------------------------
    def _closed_form(self, states: Array, still: Array | None, rng: np.random.Generator) -> FieldLaw:
        library, nodes = self.library, min(self.nodes, states.shape[1])
        chosen = self._drawn(states, nodes, rng)
        fold = self._folds(chosen[:, 0])
        matrix = integration_matrix(np.arange(nodes) * self.interval)
        sums = {n: [zero_sums(len(library.terms[n])) for _ in range(fold.max() + 1)] for n in library.state}
        for row in tqdm(range(len(chosen)), desc="integrated form", disable=not self.verbose):
            window = self._windows(states, chosen[row : row + 1], nodes)[0]
            constant = None if still is None else np.repeat(still[chosen[row, :1]], nodes, axis=0)
            for name, rows, moved in self._rows(window, constant, matrix):
                sums[name][fold[row]] = sums[name][fold[row]].plus(
                    Sums(rows @ rows.T, rows @ moved, float(moved @ moved))
                )
        terms, coefficients = {}, {}
        for name, parts in sums.items():
            c = thresholded(sum_of(parts), choose_threshold(parts, self.thresholds).threshold)
            kept = np.flatnonzero(c)
            terms[name], coefficients[name] = tuple(library.terms[name][k] for k in kept), c[kept]
        unknown = {name: np.full(len(c), np.nan) for name, c in coefficients.items()}
        return FieldLaw(library, terms, coefficients, unknown, self.interval, self.length, 1, float("nan"))

    def _rows(self, window: Array, constant: Array | None, matrix: Array) -> list[tuple[str, Array, Array]]:
        """Of every field: integrated terms `(terms, values)` and what was moved `(values,)`, without the free start."""
        library, grid = self.library, Grid.of(window.shape[2:], self.length)
        needed = {atom for terms in library.terms.values() for term in terms for atom in term.atoms}
        jets = jets_of(library, needed, window, constant, grid)
        shape, found, at = (len(window), *window.shape[2:]), [], 0
        for name, width in library.widths(library.state).items():
            values = np.stack([term.of(jets, library.dim, shape) for term in library.terms[name]])
            integrated = np.einsum("ts,kcs...->kct...", matrix, grid.cut(values))
            moved = np.moveaxis(window[:, at : at + width], 1, 0)
            rows = [x - x.mean(axis, keepdims=True) for x, axis in ((integrated, 2), (moved, 1))]
            found.append((name, rows[0].reshape(len(values), -1), rows[1].ravel()))
            at += width
        return found

    # --- through the solution -----------------------------------------------------------------------------------------
    def _refined(self, law: FieldLaw, ends: Array, constant: Array | None, run: Array) -> FieldLaw:
        """One linearised least squares for the coefficients, with the choice of terms made again."""
        fold = self._folds(run)
        reached = law.step(ends[:, 0], constant)
        weight = self._weight(ends[:, 1] - ends[:, 0])
        a = np.stack([slope * weight for slope in self._slopes(law, ends[:, 0], constant, reached)])
        c = np.concatenate([_spread(law, name) for name in self.library.state])
        y = (ends[:, 1] - reached) * weight + np.tensordot(c, a, 1)
        clusters = run if len(np.unique(run)) > 1 else np.arange(len(run))
        parts = [_sums(a[:, fold == f], y[fold == f]) for f in range(fold.max() + 1)]
        found = thresholded(sum_of(parts), choose_threshold(parts, self.thresholds).threshold)
        kept = np.flatnonzero(found)
        errors = _clustered(a[kept], y, found[kept], clusters)
        deviations = np.full(len(found), np.nan)
        deviations[kept] = errors
        unexplained = (
            sum_of(parts).error(found) * np.square(y).mean() / np.square((ends[:, 1] - ends[:, 0]) * weight).mean()
        )
        return replace(law, **self._chosen(found, deviations), unexplained=float(unexplained))

    def _chosen(self, c: Array, deviations: Array) -> dict[str, Any]:
        """Terms, coefficients and errors by field, of all terms' coefficients in a row."""
        terms, values, errors, at = {}, {}, {}, 0
        for name, listed in self.library.terms.items():
            mine = slice(at, at + len(listed))
            kept = np.flatnonzero(c[mine])
            terms[name] = tuple(listed[k] for k in kept)
            values[name], errors[name] = c[mine][kept], deviations[mine][kept]
            at += len(listed)
        return {"terms": terms, "coefficients": values, "standard_errors": errors}

    def _slopes(self, law: FieldLaw, start: Array, constant: Array | None, reached: Array) -> Iterator[Array]:
        """How the state after a step depends on the coefficient of every term, also of those that are zero now."""
        for name, listed in self.library.terms.items():
            c, most = _spread(law, name), np.abs(law.coefficients[name]).max(initial=STEP)
            for k in range(len(listed)):
                kept = np.flatnonzero((c != 0) | (np.arange(len(c)) == k))
                h = STEP * max(abs(c[k]), STEP * most)
                moved = replace(
                    law, terms={**law.terms, name: tuple(listed[i] for i in kept)},
                    coefficients={**law.coefficients, name: (c + h * (np.arange(len(c)) == k))[kept]},
                    standard_errors={**law.standard_errors, name: np.full(len(kept), np.nan)},
                )  # fmt: skip
                yield (moved.step(start, constant) - reached) / h

    def _weight(self, change: Array) -> Array:
        """One over what a step changes of every field, shaped to be multiplied: fields have units of their own."""
        size, at = np.ones(change.shape[1]), 0
        for width in self.library.widths(self.library.state).values():
            size[at : at + width] = np.sqrt(np.square(change[:, at : at + width]).mean()) or 1.0
            at += width
        return np.asarray((1 / size)[(...,) + (None,) * self.library.dim])

    # --- what is looked at --------------------------------------------------------------------------------------------
    def _drawn(self, states: Array, nodes: int, rng: np.random.Generator) -> Array:
        """(run, first snapshot) of at most `n_windows` windows, as many of every run as of any other."""
        starts = window_starts(states.shape[1], nodes)
        each = -(-self.n_windows // len(states))
        rows = []
        for run in range(len(states)):
            mine = rng.permutation(starts)[:each]
            rows += [(run, int(start)) for start in mine]
        return np.array(rows)

    def _windows(self, states: Array, chosen: Array, nodes: int) -> Array:
        cut = np.stack([states[run, start : start + nodes] for run, start in chosen])
        return Grid.of(states.shape[3:], self.length).cut(cut)

    def _folds(self, run: Array) -> Array:
        """The fold of every window: whole runs where there are enough, else single windows."""
        units = run if len(np.unique(run)) >= self.n_folds else np.arange(len(run))
        names = np.unique(units)
        n_folds = min(self.n_folds, len(names))
        order = np.random.default_rng(self.random_state).permutation(len(names))
        fold_of = np.empty(len(names), dtype=int)
        fold_of[order] = np.arange(len(names)) % n_folds
        return fold_of[np.searchsorted(names, units)]

    def _checked(self, runs: Any, fixed: Any) -> tuple[Array, Array | None]:
        if not isinstance(self.library, FieldLibrary):
            raise ParameterError("library", "a FieldLibrary", type(self.library).__name__)
        positive(self.interval, "interval")
        positive(self.length, "length")
        for name, least in (("nodes", 3), ("n_windows", 4), ("n_folds", 2), ("n_refinements", 1)):
            count(getattr(self, name), name, least)
        if not len(self.thresholds) or not all(0 <= t < 1 for t in self.thresholds):
            raise ParameterError("thresholds", "shares in [0, 1)", self.thresholds)
        states = checked_fields(self.library, runs, "runs", ("runs", "times"))
        if states.shape[1] < 3:
            raise DesignError(f"runs: expected at least three snapshots a run, got {states.shape[1]}.")
        if len(states) * len(window_starts(states.shape[1], min(self.nodes, states.shape[1]))) < 2:
            raise DesignError("runs: expected at least two windows; give more runs, longer ones, or fewer nodes.")
        return states, checked_fixed(self.library, fixed, len(states))


def _spread(law: FieldLaw, name: str) -> Array:
    """Coefficients of all the library's terms, zero where the law has none."""
    listed = [term.text for term in law.library.terms[name]]
    c = np.zeros(len(listed))
    c[[listed.index(term.text) for term in law.terms[name]]] = law.coefficients[name]
    return c


def _sums(a: Array, y: Array) -> Sums:
    rows, right = a.reshape(len(a), -1), y.ravel()
    return Sums(rows @ rows.T, rows @ right, float(right @ right))


def _clustered(a: Array, y: Array, c: Array, clusters: Array) -> Array:
    """Standard errors of least squares with whole clusters as the independent units."""
    left = y - np.tensordot(c, a, 1)
    scores = np.stack(
        [a[:, clusters == k].reshape(len(a), -1) @ left[clusters == k].ravel() for k in np.unique(clusters)]
    )
    gram = _sums(a, y).gram
    solved = np.stack([least_squares(gram, score) for score in scores])
    n = len(scores)
    return np.asarray(np.sqrt(np.square(solved).sum(0) * n / max(n - 1, 1)))


def _substeps(law: FieldLaw, start: Array, constant: Array | None) -> int:
    """The fewest substeps that more of them do not change, up to a limit."""
    few = start[: min(len(start), 4)]
    still = None if constant is None else constant[: len(few)]
    n, reached = 1, replace(law, substeps=1).step(few, still)
    while n < MOST_SUBSTEPS:
        finer = replace(law, substeps=2 * n).step(few, still)
        with np.errstate(over="ignore", invalid="ignore"):
            close = np.square(finer - reached).mean() <= SAME * np.square(finer - few).mean()
        if np.isfinite(finer).all() and close:
            return n
        n, reached = 2 * n, finer
    return n


def _moved(before: FieldLaw, after: FieldLaw) -> float:
    """The largest relative change of a coefficient."""
    changes = [
        np.abs(after.coefficients[name] - before.coefficients[name]) / (np.abs(after.coefficients[name]) + SINGULAR)
        for name in after.coefficients
    ]
    return float(np.concatenate(changes).max(initial=0.0))
