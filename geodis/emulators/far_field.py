"""Forces between very many bodies: near pairs by a neighbour list, all others on a mesh by FFT."""

from __future__ import annotations

from itertools import product
from typing import final

import torch
from scipy.fft import next_fast_len
from torch import Tensor

from geodis.emulators.neighbours import NeighbourField
from geodis.emulators.pairwise_law import PairwiseLaw
from geodis.errors import DesignError, ParameterError, ShapeError

REACH = 3.0  # smoothing lengths beyond which the smooth kernel is taken for the true one
MOST_CELLS = 2**25
ORDER = 4  # of the splines: a cubic one over four cells


@final
class MeshField:
    r"""x (n, d) ↦ accelerations (n, d) under a law for all pairs, in O(n + M log M) for M cells; open space.

    With R² = r² + ε² + a² the law's power splits, for any exponent e, into a smooth part and a short one::

        (r² + ε²)^e = (R² − a²)^e = Σ_{k ≤ K} binom(e, k) (−a²)^k (R²)^{e−k} + O((a/R)^{2K+2}),

    the first a kernel that a mesh of spacing a/`resolution` carries (cubic B-splines, deconvolved, zero-padded FFT),
    the rest summed over pairs nearer than 3a, beyond which it is about 10⁻³ of the pair's force for K = 2. Both parts
    are antisymmetric in the two bodies, so that the total momentum is conserved to rounding; the mesh breaks rotations
    by its own error, about 10⁻³ of the root mean square force by default, 3·10⁻⁴ at resolution 4 (in space, e = −3/2).

    Parameters
    ----------
    law : PairwiseLaw
        Without a correction network.
    scalars : Tensor (n, k)
    smoothing : float
        a. Near pairs reach to 3a: choose it so that a body has some tens of them.
    resolution : float
        Cells in a.
    terms : int
        K.

    Raises
    ------
    DesignError, ShapeError, ParameterError
        For a law with a network, more than 2²⁵ cells, other shapes, or numbers out of range.

    References
    ----------
    .. [1] R. W. Hockney, J. W. Eastwood, *Computer Simulation Using Particles*, 1988 (P³M, open boundaries).
    .. [2] U. Essmann et al., *A smooth particle mesh Ewald method*, J. Chem. Phys. 103, 1995 (splines).

    Examples
    --------
    >>> law = PairwiseLaw().with_values(c0=-1.0, e=-1.5)
    >>> x = torch.rand(50, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    >>> a, b = MeshField(law, torch.zeros(50, 0), smoothing=0.2)(x), law(x[None], torch.zeros(1, 50, 0))[0]
    >>> bool((a - b).norm() < 3e-3 * b.norm())
    True
    """

    def __init__(
        self, law: PairwiseLaw, scalars: Tensor, smoothing: float, resolution: float = 3.0, terms: int = 2
    ) -> None:
        if law.correction is not None:
            raise DesignError("A law with a network is no sum of powers: use NeighbourField, or drop the network.")
        if not smoothing > 0 or not resolution > 0:
            raise ParameterError("smoothing and resolution", "positive numbers", f"{smoothing} and {resolution}")
        if isinstance(terms, bool) or not isinstance(terms, int) or not 0 <= terms <= 8:
            raise ParameterError("terms", "an integer in 0 … 8", repr(terms))
        self.law, self.scalars, self.smoothing = law, scalars, float(smoothing)
        self.spacing, self.terms = float(smoothing) / float(resolution), terms
        self.near = NeighbourField(law, scalars, REACH * self.smoothing, skin=0.1 * self.smoothing)

    def __call__(self, x: Tensor) -> Tensor:
        """Accelerations (n, d) at positions (n, d)."""
        if x.ndim != 2 or len(x) != len(self.scalars):
            raise ShapeError("x", f"({len(self.scalars)}, d)", tuple(x.shape))
        s = self.scalars.to(x)
        t = self.law.numbers(x)
        sources, strengths = self._sources(s, t)
        lead = self.law.lead(s[:, :, None], t)
        total = self._mesh(x, sources, strengths, t) + self._short(x, sources, strengths, t)
        a = total if lead is None else lead[..., 0] * total
        return self.law.capped(a[..., None], t["log cap"])[..., 0]

    def _sources(self, s: Tensor, t: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Factors u (n, K) and c (K,) of the pairs' strengths Σ c_k u_i^k u_j^k."""
        signed, positive = s[:, : len(self.law.signed)], s[:, len(self.law.signed) :]
        weight = torch.ones_like(s[:, :1]) if s.shape[1] else s.new_ones(len(s), 1)
        for column, name in enumerate(self.law.positive):
            weight = weight * positive[:, column : column + 1] ** t[f"{name}_j"]
        couplings = torch.stack([t["c0"], *(t[f"c_{name}"] for name in self.law.signed)])
        used = couplings != 0
        return (weight * torch.cat([torch.ones_like(weight), signed], 1))[:, used], couplings[used]

    # --- the two parts of the kernel ----------------------------------------------------------------------------------
    def _smooth(self, squared: Tensor, t: dict[str, Tensor]) -> Tensor:
        """Σ_{k ≤ K} binom(e, k) (−a²)^k (R²)^{e−k} at r²."""
        e, a2 = t["e"], self.smoothing**2
        large = squared + t["softening²"].clamp_min(0.0) + a2
        out, coefficient = torch.zeros_like(squared), torch.ones_like(e)
        for k in range(self.terms + 1):
            out = out + coefficient * large ** (e - k)
            coefficient = coefficient * (e - k) / (k + 1) * (-a2)
        return out

    def _short(self, x: Tensor, u: Tensor, c: Tensor, t: dict[str, Tensor]) -> Tensor:
        pairs = self.near.pairs(x)
        difference = pairs.differences(x)
        squared = difference.square().sum(1)
        soft = squared + t["softening²"].clamp_min(0.0)
        apart = soft > 1e-30
        weight = torch.where(apart, torch.where(apart, soft, 1.0) ** t["e"] - self._smooth(squared, t), 0.0)
        strength = ((u[pairs.first] * u[pairs.second]) * c).sum(1)
        return pairs.totals((strength * weight)[:, None] * difference, len(x))

    def _mesh(self, x: Tensor, u: Tensor, c: Tensor, t: dict[str, Tensor]) -> Tensor:
        d = x.shape[1]
        low = x.detach().min(0).values
        extent = ((x.detach().max(0).values - low) / self.spacing).ceil().long() + ORDER + 1
        shape = tuple(int(next_fast_len(2 * int(m), real=True)) for m in extent)
        cells = 1
        for m in shape:
            cells *= m
        if cells > MOST_CELLS:
            raise DesignError(f"A mesh of {shape} cells is too large: raise the smoothing, or leave out far bodies.")
        at, weights = self._spread(x, low, shape)
        kernels = self._transformed(shape, d, t, x)
        out = torch.zeros_like(x)
        for k in range(u.shape[1]):
            density = x.new_zeros(cells).index_add(0, at.reshape(-1), (weights * u[:, k : k + 1]).reshape(-1))
            transformed = torch.fft.rfftn(density.reshape(shape))
            for axis in range(d):
                field = torch.fft.irfftn(transformed * kernels[axis], s=shape).reshape(-1)
                out = out + _unit(d, axis, x) * (c[k] * u[:, k] * (field[at] * weights).sum(1))[:, None]
        return out

    def _spread(self, x: Tensor, low: Tensor, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        """Cells (n, 4^d) that a body's spline covers, and their weights."""
        scaled = (x - low) / self.spacing + 1.0
        cell = scaled.detach().floor()
        along = torch.stack(_cubic(scaled - cell), -1)  # (n, d, 4)
        at, weights = cell.new_zeros(len(x), ORDER ** x.shape[1]).long(), []
        for column, offsets in enumerate(product(range(ORDER), repeat=x.shape[1])):
            weight, position = torch.ones_like(x[:, 0]), torch.zeros_like(at[:, 0])
            for axis, offset in enumerate(offsets):
                weight = weight * along[:, axis, offset]
                position = position * shape[axis] + (cell[:, axis].long() + offset - 1)
            at[:, column] = position
            weights.append(weight)
        return at, torch.stack(weights, 1)

    def _transformed(self, shape: tuple[int, ...], d: int, t: dict[str, Tensor], x: Tensor) -> list[Tensor]:
        """Transforms of r_axis · smooth(r²) on the padded mesh, divided by those of the splines, squared."""
        axes = [torch.fft.fftfreq(m, 1.0 / m, dtype=x.dtype, device=x.device) * self.spacing for m in shape]
        grid = torch.meshgrid(*axes, indexing="ij")
        weight = self._smooth(sum((g * g for g in grid), start=torch.zeros_like(grid[0])), t)
        spline = torch.ones((), dtype=x.dtype, device=x.device)
        for axis, m in enumerate(shape):
            turns = torch.arange(m // 2 + 1 if axis == d - 1 else m, dtype=x.dtype, device=x.device) / m
            one = (4.0 + 2.0 * torch.cos(2.0 * torch.pi * turns)) / 6.0
            spline = spline[..., None] * one
        out = []
        for axis, g in enumerate(grid):
            # The half-way plane of an even mesh is its own mirror image: an odd kernel vanishes there.
            odd = g.clone()
            if shape[axis] % 2 == 0:
                odd.select(axis, shape[axis] // 2).zero_()
            out.append(torch.fft.rfftn(odd * weight) / spline**2)
        return out


def _cubic(f: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Weights of the cubic B-spline at the four cells around a fraction f of a cell."""
    g = 1.0 - f
    return (
        g**3 / 6.0,
        (4.0 - 6.0 * f**2 + 3.0 * f**3) / 6.0,
        (4.0 - 6.0 * g**2 + 3.0 * g**3) / 6.0,
        f**3 / 6.0,
    )


def _unit(d: int, axis: int, like: Tensor) -> Tensor:
    return torch.eye(d, dtype=like.dtype, device=like.device)[axis]
