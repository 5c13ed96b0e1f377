"""Small worlds in which a continuous group acts on embeddings, and pairs come in batches of one element each."""

from __future__ import annotations

import numpy as np
from scipy.linalg import block_diag, expm


def unit(d, *entries):
    """A matrix with entries (row, column, value)."""
    out = np.zeros((d, d))
    for a, b, value in entries:
        out[a, b] = value
    return out


J = unit(2, (1, 0, 1.0), (0, 1, -1.0))
SO3 = np.stack([unit(3, (b, a, 1.0), (a, b, -1.0)) for a, b in ((1, 2), (2, 0), (0, 1))])
HEISENBERG = np.stack([unit(3, (0, 1, 1.0)), unit(3, (1, 2, 1.0)), unit(3, (0, 2, 1.0))])
SE2 = np.stack([unit(3, (1, 0, 1.0), (0, 1, -1.0)), unit(3, (0, 2, 1.0)), unit(3, (1, 2, 1.0))])
BOOST = np.stack([unit(4, (0, i, 1.0), (i, 0, 1.0)) for i in (1, 2, 3)])
TURN = np.stack([unit(4, (b, a, 1.0), (a, b, -1.0)) for a, b in ((1, 2), (2, 3), (3, 1))])
SO13 = np.concatenate([BOOST, TURN])
SCALING = np.eye(2)[None]


def copies(generators, n, trivial=0):
    """n copies of a representation and some trivial directions."""
    return np.stack([block_diag(*[A] * n, np.zeros((trivial, trivial))) for A in generators])


def torus():
    """SO(2)² on two planes each, and one trivial direction."""
    zero = np.zeros((4, 4))
    pair = block_diag(J, 2 * J)
    return np.stack([block_diag(pair, zero, 0.0), block_diag(zero, pair, 0.0)])


def affine_se2():
    """SE(2) on two positions, one vector and one invariant: seven coordinates, eight homogeneous ones."""
    top = block_diag(J, J, J, 0.0)
    out = np.zeros((3, 8, 8))
    out[0, :7, :7] = top
    out[1, [0, 2], 7] = out[2, [1, 3], 7] = 1.0
    return out


WORLDS = {
    "abelian(2)": torus(),
    "so(3)": copies(SO3, 2, 1),
    "se(2)": copies(SE2, 2, 1),
    "heisenberg(3)": copies(HEISENBERG, 2, 1),
    "so(1,3)": copies(SO13, 2),
}


def mixing(rng, d, factor=4.0):
    """A random matrix whose singular values are log-uniform over a factor."""
    left, right = (np.linalg.qr(rng.normal(size=(d, d)))[0] for _ in range(2))
    return left * np.exp(rng.uniform(-0.5, 0.5, d) * np.log(factor)) @ right.T


def planted(generators, *, dim=None, n_batches=60, n_pairs=40, noise=0.05, source_noise=0.0, seed=0, longest=1.0):
    """z, gz (N, dim), batches (N,) and the mixed generators; `dim` below the matrices' size makes the action affine."""
    rng = np.random.default_rng([seed, 3])
    k, p, _ = generators.shape
    d = p if dim is None else dim
    A = np.eye(p)
    A[:d, :d] = mixing(rng, d)
    mixed = A @ generators @ np.linalg.inv(A)
    t = rng.normal(size=(n_batches, k))
    t *= rng.uniform(0.3, longest, (n_batches, 1)) / np.linalg.norm(t, axis=1, keepdims=True)
    z = rng.normal(size=(n_batches, n_pairs, d)) @ A[:d, :d].T
    x = z if p == d else np.concatenate([z, np.ones((n_batches, n_pairs, 1))], axis=-1)
    gz = np.einsum("bij,bnj->bni", expm(np.tensordot(t, mixed, axes=1)), x)[..., :d]
    sd = noise * np.sqrt(np.square(gz - z).mean())
    gz = gz + sd * rng.normal(size=gz.shape)
    z = z + np.sqrt(source_noise) * sd * rng.normal(size=z.shape)
    return z.reshape(-1, d), gz.reshape(-1, d), np.repeat(np.arange(n_batches), n_pairs), mixed


def about(generators, centre):
    """Affine generators on (z, 1) as they act on (z − centre, 1)."""
    shift = np.eye(generators.shape[1])
    shift[:-1, -1] = -centre
    return shift @ generators @ np.linalg.inv(shift)
