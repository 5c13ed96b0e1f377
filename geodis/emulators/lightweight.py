"""O(nd) invariants of point clouds under O(d) and S_n, continuous, that tell generic clouds apart."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any, NamedTuple, final

import torch
from torch import Tensor, nn

from geodis.emulators.deep_sets import DeepSet, perceptron
from geodis.emulators.forms import as_vectors
from geodis.emulators.moment_frame import frame_condition, moment_frame
from geodis.errors import ParameterError, ShapeError
from geodis.groups.options import count
from geodis.linalg import like, to_numpy, to_tensor

SHARE = 0.1  # of 1/√ε: the largest condition of a frame that CᵀC still holds


class CloudInvariants(NamedTuple):
    """What is left of a cloud when its place, its orientation and its handedness are forgotten.

    Attributes
    ----------
    moments : array (..., d, d)
        CᵀC of the frame C.
    points : array (..., n, d)
        Cᵀ(v_i − v̄) for every point: invariant under O(d), and moved with the points by S_n. As a multiset it is
        invariant under both.
    condition : array (...)
        √d s/σ_min(C) ≥ cond(C), s the cloud's root mean square radius: 10–1000 for generic clouds; infinite for clouds
        whose frame is singular (point-symmetric, spherical, planar or collinear ones), which the invariants may then
        not tell from others.
    """

    moments: Any
    points: Any
    condition: Any


@final
@dataclass(frozen=True)
class LightweightInvariants:
    """Clouds `(..., n, d)` → CᵀC and the rows Cᵀ(v_i − v̄): O(nd) numbers instead of n² inner products.

    C is an O(d)-equivariant, S_n-invariant frame. The centroids of the original construction come from k-means, and
    jump as points move; here they are moments C_a = mean_i φ_a(|v_i − v̄|)(v_i − v̄) of smooth φ_a: the invariants are
    continuous and differentiable for every cloud. Where C is regular, they determine the cloud up to O(d), shifts and
    the order of the points (`rebuilt` does it): v_i − v̄ = C⁻ᵀ(Cᵀ(v_i − v̄)).

    Parameters
    ----------
    dim : int
        d.

    Raises
    ------
    ParameterError, ShapeError, FiniteError
        For d below one, vectors of another dimension, NaN.

    References
    ----------
    Blum-Smith, Huang, Cuturi, Villar, "Learning functions on symmetric matrices and point clouds via lightweight
    invariant features", 2024, arXiv:2405.08097.

    Examples
    --------
    >>> import numpy as np
    >>> cloud = np.random.default_rng(0).normal(size=(7, 3))
    >>> lightweight = LightweightInvariants(3)
    >>> found, mirrored = lightweight(cloud), lightweight(-cloud[::-1] + 5.0)
    >>> bool(np.allclose(found.points, mirrored.points[::-1])), bool(found.condition < 1e3)
    (True, True)
    >>> bool(np.isinf(lightweight(np.concatenate([cloud, -cloud])).condition))  # its own mirror image
    True
    """

    dim: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "dim", count(self.dim, "LightweightInvariants: dim", 1))

    def __call__(self, v: Any) -> CloudInvariants:
        """The invariants of clouds, numpy or torch, differentiable but for the condition."""
        centred, frame, scale = self._frame(v)
        found = (frame.mT @ frame, centred @ frame, frame_condition(frame, scale))
        return CloudInvariants(*(like(x, v) for x in found))

    def frame(self, v: Any) -> Any:
        """C `(..., d, d)`, which turns with the cloud: C(vMᵀ) = M C(v)."""
        return like(self._frame(v)[1], v)

    def power_sums(self, v: Any, degree: int = 3) -> Any:
        """CᵀC, then the means over the points of all monomials in Cᵀ(v_i − v̄) up to a degree: `(..., m)`.

        Invariant under O(d) and S_n; of degree n they would determine the multiset (H. Weyl, 1946), of less they are
        a summary. Moments of degree one vanish and are left out.
        """
        count(degree, "degree", 2)
        centred, frame, _ = self._frame(v)
        rows, i = centred @ frame, torch.triu_indices(self.dim, self.dim)
        out = [(frame.mT @ frame)[..., i[0], i[1]]]
        for size in range(2, degree + 1):
            chosen = torch.tensor(list(combinations_with_replacement(range(self.dim), size)))
            out.append(rows[..., chosen].prod(-1).mean(-2))
        return like(torch.cat(out, -1), v)

    def rebuilt(self, invariants: CloudInvariants) -> Any:
        """A cloud `(..., n, d)` with these invariants: the one that they came from, up to O(d) and its place.

        Raises
        ------
        ParameterError
            Where the frame is singular: many clouds have these invariants.
        """
        moments, points = to_tensor(invariants.moments), to_tensor(invariants.points)
        d = self.dim
        if moments.shape[-2:] != (d, d) or points.shape[-1] != d:
            raise ShapeError(
                "invariants", f"moments (..., {d}, {d}), points (..., n, {d})", (*moments.shape, *points.shape)
            )
        # In units of its diagonal, so that a short column is no loss of digits.
        size = torch.diagonal(moments, dim1=-2, dim2=-1).clamp_min(0).sqrt()
        safe = torch.where(size > 0, size, 1.0)
        lower, failed = torch.linalg.cholesky_ex(moments / safe[..., :, None] / safe[..., None, :])
        worst = float(to_numpy(invariants.condition).max(initial=0.0))
        # CᵀC has the square of the condition: beyond, not one digit is left.
        if bool((failed != 0).any()) or not worst < SHARE / torch.finfo(moments.dtype).eps ** 0.5:
            raise ParameterError(
                "invariants", "those of clouds with a regular frame", f"a condition of {worst:.3g}",
                "Symmetric, spherical, planar and collinear clouds cannot be rebuilt.",
            )  # fmt: skip
        # Rows y = Cᵀu and C'ᵀC' = LLᵀ with C' = Lᵀ (up to O(d)): u' = L⁻¹y.
        scaled = torch.linalg.solve_triangular(lower, (points / safe[..., None, :]).mT, upper=False)
        return like(scaled.mT, invariants.points)

    def _frame(self, v: Any) -> tuple[Tensor, Tensor, Tensor]:
        vectors = as_vectors(v, self.dim)
        if vectors.shape[-2] == 0:
            raise ShapeError("vectors", f"(..., n, {self.dim}) with n ≥ 1", tuple(vectors.shape))
        centred = vectors - vectors.mean(-2, keepdim=True)
        return centred, *moment_frame(centred)


@final
class LightweightNetwork(nn.Module):
    """Clouds `(..., n, d)` → `(..., out)`, invariant under O(d), S_n and shifts, in O(nd) operations.

    A network of CᵀC, of the logarithm of the cloud's size, and of the mean over the points of a network of
    Cᵀ(v_i − v̄); all in units of the cloud's size and of a fluctuation 1/√n of the frame.

    Parameters
    ----------
    dim, out : int
        d and the number of outputs.
    hidden : int
        Width.
    seed : int
        Seed of the starting weights.

    Raises
    ------
    ParameterError, ShapeError, FiniteError
        For sizes out of range, vectors of another dimension, NaN.

    References
    ----------
    Blum-Smith, Huang, Cuturi, Villar, 2024, arXiv:2405.08097.

    Examples
    --------
    >>> LightweightNetwork(3, out=2)(torch.randn(5, 20, 3)).shape
    torch.Size([5, 2])
    """

    def __init__(self, dim: int, out: int = 1, *, hidden: int = 32, seed: int = 0) -> None:
        super().__init__()
        self.invariants = LightweightInvariants(dim)
        hidden, out = count(hidden, "hidden", 1), count(out, "out", 1)
        generator = torch.Generator().manual_seed(count(seed, "seed", 0))
        d = self.invariants.dim
        self.of_points = DeepSet(d, hidden, hidden, generator)
        self.head = perceptron(hidden + d * (d + 1) // 2 + 1, out, hidden, generator)

    def forward(self, v: Tensor) -> Tensor:
        """The outputs, on the input's device and in its dtype."""
        centred, frame, scale = self.invariants._frame(v)
        n, d = centred.shape[-2:]
        safe = torch.where(scale > 0, scale, 1.0)[..., None, None]
        unit = frame / safe * n**0.5
        rows = centred / safe @ unit
        i, j = torch.triu_indices(d, d, device=v.device)
        moments = (unit.mT @ unit)[..., i, j]
        return self.head(torch.cat([self.of_points(rows), moments, torch.log1p(scale)[..., None]], -1))
