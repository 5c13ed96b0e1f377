"""Published formulas of factor scores and editing, written from the papers and without geodis: what it is held to.

Guards of the reference implementations (1e-11 in entropies, 1e-4 in histograms) are arguments, so that inputs can be
chosen on which both definitions coincide.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import permutations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import fractional_matrix_power
from scipy.stats import entropy
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import mutual_info_score, roc_auc_score
from sklearn.preprocessing import label_binarize

Array = NDArray[np.float64]


# --- factor scores ----------------------------------------------------------------------------------------------------
def histogram_codes(z: Array, n_bins: int = 20) -> Array:
    """Each coordinate in equal bins, as disentanglement_lib digitises."""
    return np.stack([np.digitize(c, np.histogram(c, n_bins)[1][:-1]) for c in z.T], axis=1)


def information(z: Array, factors: Array) -> Array:
    """I(z_i; v_k) of binned codes and levels."""
    codes = histogram_codes(z)
    return np.array([[mutual_info_score(v, c) for v in factors.T] for c in codes.T])


def mig(z: Array, factors: Array) -> float:
    """Chen et al. 2018: mean over factors of (I_(1) − I_(2))/H."""
    matrix = np.sort(information(z, factors), axis=0)[::-1]
    entropies = [mutual_info_score(v, v) for v in factors.T]
    return float(np.mean((matrix[0] - matrix[1]) / entropies))


def sap(z: Array, factors: Array) -> float:
    """Kumar et al. 2018, continuous factors: mean of the gap of Cov²/(Var·Var)."""
    gaps = []
    for v in factors.T:
        scores = []
        for c in z.T:
            cov = np.cov(c, v, ddof=1)
            scores.append(cov[0, 1] ** 2 / (cov[0, 0] * cov[1, 1]) if cov[0, 0] > 1e-12 else 0.0)
        scores.sort()
        gaps.append(scores[-1] - scores[-2])
    return float(np.mean(gaps))


def modularity(z: Array, factors: Array) -> float:
    """Ridgeway & Mozer 2018: deviation from a template with one factor a code."""
    squares = information(z, factors) ** 2
    scores = []
    for row in squares:
        top = row.max()
        template = (row.sum() - top) / (top * (len(row) - 1)) if top > 0 else 1.0
        scores.append(1.0 - template)
    return float(np.mean(scores))


def dci_entropies(importance: Array, guard: float = 0.0) -> tuple[float, float]:
    """Eastwood & Williams 2018: (disentanglement, completeness) of an importance matrix (codes, factors)."""
    d, k = importance.shape
    per_code = 1.0 - entropy(importance.T + guard, base=k)
    per_factor = 1.0 - entropy(importance + guard, base=d)
    total = importance.sum()
    return (
        float((per_code * importance.sum(axis=1)).sum() / total),
        float((per_factor * importance.sum(axis=0)).sum() / total),
    )


def forest_importance(z: Array, factors: Array, n_trees: int) -> Array:
    """Feature importances of a forest of classifiers for each factor's levels."""
    columns = []
    for v in factors.T:
        levels = np.unique(v, return_inverse=True)[1]
        forest = RandomForestClassifier(n_trees, max_features=None, random_state=0).fit(z, levels)
        columns.append(forest.feature_importances_)
    return np.stack(columns, axis=1)


def explicitness(z: Array, factors: Array, folds: NDArray[np.int64]) -> float:
    """Ridgeway & Mozer 2018: mean one-against-rest AUC of logistic regression, on given folds."""
    scores = []
    for v in factors.T:
        levels = np.unique(v)
        for fold in np.unique(folds):
            train, test = folds != fold, folds == fold
            mean, std = z[train].mean(axis=0), z[train].std(axis=0)
            model = LogisticRegression(max_iter=1000).fit((z[train] - mean) / std, v[train])
            truth = label_binarize(v[test], classes=levels)
            said = model.predict_proba((z[test] - mean) / std)
            if len(levels) == 2:
                truth = np.hstack([1 - truth, truth])
            scores.append(roc_auc_score(truth, said, average="macro"))
    return float(np.mean(scores))


def mcc(z: Array, factors: Array) -> float:
    """Hyvärinen & Morioka 2016: the best mean |correlation| over all matchings, tried one by one."""
    k = factors.shape[1]
    matrix = np.abs(np.corrcoef(z, factors, rowvar=False))[: z.shape[1], z.shape[1] :]
    return max(float(np.mean([matrix[i, j] for j, i in enumerate(p)])) for p in permutations(range(z.shape[1]), k))


def block_r2(z: Array, target: Array, folds: NDArray[np.int64], share: float) -> float:
    """Ridge with a penalty of `share` of the mean squared deviation, on given folds: 1 − SSE/SST."""
    left = total = 0.0
    for fold in np.unique(folds):
        train, test = folds != fold, folds == fold
        penalty = share * ((z[train] - z[train].mean(axis=0)) ** 2).sum() / z.shape[1]
        said = Ridge(alpha=penalty, solver="svd").fit(z[train], target[train]).predict(z[test])
        left += ((target[test] - said.reshape(target[test].shape)) ** 2).sum()
        total += ((target[test] - target[train].mean(axis=0)) ** 2).sum()
    return float(1.0 - left / total)


def independence(displacements: Array, subgroups: Sequence[int]) -> float:
    """Painter et al. 2020: 1 − mean over pairs of |max_{a, b} ⟨u_a, u_b⟩|, the largest with its sign, of one code."""
    unit = [u / np.sqrt(u @ u) for u in displacements]
    names = sorted(set(subgroups))
    found = []
    for i, g in enumerate(names):
        for h in names[i + 1 :]:
            pairs = [
                unit[a] @ unit[b]
                for a in range(len(unit))
                for b in range(len(unit))
                if subgroups[a] == g and subgroups[b] == h
            ]
            found.append(abs(max(pairs)))
    return 1.0 - float(np.mean(found))


# --- editing ----------------------------------------------------------------------------------------------------------
def ravel(caused: Array, isolated: Sequence[Array]) -> float:
    """Huang et al. 2024: ½(cause + mean of isolate), each accuracy rounded to two decimals first."""
    cause = round(float(caused.sum()) / len(caused), 2)
    isolate = np.mean([round(float(hits.sum()) / len(hits), 2) for hits in isolated])
    return 0.5 * (cause + float(isolate))


def steerability(propensity: Array, multipliers: Array) -> Array:
    """Tan et al. 2024: slope of a line fitted to each item's propensities."""
    return np.array([np.polyfit(multipliers, row, 1)[0] for row in propensity])


def leace(x: Array, y: Array) -> Array:
    """Belrose et al. 2023: r(x) = x − W⁺ P_{WΣ_xy} W (x − μ), W = Σ_x^{−1/2}, of full rank."""
    mean = x.mean(axis=0)
    sigma = np.cov(x, rowvar=False)
    cross = (x - mean).T @ (y - y.mean(axis=0)) / (len(x) - 1)
    whiten = np.real(fractional_matrix_power(sigma, -0.5))
    basis = whiten @ cross
    projection = basis @ np.linalg.pinv(basis, rcond=1e-10)
    return x - (x - mean) @ (np.linalg.inv(whiten) @ projection @ whiten).T


def causal_product(u: Array, v: Array, unembedding: Array) -> Array:
    """Park et al. 2024: uᵀ Cov(γ)⁻¹ v."""
    centred = unembedding - unembedding.mean(axis=0)
    return u @ np.linalg.inv(centred.T @ centred / len(unembedding)) @ v.T


def concept_cosines(differences: Array, unembedding: Array) -> Array:
    """Park et al. 2024: causal cosine of each difference with the mean of the others."""
    out = []
    for i, u in enumerate(differences):
        rest = np.delete(differences, i, axis=0).mean(axis=0)
        uu, vv, uv = (causal_product(a[None], b[None], unembedding)[0, 0] for a, b in ((u, u), (rest, rest), (u, rest)))
        out.append(uv / np.sqrt(uu * vv))
    return np.array(out)


def engels_normalize(x: Array) -> Array:
    """As published: less the mean, over the mean *square* of the entries."""
    centred = x - x.mean(axis=0)
    return centred / np.mean(centred**2)


def engels_separability(xy: Array, angles: Array, n_bins: int = 40, guard: float = 1e-4) -> float:
    """Engels et al. 2025: least information [bits] over rotations, in bins on ±3, of what is already normalised."""
    found = []
    for angle in angles:
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        cells = np.floor(np.clip((xy @ turn + 3) / 6 * n_bins, 0, n_bins - 0.1)).astype(int)
        joint = np.zeros((n_bins, n_bins))
        for i, j in cells:
            joint[i, j] += 1.0 / len(cells)
        product = joint.sum(axis=1)[:, None] * joint.sum(axis=0)[None]
        seen = joint > 0
        found.append(float((joint[seen] * np.log((joint[seen] + guard) / (product[seen] + guard))).sum() / np.log(2)))
    return min(found)


def mixture_by_search(f: Array, epsilon: float, angles: Array) -> float:
    """Engels et al. 2025: max over v, c of P(|v·f + c| < ε rms), c tried between all offsets where a row changes."""
    best = 0.0
    for angle in angles:
        x = f @ [np.cos(angle), np.sin(angle)]
        m, q = x.mean(), np.mean(x**2)
        # (x_i + c)² = ε²(mean x² + 2 c mean x + c²)
        ends = [np.roots([1 - epsilon**2, 2 * (xi - epsilon**2 * m), xi**2 - epsilon**2 * q]) for xi in x]
        at = np.sort(np.real(np.concatenate(ends)))
        for c in (at[1:] + at[:-1]) / 2:
            best = max(best, float(np.mean(np.abs(x + c) < epsilon * np.sqrt(np.mean((x + c) ** 2)))))
    return best


def mixture_by_gradient(
    f: Array, epsilon: float = 0.1, steps: int = 500, rate: float = 0.1, start: Callable[[], Array] | None = None
) -> float:
    """As published but for fewer steps: gradient ascent on a soft count from c = 0, temperature falling from 1 to 0."""
    w = np.append([1.0, 0.0] if start is None else start(), 0.0)
    x = np.hstack([f, np.ones((len(f), 1))])
    for i in range(steps):
        temperature = 1.0 - i / steps
        p = x @ w
        rms = np.sqrt(np.mean(p**2))
        z = p / rms
        soft = 1.0 / (1.0 + np.exp(-np.clip((epsilon - np.abs(z)) / temperature, -60, 60)))
        slope = -soft * (1 - soft) * np.sign(z) / temperature / len(f)
        # z = p/rms: dz = (dp − z mean(z dp))/rms
        w = w + rate * (slope @ x - (slope @ z) * (z @ x) / len(f)) / rms
    p = x @ w
    return float(np.mean(np.abs(p) < epsilon * np.sqrt(np.mean(p**2))))
