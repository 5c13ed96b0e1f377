"""The numbers of a law by robust Gauss–Newton steps through the integrator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from geodis.emulators.body_samples import BodySamples
from geodis.emulators.nbody_dynamics import NBodyDynamics
from geodis.errors import DesignError

DIFFERENCE = 1e-6  # step of the forward differences: roundings of the roll-out are far below
BREADTH = 4.0  # medians of the bodies' errors beyond which a body counts less
SENSITIVE = 10.0  # times the usual derivatives beyond which a body counts less: chaotic encounters
CHUNK = 2048  # roll-outs at once, counting every changed number as one
LEAST = 1e-13  # of the displacements' size: errors below are rounding


@final
@dataclass(frozen=True)
class Polish:
    """What a polishing did: robust costs after each step (the first: before), and how many steps were refused."""

    costs: tuple[float, ...]
    refused: int


def polish_law(
    dynamics: NBodyDynamics, samples: BodySamples, learned: Tensor, steps: int = 5, damping: float = 1e-4
) -> Polish:
    r"""Minimise Σ_bodies ρ(|x̂_i − x_i|) over the law's numbers in `learned` (a mask), in place, standard errors too.

    ρ(e) = s² e²/(s² + e²) (Geman–McClure) with s four times the median body's error, anew in every step: bodies in a
    chaotic encounter, whose error says nothing about the law, count as a constant, and everything sharpens as the law
    does. Bodies with derivatives far beyond the usual ones count less from the start: they are linear in nothing.
    Derivatives are forward differences; the changed laws are advanced in one batch. A Levenberg–Marquardt step
    that does not lower the cost is refused and the damping raised tenfold. Standard errors are those of weighted least
    squares with bodies as independent.

    Raises
    ------
    DesignError
        When fewer coordinates than numbers are given.
    """
    law = dynamics.law
    active = torch.nonzero(learned).flatten()
    if samples.x.numel() < len(active):
        raise DesignError(f"{samples.x.numel()} coordinates for {len(active)} numbers of the law: give more systems.")
    theta = law.theta.detach().clone()
    scale = float((samples.target_x - samples.x).square().sum(-1).median().sqrt())
    costs: list[float] = []
    refused = 0
    for _ in range(steps):
        base, jacobian = _linearised(dynamics, samples, theta, active)
        breadth = max(BREADTH * float(base.norm(dim=-1).median()), LEAST * scale, 1e-300)
        share = _shares(jacobian)
        weight = share * _weights(base, breadth)
        cost = float(_cost(base, breadth, share))
        costs = costs or [cost]
        hessian, gradient = _normal(jacobian, base, weight)
        accepted = False
        for _ in range(4):
            moved = _step(theta, active, hessian, gradient, damping, law.names)
            new = float(_cost(_errors(dynamics, samples, moved[:, None]), breadth, share))
            if new < cost:
                theta, accepted, damping = moved, True, max(1e-10, damping / 10)
                break
            refused, damping = refused + 1, damping * 10
        costs.append(new if accepted else cost)
        if not accepted or new > cost * (1 - 1e-6):
            break
    with torch.no_grad():
        law.theta.copy_(theta)
        law.errors.fill_(float("nan"))
        law.errors[active] = _standard_errors(hessian, base, weight)
    return Polish(tuple(costs), refused)


def _linearised(dynamics: NBodyDynamics, samples: BodySamples, theta: Tensor, active: Tensor) -> tuple[Tensor, Tensor]:
    """Errors (batch, n, c) and their derivatives (batch, n, c, active) by the numbers of the law."""
    steps = DIFFERENCE * theta[active].abs().clamp_min(1e-2)
    steps[active == dynamics.law.names.index("softening²")] = DIFFERENCE
    thetas = theta[:, None].repeat(1, 1 + len(active))
    thetas[active, 1 + torch.arange(len(active))] += steps
    size = max(1, CHUNK // thetas.shape[1])
    parts = []
    for rows in torch.arange(samples.n).split(size):
        parts.append(_errors(dynamics, samples.rows(rows), thetas))
    errors = torch.cat(parts, dim=1)
    return errors[0], ((errors[1:] - errors[0]) / steps[:, None, None, None]).permute(1, 2, 3, 0)


def _errors(dynamics: NBodyDynamics, samples: BodySamples, thetas: Tensor) -> Tensor:
    """Errors of laws `thetas` (P, m): (m, batch, n, d), or (batch, n, d) for m = 1; velocities, if known, after."""
    m = thetas.shape[1]
    parts = []
    for rows in torch.arange(samples.n).split(CHUNK // m or 1):
        part = samples.rows(rows)
        x, v, s = (a.repeat(m, 1, 1) for a in (part.x, part.v, part.scalars))
        with torch.no_grad():
            y, w = dynamics.advance(x, v, s, thetas.repeat_interleave(part.n, 1))
        error = (y.reshape(m, *part.x.shape) - part.target_x).nan_to_num(1e6, 1e6, -1e6)
        if part.target_v is not None:
            # A velocity counts as the displacement that it makes over the span.
            late = part.span * (w.reshape(m, *part.x.shape) - part.target_v)
            error = torch.cat([error, late.nan_to_num(1e6, 1e6, -1e6)], -1)
        parts.append(error)
    out = torch.cat(parts, dim=1)
    return out[0] if m == 1 else out


def _weights(errors: Tensor, breadth: float) -> Tensor:
    return (1.0 / (1.0 + errors.square().sum(-1) / breadth**2)) ** 2


def _shares(jacobian: Tensor) -> Tensor:
    """1/(1 + (derivatives/typical ones)²/B²)²: what a body counts before its error is known, (batch, n)."""
    squared = jacobian.square().sum(-2)
    typical = squared.flatten(0, 1).median(0).values
    known = typical > 0
    relative = (squared[..., known] / typical[known]).mean(-1) if known.any() else torch.zeros(squared.shape[:2])
    return (1.0 / (1.0 + relative / SENSITIVE**2)) ** 2


def _cost(errors: Tensor, breadth: float, share: Tensor) -> Tensor:
    """Mean of ρ/s² over bodies."""
    squared = errors.square().sum(-1) / breadth**2
    return (share * squared / (1.0 + squared)).sum() / share.sum()


def _normal(jacobian: Tensor, errors: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    j, e = jacobian.reshape(-1, jacobian.shape[-1]), errors.reshape(-1)
    w = weight[..., None].expand(errors.shape).reshape(-1)
    return j.T @ (w[:, None] * j), j.T @ (w * e)


def _step(
    theta: Tensor, active: Tensor, hessian: Tensor, gradient: Tensor, damping: float, names: tuple[str, ...]
) -> Tensor:
    diagonal = hessian.diagonal().clone()
    # A number that nothing depends on (a cap never reached) stays where it is.
    used = diagonal > 1e-24 * diagonal.max().clamp_min(1e-300)
    diagonal[~used] = 1.0
    scale = diagonal.rsqrt()
    system = hessian * scale[:, None] * scale + damping * torch.eye(len(active), dtype=theta.dtype)
    change = -scale * torch.linalg.solve(system, scale * gradient) * used
    moved = theta.clone()
    moved[active] += change
    soft = names.index("softening²")
    moved[soft] = moved[soft].clamp_min(0.0)
    return moved


def _standard_errors(hessian: Tensor, errors: Tensor, weight: Tensor) -> Tensor:
    noise = (weight[..., None] * errors.square()).sum() / (weight.sum() * errors.shape[-1]).clamp_min(1.0)
    variance = torch.linalg.pinv(hessian, hermitian=True).diagonal() * noise
    return torch.where(hessian.diagonal() > 0, variance.clamp_min(0).sqrt(), float("nan"))
