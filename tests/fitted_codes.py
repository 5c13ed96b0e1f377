"""Small planted codes with coordinates fitted once, for the laws that every fit obeys."""

from functools import cache

import numpy as np

from geodis import LinearCoordinates, Orbits
from geodis.groups import SO2
from geodis.simulators import planted, planted_cases

LAW = 1e-10  # products of three matrices of size one, and of boosts a few times larger
CASES = ("SO2", "SO3", "Cyclic(12)", "Dihedral(4)", "SO2*Cyclic(3)", "Translation ring", "SE(2)", "Translation line")


@cache
def fitted(name, isometric=False):
    """`(case, code, fitted estimator)` of a small planted case."""
    case = planted_cases()[name]()
    code = case.code(0, n_items=60, n_elements=None if case.group.order else 8, n_features=24)
    est = LinearCoordinates(case.group, max_order=2 if name != "Cyclic(12)" else 6, isometric=isometric, n_null=39)
    return case, code, est.fit(code.z, code.params, items=code.items)


def coordinates_of(name, isometric=False):
    return fitted(name, isometric)[2].coordinates_


def some(name, n=5, seed=7):
    """`(embeddings, elements)` that were not fitted."""
    case, code, _ = fitted(name)
    z = np.random.default_rng(seed).normal(size=(n, code.z.shape[1]))
    return z, case.group.sample(n, seed)


def stretched(seed=0, n=120, m=12, d=16):
    """A planted code with unequal, correlated directions: `(orbits, group)`."""
    group = SO2()
    params = group.orbit(n, m, seed=seed)
    code = planted([(group.irrep("m=0"), 2), (group.irrep("m=1"), 2), (group.irrep("m=2"), 1)], params, n_features=d)
    rng = np.random.default_rng(seed)
    mixing = np.eye(d) + 0.4 * rng.normal(size=(d, d)) / np.sqrt(d)
    z = code.z @ np.linalg.svd(mixing)[0] @ np.diag(np.linspace(0.5, 2.0, d)) @ mixing
    return Orbits.from_arrays(z, code.params, code.items, group), group


def same(a, b):
    """Whether two coordinates agree bit by bit."""
    names = ("analysis", "synthesis", "centre", "fitted")
    arrays = all(np.array_equal(getattr(a, n), getattr(b, n)) for n in names)
    blocks = [(x.irrep.name, x.rows, x.energy, x.interval, x.isotropy) for x in a.blocks]
    other = [(x.irrep.name, x.rows, x.energy, x.interval, x.isotropy) for x in b.blocks]
    return arrays and blocks == other and (a.status, a.limited, a.group) == (b.status, b.limited, b.group)
