"""Question: do the three ways to a Lie derivative reach its closed form; what interpolation costs.

A linear encoder A of items with generator X and second moment Σ, against the latent generator Y, has
E|L|² = tr[(AX − YA) Σ (AX − YA)ᵀ]. Used by `verification.py`.
"""

from __future__ import annotations

import numpy as np
import torch

from geodis.metrics import (
    Tangents,
    linear_flow,
    local_equivariance_error,
    spectral_flow,
    spectral_generator,
    tangents_by_central_differences,
    tangents_by_jvp,
    tangents_by_spectral_generator,
)

N_ITEMS = 200
N_POINTS = 64
N_CODES = 8
MODES = {3: 1.0, 7: 0.5, 14: 0.2}  # amplitude of each wave number: what bilinear interpolation misses depends on it


def relative_error(seed: int) -> float:
    """The worst relative deviation from the closed form: derivative, central differences, spectral generator."""
    return max(deviations(seed).values())


def deviations(seed: int) -> dict[str, float]:
    """|measured / closed form − 1| of each way to the tangents."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N_CODES, N_CODES))
    A, Y = rng.normal(size=(5, N_CODES)), rng.normal(size=(5, 5))
    items, flow = rng.normal(size=(N_ITEMS, N_CODES)), linear_flow(X / np.linalg.norm(X, 2))
    X = X / np.linalg.norm(X, 2)
    measured = {
        "jvp": tangents_by_jvp(lambda x: x @ torch.from_numpy(A.T.copy()), flow, items),
        "central differences": tangents_by_central_differences(lambda x: np.asarray(x) @ A.T, flow, items),
    }
    found = {name: _deviation(tangents, A, X, Y, items) for name, tangents in measured.items()}
    fields, shift = band_limited_fields(rng), shift_matrix()
    A = rng.normal(size=(5, N_POINTS))
    spectral = tangents_by_spectral_generator(lambda x: x @ torch.from_numpy(A.T.copy()), fields, [1.0])
    return {**found, "spectral": _deviation(spectral, A, shift, Y, fields)}


def band_limited_error(seed: int) -> float:
    """Relative error of the tangent of a band-limited field by the spectral generator, against its formula."""
    fields, truth = fields_and_tangents(np.random.default_rng(seed))
    return _relative(spectral_generator(fields, [1.0]), truth)


def bilinear_error(seed: int) -> float:
    """The same by differentiating a bilinear interpolation, as published Lie derivatives do."""
    fields, truth = fields_and_tangents(np.random.default_rng(seed))
    tangents = tangents_by_jvp(lambda x: x, bilinear_flow, fields, n_detours=0)
    return _relative(tangents.moved, truth)


def bilinear_central_error(seed: int) -> float:
    """The same by central differences along the bilinear interpolation: no longer one-sided, still not exact."""
    fields, truth = fields_and_tangents(np.random.default_rng(seed))
    tangents = tangents_by_central_differences(lambda x: x, bilinear_flow, fields, n_detours=0)
    return _relative(tangents.moved, truth)


def spectral_central_error(seed: int) -> float:
    """The same by central differences along the spectral shift, as for encoders that cannot be differentiated."""
    fields, truth = fields_and_tangents(np.random.default_rng(seed))
    tangents = tangents_by_central_differences(lambda x: x, spectral_flow([1.0]), fields, n_detours=0)
    return _relative(tangents.moved, truth)


def bilinear_flow(t: object, items: object) -> torch.Tensor:
    """x(p − t) on a periodic line by interpolation between the two nearest points, in torch."""
    x, times = torch.as_tensor(items), torch.as_tensor(t)
    places = torch.arange(x.shape[-1], dtype=x.dtype) - times[:, None]
    below = torch.floor(places.detach()).long()
    share = places - below
    size = x.shape[-1]
    return (1 - share) * x.gather(-1, below % size) + share * x.gather(-1, (below + 1) % size)


def band_limited_fields(rng: np.random.Generator) -> np.ndarray:
    """Waves of a few wave numbers with random phases: (N_ITEMS, N_POINTS)."""
    return fields_and_tangents(rng)[0]


def fields_and_tangents(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Waves, and their derivative −dx/dp under a shift by one cell a unit of time, from the formula."""
    p = 2 * np.pi * np.arange(N_POINTS) / N_POINTS
    fields, tangents = np.zeros((N_ITEMS, N_POINTS)), np.zeros((N_ITEMS, N_POINTS))
    for k, amplitude in MODES.items():
        phase = rng.uniform(0, 2 * np.pi, (N_ITEMS, 1))
        fields += amplitude * np.cos(k * p + phase)
        tangents += amplitude * 2 * np.pi * k / N_POINTS * np.sin(k * p + phase)
    return fields, tangents


def shift_matrix() -> np.ndarray:
    """The generator of shifts of N_POINTS (even) periodic points as a matrix, from its closed form in cotangents."""
    i = np.arange(N_POINTS)
    apart = i[:, None] - i[None, :]
    safe = np.where(apart == 0, 1, apart)
    return np.where(apart == 0, 0.0, -np.pi / N_POINTS * (-1.0) ** apart / np.tan(np.pi * safe / N_POINTS))


def _deviation(tangents: Tangents, A: np.ndarray, X: np.ndarray, Y: np.ndarray, items: np.ndarray) -> float:
    defect = A @ X - Y @ A
    closed = float(np.trace(defect @ (items.T @ items / len(items)) @ defect.T))
    return abs(local_equivariance_error(tangents, Y).value / closed - 1.0)


def _relative(found: np.ndarray, truth: np.ndarray) -> float:
    return float(np.linalg.norm(found - truth) / np.linalg.norm(truth))
