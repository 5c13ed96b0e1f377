"""Question: is `geodis.training.gram_loss` the loss that the CARE paper defines.

L_equi = E_{x,x'} [⟨f(ax'), f(ax)⟩ − ⟨f(x), f(x')⟩]² for one augmentation a (Gupta et al., 2023, arXiv 2306.13924), over
all ordered pairs of a finite sample, transcribed as loops over pairs and coordinates. Used by `beyond_linear.py`.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from geodis.linalg import Array
from geodis.training import gram_loss

INPUTS = 20
SIZES = ((1, 1), (2, 3), (5, 2), (9, 8), (12, 1), (20, 2), (30, 3))  # rows, coordinates; the last three: n > 8d


def max_deviation(seed: int) -> float:
    """The largest of 20 |ours − brute force|, and of what is left where the Gram matrices agree.

    Rows lie on the unit sphere as in the paper; the second family is random, then the first one turned by a random
    orthogonal map, where the loss has to be zero.
    """
    rng = np.random.default_rng(seed)
    found = []
    for k in range(INPUTS):
        n, d = SIZES[k % len(SIZES)]
        z, gz = sphere(rng, n, d), sphere(rng, n, d)
        turned = z @ np.linalg.qr(rng.normal(size=(d, d)))[0].T
        found += [abs(loss(z, gz) - brute_force(z, gz)), abs(loss(z, turned)), abs(loss(z, z))]
    return max(found)


def loss(z: Array, gz: Array) -> float:
    """Ours, on tensors in float64."""
    return gram_loss(torch.from_numpy(z), torch.from_numpy(gz)).item()


def brute_force(z: Array, gz: Array) -> float:
    """(1/n²) Σ_{i,j} (⟨gz_i, gz_j⟩ − ⟨z_i, z_j⟩)² by loops."""
    n = len(z)
    terms = [(_inner(gz[i], gz[j]) - _inner(z[i], z[j])) ** 2 for i in range(n) for j in range(n)]
    return math.fsum(terms) / n**2


def sphere(rng: np.random.Generator, n: int, d: int) -> Array:
    """Rows (n, d) that are uniform on the unit sphere."""
    x = rng.normal(size=(n, d))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def _inner(x: Array, y: Array) -> float:
    return math.fsum(float(a) * float(b) for a, b in zip(x, y, strict=True))
