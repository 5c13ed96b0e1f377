"""Linear maps of tensor fields on the sphere that commute with all its rotations and mirrors."""

from __future__ import annotations

from math import sqrt
from typing import Any, final

import torch
from torch import Tensor, nn

from geodis.actions.fields import Types, check_types
from geodis.actions.sphere_harmonics import SphereHarmonics
from geodis.emulators.geometric_conv import components
from geodis.errors import DesignError, ParameterError, ShapeError
from geodis.groups.options import count

Coefficients = tuple[Tensor, Tensor]  # of parity + and −, (batch, channels, degrees, degrees, 2) each


@final
class SphereConv(nn.Module):
    """Tensor fields of `types_in` ↦ tensor fields of `types_out` on the sphere, commuting with rotations and mirrors.

    In spherical harmonics a scalar is one set of coefficients, a vector ∇χ + r̂×∇ψ two: of the scalar χ and of the
    pseudoscalar ψ. By Schur's lemma a linear map commutes with O(3) if and only if it mixes coefficients of equal
    degree and parity, all orders alike: one matrix for each degree and parity. Here they are polynomials in the degree
    with learned coefficients, so that filters are smooth. The poles are places like all others.

    Parameters
    ----------
    types_in, types_out : tuple of (order, parity, channels)
        Scalars and vectors, as in `geodis.actions.FieldSymmetries`.
    sphere : SphereHarmonics
        The grid.
    terms : int
        Polynomials in the degree, of degrees 0 to terms − 1.
    seed : int
        Seed of the starting weights.

    Raises
    ------
    ParameterError
        For tensors of order two and more, which are not written in harmonics here.
    DesignError
        For an output that nothing of the input reaches.
    ShapeError
        In `forward`, for fields of other types or grids.

    References
    ----------
    T. S. Cohen, M. Geiger, J. Köhler, M. Welling, "Spherical CNNs", ICLR 2018, arXiv:1801.10130.

    Examples
    --------
    >>> sphere = SphereHarmonics(16, 32)
    >>> gradient = SphereConv(((0, 1, 1),), ((1, 1, 1),), sphere)
    >>> tuple(gradient(torch.zeros(2, 1, 16, 32)).shape)
    (2, 2, 16, 32)
    """

    def __init__(
        self, types_in: Any, types_out: Any, sphere: SphereHarmonics, *, terms: int = 6, seed: int = 0
    ) -> None:
        super().__init__()
        self.types_in, self.types_out, self.sphere = sphere_types(types_in), sphere_types(types_out), sphere
        self.terms = count(terms, "terms", 1, sphere.degrees)
        generator = torch.Generator().manual_seed(count(seed, "seed", 0))
        self.weights = nn.ParameterList()
        for n_in, n_out, parity in zip(_channels(self.types_in), _channels(self.types_out), (1, -1), strict=True):
            if not n_in and any((order, p) == (0, parity) for order, p, _ in self.types_out):
                raise DesignError(
                    f"SphereConv: expected an input that reaches scalars of parity {parity}, got "
                    f"{self.types_in}. Add a pseudoscalar such as the Coriolis parameter, or a vector."
                )
            weight = torch.zeros(self.terms, n_out, n_in)
            weight[:2].normal_(std=1 / sqrt(2 * max(n_in, 1)), generator=generator)
            self.weights.append(nn.Parameter(weight))
        # Polynomials in the degree, orthonormal over degrees: matrices of near degrees are alike, filters are local.
        degree = torch.linspace(-1, 1, sphere.degrees, dtype=torch.float64)
        powers = degree[:, None] ** torch.arange(self.terms)
        self.profiles = torch.linalg.qr(powers)[0] * sphere.degrees**0.5

    def mixed(self, coefficients: Coefficients) -> Coefficients:
        """Coefficients of fields of `types_in` → of `types_out`."""
        plus, minus = (
            torch.einsum("loi,bilmr->bolmr", torch.einsum("lk,koi->loi", self.profiles.to(w), w), z)
            for w, z in zip(self.weights, coefficients, strict=True)
        )
        return plus, minus

    def forward(self, field: Tensor) -> Tensor:
        """Fields `(batch, components in, n_lat, n_lon)` → `(batch, components out, n_lat, n_lon)`."""
        return to_field(self.mixed(to_coefficients(field, self.types_in, self.sphere)), self.types_out, self.sphere)


def sphere_types(types: Any) -> Types:
    """`check_types`, for scalars and vectors only.

    Examples
    --------
    >>> sphere_types([(0, 1, 2), (1, 1, 1)])
    ((0, 1, 2), (1, 1, 1))
    """
    checked = check_types(types)
    if max(order for order, _, _ in checked) > 1:
        raise ParameterError("types", "scalars and vectors on the sphere", checked)
    return checked


def to_coefficients(field: Tensor, types: Types, sphere: SphereHarmonics) -> Coefficients:
    """Fields `(batch, components, n_lat, n_lon)` → coefficients of parity + and −, channels in the order of types.

    Raises
    ------
    ShapeError
        For another number of components, or another grid.
    """
    width = components(types, 2)
    if field.ndim != 4 or field.shape[1:] != (width, sphere.n_lat, sphere.n_lon):
        raise ShapeError("fields", f"(batch, {width}, {sphere.n_lat}, {sphere.n_lon})", tuple(field.shape))
    parts = field.split([channels * 2**order for order, _, channels in types], 1)
    scalars = [part for part, kind in zip(parts, types, strict=True) if kind[0] == 0]
    vectors = [part.unflatten(1, (-1, 2)) for part, kind in zip(parts, types, strict=True) if kind[0] == 1]
    c = iter(_split(sphere.analysed(torch.cat(scalars, 1)), scalars)) if scalars else iter(())
    pair = sphere.analysed_vectors(torch.cat(vectors, 1)) if vectors else (field[:, :0], field[:, :0])
    a, b = (iter(_split(x, vectors)) for x in pair)
    none = field.new_zeros(len(field), 0, sphere.degrees, sphere.degrees, 2)
    found: dict[int, list[Tensor]] = {1: [none], -1: [none]}
    for order, parity, _ in types:
        if order == 0:
            found[parity].append(next(c))
        else:
            found[parity].append(next(a))
            found[-parity].append(next(b))
    return torch.cat(found[1], 1), torch.cat(found[-1], 1)


def to_field(coefficients: Coefficients, types: Types, sphere: SphereHarmonics) -> Tensor:
    """`to_coefficients` undone."""
    at, scalars, vectors = {1: 0, -1: 0}, [], []
    of = dict(zip((1, -1), coefficients, strict=True))

    def taken(parity: int, channels: int) -> Tensor:
        start = at[parity]
        at[parity] = start + channels
        return of[parity][:, start : start + channels]

    for order, parity, channels in types:
        if order == 0:
            scalars.append(taken(parity, channels))
        else:
            vectors.append((taken(parity, channels), taken(-parity, channels)))
    c = iter(_split(sphere.synthesized(torch.cat(scalars, 1)), scalars)) if scalars else iter(())
    if vectors:
        a, b = (torch.cat(side, 1) for side in zip(*vectors, strict=True))
        u = iter(_split(sphere.synthesized_vectors(a, b), [first for first, _ in vectors]))
    return torch.cat([next(c) if order == 0 else next(u).flatten(1, 2) for order, _, _ in types], 1)


def _split(x: Tensor, parts: list[Tensor]) -> tuple[Tensor, ...]:
    return x.split([part.shape[1] for part in parts], 1) if parts else ()


def _channels(types: Types) -> tuple[int, int]:
    """How many sets of coefficients of parity + and − fields of these types have."""
    vectors = sum(channels for order, _, channels in types if order == 1)
    plus, minus = (sum(c for order, p, c in types if (order, p) == (0, parity)) for parity in (1, -1))
    return plus + vectors, minus + vectors
