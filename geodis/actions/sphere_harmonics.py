"""Fields on the sphere as spherical harmonics: the coefficients on which rotations act degree by degree."""

from __future__ import annotations

from importlib import import_module
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from geodis.errors import MissingExtraError, ShapeError
from geodis.groups.options import count
from geodis.linalg import Array

INSTALL = "pip install --no-deps torch-harmonics==0.9.3"  # an extra that pip cannot solve


@final
class SphereHarmonics:
    """Gauss–Legendre grids on the unit sphere, and the real transforms of scalars and tangent vectors on them.

    Rows run from north to south, columns eastwards; component 0 of a vector points south, component 1 east, both of
    unit length: along the axes of the grid, as everywhere in geodis, and right-handed seen from outside. Winds (u east,
    v north) are the components (−v, u).

    Scalars are Σ c_lm Y_lm. Vectors are ∇χ + r̂×∇ψ with χ = Σ a_lm Y_lm/√(l(l+1)) and ψ = Σ b_lm Y_lm/√(l(l+1)):
    a scalar and a pseudoscalar. All Y_lm and their vector fields are orthonormal on the sphere. Then the gradient maps
    c to a = √(l(l+1)) c, the divergence a to −√(l(l+1)) a, the vorticity b to −√(l(l+1)) b.

    Coefficients are real tensors `(..., degrees, degrees, 2)`: degree l, order m ≥ 0, real and imaginary part. Degrees
    are few enough that the coefficients of products of two fields, and means of three, are exact.

    Parameters
    ----------
    n_lat, n_lon : int
        Rows and columns; at least 4.

    Attributes
    ----------
    degrees : int
        L: degrees 0, …, L − 1 with 3(L − 1) ≤ 2 n_lat − 1 and 3(L − 1) < n_lon.
    latitudes, longitudes : ndarray (n_lat,), (n_lon,)
        In radians.
    weights : ndarray (n_lat,)
        Share of a row in the mean over the sphere; the sum is one.

    Raises
    ------
    MissingExtraError
        Where torch-harmonics is not installed.
    ParameterError
        For too few rows or columns.
    ShapeError
        In transforms, for other grids.

    References
    ----------
    N. Schaeffer, "Efficient spherical harmonic transforms aimed at pseudospectral numerical simulations",
    Geochemistry, Geophysics, Geosystems, 2013, arXiv:1202.6522.

    Examples
    --------
    >>> sphere = SphereHarmonics(8, 16)
    >>> height = torch.sin(torch.as_tensor(sphere.latitudes))[:, None].expand(8, 16)
    >>> c = sphere.analysed(height)
    >>> c.shape, [round(x, 3) for x in c[:3, 0, 0].tolist()]  # degree 1 and order 0: √(4π/3)
    (torch.Size([6, 6, 2]), [0.0, 2.047, 0.0])
    >>> bool(torch.allclose(sphere.synthesized(c), height))
    True
    """

    def __init__(self, n_lat: int = 32, n_lon: int = 64) -> None:
        self.n_lat, self.n_lon = count(n_lat, "n_lat", 4), count(n_lon, "n_lon", 4)
        self.degrees = min(2 * self.n_lat - 1, self.n_lon - 1) // 3 + 1
        quadrature, legendre = _torch_harmonics("quadrature"), _torch_harmonics("legendre")
        nodes, shares = quadrature.legendre_gauss_weights(self.n_lat)
        nodes, shares = nodes.double().flip(0), shares.double().flip(0)  # from the north pole on
        self.latitudes, self.weights = np.arcsin(nodes.numpy()), shares.numpy() / 2
        self.longitudes = np.arange(self.n_lon) * 2 * np.pi / self.n_lon
        degree = torch.arange(self.degrees, dtype=torch.float64)
        self.root = (degree * (degree + 1)).sqrt()
        scalar = legendre.legpoly(self.degrees, self.degrees, nodes, csphase=False)
        slopes = legendre.dlegpoly(self.degrees, self.degrees, torch.arccos(nodes), csphase=False)
        vector = torch.cat(list(slopes / self.root.clamp(min=1.0)[:, None]), 1)  # (m, 2l, lat): ∂Y/∂θ, then mY/sin θ
        # Tables in float64, cast where they are used: a network may change its dtype and back.
        self._tables = {"scalar": scalar, "vector": vector, "shares": 2 * np.pi * shares}
        self._cast: dict[Any, tuple[Tensor, ...]] = {}

    def analysed(self, field: Tensor) -> Tensor:
        """Scalars `(..., n_lat, n_lon)` → coefficients c `(..., degrees, degrees, 2)`."""
        self._check(field, "field", (self.n_lat, self.n_lon))
        waves = self._waves(field.reshape(-1, self.n_lat, self.n_lon))
        out = torch.bmm(waves.flatten(1, 2), self._as(field)[0].mT)
        return out.unflatten(1, (-1, 2)).permute(1, 3, 0, 2).reshape(*field.shape[:-2], self.degrees, self.degrees, 2)

    def synthesized(self, c: Tensor) -> Tensor:
        """Coefficients c `(..., degrees, degrees, 2)` → scalars `(..., n_lat, n_lon)`."""
        self._check(c, "coefficients", (self.degrees, self.degrees, 2))
        packed = c.reshape(-1, *c.shape[-3:]).permute(2, 0, 3, 1)
        out = torch.bmm(packed.flatten(1, 2), self._as(c)[2])
        return self._grid(out.unflatten(1, (-1, 2))).reshape(*c.shape[:-3], self.n_lat, self.n_lon)

    def analysed_vectors(self, field: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors `(..., 2, n_lat, n_lon)` → their coefficients a and b, both `(..., degrees, degrees, 2)`."""
        self._check(field, "field", (2, self.n_lat, self.n_lon))
        waves = self._waves(field.reshape(-1, self.n_lat, self.n_lon))
        out = torch.bmm(waves.flatten(1, 2), self._as(field)[1].mT).unflatten(1, (-1, 2, 2)).unflatten(-1, (2, -1))
        south, east = out.permute(2, 4, 1, 5, 0, 3)  # (component, slope or mY/sin θ, n, degree, order, 2)
        shape = (*field.shape[:-3], self.degrees, self.degrees, 2)
        a, b = south[0] - _times_i(east[1]), east[0] + _times_i(south[1])
        return a.reshape(shape), b.reshape(shape)

    def synthesized_vectors(self, a: Tensor, b: Tensor) -> Tensor:
        """Coefficients a and b `(..., degrees, degrees, 2)` → vectors `(..., 2, n_lat, n_lon)`."""
        for name, x in {"a": a, "b": b}.items():
            self._check(x, name, (self.degrees, self.degrees, 2))
        both = torch.stack([a, b]).flatten(1, -4) if a.ndim > 3 else torch.stack([a, b])[:, None]
        first, second = both
        slopes, turned = both, torch.stack([-_times_i(second), _times_i(first)])
        packed = torch.cat([slopes, turned], 2).permute(3, 1, 0, 4, 2)  # (order, n, component, 2, degrees twice)
        out = torch.bmm(packed.flatten(1, 3), self._as(a)[3]).unflatten(1, (-1, 2))
        return self._grid(out).reshape(*a.shape[:-3], 2, self.n_lat, self.n_lon)

    def mean(self, field: Tensor) -> Tensor:
        """The mean over the sphere of scalars `(..., n_lat, n_lon)` → `(...)`."""
        self._check(field, "field", (self.n_lat, self.n_lon))
        return field.mean(-1) @ torch.as_tensor(self.weights).to(field)

    def coriolis(self, rotation: float = 1.0) -> Array:
        """2Ω sin φ on the grid `(n_lat, n_lon)`: a pseudoscalar."""
        return np.repeat(2.0 * rotation * np.sin(self.latitudes)[:, None], self.n_lon, 1)

    def _waves(self, field: Tensor) -> Tensor:
        """Fields (n, lat, lon) → their waves along circles of latitude (m, n, 2, lat)."""
        spectrum = torch.fft.rfft(field, norm="forward")[..., : self.degrees]
        return torch.view_as_real(spectrum).permute(2, 0, 3, 1)

    def _grid(self, waves: Tensor) -> Tensor:
        """Undo `_waves`."""
        spectrum = torch.view_as_complex(waves.permute(1, 3, 0, 2).contiguous())
        return torch.fft.irfft(spectrum, n=self.n_lon, norm="forward")

    def _as(self, x: Tensor) -> tuple[Tensor, ...]:
        """Tables of analysis (scalar, vector), then of synthesis, in the dtype of x."""
        key = (x.dtype, x.device)
        if key not in self._cast:
            scalar, vector, shares = (self._tables[name] for name in ("scalar", "vector", "shares"))
            self._cast[key] = tuple(t.to(x) for t in (scalar * shares, vector * shares, scalar, vector))
        return self._cast[key]

    def _check(self, x: Tensor, what: str, last: tuple[int, ...]) -> None:
        if tuple(x.shape[-len(last) :]) != last:
            raise ShapeError(what, f"(..., {', '.join(map(str, last))})", tuple(x.shape))


def _times_i(z: Tensor) -> Tensor:
    return torch.stack([-z[..., 1], z[..., 0]], -1)


def _torch_harmonics(part: str) -> Any:
    try:
        return import_module(f"torch_harmonics.{part}")
    except ImportError as error:
        raise MissingExtraError("torch-harmonics", "sphere", INSTALL) from error
