"""Orthonormal bases of the symmetric matrices without trace."""

from __future__ import annotations

import numpy as np

from geodis.linalg import Array


def traceless_basis(d: int) -> Array:
    """An orthonormal basis (d(d+1)/2 − 1, d, d) of symmetric matrices without trace."""
    a, b = np.triu_indices(d)
    symmetric = np.zeros((len(a), d, d))
    symmetric[np.arange(len(a)), a, b] = symmetric[np.arange(len(a)), b, a] = np.where(a == b, 1.0, np.sqrt(0.5))
    return np.einsum("pq,qab->pab", without_trace(d), symmetric)


def without_trace(d: int) -> Array:
    """Orthonormal rows (s, s + 1) orthogonal to the metric, in the basis of `triu_indices`."""
    a, b = np.triu_indices(d)
    metric = (a == b).astype(float)[None]
    return np.asarray(np.linalg.svd(metric)[2][1:])
