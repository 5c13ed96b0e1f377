"""The published formulas of the metrics that geodis has had, written from the papers and pages that state them.

Loops and definitions, no shared code with geodis: what `catalogue_existing.py` compares with, and what is fooled there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import permutations

import numpy as np
import torch
from scipy.linalg import subspace_angles

from geodis.linalg import Array


# --- checks of equivariance -------------------------------------------------------------------------------------------
def emlp_error(found: Array, expected: Array) -> float:
    """RMS(a − b) / max(RMS(a) + RMS(b), 1e-7): Finzi, Welling and Wilson, ICML 2021 (EMLP)."""
    sizes = [math.sqrt(float((x**2).mean())) for x in (found - expected, found, expected)]
    return sizes[0] / max(sizes[1] + sizes[2], 1e-7)


def largest_error(found: Array, expected: Array) -> float:
    """Largest |a − b|: e3nn's check, absolute."""
    return float(np.abs(found - expected).max())


def mean_error(found: Array, expected: Array) -> float:
    """Mean |a − b|, which escnn's check returns beside `allclose`."""
    return float(np.abs(found - expected).mean())


def peak_signal_to_noise(found: Array, expected: Array, largest: float = 2.0) -> float:
    """10 log10(I_max²/mean (a − b)²) [dB]: EQ-T and EQ-R of Karras et al., NeurIPS 2021; large is good."""
    square = float(((found - expected) ** 2).mean())
    return math.inf if square == 0.0 else 10.0 * math.log10(largest**2 / square)


def cosine_distance(found: Array, expected: Array) -> float:
    """Mean 1 − cos of uncentred rows: the cosine form of G-EED, Kvinge et al., NeurIPS 2022."""
    inner = (found * expected).sum(axis=1)
    return float((1.0 - inner / np.linalg.norm(found, axis=1) / np.linalg.norm(expected, axis=1)).mean())


def uncentred_error(found: Array, expected: Array) -> float:
    """E‖a − b‖²/E‖a‖²."""
    return float(((found - expected) ** 2).sum() / (found**2).sum())


def symmetry_variance(gradients: Array, items: Array) -> float:
    """The least s²/N of the polarization matrix with rows Σ_k ∂F/∂x_k ⊗ x_k: Moskalev et al., NeurIPS 2022 (LieGG)."""
    rows = np.einsum("nk,nl->nkl", gradients, items).reshape(len(items), -1)
    return float(np.linalg.svd(rows, compute_uv=False)[-1]) ** 2 / len(items)


# --- errors of codes, by loops ----------------------------------------------------------------------------------------
def pair_error(codes: Array, operators: Array) -> float:
    """Mean over items and ordered pairs j ≠ k of |c_k − ρ_kρ_j⁻¹c_j|²: codes (n, m, d), operators (n, m, d, d)."""
    n, m, _ = codes.shape
    total = 0.0
    for i in range(n):
        for j in range(m):
            for k in range(m):
                if j != k:
                    predicted = operators[i, k] @ np.linalg.inv(operators[i, j]) @ codes[i, j]
                    total += float(((codes[i, k] - predicted) ** 2).sum()) / (n * m * (m - 1))
    return total


def mismatch_error(codes: Array, operators: Array) -> float:
    """The same where the predicting row is one of another item, any row of it."""
    n, m, _ = codes.shape
    undone = np.stack([[np.linalg.inv(operators[i, j]) @ codes[i, j] for j in range(m)] for i in range(n)])
    total = 0.0
    for i in range(n):
        for k in range(m):
            others = np.delete(undone, i, axis=0).reshape(-1, codes.shape[2])
            moved = others @ operators[i, k].T
            total += float(((codes[i, k] - moved) ** 2).sum(axis=1).mean()) / (n * m)
    return total


def orbit_variance_share(codes: Array) -> float:
    """Mean over items of the variance over the group, over the variance of all rows: tmeasures, of variances."""
    within = codes.var(axis=1, ddof=1).sum(axis=1).mean()
    everything = codes.reshape(-1, codes.shape[2])
    return float(within / everything.var(axis=0).sum())


# --- matrices and subspaces -------------------------------------------------------------------------------------------
def homomorphism_rms(rho: Callable[[Array], Array], g: Array, h: Array, product: Array) -> float:
    """RMS over pairs of ‖ρ(g)ρ(h) − ρ(gh)‖_F/‖ρ(gh)‖_F, one pair at a time."""
    squares = []
    for a, b, ab in zip(g, h, product, strict=True):
        one, two, direct = (rho(x[None])[0] for x in (a, b, ab))
        squares.append((np.linalg.norm(one @ two - direct) / np.linalg.norm(direct)) ** 2)
    return math.sqrt(float(np.mean(squares)))


def closure(generators: Array) -> float:
    """√(Σ‖[A_i, A_j] − Σ c A_k‖²/Σ‖[A_i, A_j]‖²), A orthonormal, c by least squares."""
    k, d, _ = generators.shape
    basis = np.linalg.qr(generators.reshape(k, -1).T)[0].T.reshape(k, d, d)
    left = whole = 0.0
    for i in range(k):
        for j in range(k):
            bracket = (basis[i] @ basis[j] - basis[j] @ basis[i]).ravel()
            fitted = np.linalg.lstsq(basis.reshape(k, -1).T, bracket, rcond=None)[0]
            left += float(((bracket - basis.reshape(k, -1).T @ fitted) ** 2).sum())
            whole += float((bracket**2).sum())
    return math.sqrt(left / whole)


def matched_angle(found: list[Array], truth: list[Array]) -> float:
    """Least mean over permutations of arccos(least σ(XᵀY)): Pfau et al., NeurIPS 2020 (GEOMANCER); orthonormal bases.

    No clip of σ above 1, as published: NaN for a part of identical subspaces.
    """
    cosines = np.array([[np.linalg.svd(x.T @ y, compute_uv=False)[-1] for y in truth] for x in found])
    with np.errstate(invalid="ignore"):
        angles = np.arccos(cosines)
    return min(float(np.mean(angles[range(len(found)), list(order)])) for order in permutations(range(len(truth))))


def overlap(one: Array, two: Array) -> float:
    """Σ cos² of the principal angles over the smaller dimension."""
    angles = subspace_angles(one, two)
    return float((np.cos(angles) ** 2).sum() / min(one.shape[1], two.shape[1]))


# --- orbits on a torus ------------------------------------------------------------------------------------------------
def first_harmonics(z: Array, angles: Array) -> list[float]:
    """2‖mean z e^{−iθ_j}‖²/V for each factor j: energy in frequency ±1 of that factor alone."""
    centred = z - z.mean(axis=0)
    variance = float((centred**2).sum(axis=1).mean())
    found = []
    for theta in angles.T:
        coefficient = np.zeros(z.shape[1], dtype=complex)
        for row, angle in zip(centred, theta, strict=True):
            coefficient += row * complex(math.cos(angle), -math.sin(angle)) / len(z)
        found.append(2.0 * float((np.abs(coefficient) ** 2).sum()) / variance)
    return found


# --- local equivariance error -----------------------------------------------------------------------------------------
def local_error(
    encoder: Callable[[torch.Tensor], torch.Tensor], flow: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    items: Array, generator: Array,
) -> float:  # fmt: skip
    """E‖d/dt|₀ f(exp(tX)x) − Y f(x)‖² by differentiating twice backwards: Gruver et al., ICLR 2023."""
    x = torch.from_numpy(items)
    t = torch.zeros(len(x), dtype=x.dtype, requires_grad=True)
    codes = encoder(flow(t, x))
    dual = torch.zeros_like(codes, requires_grad=True)
    (pulled,) = torch.autograd.grad(codes, t, dual, create_graph=True)
    (moved,) = torch.autograd.grad(pulled, dual, torch.ones_like(pulled))
    lie = moved.detach().numpy() - codes.detach().numpy() @ generator.T
    return float((lie**2).sum(axis=1).mean())


def collapsing_stretch(t: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Stretch along x as published: the second diagonal entry of the affine map stays 0, also at t = 0."""
    return _warped(t, images, 0.0)


def stretch(t: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Stretch along x, the identity at t = 0."""
    return _warped(t, images, 1.0)


def _warped(t: torch.Tensor, images: torch.Tensor, second: float) -> torch.Tensor:
    """The value at (second·row, (1 − t)·column), counted from the centre, by bilinear interpolation."""
    size = images.shape[-1]
    places = torch.arange(size, dtype=images.dtype) - (size - 1) / 2
    times = torch.as_tensor(t, dtype=images.dtype)
    rows = (second * places).expand(len(images), size)
    moved = _interpolated(images.transpose(1, 2), rows).transpose(1, 2)
    return _interpolated(moved, (1.0 - times[:, None]) * places)


def _interpolated(images: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Images at places (n, size) of their last axis, counted from the centre; the edge goes on outside."""
    size = images.shape[-1]
    at = (places + (size - 1) / 2).clamp(0, size - 1)
    below = at.detach().floor().long().clamp(max=size - 2)
    share = (at - below)[:, None, :]
    first = images.gather(2, below[:, None, :].expand(images.shape))
    return (1 - share) * first + share * images.gather(2, below[:, None, :].expand(images.shape) + 1)
