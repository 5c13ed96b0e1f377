"""A frame that turns with a cloud and forgets the order of its points: smooth moments, never a nearest centroid."""

from __future__ import annotations

import math

import torch
from torch import Tensor

ROUND = 1e-2  # spread of |u|²/s² below which the radii of a cloud count as equal


def moment_frame(centred: Tensor) -> tuple[Tensor, Tensor]:
    """C = mean_i u_i φ(|u_i|)ᵀ `(..., d, d)` of centred points u `(..., n, d)`, and their root mean square s `(...)`.

    Column a has φ_a = cos(aπp) with p = ½(1 + z/√(1 + z²)) and z = (t − 1)/√(var t + 10⁻⁴), t = |u|²/s²: p is nearly
    uniform over the points whatever the distribution of their distances, so that the columns differ as much as they
    can; it is smooth in u, bounded and without a unit. C turns with the cloud, C(uMᵀ) = M C(u), and has its unit. It
    vanishes for clouds that are their own mirror image in the origin, or on a sphere about it.
    """
    squared = (centred * centred).sum(-1)
    mean = squared.mean(-1)
    there = mean > 0
    # Where all points coincide: no division, and no square root whose slope is infinite.
    safe = torch.where(there, mean, 1.0)
    deviation = squared / safe[..., None] - 1.0
    z = deviation / ((deviation * deviation).mean(-1, keepdim=True) + ROUND**2).sqrt()
    p = 0.5 * (1.0 + z / (1.0 + z * z).sqrt())
    orders = torch.arange(1, centred.shape[-1] + 1).to(centred)
    phi = torch.cos(math.pi * orders * p[..., None])
    return centred.mT @ phi / centred.shape[-2], torch.where(there, safe.sqrt(), 0.0)


def frame_condition(frame: Tensor, scale: Tensor) -> Tensor:
    """√d s/σ_min(C) ≥ cond(C): how much of a relative error of the invariants a cloud may get; no gradient.

    Infinite where C is singular to rounding, also where all of it vanishes and cond(C) would be a ratio of roundings.
    """
    d = frame.shape[-1]
    with torch.no_grad():
        least = torch.linalg.svdvals(frame)[..., -1]
        singular = least <= 4 * d * torch.finfo(frame.dtype).eps * scale
        return torch.where(singular, math.inf, math.sqrt(d) * scale / torch.where(singular, 1.0, least))
