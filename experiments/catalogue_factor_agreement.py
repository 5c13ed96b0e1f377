"""geodis against the transcriptions of the published formulas of factor scores and editing, on random inputs."""

from __future__ import annotations

import math
from collections.abc import Callable

import catalogue_factor_formulas as published
import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from geodis.metrics import (
    BlockImportance,
    TreeImportance,
    causal_inner_product,
    cause_isolate,
    concept_direction,
    dci,
    explicitness,
    mean_correlation_coefficient,
    modularity,
    mutual_information_gap,
    separated_attribute_predictability,
    steerability_slope,
)
from geodis.metrics.block_importance import item_folds
from geodis.metrics.erasure import leace
from geodis.metrics.independence import independence
from geodis.metrics.mixture_index import densest_line
from geodis.metrics.separability import binned_information, joint_counts, root_mean_square, rotation

Array = NDArray[np.float64]
SCORES = {
    "MIG": mutual_information_gap,
    "SAP": separated_attribute_predictability,
    "modularity": modularity,
    "MCC": mean_correlation_coefficient,
}
N_INPUTS = 20


def agreement(seed: int) -> dict[str, float]:
    """Largest difference from the transcription over 20 inputs, on which both definitions coincide."""
    rngs = [np.random.default_rng([seed, i]) for i in range(N_INPUTS)]
    return {name: max(compare(rng) for rng in rngs) for name, compare in COMPARISONS.items()}


def plug_in_separability(unit: Array, n_bins: int, n_angles: int = 90) -> float:
    """S without the correction of its bias, [bits]."""
    angles = np.arange(n_angles) * math.pi / (2 * n_angles)
    return min(binned_information(joint_counts(unit @ rotation(float(a)), n_bins)) for a in angles)


def planted_concept(rng: np.random.Generator, n: int, d: int, kinds: int) -> tuple[Array, NDArray[np.int64]]:
    """Codes with a concept of so many levels along random directions."""
    concept = rng.integers(0, kinds, n)
    return rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + 3.0 * rng.normal(size=(kinds, d))[concept], concept


def _factor_input(rng: np.random.Generator, n: int = 200) -> tuple[Array, Array]:
    factors = rng.integers(0, 5, (n, 2)).astype(np.float64)
    return factors @ rng.normal(size=(2, 3)) + rng.normal(size=(n, 3)), factors


def _of_score(name: str, formula: Callable[[Array, Array], float]) -> Callable[[np.random.Generator], float]:
    def compare(rng: np.random.Generator) -> float:
        z, factors = _factor_input(rng)
        return abs(SCORES[name](z, factors, n_null=1).value - formula(z, factors))

    return compare


def _dci(rng: np.random.Generator) -> float:
    z, factors = _factor_input(rng, 80)
    forest = RandomForestClassifier(5, max_features=None, random_state=0)
    found = dci(z, factors, importance=TreeImportance(forest), n_null=1)
    d, c = published.dci_entropies(published.forest_importance(z, factors, 5))
    return max(abs(found.disentanglement.value - d), abs(found.completeness.value - c))


def _explicitness(rng: np.random.Generator) -> float:
    z, factors = _factor_input(rng, 100)
    return abs(explicitness(z, factors).value - published.explicitness(z, factors, item_folds(np.arange(100), 3)))


def _block_r2(rng: np.random.Generator) -> float:
    z, factors = _factor_input(rng)
    found = BlockImportance([[0, 2], [1]], ridge=1e-3).measure(z, factors, np.arange(200)).matrix
    folds = item_folds(np.arange(200), 5)
    truth = [[published.block_r2(z[:, b], factors[:, j : j + 1], folds, 1e-3) for j in (0, 1)] for b in ([0, 2], [1])]
    noise = 6.0 * np.sqrt([[2.0], [1.0]]) / 200
    return float(np.abs(found - np.where(np.array(truth) > noise, truth, 0.0)).max())


def _independence(rng: np.random.Generator) -> float:
    # Displacements in the positive orthant: the largest cosine is the largest with its sign.
    steps = np.abs(rng.normal(size=(6, 5)))
    unit = steps / np.linalg.norm(steps, axis=1, keepdims=True)
    groups = [np.array([0, 1]), np.array([2, 3]), np.array([4, 5])]
    return abs(float(independence(unit[None], groups)[0]) - published.independence(steps, [0, 0, 1, 1, 2, 2]))


def _ravel(rng: np.random.Generator) -> float:
    # Of 100 edits, shares have two decimals: rounding changes nothing.
    cause, isolate = rng.random(100) < 0.6, rng.random((3, 100)) < 0.8
    ones = np.ones(300, dtype=int)
    found = cause_isolate(
        cause.astype(int), ones[:100], isolate.ravel().astype(int), ones, unedited=np.zeros(100, dtype=int),
        attributes=np.repeat(np.arange(3), 100),
    )  # fmt: skip
    return abs(found.disentangle.value - published.ravel(cause, list(isolate)))


def _steerability(rng: np.random.Generator) -> float:
    y, x = rng.normal(size=(10, 6)), np.sort(rng.normal(size=6))
    return float(np.abs(steerability_slope(y, x).slope.per_item - published.steerability(y, x)).max())


def _leace(rng: np.random.Generator) -> float:
    x, concept = planted_concept(rng, 200, 5, 3)
    levels = np.eye(3)[concept]
    return float(np.abs(leace(x, levels)(x) - published.leace(x, levels)).max())


def _causal(rng: np.random.Generator) -> float:
    words = rng.normal(size=(100, 4)) * [1.0, 2.0, 3.0, 4.0] @ np.linalg.qr(rng.normal(size=(4, 4)))[0]
    u, v = rng.normal(size=(6, 4)), rng.normal(size=(3, 4))
    product = np.abs(causal_inner_product(u, v, words) - published.causal_product(u, v, words)).max()
    pairs = concept_direction(u, words, n_draws=1).per_item - published.concept_cosines(u, words)
    return float(max(product, np.abs(pairs).max()))


def _separability(rng: np.random.Generator) -> float:
    # At a mean square of 1, dividing by it or by its root is one; without its 1e-4, both histograms are one.
    unit = root_mean_square(rng.normal(size=(150, 2)) @ rng.normal(size=(2, 2)) + rng.normal(size=(150, 1)) ** 2)
    angles = np.arange(30) * math.pi / 60
    return abs(plug_in_separability(unit, 40, 30) - published.engels_separability(unit, angles, 40, guard=0.0))


def _mixture(rng: np.random.Generator) -> float:
    f = rng.normal(size=(40, 2)) @ rng.normal(size=(2, 2))
    found = densest_line(f - f.mean(axis=0), 0.1, 6)[0]
    return abs(found - published.mixture_by_search(f, 0.1, np.arange(6) * math.pi / 6))


COMPARISONS: dict[str, Callable[[np.random.Generator], float]] = {
    "MIG": _of_score("MIG", published.mig),
    "SAP": _of_score("SAP", published.sap),
    "modularity": _of_score("modularity", published.modularity),
    "MCC": _of_score("MCC", published.mcc),
    "DCI": _dci,
    "explicitness": _explicitness,
    "block R²": _block_r2,
    "independence": _independence,
    "cause and isolate": _ravel,
    "steerability": _steerability,
    "LEACE": _leace,
    "causal inner product": _causal,
    "separability": _separability,
    "mixture index": _mixture,
}
