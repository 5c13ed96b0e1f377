"""Planted codes on which a group acts linearly, seen through a known nonlinear map; a lift that is undone exactly."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from geodis import Orbits
from geodis.coordinates import AbstractInvertibleLift
from geodis.groups import SO2, SO3


def circle(n=80, m=12, bend=2.0, noise=0.01, d=5, seed=0, scale=1.0):
    """(x, y + bend·x²) of an m=1 code with unequal radii, mixed into R^d."""
    rng, group = np.random.default_rng(seed), SO2()
    params = group.orbit(n, m, seed=seed).reshape(-1, 1)
    start, radius = (np.repeat(rng.uniform(*ends, (n, 1)), m, axis=0) for ends in ((0, 6.28), (0.7, 1.3)))
    x, y = radius * np.cos(params + start), radius * np.sin(params + start)
    return mixed(np.hstack([x, y + bend * x**2]), params, group, n, m, d, noise, seed, scale)


def sphere(n=100, m=16, bend=2.0, noise=0.01, d=6, seed=0):
    """(v₁, v₂, v₃ + bend·v₁²) of an l=1 code."""
    rng, group = np.random.default_rng(seed), SO3()
    params = group.sample(n * m, seed)
    start = np.repeat(rng.normal(size=(n, 3)), m, axis=0)
    start /= np.linalg.norm(start, axis=1, keepdims=True)
    v = np.einsum("nab,nb->na", np.asarray(group.irrep("l=1")(params)), start)
    v[:, 2] += bend * v[:, 0] ** 2
    return mixed(v, params, group, n, m, d, noise, seed)


def monomials(n=80, m=16, noise=0.01, d=6, seed=0):
    """An m=1 code of unequal radii seen through x², xy, y² only."""
    rng, group = np.random.default_rng(seed), SO2()
    params = group.orbit(n, m, seed=seed).reshape(-1, 1)
    start, radius = (np.repeat(rng.uniform(*ends, (n, 1)), m, axis=0) for ends in ((0, 6.28), (0.7, 1.3)))
    x, y = radius * np.cos(params + start), radius * np.sin(params + start)
    return mixed(np.hstack([x**2, x * y, y**2]), params, group, n, m, d, noise, seed)


def mixed(code, params, group, n, m, d, noise, seed, scale=1.0):
    rng = np.random.default_rng([seed, 1])
    frame = np.linalg.qr(rng.normal(size=(d, d)))[0][:, : code.shape[1]]
    z = scale * (code @ frame.T + noise * rng.normal(size=(n * m, d)))
    return Orbits.from_arrays(z, params, np.repeat(np.arange(n), m), group)


@dataclass(frozen=True, eq=False, repr=False)
class Shear(AbstractInvertibleLift):
    """φ(z) = (z₁, z₂ − bend·z₁², z₃, …): undone exactly, the lift of `circle(bend)` before it was mixed."""

    bend: float
    kind: ClassVar[str] = "shear"

    def _lift(self, rows):
        return rows - self.bend * _second(rows)

    def _inverse(self, rows):
        return rows + self.bend * _second(rows)

    def state(self):
        return {"bend": self.bend, "dim": self.n_features}, {}

    @classmethod
    def from_state(cls, config: Mapping, tensors):
        return cls(config["dim"], config["dim"], config["bend"])


def _second(rows):
    return torch.nn.functional.pad(rows[:, :1] ** 2, (1, rows.shape[1] - 2))


def sheared(n=60, m=12, bend=2.0, noise=0.01, seed=0):
    """`circle` in its own frame: (x, y + bend·x², noise)."""
    orbits = circle(n, m, bend=0.0, noise=0.0, d=2, seed=seed)
    rng = np.random.default_rng([seed, 2])
    frame = np.linalg.qr(np.random.default_rng([seed, 1]).normal(size=(2, 2)))[0]
    code = orbits.z @ frame
    z = np.hstack([code[:, :1], code[:, 1:] + bend * code[:, :1] ** 2, rng.normal(size=(n * m, 1))])
    return Orbits.from_arrays(z + noise * rng.normal(size=z.shape), orbits.params, orbits.items, orbits.group)
