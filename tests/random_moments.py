"""Random rows of a few groups, their moments, and the same sums by brute force."""

import numpy as np

from geodis.coordinates import Moments

SUMS = 1e-10  # the same sums in another order, relative to the largest entry


def mismatch(a, b):
    """max |a − b| over max |b|."""
    return float(np.abs(np.asarray(a) - b).max() / max(np.abs(b).max(), 1e-300))


def rows(group, sizes, d=3, seed=0, offset=0.0):
    rng = np.random.default_rng(seed)
    n = int(np.sum(sizes))
    items = np.repeat(np.arange(len(sizes)), sizes)
    contents = 2 * rng.normal(size=(len(sizes), d))[items]
    return offset + contents + rng.normal(size=(n, d)), group.sample(n, seed), items


def moments_of(group, max_order, data, cuts=(), **options):
    """Moments of these rows, in batches that end at `cuts`."""
    z, params, items = data
    moments = Moments(group, group.irreps(max_order), z.shape[1], **{"n_folds": 3} | options)
    for batch in np.split(np.arange(len(z)), sorted(set(cuts))):
        if len(batch):
            moments.update(z[batch], params[batch], items[batch])
    moments.finish()
    return moments


def totals(moments):
    """Sums over all folds: counts, C, C paired, and every irrep's kept form."""
    first, *others = [[f.n, f.n_paired, f.second, f.second_paired, *f.kept] for f in moments.folds]
    for other in others:
        first = [a + b for a, b in zip(first, other, strict=True)]
    return first
