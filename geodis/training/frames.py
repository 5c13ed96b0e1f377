"""Parameters on manifolds: orthonormal frames and generators of rotations that any torch optimizer can train.

The parameters are unconstrained numbers (torch.nn.utils.parametrize), so every optimizer step stays on the manifold,
and all that is needed to go on lies in `state_dict()`: saved, loaded and resumed, a module gives the same bits.

torch.nn.utils.parametrizations.orthogonal is not used here, for three reasons that were tried. Its Householder form
keeps the signs ±1 of the columns among the parameters and truncates them to integers: one step of weight decay makes
them .99999, then 0, and the frame vanishes. For tall frames its other forms exponentiate D×D matrices, draw their
starting point from the global generator, and depend on a buffer `base`: without it the parameters give another frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from geodis.errors import ParameterError, ShapeError
from geodis.linalg import to_tensor

TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-10}  # of QᵀQ − I for a frame that is assigned


@final
class OrthonormalFrame(nn.Module):
    """A learnable Q ∈ St(D, p), QᵀQ = I: coordinates c = Qᵀz, and back z = Qc on the subspace.

    Q is a product of p Householder reflections with learned vectors, times fixed signs: O(Dp²), nothing of size D×D. It
    is orthonormal to rounding after any number of steps, with any optimizer and any weight decay.

    Parameters
    ----------
    n_features, n_coordinates : int
        D ≥ p ≥ 1.
    seed : int
        Seed of the initial frame, uniform on St(D, p).
    dtype : torch.dtype
        float32 or float64.

    Attributes
    ----------
    matrix : Tensor (D, p)
        Q. Assign an orthonormal matrix to start elsewhere.

    Raises
    ------
    ParameterError, ShapeError
        For sizes that do not fit, another dtype, or an assigned matrix that is not an orthonormal D×p one.

    Notes
    -----
    Save with `state_dict()`: torch refuses to pickle parametrized modules.

    Examples
    --------
    >>> frame = OrthonormalFrame(6, 2, seed=0, dtype=torch.float64)
    >>> q = frame.matrix
    >>> bool(torch.allclose(q.T @ q, torch.eye(2, dtype=torch.float64)))
    True
    >>> frame(torch.ones(5, 6, dtype=torch.float64)).shape
    torch.Size([5, 2])
    """

    matrix: Tensor

    def __init__(
        self, n_features: int, n_coordinates: int, *, seed: int = 0, dtype: torch.dtype = torch.float32
    ) -> None:
        super().__init__()
        d, p = (
            _count(n_features, "OrthonormalFrame: n_features"),
            _count(n_coordinates, "OrthonormalFrame: n_coordinates"),
        )
        if p > d:
            raise ParameterError("OrthonormalFrame: n_coordinates", f"at most n_features = {d}", p)
        generator = torch.Generator().manual_seed(seed)
        draw = torch.randn(d, p, generator=generator, dtype=torch.float64)
        q, r = torch.linalg.qr(draw)
        start = (q * r.diagonal().sign()).to(_floating(dtype))  # with the sign fixed it is uniform
        self.matrix = nn.Parameter(start)
        parametrize.register_parametrization(self, "matrix", _Reflections(d, p))

    def forward(self, z: Tensor) -> Tensor:
        """Coordinates Qᵀz of rows: (..., D) → (..., p)."""
        return _last(z, self.matrix.shape[0], "OrthonormalFrame: z") @ self.matrix

    def synthesis(self, c: Tensor) -> Tensor:
        """Rows Qc with the coordinates c, in the frame's span: (..., p) → (..., D)."""
        return _last(c, self.matrix.shape[1], "OrthonormalFrame: c") @ self.matrix.mT


@final
class SkewGenerator(nn.Module):
    """A learnable A ∈ so(d), Aᵀ = −A, of the one-parameter group of rotations ρ(t) = exp(tA).

    Parameters
    ----------
    dim : int
        d ≥ 2.
    seed : int
        Seed of the initial entries.
    scale : float
        Standard deviation of the initial entries, in radians per unit of t.
    dtype : torch.dtype
        float32 or float64.

    Attributes
    ----------
    matrix : Tensor (d, d)
        A. Assign a skew matrix to start elsewhere.

    Raises
    ------
    ParameterError, ShapeError
        For a dimension below 2, a scale that is not positive, another dtype, or an assigned matrix that is not skew.

    Examples
    --------
    >>> turn = SkewGenerator(2, dtype=torch.float64)
    >>> turn.matrix = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=torch.float64)
    >>> turn(torch.tensor([torch.pi / 2])).detach().round(decimals=6).abs().tolist()
    [[[0.0, 1.0], [1.0, 0.0]]]
    """

    matrix: Tensor

    def __init__(self, dim: int, *, seed: int = 0, scale: float = 0.1, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        d = _count(dim, "SkewGenerator: dim", 2)
        draw = torch.randn(d, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        upper = _positive(scale, "SkewGenerator: scale") * draw.triu(1)
        self.matrix = nn.Parameter((upper - upper.mT).to(_floating(dtype)))
        parametrize.register_parametrization(self, "matrix", _Skew(d))

    def forward(self, t: Tensor) -> Tensor:
        """ρ(t) = exp(tA): (...) → (..., d, d), orthogonal, with ρ(s)ρ(t) = ρ(s + t)."""
        return torch.linalg.matrix_exp(t.to(self.matrix)[..., None, None] * self.matrix)


@final
class PlanarGenerator(nn.Module):
    """A learnable A = Σ_k ω_k (b_k a_kᵀ − a_k b_kᵀ): K orthogonal planes (a_k, b_k) of R^D, each with its frequency.

    Every A ∈ so(D) with at most K frequencies is of this form. ρ(t) = exp(tA) turns plane k by ω_k t and leaves the
    rest alone; it costs K cosines instead of a matrix exponential (270 times faster for 4096 elements at D = 16).

    Parameters
    ----------
    n_features, n_planes : int
        D ≥ 2K, K ≥ 1.
    frequencies : sequence of float, optional
        The K initial ω, in radians per unit of t; 1, …, K by default, since equal ones cannot be told apart.
    seed : int
        Seed of the initial planes.
    dtype : torch.dtype
        float32 or float64.

    Attributes
    ----------
    frame : OrthonormalFrame
        Its columns are a_1 … a_K, b_1 … b_K.
    frequencies : Parameter (K,)
        ω.

    Raises
    ------
    ParameterError, ShapeError
        For sizes that do not fit, frequencies that are not finite, or another dtype.

    Examples
    --------
    >>> spin = PlanarGenerator(5, 2, frequencies=[1.0, 2.0], dtype=torch.float64)
    >>> full = torch.tensor([2 * torch.pi], dtype=torch.float64)
    >>> bool(torch.allclose(spin(full), torch.eye(5, dtype=torch.float64)))
    True
    """

    def __init__(
        self,
        n_features: int,
        n_planes: int,
        *,
        frequencies: Sequence[float] | None = None,
        seed: int = 0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        k, d = _count(n_planes, "PlanarGenerator: n_planes"), _count(n_features, "PlanarGenerator: n_features")
        if 2 * k > d:
            raise ParameterError("PlanarGenerator: n_planes", f"at most n_features/2 = {d // 2}", k)
        start = list(range(1, k + 1)) if frequencies is None else [float(x) for x in frequencies]
        if len(start) != k:
            raise ShapeError("PlanarGenerator: frequencies", f"({k},)", (len(start),))
        if not all(isfinite(x) for x in start):
            raise ParameterError("PlanarGenerator: frequencies", "finite numbers", start)
        self.n_features = d
        self.frame = OrthonormalFrame(d, 2 * k, seed=seed, dtype=dtype)
        self.frequencies = nn.Parameter(torch.tensor(start, dtype=dtype))

    @property
    def matrix(self) -> Tensor:
        """A (D, D), skew."""
        a, b = self.frame.matrix.chunk(2, dim=1)
        turned = (b * self.frequencies) @ a.mT
        return turned - turned.mT

    def act(self, z: Tensor, t: Tensor) -> Tensor:
        """ρ(t)z row by row, z (..., D) and t (...), without forming D×D matrices."""
        q = self.frame.matrix
        a, b = (_last(z, len(q), "PlanarGenerator: z") @ q).chunk(2, dim=-1)
        angle = t.to(self.frequencies)[..., None] * self.frequencies
        # cos θ − 1 = −2 sin²(θ/2) keeps its digits for small turns.
        less, sine = -2 * torch.sin(angle / 2).square(), torch.sin(angle)
        return z + torch.cat([less * a - sine * b, sine * a + less * b], dim=-1) @ q.mT

    def forward(self, t: Tensor) -> Tensor:
        """ρ(t) = exp(tA): (...) → (..., D, D), orthogonal, with ρ(s)ρ(t) = ρ(s + t)."""
        basis = torch.eye(self.n_features).to(self.frequencies)
        return self.act(basis.expand(*t.shape, *basis.shape), t[..., None]).mT


class _Reflections(nn.Module):
    """x (D, p) → H_1 … H_p [I; 0] diag(signs), reflections along the columns of x below their diagonal."""

    signs: Tensor

    def __init__(self, n_features: int, n_coordinates: int) -> None:
        super().__init__()
        self.shape = (n_features, n_coordinates)
        self.register_buffer("signs", torch.ones(n_coordinates))

    def forward(self, x: Tensor) -> Tensor:
        return _reflected(x) * self.signs.to(x)

    def right_inverse(self, q: Tensor) -> Tensor:
        """The parameters of a given frame; the signs go to the buffer."""
        frame = _given(q, self.shape, "OrthonormalFrame: matrix")
        off = (frame.mT @ frame - torch.eye(frame.shape[1]).to(frame)).abs().max().item()
        if not off <= TOLERANCE[frame.dtype]:
            raise ParameterError("OrthonormalFrame: matrix", "orthonormal columns", f"QᵀQ − I up to {off:.1e}")
        x = torch.geqrf(frame).a.tril(-1)
        self.signs = (_reflected(x) * frame).sum(0).sign().to(self.signs)
        return x


class _Skew(nn.Module):
    """x (d, d) → A with the entries of x above its diagonal and minus those below."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        return x.triu(1) - x.triu(1).mT

    def right_inverse(self, a: Tensor) -> Tensor:
        """The parameters of a given skew matrix."""
        matrix = _given(a, (self.dim, self.dim), "SkewGenerator: matrix")
        off = (matrix + matrix.mT).abs().max().item()
        if not off <= TOLERANCE[matrix.dtype] * max(1.0, matrix.abs().max().item()):
            raise ParameterError("SkewGenerator: matrix", "a skew matrix", f"A + Aᵀ up to {off:.1e}")
        return matrix.triu(1)


def _reflected(x: Tensor) -> Tensor:
    below = x.tril(-1)
    return torch.linalg.householder_product(below, 2.0 / (1.0 + below.square().sum(0)))


def _given(x: Any, shape: tuple[int, ...], what: str) -> Tensor:
    matrix = to_tensor(x)
    if tuple(matrix.shape) != shape:
        raise ShapeError(what, str(shape), tuple(matrix.shape))
    _floating(matrix.dtype)
    return matrix


def _last(x: Tensor, size: int, what: str) -> Tensor:
    if x.shape[-1:] != (size,):
        raise ShapeError(what, f"(..., {size})", tuple(x.shape))
    return x


def _count(n: int, what: str, least: int = 1) -> int:
    if isinstance(n, bool) or not isinstance(n, int) or n < least:
        raise ParameterError(what, f"an integer of at least {least}", n)
    return n


def _positive(x: float, what: str) -> float:
    if not (isfinite(x) and x > 0):
        raise ParameterError(what, "a positive number", x)
    return x


def _floating(dtype: torch.dtype) -> torch.dtype:
    if dtype not in TOLERANCE:
        raise ParameterError("dtype", "torch.float32 or torch.float64", dtype)
    return dtype
