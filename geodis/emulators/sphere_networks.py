"""Networks of tensor fields on the sphere: products on the grid, linear maps in spherical harmonics."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor, nn

from geodis.actions.sphere_harmonics import SphereHarmonics
from geodis.emulators.field_networks import hidden_types
from geodis.emulators.sphere_conv import Coefficients, SphereConv, to_coefficients, to_field
from geodis.emulators.tensor_product import TensorProduct
from geodis.groups.options import count


@final
class SphereBlock(nn.Module):
    """z ↦ z + Lz + C P(Ay, By) on coefficients, y = z/√(1 + |z|²): a linear and a quadratic path beside the identity.

    A, B, C and L are `SphereConv`, P a `TensorProduct` of fields on the grid. Products of two fields are free of
    aliasing there, so that a block commutes with all rotations of the sphere, by any angle, to rounding. |z|² is the
    mean square over the sphere and the channels: large fields then do not make larger ones, and roll-outs stay bounded
    longer.

    Parameters
    ----------
    types : tuple of (order, parity, channels)
        All with the same number of channels.
    sphere : SphereHarmonics
    seed : int
        Seed of the starting weights.

    Examples
    --------
    >>> types, sphere = hidden_types(2), SphereHarmonics(16, 32)
    >>> z = to_coefficients(torch.zeros(1, 8, 16, 32), types, sphere)
    >>> plus, minus = SphereBlock(types, sphere)(z)
    >>> plus.shape == minus.shape == (1, 4, 11, 11, 2)
    True
    """

    def __init__(self, types: Any, sphere: SphereHarmonics, *, seed: int = 0) -> None:
        super().__init__()
        self.sphere, self.product = sphere, TensorProduct(types, seed=5 * seed)
        self.types = self.product.types
        self.linear, self.left, self.right, self.out = (
            SphereConv(types, types, sphere, seed=5 * seed + i) for i in range(1, 5)
        )
        with torch.no_grad():  # a new block is close to the identity
            for weight in (*self.linear.weights, *self.out.weights):
                weight.mul_(0.1)

    def forward(self, z: Coefficients) -> Coefficients:
        """Coefficients of fields of `types` → the same."""
        calm = _calmed(z)
        left, right = (to_field(conv.mixed(calm), self.types, self.sphere) for conv in (self.left, self.right))
        products = to_coefficients(self.product(left, right), self.types, self.sphere)
        (plus, minus), (plus_l, minus_l), (plus_q, minus_q) = z, self.linear.mixed(z), self.out.mixed(products)
        return plus + plus_l + plus_q, minus + minus_l + minus_q


@final
class SphereResNet(nn.Module):
    """types_in ↦ types_out on the sphere through quadratic blocks (`SphereBlock`).

    Commutes with rotations and mirrors of the sphere, if what distinguishes an axis is given as a field and moves too:
    the Coriolis parameter 2Ω sin φ, a pseudoscalar. Rotations about the axis and the mirror through the equator leave
    that field as it is. The filters are global, no row or pole is special, and degrees beyond those of the grid stay
    empty in a roll-out.

    Parameters
    ----------
    types_in, types_out : tuple of (order, parity, channels)
        Scalars and vectors; components of vectors point south and east, as in `SphereHarmonics`.
    channels : int
        Of every hidden type: scalars, pseudoscalars, vectors.
    blocks : int
    n_lat, n_lon : int
        Of the grid.
    conserve : bool
        Whether the means of all scalars of the output are zero: as changes they then keep the mass.
    seed : int
        Seed of the starting weights.

    Raises
    ------
    MissingExtraError
        Where torch-harmonics is not installed.
    ParameterError, DesignError
        As `SphereConv` and `TensorProduct`.

    Examples
    --------
    >>> height, flow, coriolis = (0, 1, 1), (1, 1, 1), (0, -1, 1)
    >>> network = SphereResNet((height, flow, coriolis), (height, flow), channels=2, n_lat=16, n_lon=32)
    >>> tuple(network(torch.zeros(1, 4, 16, 32)).shape)
    (1, 3, 16, 32)
    """

    def __init__(
        self,
        types_in: Any,
        types_out: Any,
        channels: int = 4,
        blocks: int = 2,
        *,
        n_lat: int = 32,
        n_lon: int = 64,
        conserve: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        sphere, inner = SphereHarmonics(n_lat, n_lon), hidden_types(channels)
        self.sphere, self.conserve = sphere, bool(conserve)
        self.first = SphereConv(types_in, inner, sphere, seed=seed)
        self.blocks = nn.Sequential(
            *(SphereBlock(inner, sphere, seed=seed + i + 1) for i in range(count(blocks, "blocks", 1)))
        )
        self.last = SphereConv(inner, types_out, sphere, seed=seed + 1000)
        with torch.no_grad():  # degrees that a training hardly sees stay as they are
            for weight in self.last.weights:
                weight.zero_()

    def forward(self, field: Tensor) -> Tensor:
        """Fields of `types_in` `(batch, components, n_lat, n_lon)` → fields of `types_out`."""
        z = self.first.mixed(to_coefficients(field, self.first.types_in, self.sphere))
        plus, minus = self.last.mixed(self.blocks(z))
        if self.conserve:  # the coefficient of degree 0 is the mean
            plus = torch.cat([torch.zeros_like(plus[:, :, :1]), plus[:, :, 1:]], 2)
        return to_field((plus, minus), self.last.types_out, self.sphere)


def _calmed(z: Coefficients) -> Coefficients:
    """Coefficients over √(1 + mean square of the fields): products then grow no faster than fields do."""
    plus, minus = z
    both = torch.cat([plus, minus], 1)
    power = both[..., :1, :].square().sum((1, 2, 3, 4)) + 2 * both[..., 1:, :].square().sum((1, 2, 3, 4))
    scale = (1 + power / (4 * torch.pi * both.shape[1])).rsqrt()[:, None, None, None, None]
    return plus * scale, minus * scale
