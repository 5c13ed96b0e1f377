"""The zoo of groups that the laws run over, with elements that are generic, near the identity, near the cut locus."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import settings

from geodis.groups import (
    GL,
    SE,
    SO,
    SO2,
    SO3,
    AbstractGroup,
    Cyclic,
    Dihedral,
    Hyperoctahedral,
    Lorentz,
    O,
    Permutations,
    Representation,
    Scaling,
    Translation,
)

# What a law may miss by, relative to the size of the matrices in it.
TOLERANCE = {
    torch.float64: 1e-11,  # a few hundred roundings; SO(6) and boosts multiply them by the matrices' norms
    torch.float32: 5e-4,  # parameters of size π rounded to 1e-7, then frequencies up to 6
}
NEAR_IDENTITY = 1e-7
NEAR_CUT = np.pi - 1e-7
KINDS = ("generic", "near identity", "near cut")
BATCHES = ((), (1,), (3, 1, 2, 1))


@dataclass(frozen=True)
class Case:
    """A constructor (not a group: building is part of the test) and the order up to which irreps are checked."""

    make: Callable[[], AbstractGroup]
    max_order: int = 3

    def __str__(self) -> str:
        return repr(self.make()).replace(" ", "")


ZOO = [
    Case(SO2, 5),
    Case(SO3, 4),
    *(Case(lambda n=n: SO(n), order) for n, order in ((2, 4), (3, 3), (4, 3), (5, 2), (6, 2))),
    *(Case(lambda n=n: O(n), order) for n, order in ((2, 4), (3, 3), (4, 2), (5, 2))),
    *(Case(lambda n=n: Cyclic(n), 12) for n in (1, 2, 7, 12)),
    *(Case(lambda n=n: Dihedral(n), 6) for n in (1, 2, 3, 4, 5, 6)),
    *(Case(lambda n=n: Permutations(n), 6) for n in (1, 2, 3, 4, 5)),
    *(Case(lambda d=d: Hyperoctahedral(d), 6) for d in (1, 2, 3, 4)),
    Case(lambda: Translation(1)),
    Case(lambda: Translation(2, spread=3.0)),
    Case(lambda: Translation(1, period=1.5), 4),
    Case(lambda: Translation(2, period=(1.0, 2.0)), 2),
    Case(Scaling, 2),
    Case(lambda: SE(2), 3),
    Case(lambda: SE(3, spread=2.0), 2),
    Case(Lorentz, 2),
    Case(lambda: GL(2), 2),
    Case(lambda: GL(3, spread=0.5), 3),
    Case(lambda: SO2() * Cyclic(3), 2),
    Case(lambda: SO3() * Dihedral(4), 2),
    Case(lambda: Cyclic(4) * Cyclic(3), 3),
    Case(lambda: SO2() * Cyclic(3) * Translation(1, period=1.0), 2),
    Case(lambda: SO(6) * SO2(), 1),
    Case(lambda: O(3) * SO2(), 1),
    Case(lambda: SE(2) * Cyclic(3), 2),
    Case(lambda: Lorentz() * SO2(), 2),
    Case(lambda: GL(2) * SO2(), 2),
]

zoo = pytest.mark.parametrize("case", ZOO, ids=str)
compact = pytest.mark.parametrize("case", [c for c in ZOO if c.make().compact], ids=str)
kinds = pytest.mark.parametrize("kind", KINDS)
quick = settings(max_examples=30, deadline=None, derandomize=True)


def elements(group: AbstractGroup, kind: str, shape: tuple[int, ...] = (6,), seed: int = 0) -> np.ndarray:
    """Elements `(*shape, p)` of a kind; finite groups have only generic ones."""
    n = int(np.prod(shape, dtype=int))
    rng = np.random.default_rng(seed)
    params = group.sample(n, rng)
    if kind != "generic" and group.tangent_dim:
        a = rng.standard_normal((n, group.tangent_dim))
        a /= np.linalg.norm(a, axis=-1, keepdims=True)
        params = group.exp((NEAR_IDENTITY if kind == "near identity" else NEAR_CUT) * a)
    return params.reshape(*shape, group.n_params)


def mismatch(a: np.ndarray | torch.Tensor, b: np.ndarray | torch.Tensor) -> float:
    """max |a − b| over max(1, max |b|)."""
    a, b = torch.as_tensor(a), torch.as_tensor(b)
    assert a.shape == b.shape, (a.shape, b.shape)
    return float((a - b).abs().max() / b.abs().max().clamp(min=1)) if a.numel() else 0.0


def connected(group: AbstractGroup) -> bool:
    """Whether exp reaches every element: no finite factor of more than one element, no O(n), no GL(n)."""
    parts = getattr(group, "groups", (group,))
    return all(part.order in (None, 1) and not isinstance(part, (O, GL)) for part in parts)


def homomorphism_error(rep: Representation, group: AbstractGroup, a: torch.Tensor, b: torch.Tensor) -> float:
    """By how much ρ(ab) = ρ(a)ρ(b) is missed."""
    return mismatch(rep(group.compose(a, b)), rep(a) @ rep(b))
