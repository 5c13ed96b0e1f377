"""The search for blocks: which copies of which irreps are there, by cross-fitted energy and against their null."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from geodis.coordinates.crossfit import RIDGES, CrossFit, choose_ridges, cross_fit, fit_copies
from geodis.coordinates.evidence import Evidence, Settings
from geodis.coordinates.forms import HaarForms, Whitening
from geodis.coordinates.fourier import half_dim
from geodis.coordinates.heldout import HeldOutCodes
from geodis.groups import Representation
from geodis.linalg import Array
from geodis.multiplicity import holm
from geodis.statistics import permutation_p

ALPHA = 0.05  # a block is kept when its Holm-adjusted p is at most this
SHOWN = 3  # rejected candidates that stay in the spectrum
FIRST = 4  # copies sought at first; more when all of them pass


@dataclass(frozen=True)
class Found:
    """What was found of one irrep.

    Attributes
    ----------
    rep : Representation
    energies : ndarray (r,)
        Cross-fitted energies of the copies, the kept ones first, then some rejected candidates.
    intervals : list of (float, float)
        Their confidence intervals.
    kept : int
        How many are kept: a prefix.
    p_values : ndarray (r,)
        Against permuted labels (N1), or shuffled items (N0) for the trivial irrep; Holm-adjusted over irreps,
        except for limited designs, whose copies are tested one after the other.
    null_mean : float
        The mean energy under that null.
    rows : ndarray (kept, h, q)
        W of the kept copies, unit variance a row (positions in the unit of the translation), complex for complex type.
    offsets : ndarray (kept, h)
        b, so that the code is Wz + b.
    """

    rep: Representation
    energies: Array
    intervals: list[tuple[float, float]]
    kept: int
    p_values: Array
    null_mean: float
    rows: Array
    offsets: Array


@dataclass(frozen=True)
class Candidates:
    """Cross-fitted copies of one irrep with their held-out null, before the decision."""

    forms: HaarForms
    fitted: CrossFit
    intervals: list[tuple[float, float]]
    p_raw: Array
    null_mean: float


def search(evidence: Evidence, settings: Settings, most: int | None = None) -> tuple[list[Found], float]:
    """`(what was found of every irrep, the ridge)` for designs that look like Haar measure; at most `most` copies."""
    first = [cross_fit(forms, evidence.folds, RIDGES[0], FIRST) for forms in evidence.forms]
    ridge, per_fold = _ridges(evidence, first, settings)
    known = first if set(per_fold.values()) == {RIDGES[0]} else [None] * len(first)
    n_draws = max(settings.n_null, math.ceil(len(evidence.forms) / ALPHA) - 1)
    candidates = [
        _candidates(forms, fitted, evidence, per_fold, settings, n_draws)
        for forms, fitted in zip(evidence.forms, known, strict=True)
    ]
    factors = _holm_factors(candidates)
    picked = zip(candidates, factors, strict=True)
    return [_decide(c, factor, evidence, ridge, settings, most) for c, factor in picked], ridge


def _ridges(evidence: Evidence, first: list[CrossFit], settings: Settings) -> tuple[float, dict[int, float]]:
    if settings.ridge != "auto":
        value = float(settings.ridge)
        return value, dict.fromkeys(evidence.folds.used, value)
    acting = [(forms, fit) for forms, fit in zip(evidence.forms, first, strict=True) if not forms.rep.trivial]
    forms, fits = zip(*(acting or zip(evidence.forms, first, strict=True)), strict=True)
    return choose_ridges(forms, fits, evidence.folds, settings.min_energy)


def _candidates(
    forms: HaarForms,
    known: CrossFit | None,
    evidence: Evidence,
    ridges: dict[int, float],
    settings: Settings,
    n_draws: int,
) -> Candidates:
    k = FIRST
    fitted = cross_fit(forms, evidence.folds, ridges, k) if known is None else known
    while len(fitted.energies) == k and (fitted.energies > settings.min_energy).all():
        k *= 2
        fitted = cross_fit(forms, evidence.folds, ridges, k)
    passing = _prefix(fitted.energies > settings.min_energy)
    shown = min(len(fitted.energies), passing + SHOWN)
    fitted = CrossFit(
        fitted.energies[:shown], fitted.in_sample[:shown], {f: s[:shown] for f, s in fitted.solutions.items()}
    )
    if shown == 0:
        return Candidates(forms, fitted, [], np.zeros(0), float("nan"))
    held = HeldOutCodes.of(forms.rep, fitted.solutions, evidence.rows, evidence.crossed, evidence.design.repeated)
    own = held.energies()
    rng = np.random.default_rng([settings.seed, 3])
    if passing:
        null = held.item_null(n_draws, rng) if forms.rep.trivial else held.label_null(n_draws, rng)
        p = np.array([permutation_p(energy, null) for energy in own])
        null_mean = float(null.mean())
    else:
        p, null_mean = np.ones(shown), float("nan")
    intervals = []
    for r in range(shown):
        interval = held.interval(r, settings.level)
        shift = fitted.energies[r] - own[r]  # the reservoir may hold only a part of the rows
        intervals.append((interval.low + shift, interval.high + shift))
    return Candidates(forms, fitted, intervals, p, null_mean)


def _holm_factors(candidates: list[Candidates]) -> Array:
    """By how much Holm's procedure multiplies the p of each irrep, judged by its leading copy."""
    p = np.array([c.p_raw[0] if len(c.p_raw) else 1.0 for c in candidates])
    adjusted = holm(p)
    return np.asarray(np.maximum(adjusted / p, 1.0))


def _decide(
    c: Candidates, factor: float, evidence: Evidence, ridge: float, settings: Settings, most: int | None
) -> Found:
    p = np.minimum(c.p_raw * factor, 1.0)
    kept = _prefix((c.fitted.energies > settings.min_energy) & (p <= ALPHA + 1e-12))
    kept = kept if most is None else min(kept, most)
    h = half_dim(c.forms.rep)
    rows, offsets = np.zeros((0, h, evidence.n_components)), np.zeros((0, h))
    if kept:
        stay, white = evidence.folds.without()
        solution, _ = fit_copies(c.forms, stay, white, ridge, kept)
        rows, offsets = unit_variance(solution, white, h)
    return Found(c.forms.rep, c.fitted.energies, c.intervals, kept, p, c.null_mean, rows, offsets)


def unit_variance(solution: Array, white: Whitening, h: int) -> tuple[Array, Array]:
    """Copies made uncorrelated and scaled to unit variance a real row: W ← K^{-1/2}W with K_ab = tr(W_a Cov W_bᴴ)/h.

    Only traces are orthogonalised: whitening a block by its full covariance would break its equivariance.
    """
    w = solution[..., :-1]
    k = np.einsum("rae,ef,saf->rs", w, white.cov, w.conj(), optimize=True) / h
    values, vectors = np.linalg.eigh((k + k.conj().T) / 2)
    root = (vectors / np.sqrt(np.maximum(values, 1e-300))) @ vectors.conj().T
    # A complex row is two real ones, which share its variance.
    scale = np.sqrt(2.0) if np.iscomplexobj(solution) else 1.0
    mixed = scale * np.einsum("rs,sae->rae", root, solution)
    return mixed[..., :-1], mixed[..., -1]


def _prefix(passing: Array) -> int:
    """The length of the leading run of True."""
    failing = np.flatnonzero(~np.asarray(passing, dtype=bool))
    return int(failing[0]) if len(failing) else len(passing)
