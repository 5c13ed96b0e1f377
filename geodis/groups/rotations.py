"""Closed forms of rotations that gradients pass through: angles, 2×2 blocks, quaternions, rotation vectors.

Quaternions are (w, x, y, z) with w real, `(..., 4)`; entries may be complex, which makes them elements of SL(2, C).
"""

from __future__ import annotations

from math import pi

import torch
from torch import Tensor

from geodis.groups.even import arc_ratio, sinc, versine


def wrap(angle: Tensor) -> Tensor:
    """The angle modulo 2π in (−π, π]; the gradient is 1."""
    return angle - 2 * pi * torch.ceil((angle - pi) / (2 * pi)).detach()


def phase(angle: Tensor) -> Tensor:
    """e^{iθ}: real `(...)` → complex `(...)`."""
    return torch.complex(torch.cos(angle), torch.sin(angle))


def rotation2(angle: Tensor) -> Tensor:
    """[[cos θ, −sin θ], [sin θ, cos θ]]: `(...)` → `(..., 2, 2)`."""
    c, s = torch.cos(angle), torch.sin(angle)
    return torch.stack([torch.stack([c, -s], -1), torch.stack([s, c], -1)], -2)


def hat(v: Tensor) -> Tensor:
    """The cross product as a matrix, hat(v) x = v × x: `(..., 3)` → `(..., 3, 3)`."""
    x, y, z = v.unbind(-1)
    o = torch.zeros_like(x)
    return torch.stack([torch.stack(row, -1) for row in ((o, -z, y), (z, o, -x), (-y, x, o))], -2)


def rotation3(v: Tensor) -> Tensor:
    """exp(hat(v)) = I + (sin θ/θ) hat(v) + ((1 − cos θ)/θ²) hat(v)²: `(..., 3)` → `(..., 3, 3)`."""
    x = (v * v).sum(-1)[..., None, None]
    k = hat(v)
    return torch.eye(3, dtype=v.dtype, device=v.device) + sinc(x) * k + versine(x) * (k @ k)


def quaternion_multiply(p: Tensor, q: Tensor) -> Tensor:
    """The Hamilton product pq: `(..., 4), (..., 4) → (..., 4)`."""
    a, b, c, d = p.unbind(-1)
    w, x, y, z = q.unbind(-1)
    return torch.stack(
        [
            a * w - b * x - c * y - d * z,
            a * x + b * w + c * z - d * y,
            a * y - b * z + c * w + d * x,
            a * z + b * y - c * x + d * w,
        ],
        -1,
    )


def quaternion_conjugate(q: Tensor) -> Tensor:
    """(w, −x, −y, −z): `(..., 4)` → `(..., 4)`."""
    return torch.cat([q[..., :1], -q[..., 1:]], -1)


def quaternion_of_vector(v: Tensor) -> Tensor:
    """(cos θ/2, sin(θ/2) v/θ): rotation vector `(..., 3)` → unit quaternion `(..., 4)`; complex vectors too."""
    x = (v * v).sum(-1, keepdim=True)
    return torch.cat([1 - x / 4 * versine(x / 4), sinc(x / 4) / 2 * v], -1)


def vector_of_quaternion(q: Tensor) -> Tensor:
    """The rotation vector with norm ≤ π: nonzero quaternion `(..., 4)` → `(..., 3)`; q and −q agree."""
    q = torch.where(q[..., :1] < 0, -q, q)
    u = q[..., 1:]
    return 2 * arc_ratio((u * u).sum(-1, keepdim=True), q[..., :1]) * u


def matrix_of_quaternion(q: Tensor) -> Tensor:
    """The rotation x ↦ q x q̄ of a unit quaternion: `(..., 4)` → `(..., 3, 3)`; complex ones give SO(3, C)."""
    w, x, y, z = q.unbind(-1)
    rows = (
        (w * w + x * x - y * y - z * z, 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), w * w - x * x + y * y - z * z, 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), w * w - x * x - y * y + z * z),
    )
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def quaternion_of_matrix(r: Tensor) -> Tensor:
    """A unit quaternion of a rotation matrix: `(..., 3, 3)` → `(..., 4)`."""
    xx, yy, zz = r[..., 0, 0], r[..., 1, 1], r[..., 2, 2]
    wx, wy, wz = r[..., 2, 1] - r[..., 1, 2], r[..., 0, 2] - r[..., 2, 0], r[..., 1, 0] - r[..., 0, 1]
    xy, xz, yz = r[..., 0, 1] + r[..., 1, 0], r[..., 0, 2] + r[..., 2, 0], r[..., 1, 2] + r[..., 2, 1]
    outer = torch.stack(  # 4 q qᵀ
        [
            torch.stack([1 + xx + yy + zz, wx, wy, wz], -1),
            torch.stack([wx, 1 + xx - yy - zz, xy, xz], -1),
            torch.stack([wy, xy, 1 - xx + yy - zz, yz], -1),
            torch.stack([wz, xz, yz, 1 - xx - yy + zz], -1),
        ],
        -2,
    )
    # The row of the largest |q_i| ≥ 1/2 has norm ≥ 2, so that nothing is divided by a small number.
    best = outer.diagonal(dim1=-2, dim2=-1).argmax(-1)
    row = torch.take_along_dim(outer, best[..., None, None], -2).squeeze(-2)
    return row / torch.linalg.vector_norm(row, dim=-1, keepdim=True)


def vector_of_matrix(r: Tensor) -> Tensor:
    """The principal logarithm of a rotation matrix as a rotation vector: `(..., 3, 3)` → `(..., 3)`."""
    return vector_of_quaternion(quaternion_of_matrix(r))
