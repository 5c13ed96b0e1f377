"""Forces between many bodies from those within a cut-off: a neighbour list that is made anew when bodies have moved."""

from __future__ import annotations

from typing import final

import torch
from scipy.spatial import cKDTree
from torch import Tensor

from geodis.emulators.body_pairs import BodyPairs
from geodis.emulators.pairwise_law import PairwiseLaw
from geodis.errors import ParameterError, ShapeError
from geodis.linalg import to_numpy


@final
class NeighbourField:
    """x (n, d) ↦ accelerations (n, d) under a law, from pairs nearer than a cut-off; O(n) for bounded density.

    For laws that fall off, or as the near part of `MeshField`; what lies beyond the cut-off is *left out*. The list of
    pairs is made with a k-d tree for distances up to cutoff + skin, and made again when a body has moved by more than
    half the skin: no pair within the cut-off is ever missed. Differentiable in x; commutes with O(d), translations and
    permutations, as the law does.

    Parameters
    ----------
    law : PairwiseLaw
    scalars : Tensor (n, k)
    cutoff : float
        Distances beyond do not act.
    skin : float
        Extra distance that the list holds.

    Raises
    ------
    ShapeError, ParameterError
        For other shapes, or a cut-off that is not positive.

    Examples
    --------
    >>> x = torch.tensor([[0.0], [1.0], [5.0]], dtype=torch.float64)
    >>> NeighbourField(PairwiseLaw().with_values(c0=1.0), torch.zeros(3, 0), cutoff=2.0)(x).flatten().tolist()
    [-1.0, 1.0, 0.0]
    """

    def __init__(self, law: PairwiseLaw, scalars: Tensor, cutoff: float, skin: float = 0.0) -> None:
        if not cutoff > 0 or not skin >= 0:
            raise ParameterError("cutoff and skin", "a positive number and one ≥ 0", f"{cutoff} and {skin}")
        if scalars.ndim != 2 or scalars.shape[1] != law.n_scalars:
            raise ShapeError("scalars", f"(n, {law.n_scalars})", tuple(scalars.shape))
        self.law, self.scalars, self.cutoff, self.skin = law, scalars, float(cutoff), float(skin)
        self._listed: Tensor | None = None
        self._pairs = BodyPairs.of(1, scalars)

    def __call__(self, x: Tensor) -> Tensor:
        """Accelerations (n, d) at positions (n, d)."""
        field = self.law.field(self.scalars[None].to(x), pairs=self.pairs(x))
        return field(x[..., None])[..., 0]

    def pairs(self, x: Tensor) -> BodyPairs:
        """Pairs nearer than the cut-off."""
        if x.ndim != 2 or len(x) != len(self.scalars):
            raise ShapeError("x", f"({len(self.scalars)}, d)", tuple(x.shape))
        here = x.detach()
        if self._listed is None or float((here - self._listed).norm(dim=1).max()) > 0.5 * self.skin:
            found = cKDTree(to_numpy(here)).query_pairs(self.cutoff + self.skin, output_type="ndarray")
            listed = torch.from_numpy(found).to(x.device)
            self._listed, self._pairs = here.clone(), BodyPairs(listed[:, 0], listed[:, 1], None)
        first, second = self._pairs.first, self._pairs.second
        near = (here[first] - here[second]).square().sum(1) <= self.cutoff**2
        return BodyPairs(first[near], second[near], None)
