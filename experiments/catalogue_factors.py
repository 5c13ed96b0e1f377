"""Factor scores and editing: closed forms, inputs that fool the published scores, agreement with transcriptions.

Each of `oracles`, `failures` and `agreement` takes a seed and is called by `catalogue.py`.
"""

from __future__ import annotations

import math

import catalogue_factor_formulas as published
import numpy as np
from catalogue_factor_agreement import SCORES, planted_concept, plug_in_separability
from catalogue_factor_agreement import agreement as agreement
from catalogue_failure import Failure
from numpy.typing import NDArray
from scipy.special import gamma, ndtri
from scipy.stats import ortho_group
from sklearn.linear_model import LogisticRegression

from geodis import LinearCoordinates
from geodis.groups import SO2
from geodis.metrics import (
    BlockImportance,
    MetricResult,
    causal_cosine,
    cause_isolate,
    circle_embedding,
    concept_direction,
    concept_erasure_residual,
    dci,
    explicitness,
    independence_score,
    mean_correlation_coefficient,
    mixture_index,
    modularity,
    mutual_information_gap,
    separability,
    separated_attribute_predictability,
    steerability_slope,
)
from geodis.metrics.explicitness import auc
from geodis.metrics.importance_scores import completeness
from geodis.metrics.independence import independence
from geodis.metrics.mixture_index import densest_line, near_line
from geodis.metrics.separability import root_mean_square

Array = NDArray[np.float64]
CIRCLES = [circle_embedding, circle_embedding]


# --- inputs -----------------------------------------------------------------------------------------------------------
def torus(angles: Array) -> Array:
    """(cos θ, sin θ, cos φ, sin φ): a linear representation that is disentangled."""
    return np.concatenate([circle_embedding(a) for a in np.split(angles, angles.shape[1], axis=1)], axis=1)


def full_grid(side: int) -> Array:
    """All pairs of `side` regular angles."""
    one = 2 * np.pi * np.arange(side) / side
    return np.stack([a.ravel() for a in np.meshgrid(one, one)], axis=1)


def random_levels(n: int, side: int, rng: np.random.Generator) -> Array:
    """Pairs of angles on `side` levels, drawn at random."""
    return 2 * np.pi * rng.integers(0, side, (n, 2)) / side


def half_turned(z: Array) -> Array:
    """Every plane turned by 45°."""
    turn = np.array([[1.0, -1.0], [1.0, 1.0]]) / math.sqrt(2.0)
    return np.concatenate([pair @ turn for pair in np.split(z, z.shape[1] // 2, axis=1)], axis=1)


def aligned(z: Array, angles: Array, rng: np.random.Generator) -> tuple[Array, BlockImportance]:
    """Coordinates in which the torus acts block by block, and these blocks."""
    items = rng.permutation(len(z)) % (len(z) // 16)
    found = LinearCoordinates(SO2() * SO2(), max_order=1).fit(z, angles, items=items).coordinates_
    return np.asarray(found.transform(z)), BlockImportance([block.rows for block in found.blocks], CIRCLES)


# --- closed forms -----------------------------------------------------------------------------------------------------
def oracles(seed: int) -> dict[str, tuple[float, float]]:
    """Name → (measured, expected), where there is a closed form."""
    rng = np.random.default_rng(seed)
    return {**_factor_oracles(rng), **_editing_oracles(rng)}


def _factor_oracles(rng: np.random.Generator) -> dict[str, tuple[float, float]]:
    out: dict[str, tuple[float, float]] = {}
    for m in (32, 128, 1024):
        theta = 2 * np.pi * np.arange(m)[:, None] / m
        cot = 1.0 / math.tan(math.pi / m)
        flat, turned = circle_embedding(theta), half_turned(circle_embedding(theta))
        out[f"SAP circle M={m}"] = (_sap(flat, theta), 6 * (cot**2 - 1) / (m**2 - 1))
        out[f"SAP circle at 45° M={m}"] = (_sap(turned, theta), 12 * cot / (m**2 - 1))
    out["SAP circle M=32, table"] = (round(out["SAP circle M=32"][0], 5), 0.59875)
    for d in (4, 8, 16):
        spread = np.kron(np.eye(d // 2), np.ones((2, 1)))
        out[f"DCI-C of planes in R^{d}"] = (completeness(spread), 1 - math.log(2) / math.log(d))
    grid = full_grid(16)
    plain = torus(grid)
    out["modularity torus"] = (modularity(plain, grid, n_null=1).value, 1.0)
    rotated = plain @ ortho_group.rvs(4, random_state=rng)
    for name, (z, blocks) in {
        "torus": (plain, BlockImportance([[0, 1], [2, 3]], CIRCLES)),
        "O(4) torus, aligned": aligned(rotated, grid, rng),
    }.items():
        for score, function in SCORES.items():
            out[f"block {score} {name}"] = (function(z, grid, importance=blocks, n_null=1).value, 1.0)
        found = dci(z, grid, importance=blocks, n_null=1)
        for result in (found.disentanglement, found.completeness, found.informativeness):
            out[f"block {result.name} {name}"] = (result.value, 1.0)
    for d in (2, 4, 8, 16, 64):
        expected = 1 - gamma(d / 2) / (math.sqrt(math.pi) * gamma((d + 1) / 2))
        out[f"independence of random directions d={d}"] = (_random_independence(d), expected)
    angles = rng.uniform(0, 2 * np.pi, (60, 2))
    steps = np.array([[0.3, 0.0], [-0.3, 0.0], [0.0, 0.3], [0.0, -0.3]])
    moved = np.stack([torus(angles + step) for step in steps], axis=1)
    out["independence torus"] = (independence_score(torus(angles), moved, [0, 0, 1, 1], n_null=1).value, 1.0)
    return out


def _editing_oracles(rng: np.random.Generator) -> dict[str, tuple[float, float]]:
    out: dict[str, tuple[float, float]] = {}
    answers = np.arange(8) % 4
    still = cause_isolate(np.roll(answers, 1), answers, answers, answers, unedited=np.roll(answers, 1))
    out["disentangle without an edit"] = (still.disentangle.value, 0.5)
    slopes, at = np.array([3.0, -1.0, 0.5, -2.0]), np.linspace(-1, 2, 7)
    steered = steerability_slope(slopes[:, None] * at + rng.normal(size=(4, 1)), at)
    out["steerability"] = (steered.slope.value, float(slopes.mean()))
    out["negative slopes"] = (steered.negative.value, 0.5)
    x, concept = planted_concept(rng, 400, 6, 3)
    out["covariance after LEACE"] = (concept_erasure_residual(x, concept, n_null=1).covariance, 0.0)
    words, u, v = rng.normal(size=(300, 5)), rng.normal(size=(3, 5)), rng.normal(size=(4, 5))
    a = rng.normal(size=(5, 5))
    change = np.abs(causal_cosine(u @ a.T, v @ a.T, words @ a.T) - causal_cosine(u, v, words)).max()
    out["causal cosine under γ → Aγ"] = (float(change), 0.0)
    normal = ndtri((np.arange(400) + 0.5) / 400)
    gaussian = root_mean_square(np.stack([a.ravel() for a in np.meshgrid(normal, normal)], axis=1))
    out["separability of a Gaussian"] = (plug_in_separability(gaussian, 20), 0.0)
    n = 10**6
    circle = circle_embedding(2 * np.pi * (np.arange(n)[:, None] + 0.5) / n)
    # The best strip touches the circle from inside: 1 − c = ε√(½ + c²).
    c = (1 - math.sqrt(1 - 0.99 * 0.995)) / 0.99
    out["mixture index of a circle"] = (densest_line(circle, 0.1, 1)[0], math.acos(2 * c - 1) / math.pi)
    out["mixture of a circle at c=.89"] = (round(float(near_line(circle[:, 0] + 0.89, 0.1).mean()), 4), 0.2171)
    centre = float(near_line(circle[:, 0], 0.1).mean())
    out["mixture of a circle through the centre"] = (round(centre, 5), 0.04505)
    return out


def _sap(z: Array, factors: Array) -> float:
    return separated_attribute_predictability(z, factors, n_null=1).value


def _random_independence(d: int) -> float:
    """The mean of the formula over directions u at the angle t from a fixed one, of density sin^{d−2} t."""
    t, weight = np.polynomial.legendre.leggauss(400)
    t, weight = (t + 1) * math.pi / 4, weight * np.sin((t + 1) * math.pi / 4) ** (d - 2)
    pairs = np.zeros((len(t), 2, d))
    pairs[:, 0, 0], pairs[:, 1, 0], pairs[:, 1, 1] = 1.0, np.cos(t), np.sin(t)
    return float(weight @ independence(pairs, [np.array([0]), np.array([1])]) / weight.sum())


# --- inputs that fool the published scores ----------------------------------------------------------------------------
def failures(seed: int) -> dict[str, Failure]:
    """Inputs on which the published formula misleads, by name."""
    rng = np.random.default_rng([seed, 1])
    rows = [*_torus_failures(rng), *_collapse_failures(rng), *_chance_failures(rng), *_editing_failures(rng)]
    return {failure.name: failure for failure in rows}


def _torus_failures(rng: np.random.Generator) -> list[Failure]:
    """A perfect linear representation is judged entangled: single coordinates hold half of a plane each."""
    angles = random_levels(2000, 32, rng)
    plain = torus(angles)
    rotated = plain @ ortho_group.rvs(4, random_state=rng)
    code, blocks = aligned(rotated, angles, rng)
    in_blocks = mutual_information_gap(code, angles, importance=blocks).value
    by_trees = dci(plain[:400], angles[:400], n_null=1)
    _, c = published.dci_entropies(published.forest_importance(plain[:400], angles[:400], 50))
    perfect = f"in blocks it scores {in_blocks:.3f}"
    return [
        row("MIG, exact torus", f"the exact torus in R⁴; {perfect}", published.mig(plain, angles),
            mutual_information_gap(plain, angles)),
        row("MIG, rotated torus", f"the torus after a rotation of R⁴; aligned, {perfect}",
            published.mig(rotated, angles), mutual_information_gap(rotated, angles)),
        row("SAP, torus at 45°", f"each plane of the torus turned by 45°; {perfect}",
            published.sap(half_turned(plain), angles), separated_attribute_predictability(half_turned(plain), angles)),
        row("DCI completeness, exact torus", f"the exact torus in R⁴; {perfect}", c, by_trees.completeness),
        row("modularity, rotated torus", f"the torus after a rotation of R⁴; aligned, {perfect}",
            published.modularity(rotated, angles), modularity(rotated, angles)),
    ]  # fmt: skip


def _collapse_failures(rng: np.random.Generator) -> list[Failure]:
    factors, still = rng.integers(0, 5, (300, 2)).astype(float), np.ones((300, 3))
    angles = rng.uniform(0, 2 * np.pi, (200, 2))
    z, steps = torus(angles), np.array([[0.3, 0.0], [0.0, 0.0]])
    moved = np.stack([torus(angles + step) for step in steps], axis=1)
    with np.errstate(invalid="ignore"):
        nothing = published.independence(moved[0] - z[0], [0, 1])
    return [
        row("MIG, constant code", "a constant code", published.mig(still, factors),
            mutual_information_gap(still, factors)),
        row("DCI, constant code", "a constant code: trees without splits, and 1e-11 in the entropies",
            published.dci_entropies(np.zeros((3, 2)) + 1e-11)[0], dci(still, factors).disentanglement),
        row("independence, no displacement", "an action that moves nothing", nothing,
            independence_score(z, moved, [0, 1])),
    ]  # fmt: skip


def _chance_failures(rng: np.random.Generator) -> list[Failure]:
    """Scores that are high for codes which know nothing."""
    noise, factors = rng.normal(size=(20, 8)), rng.normal(size=(20, 2))
    levels, wide = rng.integers(0, 2, (60, 1)).astype(float), rng.normal(size=(60, 40))
    said = LogisticRegression(max_iter=1000).fit(wide, levels[:, 0]).predict_proba(wide)[:, 1]
    few = rng.integers(0, 5, (60, 2)).astype(float)
    z = rng.normal(size=(300, 4))
    moved = np.repeat(z[:, None], 2, axis=1)
    moved[:, 0, :2] += rng.normal(size=(300, 2))
    moved[:, 1, 2:] += rng.normal(size=(300, 2))
    every = [published.independence(m - one, [0, 1]) for m, one in zip(moved, z, strict=True)]
    one_of = rng.normal(size=(60, 4))
    return [
        row("MCC, noise", "noise: 20 rows of 8 coordinates for 2 factors", published.mcc(noise, factors),
            mean_correlation_coefficient(noise, factors)),
        row("MIG, noise", "noise: 60 rows in 20 bins", published.mig(one_of, few), mutual_information_gap(one_of, few)),
        row("modularity, noise", "noise: 60 rows in 20 bins", published.modularity(one_of, few),
            modularity(one_of, few)),
        row("explicitness, noise", "noise: 60 rows of 40 coordinates, on the rows that were fitted",
            auc(said, levels[:, 0] > 0), explicitness(wide, levels)),
        row("independence, random displacements", "random displacements in orthogonal planes, no action at all",
            float(np.mean(every)), independence_score(z, moved, [0, 1])),
    ]  # fmt: skip


def _editing_failures(rng: np.random.Generator) -> list[Failure]:
    wanted, base = np.arange(1, 381), np.zeros(380, dtype=int)
    caused = np.where(np.arange(380) < 2, wanted, base)
    lucky = cause_isolate(caused, wanted, base, base, unedited=caused)
    x, concept = rng.normal(size=(300, 4)), rng.integers(0, 2, 300)
    erased = concept_erasure_residual(x, concept)
    pairs, words = rng.normal(size=(30, 6)), rng.normal(size=(400, 6))
    cosines = np.abs(causal_cosine(pairs, pairs, words))[~np.eye(30, dtype=bool)]
    circle = circle_embedding(rng.uniform(0, 2 * np.pi, (1000, 1)))
    even = circle_embedding(2 * np.pi * (np.arange(2000)[:, None] + 0.5) / 2000)
    quarter = np.arange(30) * math.pi / 60
    shrunk, line = separability(0.01 * circle), mixture_index(even)
    slopes = np.where(np.arange(60) < 30, 3.0, -1.0)
    steered = steerability_slope(slopes[:, None] * np.arange(5.0) + rng.normal(size=(60, 5)), np.arange(5.0))
    return [
        row("RAVEL, rounded", "no edit: 2 of 380 answers are right by luck, and .0053 rounds to .01",
            published.ravel(caused == wanted, [np.ones(380)]), lucky.disentangle,
            flagged=abs(lucky.disentangle.value - lucky.disentangle.baselines["identity"]) < 1e-12),
        row("erasure, no concept", "codes that never held the concept: the probe's accuracy after erasure is perfect",
            erased.probe.value, erased.probe),
        row("concept direction, random pairs", "30 random differences: the heat map of |cos|", float(cosines.mean()),
            concept_direction(pairs, words)),
        row("steerability, half of the items the wrong way", "the mean slope of items of which half fall",
            steered.slope.value, steered.negative),
        # Here the published score is at chance by mistake: geodis is right where it is not.
        row("separability, small circle", "a circle of radius .01, divided by its mean square: judged separable",
            published.engels_separability(published.engels_normalize(0.01 * circle), quarter), shrunk,
            flagged=not at_chance(shrunk)),
        row("mixture index, stuck at c = 0", "a circle: the gradient in c vanishes by symmetry",
            published.mixture_by_gradient(even), line),
    ]  # fmt: skip


def at_chance(found: MetricResult) -> bool:
    """Whether a result says that it is no better than chance, within its interval, or that it should not be read."""
    chance = found.baselines.get("chance")
    if found.status != "ok" or chance is None:
        return found.status != "ok"
    worse = found.ci is not None and (found.ci[1] >= chance if found.lower_is_better else found.ci[0] <= chance)
    return worse or (found.p_value is not None and found.p_value > 0.05)


def row(name: str, fools: str, score: float, found: MetricResult, flagged: bool | None = None) -> Failure:
    """A row of the comparison; flagged where the result itself says so, unless told."""
    told = at_chance(found) if flagged is None else flagged
    return Failure(name, fools, score, found.value, found.baselines.get("chance"), found.status, told)
