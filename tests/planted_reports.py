"""Reports on planted codes, and codes that carry nothing."""

from functools import cache

import numpy as np

from geodis import LinearCoordinates, Orbits, verify
from geodis.groups import SO2, Cyclic
from geodis.simulators import planted_cases

COLUMNS = ["block", "metric", "value", "ci_low", "ci_high", "identity", "null_mean", "null_p", "ceiling", "status"]
PLANTED = ["SO2", "Cyclic(12)", "SO3", "SE(2)", "SO2*Cyclic(3)", "Dihedral(4)", "SO2 limited"]
N_NULL = 39


@cache
def planted_halves(name):
    case = planted_cases()[name]()
    code = case.code(0, n_items=60, n_elements=8 if name == "Dihedral(4)" else 12, n_features=32)
    return Orbits.from_arrays(code.z, code.params, code.items, case.group).split(0.4)


@cache
def planted_report(name):
    """`(report, unseen orbits)` of coordinates fitted on the other items."""
    train, test = planted_halves(name)
    est = LinearCoordinates(train.group, max_order=6 if name == "Cyclic(12)" else 2, n_null=39).fit_orbits(train)
    return verify(test, est.coordinates_, n_null=N_NULL, delta=0.2), test


def so2_orbits(z, n, m, first=0):
    angle = np.tile(2 * np.pi * np.arange(m)[:, None] / m, (n, 1))
    return Orbits.from_arrays(z, angle, np.repeat(np.arange(first, first + n), m), SO2())


def collapsed(kind, n=20, m=8, features=32):
    rng = np.random.default_rng(3)
    return {
        "constant": np.ones((n * m, features)),
        "near-constant": 1.0 + 1e-12 * rng.normal(size=(n * m, features)),
        "invariant": np.repeat(rng.normal(size=(n, features)), m, axis=0),
        "noise": rng.normal(size=(n * m, features)),
    }[kind]


def circle(points, n_items=30, noise=0.1, seed=0):
    """Items that all see the same points `(m, D)` of a cyclic group, with their own offset, in 16 dimensions."""
    rng = np.random.default_rng([seed, 7])
    m, d = points.shape
    z = np.zeros((n_items, m, 16))
    z[..., :d] = points
    z[..., d:] += rng.normal(size=(n_items, 1, 16 - d))
    z += noise * rng.normal(size=z.shape)
    elements = np.tile(np.arange(float(m))[:, None], (n_items, 1))
    return Orbits.from_arrays(z.reshape(n_items * m, -1), elements, np.repeat(np.arange(n_items), m), Cyclic(m))
