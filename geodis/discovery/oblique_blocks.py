"""Common blocks by a similarity P⁻¹MP, for operators that no orthogonal frame splits: boosts, shears, oblique bases.

The commutant is then not closed under transposition. A generic X of it has one cluster of eigenvalues a block, real or
in conjugate pairs, and the spectral subspaces of the clusters are the blocks.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh, schur

from geodis.discovery.block_refinement import off_energy, off_mask
from geodis.discovery.common_blocks import (
    EXACT,
    BlockCommutant,
    BlockFrame,
    generic_elements,
    in_order,
    intertwiner_form,
    leakage_threshold,
    nothing_acts,
    traceless_energy,
)
from geodis.discovery.operator_noise import OperatorNoise
from geodis.linalg import Array

SLACK = 2.0  # of the off-block energy that noise explains: the frame is estimated, too
WORST = 1e6  # condition number of a frame that is still one

Parts = tuple[tuple[int, ...], ...]


def oblique_blocks(operators: Array, noise: OperatorNoise, rng: np.random.Generator) -> BlockFrame:
    """The finest oblique blocks whose leakage noise explains, over generic elements and numbers of clusters."""
    found = full_commutant(operators, noise)
    d = operators.shape[-1]
    best, rank = BlockFrame(np.eye(d), (tuple(range(d)),), found), (1, 0.0)
    if not len(found.elements):
        return best
    for element in generic_elements(found, rng):
        for sizes in _clusterings(element, min(len(found.elements) + 1, d)):
            frame = _spectral_frame(element, sizes)
            if frame is None or len(sizes) < rank[0]:
                continue
            parts = _ranges(sizes)
            excess = _excess(operators, frame, parts, noise, found.threshold)
            if excess <= SLACK and (len(sizes), -excess) > rank:
                best, rank = in_order(frame, parts, found), (len(sizes), -excess)
    return best


def full_commutant(operators: Array, noise: OperatorNoise) -> BlockCommutant:
    """All traceless X of unit norm that nearly commute with the operators, symmetric or not."""
    d = operators.shape[-1]
    if d == 1 or nothing_acts(operators):
        return BlockCommutant(np.zeros((0, d, d)), np.zeros(0), EXACT)
    traceless = np.linalg.qr(np.column_stack([np.eye(d).ravel(), np.eye(d * d)]))[0][:, 1 : d * d]
    values, vectors = eigh(traceless.T @ intertwiner_form(operators, operators) @ traceless)
    leakages = np.maximum(values, 0.0) * d / (2.0 * traceless_energy(operators))
    threshold = leakage_threshold(operators, noise, leakages, d * d)
    k = int((leakages <= threshold).sum())
    return BlockCommutant((traceless @ vectors[:, :k]).T.reshape(k, d, d), leakages, threshold)


def _clusterings(element: Array, most: int) -> list[tuple[int, ...]]:
    """Cluster sizes in ascending order of the real part, for 2, 3, … clusters cut at the widest gaps."""
    real = np.sort(np.linalg.eigvals(element).real)
    gaps = np.diff(real)
    cuts = np.argsort(-gaps, kind="stable")
    cuts = cuts[gaps[cuts] > 1e-10 * np.abs(real).max()]  # conjugate pairs have one real part
    return [
        tuple(np.diff(np.r_[0, np.sort(cuts[:c]) + 1, len(real)]).tolist()) for c in range(1, min(most, len(cuts) + 1))
    ]


def _spectral_frame(element: Array, sizes: tuple[int, ...]) -> Array | None:
    """Orthonormal bases of the invariant subspaces of the clusters, side by side; None where they are no basis."""
    real = np.sort(np.linalg.eigvals(element).real)
    columns, start = [], 0
    for size in sizes:
        low = -np.inf if start == 0 else (real[start - 1] + real[start]) / 2
        stop = start + size
        high = np.inf if stop == len(real) else (real[stop - 1] + real[stop]) / 2
        _, vectors, count = schur(element, sort=lambda re, _im, low=low, high=high: bool(low < re <= high))
        if count != size:
            return None
        columns.append(vectors[:, :size])
        start = stop
    frame = np.concatenate(columns, axis=1)
    return frame if np.linalg.cond(frame) < WORST else None


def _excess(operators: Array, frame: Array, parts: Parts, noise: OperatorNoise, threshold: float) -> float:
    """Off-block energy over what noise makes of it in this frame (over the threshold's share, if noise is unknown)."""
    d = len(frame)
    mask = off_mask(parts, d)
    floor = EXACT * traceless_energy(operators)
    if not noise.known:
        floor = max(floor, threshold * traceless_energy(operators) * mask.mean())
    else:
        # The noise of N_ij has variance s²·(P⁻¹P⁻ᵀ)_ii (PᵀP)_jj.
        inverse = np.linalg.inv(frame)
        spread = np.outer((inverse**2).sum(axis=1), (frame**2).sum(axis=0))
        floor = max(floor, len(operators) * noise.level**2 * float(spread[mask].sum()))
    return off_energy(operators, frame, mask) / floor


def _ranges(sizes: tuple[int, ...]) -> Parts:
    starts = np.cumsum([0, *sizes]).tolist()
    return tuple(tuple(range(a, a + n)) for a, n in zip(starts, sizes, strict=False))
