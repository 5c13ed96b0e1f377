"""Tracers of a simulated box: some of its particles, more where matter is dense, as galaxies are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch

from geodis.errors import ParameterError
from geodis.groups.options import count
from geodis.linalg import Array, to_numpy
from geodis.mesh import paint, read
from geodis.simulators.lagrangian import Particles


@final
@dataclass(frozen=True, eq=False)
class Tracers:
    """Particles chosen from a box, in random order.

    Attributes
    ----------
    positions : ndarray (n, 3)
        In [0, box) [Mpc/h].
    velocities : ndarray (n, 3)
        Peculiar, their own [km/s].
    flow : ndarray (n, 3)
        The mean velocity of all matter around them [km/s]: momentum over mass, both painted on the lattice's grid.
    displacements : ndarray (n, 3)
        From where they started [Mpc/h].
    """

    positions: Array
    velocities: Array
    flow: Array
    displacements: Array


def density_weighted_tracers(particles: Particles, n_tracers: int = 1000, *, seed: Any = 0) -> Tracers:
    """Particles drawn without replacement, in proportion to the density of matter where they are.

    The density is painted cloud-in-cell on a grid of as many cells as there are particles. Since particles crowd there
    already, tracers sample the square of the density: biased, as galaxies are.

    Parameters
    ----------
    particles : Particles
    n_tracers : int
        How many, at most all.
    seed : int or sequence of int
        As `numpy.random.default_rng` takes it.

    Raises
    ------
    ParameterError
        For more tracers than particles, or none.

    Examples
    --------
    >>> from geodis.simulators.particle_mesh import simulate_boxes
    >>> chosen = density_weighted_tracers(simulate_boxes(1, 8, 50.0, n_steps=3)[0], 100)
    >>> chosen.positions.shape, chosen.velocities.shape
    ((100, 3), (100, 3))
    """
    x = particles.positions.detach().double()
    if count(n_tracers, "n_tracers", 1) > len(x):
        raise ParameterError("n_tracers", f"at most the {len(x)} particles of the box", n_tracers)
    v = particles.velocities.detach().double()
    mass = paint(x, particles.n_grid, particles.box)
    density = to_numpy(read(mass[None], x, particles.box))[:, 0]
    chosen = np.random.default_rng(seed).choice(len(x), n_tracers, replace=False, p=density / density.sum())
    # Where there is a particle its cells hold mass, so that the quotient is one of positive numbers.
    momentum = read(
        torch.stack([paint(x, particles.n_grid, particles.box, v[:, c]) for c in range(3)]), x, particles.box
    )
    positions = np.mod(to_numpy(x)[chosen], particles.box)
    return Tracers(
        np.where(positions >= particles.box, 0.0, positions),
        to_numpy(v)[chosen],
        (to_numpy(momentum) / density[:, None])[chosen],
        to_numpy(particles.displacements.detach().double())[chosen],
    )
