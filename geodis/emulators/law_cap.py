"""The cap of a law's force, from systems whose bodies come closest."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from geodis.emulators.body_samples import BodySamples
from geodis.emulators.integrators import integrate
from geodis.emulators.nbody_dynamics import NBodyDynamics

COARSE, ROUNDS, FINE = 20, 4, 8  # caps of the first grid, then rounds of finer ones
MODERATE = 0.1  # of the usual displacement: an error beyond is as bad as any


def peak_accelerations(dynamics: NBodyDynamics, samples: BodySamples) -> Tensor:
    """Largest |a_i| that the *uncapped* law meets on the way, (batch,)."""
    law, cap = dynamics.law, dynamics.law.cap
    peaks = []
    law.cap = "none"
    try:
        for rows in torch.arange(samples.n).split(512):
            part = samples.rows(rows)
            field = law.field(part.scalars)
            most = torch.zeros(part.n, dtype=part.x.dtype)

            def watched(x: Tensor, field=field, most=most) -> Tensor:  # type: ignore[no-untyped-def]
                a = field(x)
                torch.maximum(most, a.square().sum(1).amax(0), out=most)
                return a

            with torch.no_grad():
                x, v = ((y - y.mean(1, keepdim=True)).permute(1, 2, 0).contiguous() for y in (part.x, part.v))
                integrate(x, v, watched, part.span, dynamics.substeps, dynamics.integrator)
            peaks.append(most.sqrt())
    finally:
        law.cap = cap
    return torch.cat(peaks)


def fit_cap(dynamics: NBodyDynamics, hard: BodySamples, low: float, high: float, rounds: int = ROUNDS) -> float:
    """Set the law's cap in place to the one in [low, high] that explains the systems `hard` best; its value comes back.

    A logarithmic grid of 20, then finer ones around the best, each a quarter as wide. The score is bounded,
    Σ_bodies e²/(e² + s²) with s a tenth of the usual displacement, since most caps send bodies that meet anywhere.
    """
    law = dynamics.law
    position = law.names.index("log cap")
    scale = MODERATE * float((hard.target_x - hard.x).square().sum(-1).mean().sqrt())
    grid = torch.linspace(math.log(low), math.log(high), COARSE, dtype=torch.float64)
    for _ in range(1 + rounds):
        scores = _scores(dynamics, hard, grid, position, scale)
        best, width = float(grid[scores.argmin()]), float(grid[1] - grid[0])
        grid = best + width * torch.linspace(-1.0, 1.0, FINE + 1, dtype=torch.float64)
    with torch.no_grad():
        law.theta[position] = best
    return math.exp(best)


def _scores(dynamics: NBodyDynamics, hard: BodySamples, logs: Tensor, position: int, scale: float) -> Tensor:
    """Score of every cap, (len(logs),), all advanced in batches."""
    scores = torch.empty(len(logs), dtype=torch.float64)
    size = max(1, 1024 // hard.n)
    for rows in torch.arange(len(logs)).split(size):
        m = len(rows)
        thetas = dynamics.law.theta.detach()[:, None].repeat(1, m)
        thetas[position] = logs[rows]
        x, v, s = (a.repeat(m, 1, 1) for a in (hard.x, hard.v, hard.scalars))
        with torch.no_grad():
            y, _ = dynamics.advance(x, v, s, thetas.repeat_interleave(hard.n, 1))
        squared = (y.reshape(m, *hard.x.shape) - hard.target_x).square().sum(-1).nan_to_num(1e12)
        scores[rows] = (squared / (squared + scale**2)).mean((1, 2))
    return scores
