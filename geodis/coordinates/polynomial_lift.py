"""All monomials up to a degree: an action that is polynomial in the embedding is linear in them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
import torch
from sklearn.preprocessing import PolynomialFeatures
from torch import Tensor

from geodis.coordinates.lift import AbstractLiftSpec
from geodis.coordinates.rows import as_rows
from geodis.coordinates.standardised_lift import (
    AbstractStandardisedLift,
    Standardisation,
    check_components,
    check_count,
    check_width,
    standardise,
)
from geodis.errors import ParameterError
from geodis.linalg import Array


@dataclass(frozen=True)
class Polynomial(AbstractLiftSpec):
    """The embedding and all monomials of degree 2 … `degree` of its (leading) directions, standardised.

    The monomial y^e of degree d is weighted by √(d!/Πeᵢ!), so that ⟨ψ(y), ψ(y')⟩ = Σ_d ⟨y, y'⟩^d: no rotation of the
    embedding changes the geometry of the features.

    Parameters
    ----------
    degree : int
        The largest degree, 2 or more.
    interaction_only : bool
        Whether to leave out powers of one direction, keeping products of different ones.
    n_components : int, optional
        Only so many principal directions of the standardised embedding are multiplied (k directions have about
        k^degree/degree! monomials); all columns of the embedding, unrotated, by default.

    Examples
    --------
    >>> import numpy as np
    >>> from geodis.coordinates import Polynomial
    >>> lift = Polynomial(degree=2).fit(np.random.default_rng(0).normal(size=(50, 3)))
    >>> lift, lift(np.zeros((4, 3))).shape
    (PolynomialLift(R^3 → R^9), (4, 9))
    """

    degree: int = 2
    interaction_only: bool = False
    n_components: int | None = None

    def __post_init__(self) -> None:
        check_count("Polynomial: degree", self.degree, 2)
        check_components("Polynomial", self.n_components)
        if not isinstance(self.interaction_only, (bool, np.bool_)):
            raise ParameterError("Polynomial: interaction_only", "True or False", repr(self.interaction_only))

    def fit(self, z: Any, *, seed: int = 0) -> PolynomialLift:
        """The monomials of embeddings standardised like `z` (N, D); nothing is drawn, whatever the seed.

        Raises
        ------
        ShapeError, FiniteError, ParameterError
            For no embeddings, NaN, more features than can be handled.
        """
        standardisation, _ = standardise(z, self.n_components)
        dim, k = len(standardisation.mean), standardisation.n_directions
        ways = math.comb if self.interaction_only else lambda n, d: math.comb(n + d - 1, d)
        check_width(f"{self} of {k} directions", dim + sum(ways(k, d) for d in range(2, self.degree + 1)))
        powers = PolynomialFeatures(self.degree, interaction_only=bool(self.interaction_only), include_bias=False)
        exponents = powers.fit(np.zeros((1, k))).powers_
        higher = exponents[exponents.sum(axis=1) > 1]
        return PolynomialLift(dim, dim + len(higher), standardisation, higher)


@dataclass(frozen=True, eq=False, repr=False)
class PolynomialLift(AbstractStandardisedLift):
    """φ(z) = (x, weighted monomials of y); see `Polynomial`.

    Attributes
    ----------
    exponents : ndarray (F − D, k)
        The exponents of each monomial of degree 2 or more, by rising degree.
    """

    exponents: Array
    kind: ClassVar[str] = "polynomial"

    @cached_property
    def _levels(self) -> list[tuple[Array, Array]]:
        """For each degree from 2 on, the monomials of the degree before and the directions that multiply them."""
        levels = []
        before = {tuple(row): i for i, row in enumerate(np.eye(self.exponents.shape[1], dtype=int).tolist())}
        degrees = self.exponents.sum(axis=1)
        for degree in range(2, int(degrees.max(initial=1)) + 1):
            mine = self.exponents[degrees == degree]
            last = mine.shape[1] - 1 - np.argmax(mine[:, ::-1] > 0, axis=1)
            parents = mine.copy()
            parents[np.arange(len(mine)), last] -= 1
            levels.append((np.array([before[tuple(row)] for row in parents.tolist()], dtype=int), last))
            before = {tuple(row): i for i, row in enumerate(mine.tolist())}
        return levels

    @cached_property
    def _weights(self) -> Array:
        ways = [math.factorial(sum(e)) / math.prod(map(math.factorial, e)) for e in self.exponents.tolist()]
        return np.sqrt(np.array(ways))

    def _features(self, y: Tensor) -> Tensor:
        found, before = [y[:, :0]], y
        for parents, directions in self._levels:
            index = (torch.as_tensor(i, device=y.device) for i in (parents, directions))
            before = before.index_select(1, next(index)) * y.index_select(1, next(index))
            found.append(before)
        return torch.cat(found, dim=1) * as_rows(self._weights, y)

    def state(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """What a file holds of the lift: `(config, tensors)`."""
        return {}, self.standardisation.tensors() | {"exponents": self.exponents}

    @classmethod
    def from_state(cls, config: Mapping[str, Any], tensors: Mapping[str, Array]) -> Self:
        """The lift with this state."""
        dim, exponents = len(tensors["mean"]), tensors["exponents"]
        return cls(dim, dim + len(exponents), Standardisation.of_tensors(tensors), exponents)
