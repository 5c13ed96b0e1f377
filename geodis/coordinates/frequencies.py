"""Characters of a continuous frequency: scan λ(ω), polish the peak (theory.md §5)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize, minimize_scalar

from geodis.coordinates.crossfit import Folds, cross_fit
from geodis.coordinates.evidence import Evidence, Settings
from geodis.coordinates.forms import homogeneous
from geodis.coordinates.pairs import Pairs, pair_forms
from geodis.groups import AbstractGroup, ContinuousFamily, Representation
from geodis.linalg import Array

SCANNED_PAIRS = 4000  # pairs that a scan looks at
MOST_STEPS = 400  # frequencies of a scan
SCANNED_AXES = 48  # principal directions that a scan looks at


def best_frequency(
    family: ContinuousFamily,
    pairs: Pairs,
    subspace: Array,
    evidence: Evidence,
    settings: Settings,
    ridge: float,
) -> Representation | None:
    """The member of the family with the largest cross-fitted skill, scanned on `subspace`; None if nothing is."""
    group, folds = evidence.group, evidence.folds.restrict(subspace)
    grid, step = _grid(family, pairs, settings.max_order)
    if len(grid) == 0:
        return None
    few, few_folds = _thinned(pairs, subspace, folds, settings.seed)
    coarse = _skill(family, few, group, few_folds, ridge)
    values = [coarse(w) for w in grid]
    peak = grid[int(np.argmax(values))]
    if max(values) < settings.min_energy / 2:
        return family.make(peak)
    peak = _polished(coarse, peak, step)
    # Polished on everything: on the complement, errors of the rows that were taken out would shift the peak.
    return family.make(_polished(_skill(family, pairs, group, evidence.folds, ridge), peak, step / 5))


def _skill(
    family: ContinuousFamily, pairs: Pairs, group: AbstractGroup, folds: Folds, ridge: float
) -> Callable[[Array], float]:
    """ω ↦ the cross-fitted skill of the best copy of ρ_ω on these pairs."""

    def skill(frequency: Array) -> float:
        forms = pair_forms(family.make(frequency), pairs, group, len(folds.n))
        energies = cross_fit(forms, folds, ridge, 1).energies
        return float(energies[0]) if len(energies) else -np.inf

    return skill


def _polished(skill: Callable[[Array], float], peak: Array, step: float) -> Array:
    if len(peak) == 1:
        found = minimize_scalar(
            lambda w: -skill(np.array([w])),
            bounds=(peak[0] - step, peak[0] + step),
            method="bounded",
            options={"xatol": 1e-5 * step},
        )
        return np.array([found.x])
    simplex = peak + np.vstack([np.zeros(len(peak)), step / 2 * np.eye(len(peak))])
    found = minimize(
        lambda w: -skill(w),
        peak,
        method="Nelder-Mead",
        options={"initial_simplex": simplex, "xatol": 1e-4 * step, "fatol": 1e-7},
    )
    return np.asarray(found.x)


def _grid(family: ContinuousFamily, pairs: Pairs, max_order: int) -> tuple[Array, float]:
    """Frequencies to try and their step.

    A unitary character must turn at least once in the window, or invariants and the number line pass for it; a real
    exponent has no such floor.
    """
    labels = np.concatenate([pairs.source, pairs.target])
    window = float(np.ptp(labels, axis=0).max(initial=0.0)) if len(labels) else 0.0
    if window <= 0 or max_order == 0:
        return np.zeros((0, family.dim)), 0.0
    if not family.make(np.ones(family.dim)).orthogonal:
        step = 0.25
        values = np.arange(step, max_order + step / 2, step)
        return np.concatenate([-values[::-1], values])[:, None], step
    least, step = 2 * np.pi / window, np.pi / (2 * window)
    most = _highest(pairs, window, max_order) if family.dim == 1 else max_order * least
    axis = np.arange(-most, most + step / 2, step)
    grid = np.stack(np.meshgrid(*[axis] * family.dim, indexing="ij"), -1).reshape(-1, family.dim)
    norm = np.linalg.norm(grid, axis=1)
    leading = np.array([next((x for x in w if abs(x) > 1e-9), 0.0) for w in grid])
    return grid[(norm >= least - 1e-9) & (leading > 0)], step


def _highest(pairs: Pairs, window: float, max_order: int) -> float:
    """The largest frequency to try: 2·max_order turns in the window, or what the spacing of the labels resolves."""
    order = np.lexsort((pairs.source[:, 0], pairs.item))
    gaps, same = np.diff(pairs.source[order, 0]), np.diff(pairs.item[order]) == 0
    spacing = gaps[same & (gaps > 0)]
    turns = 2 * max_order * 2 * np.pi / window
    resolved = np.pi / np.median(spacing) if len(spacing) else 0.0
    return float(min(max(turns, resolved), MOST_STEPS * np.pi / (2 * window)))


def _thinned(pairs: Pairs, subspace: Array, folds: Folds, seed: int) -> tuple[Pairs, Folds]:
    """Fewer pairs and fewer directions, for a scan."""
    rng = np.random.default_rng([seed, 5])
    count = min(SCANNED_PAIRS, len(pairs.fold))
    picked = pairs.part(np.sort(rng.choice(len(pairs.fold), count, replace=False)))
    _, white = folds.without()
    lift = homogeneous(subspace @ white.axes[:, :SCANNED_AXES])
    inner = homogeneous(white.axes[:, :SCANNED_AXES])
    second = np.einsum("kef,ex,fy->kxy", folds.second, inner, inner, optimize=True)
    return picked.through(lift), Folds.of(second, folds.n, folds.floor)
