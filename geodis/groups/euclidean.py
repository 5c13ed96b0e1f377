"""Rigid motions of the plane and of space."""

from __future__ import annotations

from dataclasses import replace
from typing import final

import numpy as np
import torch
from torch import Tensor

from geodis.errors import ParameterError
from geodis.groups.even import cotc, sinc3, versine
from geodis.groups.group import AbstractGroup, Relabelling
from geodis.groups.options import positive
from geodis.groups.representation import Representation
from geodis.groups.rotations import hat
from geodis.groups.so2 import SO2
from geodis.groups.so3 import SO3
from geodis.linalg import Array


@final
class SE(AbstractGroup):
    """Rigid motions x ↦ Rx + t of R^n, n = 2 or 3: parameters (t, angle) `(..., 3)` or (t, rotation vector) `(..., 6)`.

    Samples have normal translations with standard deviation `spread` and Haar rotations. `irreps` are those of SO(n)
    (``m=1`` or ``l=1``; translations act trivially), ``position`` is the affine action c ↦ Rc + t, ``homogeneous`` the
    (n + 1)-dimensional matrix [[R, t], [0, 1]]. Algebra coefficients are (v, ω), the translation first.

    Parameters
    ----------
    n : {2, 3}
        The dimension.
    spread : float
        Standard deviation of sampled translations, in the coordinates' unit.

    Examples
    --------
    >>> turn = [[0.0, 0.0, np.pi / 2]]
    >>> SE(2).compose(turn, [[1.0, 0.0, 0.0]]).round(4).tolist()
    [[0.0, 1.0, 1.5708]]
    """

    compact = False

    def __init__(self, n: int, spread: float = 1.0) -> None:
        if isinstance(n, bool) or n not in (2, 3):
            raise ParameterError("SE: n", "2 or 3", n)
        self.n = int(n)
        self.spread = positive(spread, "SE: spread")
        self.rotations: AbstractGroup = SO2() if self.n == 2 else SO3()
        self.n_params = self.tangent_dim = self.n + self.rotations.n_params

    def __repr__(self) -> str:
        return f"SE({self.n})" if self.spread == 1.0 else f"SE({self.n}, spread={self.spread})"

    def _identity(self) -> Tensor:
        return torch.zeros(self.n_params, dtype=torch.float64)

    def _compose(self, a: Tensor, b: Tensor) -> Tensor:
        shift = _apply(self._rotation(a), b[..., : self.n]) + a[..., : self.n]
        return torch.cat([shift, self.rotations._compose(a[..., self.n :], b[..., self.n :])], -1)

    def _inverse(self, a: Tensor) -> Tensor:
        shift = -_apply(self._rotation(a).mT, a[..., : self.n])
        return torch.cat([shift, self.rotations._inverse(a[..., self.n :])], -1)

    def _contains(self, g: Tensor) -> Tensor:
        return torch.ones(g.shape[:-1], dtype=torch.bool, device=g.device)

    def _matrix(self, g: Tensor) -> Tensor:
        top = torch.cat([self._rotation(g), g[..., : self.n, None]], -1)
        bottom = torch.zeros_like(top[..., :1, :])
        bottom[..., self.n] = 1.0
        return torch.cat([top, bottom], -2)

    def _exp(self, a: Tensor) -> Tensor:
        v, w = a[..., : self.n], a[..., self.n :]
        k, x = self._generator(w), (w * w).sum(-1)[..., None, None]
        # V = ∫₀¹ exp(sK) ds = I + (1 − cos θ)/θ² K + (θ − sin θ)/θ³ K²
        v_map = torch.eye(self.n).to(a) + versine(x) * k + sinc3(x) * (k @ k)
        return torch.cat([_apply(v_map, v), self.rotations._exp(w)], -1)

    def _log(self, g: Tensor) -> Tensor:
        w = self.rotations._log(g[..., self.n :])
        k, x = self._generator(w), (w * w).sum(-1)[..., None, None]
        inverse = torch.eye(self.n).to(g) - k / 2 + cotc(x) * (k @ k)
        return torch.cat([_apply(inverse, g[..., : self.n]), w], -1)

    def _draw(self, rng: np.random.Generator, n: int) -> Array:
        shift = self.spread * rng.standard_normal((n, self.n))
        return np.concatenate([shift, self.rotations._draw(rng, n)], -1)

    def _irreps(self, max_order: int) -> tuple[Representation, ...]:
        return tuple(self._lifted(rep) for rep in self.rotations._irreps(max_order))

    def _irrep(self, name: str) -> Representation:
        if name == "homogeneous":
            return Representation(name, self.n + 1, self._matrix, orthogonal=False)
        if name == "position":
            return self._affine()[0]
        return self._lifted(self.rotations._irrep(name))

    def _affine(self) -> tuple[Representation, ...]:
        vector = self._lifted(self.rotations._irrep("m=1" if self.n == 2 else "l=1"))
        return (replace(vector, name="position", cocycle=lambda g: g[..., : self.n]),)

    def _lifted(self, rep: Representation) -> Representation:
        half = rep.half
        return replace(
            rep,
            matrices=lambda g: rep.matrices(g[..., self.n :]),
            half=None if half is None else lambda g: half(g[..., self.n :]),
        )

    def _relabelling(self, rng: np.random.Generator, params: Array, factor: int) -> Relabelling | None:
        relabel = self.rotations._relabelling(rng, params[:, self.n :], 0)
        if relabel is None:
            return None
        return lambda g: np.concatenate([g[..., : self.n], relabel(g[..., self.n :])], -1)

    def _rotation(self, g: Tensor) -> Tensor:
        return self.rotations._matrix(g[..., self.n :])

    def _generator(self, w: Tensor) -> Tensor:
        if self.n == 3:
            return hat(w)
        return w[..., None] * torch.tensor([[0.0, -1.0], [1.0, 0.0]]).to(w)


def _apply(matrix: Tensor, v: Tensor) -> Tensor:
    return (matrix @ v[..., None])[..., 0]
