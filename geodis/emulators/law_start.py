"""A first guess of a pair law from displacements: exponents on a small grid, couplings by robust least squares."""

from __future__ import annotations

from itertools import product

import numpy as np
import torch
from torch import Tensor

from geodis.emulators.body_samples import BodySamples
from geodis.emulators.pairwise_law import PairwiseLaw

EXPONENTS = (-2.5, -2.0, -1.5, -1.0, -0.5, 0.0, 0.5)
ROUNDS = 8  # of reweighting


def start_law(law: PairwiseLaw, samples: BodySamples) -> PairwiseLaw:
    """Set couplings and exponents in place so that Σ_j w (x_i − x_j) explains x(T) − x(0) − T v(0); the law comes back.

    The force is taken linear in time between the start and the *known* end, so that the displacement is
    T² (f(0)/3 + f(T)/6) and linear in the couplings. Exponents e ∈ {−2.5, …, 0.5} and 0 or 1 of every positive scalar
    are tried; the fit with the least median error, iteratively reweighted, is kept. No units are assumed.
    """
    n_couplings = 1 + len(law.signed)
    missed = samples.target_x - samples.x - samples.span * samples.v
    best = np.inf
    chosen = law.theta.detach().clone()
    for e, powers in product(EXPONENTS, product((0.0, 1.0), repeat=len(law.positive))):
        theta = torch.zeros_like(chosen)
        theta[law.names.index("e")] = e
        for name, power in zip(law.positive, powers, strict=True):
            theta[law.names.index(f"{name}_j")] = power
        columns = [_displacement(law, samples, theta, k) for k in range(n_couplings)]
        coefficients, error = _robust(torch.stack(columns, -1).reshape(-1, n_couplings), missed.reshape(-1))
        if error < best:
            best, chosen = error, theta
            chosen[:n_couplings] = coefficients
    with torch.no_grad():
        law.theta.copy_(chosen)
    return law


def _displacement(law: PairwiseLaw, samples: BodySamples, theta: Tensor, coupling: int) -> Tensor:
    """(batch, n, d): what one coupling, set to 1, displaces."""
    one = theta.clone()
    one[coupling] = 1.0
    cap = law.cap
    law.cap = "none"
    try:
        field = law.field(samples.scalars, one)
        with torch.no_grad():
            start, end = (field(x.permute(1, 2, 0).contiguous()) for x in (samples.x, samples.target_x))
    finally:
        law.cap = cap
    return (samples.span**2 * (start / 3.0 + end / 6.0)).permute(2, 0, 1)


def _robust(a: Tensor, b: Tensor) -> tuple[Tensor, float]:
    """Coefficients by iteratively reweighted least squares (Geman–McClure weights), and the median |error|."""
    weight = 1.0 / (1.0 + (a * a).sum(1) / (a * a).sum(1).median().clamp_min(1e-30))
    for _ in range(ROUNDS):
        scaled = a * weight[:, None]
        gram = scaled.T @ a
        ridge = 1e-12 * gram.diagonal().mean().clamp_min(1e-300) * torch.eye(len(gram), dtype=a.dtype)
        coefficients = torch.linalg.solve(gram + ridge, scaled.T @ b)
        error = b - a @ coefficients
        scale = 3.0 * error.abs().median().clamp_min(1e-30)
        weight = 1.0 / (1.0 + (error / scale) ** 2) ** 2
    return coefficients, float(error.abs().median())
