"""Codes of a circle whose metrics are known in closed form."""

from __future__ import annotations

import numpy as np

from geodis.groups import SO2
from geodis.metrics import (
    content_retention,
    energy,
    equivariance_error,
    invariance_error,
    orbit_signal,
    relative_equivariance,
)
from geodis.orbits import Orbits

G = SO2()
RHO = G.irrep("m=1")
PAIR_METRICS = (equivariance_error, relative_equivariance, energy)
MOTION_METRICS = (orbit_signal, invariance_error, content_retention)
ROUNDING = 1e-24  # squares of float64 rounding on codes of size 1


def eye(d):
    return lambda params: np.broadcast_to(np.eye(d), (len(params), d, d))


def orbits_of(z, g, group=G):
    """(n, m, D) codes and (n, m, p) parameters → Orbits."""
    n, m = z.shape[:2]
    return Orbits.from_arrays(z.reshape(n * m, -1), g.reshape(n * m, -1), np.repeat(np.arange(n), m), group)


def planted(n=40, m=8, noise=0.0, seed=0, group=G, rho=RHO, crossed=False, offset=0.0):
    """Codes ρ(g)x_i + noise with Gaussian x_i."""
    rng = np.random.default_rng(seed)
    g = np.repeat(group.orbit(1, m, seed=seed), n, axis=0) if crossed else group.orbit(n, m, seed=seed)
    x = rng.normal(size=(n, rho.dim))
    z = np.einsum("nmab,nb->nma", rho(g), x) + noise * rng.normal(size=(*g.shape[:2], rho.dim)) + offset
    return orbits_of(z, g, group)


def independent(n=200, m=6, d=2, offset=0.0, seed=0, crossed=False):
    g = np.repeat(G.orbit(1, m, seed=seed), n, axis=0) if crossed else G.orbit(n, m, seed=seed)
    return orbits_of(np.random.default_rng(seed).normal(size=(n, m, d)) + offset, g)


def constant(noise=0.0, dtype=np.float64, offset=3.0):
    z = offset + noise * np.random.default_rng(0).normal(size=(20, 5, 2))
    return orbits_of(z.astype(dtype), G.orbit(20, 5, seed=0))
