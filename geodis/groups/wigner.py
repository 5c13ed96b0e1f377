"""Real Wigner matrices D^l(ω) = exp(ω·J): a closed form without Euler angles, smooth at every rotation vector.

Basis of the (2l + 1)-dimensional space: real spherical harmonics of degree l about z, in the order
(cos lφ, sin lφ), …, (cos φ, sin φ), zonal. For l = 1 that is (x, y, z), and D¹ is the rotation matrix itself.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor

from geodis.groups.even import sinc
from geodis.linalg import Array


@cache
def spin_generators(degree: int) -> Array:
    """Real antisymmetric J_x, J_y, J_z of spin l with [J_x, J_y] = J_z: `(3, 2l + 1, 2l + 1)`."""
    m = np.arange(degree, -degree - 1, -1)
    raising = np.diag(np.sqrt(degree * (degree + 1) - m[1:] * (m[1:] + 1.0)), 1)
    spin = np.stack([(raising + raising.T) / 2, (raising - raising.T) / 2j, np.diag(m).astype(complex)])
    u = _real_basis(degree)
    return np.ascontiguousarray((u.conj() @ (-1j * spin) @ u.T).real)


def wigner(degree: int, v: Tensor) -> Tensor:
    """D^l(v) = Σ_k C_k ∏_{j<k}(B² + s²j²) + (sin θ/θ) A Σ_k S_k ∏_{1≤j≤k}(B² + s²j²): `(..., 3)` → `(..., d, d)`.

    A = v·J has the spectrum ±imθ, s = sin(θ/2), B = (s/θ)A, C_k = 1/((1/2)_k k!), S_k = 1/((3/2)_k k!). These are the
    terminating hypergeometric series of cos mθ and sin mθ in s².
    """
    # The terms alternate and grow like e^{1.76 l} at θ = π, like e^{0.4 l} at θ = π/4: halve the angle, then square.
    halvings = 0 if degree <= 1 else 1 if degree <= 2 else 2 if degree <= 6 else 3
    d = _series(degree, v / 2**halvings)
    for _ in range(halvings):
        d = d @ d
    return d


def _series(degree: int, v: Tensor) -> Tensor:
    generators = torch.as_tensor(spin_generators(degree), dtype=v.dtype, device=v.device)
    x = (v * v).sum(-1)[..., None, None]
    ratio = sinc(x / 4) ** 2 / 4  # s²/θ²
    square = ratio * x  # s²
    a = torch.einsum("...k,kij->...ij", v, generators)
    b = ratio * (a @ a)
    identity = torch.eye(2 * degree + 1, dtype=v.dtype, device=v.device)
    even, odd = identity.expand(a.shape), identity.expand(a.shape)
    even_term, odd_term = even, odd
    for k in range(1, degree + 1):
        even_term = (even_term @ b + square * (k - 1) ** 2 * even_term) / ((k - 0.5) * k)
        even = even + even_term
        if k < degree:
            odd_term = (odd_term @ b + square * k**2 * odd_term) / ((k + 0.5) * k)
            odd = odd + odd_term
    if degree == 0:
        return even
    return even + sinc(x) * (a @ odd)


def _real_basis(degree: int) -> Array:
    """Rows: the real harmonics in the basis |l, m⟩, m = l, …, −l (Condon–Shortley phase)."""
    u = np.zeros((2 * degree + 1, 2 * degree + 1), dtype=complex)
    for m in range(degree, 0, -1):
        cosine, sine, plus, minus = 2 * (degree - m), 2 * (degree - m) + 1, degree - m, degree + m
        u[cosine, plus], u[cosine, minus] = (-1) ** m / np.sqrt(2), 1 / np.sqrt(2)
        u[sine, plus], u[sine, minus] = (-1) ** m / (1j * np.sqrt(2)), -1 / (1j * np.sqrt(2))
    u[2 * degree, degree] = 1.0
    return u
