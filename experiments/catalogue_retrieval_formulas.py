"""The published formulas of retrieval, CARE and geometry, written from the papers: nothing here calls geodis.

Loops and definitions, in the form in which the papers state them, with their faults. Used by `catalogue_retrieval.py`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

Array = NDArray[np.float64]


# --- retrieval --------------------------------------------------------------------------------------------------------
def published_ranks(predictions: Array, targets: Array) -> list[int]:
    """Rank of the true pair for each target, put first and sorted by (distance, index): Kipf et al. 2020 (C-SWM)."""
    ranks = []
    for i, target in enumerate(targets):
        true = math.dist(target, predictions[i])
        others = [(math.dist(target, p), j + 1) for j, p in enumerate(predictions) if j != i]
        ranks.append(sorted([(true, 0), *others]).index((true, 0)) + 1)
    return ranks


def published_mrr(predictions: Array, targets: Array) -> float:
    """Mean of 1/rank."""
    return math.fsum(1.0 / rank for rank in published_ranks(predictions, targets)) / len(targets)


def published_hits(predictions: Array, targets: Array, k: int) -> float:
    """Share of ranks up to k."""
    return sum(rank <= k for rank in published_ranks(predictions, targets)) / len(targets)


def published_pre(predictions: Array, targets: Array, quaternions: Array) -> float:
    """1 − ⟨q_found, q_true⟩² of the first nearest target: Garrido et al. 2023 (SIE)."""
    errors = []
    for i, prediction in enumerate(predictions):
        found = min(range(len(targets)), key=lambda j: math.dist(prediction, targets[j]))
        errors.append(1.0 - float(np.dot(quaternions[found], quaternions[i])) ** 2)
    return math.fsum(errors) / len(errors)


def published_r2(predicted: Array, true: Array) -> float:
    """1 − Σ(y − ŷ)²/Σ(y − ȳ)² with one ȳ for all columns: the evaluation of SIE."""
    return 1.0 - float(((true - predicted) ** 2).sum()) / float(((true - true.mean()) ** 2).sum())


def fitted_on_half(x: Array, y: Array) -> tuple[Array, Array]:
    """Least squares on the first half of the rows: predictions and truth of the second."""
    rows, half = np.column_stack([x, np.ones(len(x))]), len(x) // 2
    return rows[half:] @ np.linalg.lstsq(rows[:half], y[:half], rcond=None)[0], y[half:]


# --- CARE -------------------------------------------------------------------------------------------------------------
def published_equivariance_loss(z: Array, gz: Array) -> float:
    """2·mean_i Σ_{j≠i} (⟨gz_i, gz_j⟩ − ⟨z_i, z_j⟩)²: Gupta et al. 2024 (CARE)."""
    n = len(z)
    terms = [(gz[i] @ gz[j] - z[i] @ z[j]) ** 2 for i in range(n) for j in range(n) if i != j]
    return 2.0 * math.fsum(terms) / n


def published_gamma(z: Array, gz: Array) -> float:
    """Mean over i ≠ j of (|gz_j − gz_i|² − |z_j − z_i|²)²/(|gz_j − z_j|² + |gz_i − z_i|²)²: CARE's γ_f."""
    moved, ratios = ((gz - z) ** 2).sum(axis=1), []
    for i in range(len(z)):
        others = np.arange(len(z)) != i
        above = ((gz[others] - gz[i]) ** 2).sum(axis=1) - ((z[others] - z[i]) ** 2).sum(axis=1)
        ratios.extend((above / (moved[others] + moved[i])) ** 2)
    return math.fsum(ratios) / len(ratios)


def published_wahba(z: Array, gz: Array) -> float:
    """Min ‖R F − F_a‖_F over R ∈ SO(d), F and F_a with items as columns: CARE's W_f, on the items it is fitted to."""
    u, _, vt = np.linalg.svd(gz.T @ z)
    signs = np.ones(z.shape[1])
    signs[-1] = np.linalg.det(u) * np.linalg.det(vt.T)
    return float(np.linalg.norm(u @ np.diag(signs) @ vt @ z.T - gz.T))


def relative_wahba(z: Array, gz: Array) -> float:
    """W_f²/‖F_a‖²."""
    return published_wahba(z, gz) ** 2 / float((gz**2).sum())


def wahba_in_space(z: Array, gz: Array) -> float:
    """The same in R³ by scipy's solver of Wahba's problem."""
    rotation = Rotation.align_vectors(gz, z)[0]
    return float(np.linalg.norm(rotation.apply(z) - gz))


def in_sample_unexplained(z: Array, gz: Array) -> float:
    """‖gz − z B‖²/‖gz‖² with B = z⁺ gz, on the items it is fitted to: linear equivariance as it is usually printed."""
    return float(((gz - z @ np.linalg.pinv(z) @ gz) ** 2).sum() / (gz**2).sum())


# --- geometry ---------------------------------------------------------------------------------------------------------
def published_cka(x: Array, y: Array) -> float:
    """‖XᵀY‖²/(‖XᵀX‖‖YᵀY‖) of centred columns: linear CKA, Kornblith et al. 2019."""
    a, b = x - x.mean(axis=0), y - y.mean(axis=0)
    norms = np.linalg.norm(a @ a.T) * np.linalg.norm(b @ b.T)
    return float(np.sum((a @ a.T) * (b @ b.T)) / norms)


def published_debiased_cka(x: Array, y: Array) -> float:
    """The ratio of the three HSIC₁ of Song et al. 2012, with n × n kernels."""

    def hsic(a: Array, b: Array) -> float:
        n = len(a)
        k, m = a @ a.T, b @ b.T
        np.fill_diagonal(k, 0.0)
        np.fill_diagonal(m, 0.0)
        one = np.ones(n)
        middle = (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2))
        return float((np.trace(k @ m) + middle - 2.0 / (n - 2) * (one @ k @ m @ one)) / (n * (n - 3)))

    return hsic(x, y) / math.sqrt(hsic(x, x) * hsic(y, y))


def published_shape_distance(x: Array, y: Array) -> float:
    """Arccos of the nuclear norm of XᵀY, for centred X and Y of norm 1: Williams et al. 2021 (α = 1)."""
    a, b = x - x.mean(axis=0), y - y.mean(axis=0)
    cosine = np.linalg.svd(a.T @ b, compute_uv=False).sum() / (np.linalg.norm(a) * np.linalg.norm(b))
    return math.acos(min(1.0, float(cosine)))


def published_effective_rank(z: Array) -> float:
    """exp(−Σ p log p) of the shares p of the principal variances: Roy and Vetterli 2007."""
    variances = np.linalg.svd(z - z.mean(axis=0), compute_uv=False) ** 2
    return math.exp(-math.fsum(p * math.log(p) for p in variances / variances.sum() if p > 0.0))


def published_two_nearest(z: Array, discarded: float = 0.1) -> float:
    """Slope of −log(1 − i/n) over log μ_i through the origin, μ = r₂/r₁ sorted: Facco et al. 2017 (TwoNN)."""
    n = len(z)
    ratios = []
    for i in range(n):
        near = sorted(math.dist(z[i], z[j]) for j in range(n) if j != i)
        ratios.append(near[1] / near[0])
    kept = sorted(ratios)[: int(n * (1.0 - discarded))]
    x = [math.log(mu) for mu in kept]
    y = [-math.log(1.0 - (i + 1) / n) for i in range(len(kept))]
    return math.fsum(a * b for a, b in zip(x, y, strict=True)) / math.fsum(a * a for a in x)


def published_symplecticity(jacobian: Array) -> float:
    """‖JΩJᵀ − Ω‖/‖Ω‖ by Poisson brackets {row a, row b} = Σ_i (∂q_i a ∂p_i b − ∂p_i a ∂q_i b)."""
    d = len(jacobian)
    half = d // 2
    squares = []
    for a in range(d):
        for b in range(d):
            bracket = math.fsum(
                jacobian[a, i] * jacobian[b, half + i] - jacobian[a, half + i] * jacobian[b, i] for i in range(half)
            )
            squares.append((bracket - float(b == a + half) + float(a == b + half)) ** 2)
    return math.sqrt(math.fsum(squares) / d)
