"""The orbit {c + Q ρ(t) v} of a candidate representation that is closest to a cloud, over Q ∈ SO(r), c and v ∈ R^r.

Every point's group element is a parameter, too: t_i is the nearest element (a grid, then Gauss–Newton in the algebra).
Frame, centre and v move by Gauss–Newton on what is left across the orbit, N_i(x_i − c − Qρ(t_i)v), N_i the projector
normal to the orbit at the nearest point: steps of second order in a problem that alternation solves in first order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from geodis.discovery.closest_representation import Candidate, Start, skew_exp
from geodis.discovery.tangent_fields import skew_basis
from geodis.linalg import Array

STEPS = 12  # of frame, centre and v
INNER = 6  # of the elements, each time
FIRST = 3  # of them from each of the nearest grid elements
BASINS = 3  # grid elements from which a point's element is sought: the nearest one may lead to a local minimum
SETTLED = 1e-4  # relative change of the root mean square at which a fit ends
FLAT = 0.05  # a direction of the algebra that moves v less than this share of the fastest one does not move it
TRIED = 3  # points of the cloud through which the first orbit may go


@final
@dataclass(frozen=True, eq=False)
class OrbitFit:
    """An orbit {c + Q ρ(t) v} fitted to a cloud.

    Attributes
    ----------
    candidate : Candidate
    frame : ndarray (r, r)
        Q.
    centre, point : ndarray (r,)
        c and v, v in the standard frame.
    """

    candidate: Candidate
    frame: Array
    centre: Array
    point: Array

    @property
    def dimension(self) -> int:
        """The orbit's: how many directions of the algebra move v."""
        sizes = np.linalg.svd(np.einsum("aij,j->ia", self.candidate.generators, self.point), compute_uv=False)
        return int((sizes > FLAT * sizes[0]).sum())

    def nearest(self, points: Array, grid: Array) -> tuple[Array, Array]:
        """ρ(t_i) of the nearest points of the orbit (n, r, r), and x_i − c − Qρ(t_i)v in the standard frame (n, r).

        `grid` are elements (m, r, r) to start from.
        """
        u = (points - self.centre) @ self.frame
        order = np.argpartition(-(u @ (grid @ self.point).T), BASINS, axis=1)[:, :BASINS]
        tried = [self.moved(u, grid[order[:, b]], FIRST) for b in range(BASINS)]
        closest = np.argmin([np.square(left).sum(axis=1) for _, left in tried], axis=0)
        elements = np.stack([elements for elements, _ in tried])[closest, np.arange(len(u))]
        return self.moved(u, elements, INNER - FIRST)

    def moved(self, u: Array, elements: Array, steps: int) -> tuple[Array, Array]:
        """Elements after Gauss–Newton steps towards u (n, r), and what is left."""
        J = self.candidate.generators
        for _ in range(steps):
            y = elements @ self.point
            speed = np.einsum("aij,nj->nia", J, y)
            gram = np.einsum("nia,nib->nab", speed, speed)
            gram += 1e-6 * np.trace(gram[0]) * np.eye(len(J))
            step = np.linalg.solve(gram, np.einsum("nia,ni->na", speed, u - y)[..., None])[..., 0]
            step *= np.minimum(1.0, 0.5 / np.maximum(np.abs(step).max(axis=1, keepdims=True), 1e-300))
            elements = skew_exp(np.einsum("na,aij->nij", step, J)) @ elements
        return elements, u - elements @ self.point


def fit_orbit(points: Array, start: Start, grid: Array) -> OrbitFit:
    """The orbit of a candidate closest to a cloud (n, r), from a start about the origin; `grid` are its elements."""
    fit = _through_a_point(points, start, grid)
    elements, left = fit.nearest(points, grid)
    size = _rms(left)
    for step in range(STEPS):
        tried = _improved(fit, points, elements, left)
        u = (points - tried.centre) @ tried.frame
        new = tried.nearest(points, grid) if step == 1 else tried.moved(u, elements, INNER)
        after = _rms(new[1])
        if after > size:
            break
        done = size - after < SETTLED * size
        fit, size, (elements, left) = tried, after, new
        if done:
            break
    return fit


def squared_distances(fit: OrbitFit, points: Array, grid: Array) -> Array:
    """|x − nearest point of the orbit|² (n,)."""
    return np.asarray(np.square(fit.nearest(points, grid)[1]).sum(axis=1))


def _through_a_point(points: Array, start: Start, grid: Array) -> OrbitFit:
    """The orbit through that one of a few points of the cloud whose orbit is nearest to the others."""
    chosen = points[np.linspace(0, len(points) - 1, TRIED).astype(int)] @ start.frame
    some = points[:: max(1, len(points) // 100)]
    fits = [OrbitFit(start.candidate, start.frame, np.zeros(points.shape[1]), v) for v in chosen]
    return min(fits, key=lambda fit: float(np.median(squared_distances(fit, some, grid))))


def _improved(fit: OrbitFit, points: Array, elements: Array, left: Array) -> OrbitFit:
    """One Gauss–Newton step of Q ← Q exp(S), c ← c + Qδ, v ← v + w for fixed elements."""
    r = points.shape[1]
    skew = skew_basis(r)
    u = (points - fit.centre) @ fit.frame
    across = _normal_projectors(np.einsum("aij,nj->nia", fit.candidate.generators, elements @ fit.point))
    shifts = np.broadcast_to(np.eye(r), elements.shape)
    moves = np.concatenate([np.einsum("aij,nj->nia", skew, u), shifts, elements], axis=2)
    rows = (across @ moves).reshape(-1, moves.shape[2])
    normal = rows.T @ rows
    normal += 1e-9 * np.trace(normal) * np.eye(len(normal))
    step = np.linalg.solve(normal, rows.T @ np.einsum("nij,nj->ni", across, left).ravel())
    turn = skew_exp(np.einsum("a,aij->ij", step[: len(skew)], skew)[None])[0]
    shift, w = step[len(skew) : len(skew) + r], step[len(skew) + r :]
    return OrbitFit(fit.candidate, fit.frame @ turn, fit.centre + fit.frame @ shift, fit.point + w)


def _normal_projectors(speed: Array) -> Array:
    """1 − TT⁺ of tangent vectors (n, r, k)."""
    return np.asarray(np.eye(speed.shape[1]) - speed @ np.linalg.pinv(speed, rcond=FLAT))


def _rms(left: Array) -> float:
    return float(np.sqrt(np.square(left).sum(axis=1).mean()))
