"""Random orbits, and whether two are the same."""

import numpy as np
from hypothesis import settings

from geodis import Orbits
from geodis.groups import SO2

EXAMPLES = settings(max_examples=25, deadline=None)


def rows(sizes=(3, 3, 3, 3), group=None, d=4, seed=0):
    """`(z, params, items, group)` with items 0, 1, 2, … of these sizes."""
    group = SO2() if group is None else group
    rng = np.random.default_rng(seed)
    n = int(np.sum(sizes))
    return rng.normal(size=(n, d)), group.sample(n, seed=seed), np.repeat(np.arange(len(sizes)), sizes), group


def orbits_of(sizes=(3, 3, 3, 3), group=None, **options):
    return Orbits.from_arrays(*rows(sizes, group, **options))


def same(a, b):
    """Whether two orbits hold the same, bit by bit."""
    names = ("z", "params", "items", "clusters")
    equal = all(np.array_equal(getattr(a, name), getattr(b, name)) for name in names)
    return equal and a.group == b.group and a.z.dtype == b.z.dtype
