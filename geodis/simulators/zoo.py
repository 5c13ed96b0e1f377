"""The zoo of planted codes: one case per group and design, each saying what has to be found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import pi

import numpy as np

from geodis.groups import SE, SO2, SO3, AbstractGroup, Cyclic, Dihedral, Hyperoctahedral, Lorentz, Translation
from geodis.groups.representation import Representation
from geodis.linalg import Array
from geodis.simulators.planted import PlantedCode, planted

Parts = tuple[tuple[Representation, int], ...]
Design = Callable[[AbstractGroup, int, int, np.random.Generator], Array]


@dataclass(frozen=True, eq=False)
class PlantedCase:
    """A group, what is planted and at which elements it is seen; `code(seed)` draws it.

    Attributes
    ----------
    name : str
        Group and design, e.g. ``"SO3 pairs"``.
    group : AbstractGroup
        The group.
    parts : tuple of (Representation, int)
        What is planted and how many copies.
    design : callable
        (group, n, m, rng) → elements `(n, m, p)`.
    n_items, n_elements : int
        n and m by default.
    n_junk : int
        Directions that follow no action.
    noise : float
        Standard deviation of the noise in every direction.
    haar : bool
        Whether the design is Haar or a full orbit; False calls for the pair loss (limited designs, non-compact groups).
    """

    name: str
    group: AbstractGroup
    parts: Parts
    design: Design
    n_items: int = 200
    n_elements: int = 24
    n_junk: int = 6
    noise: float = 0.1
    haar: bool = True

    @property
    def multiplicities(self) -> dict[str, int]:
        """How many copies of each representation there are to find, by name."""
        return {rep.name: copies for rep, copies in self.parts}

    def code(
        self,
        seed: int = 0,
        *,
        n_items: int | None = None,
        n_elements: int | None = None,
        noise: float | None = None,
        n_features: int = 64,
    ) -> PlantedCode:
        """Draw the code; None keeps the case's own n, m and noise."""
        n = self.n_items if n_items is None else n_items
        m = self.n_elements if n_elements is None else n_elements
        # Another stream than the code's: the elements must not be correlated with the contents.
        params = self.design(self.group, n, m, np.random.default_rng((seed, 1)))
        return planted(
            self.parts,
            params,
            n_features=n_features,
            n_junk=self.n_junk,
            noise=self.noise if noise is None else noise,
            seed=seed,
        )


def planted_cases() -> dict[str, Callable[[], PlantedCase]]:
    """Constructors of all cases by name: nothing is drawn, and no group built, until one is called.

    Every group comes in its default design (200 items; the full orbit of a small finite group, else 24 elements an
    item) and as ``pairs`` (two independent elements an item); ``limited`` designs see a part of the group only and
    ``base`` designs the identity and one element.

    Examples
    --------
    >>> case = planted_cases()["SO2"]()
    >>> case.multiplicities
    {'m=0': 3, 'm=1': 2, 'm=2': 1}
    """
    cases: dict[str, Callable[[], PlantedCase]] = {}
    for name, contents in CONTENTS.items():
        cases[name] = partial(_case, name, contents, _orbit if name in COMPACT else DRAWS[name], 24, name in COMPACT)
        pairs = _independent if name in COMPACT else DRAWS[name]
        cases[f"{name} pairs"] = partial(_case, f"{name} pairs", contents, pairs, 2, name in COMPACT)
    for name, design in LIMITED.items():
        cases[f"{name} limited"] = partial(_case, f"{name} limited", CONTENTS[name], design, 24, False)
        cases[f"{name} base"] = partial(_case, f"{name} base", CONTENTS[name], _with_identity(design), 2, False)
    return cases


def _case(
    name: str, contents: Callable[[], tuple[AbstractGroup, Parts]], design: Design, m: int, haar: bool
) -> PlantedCase:
    group, parts = contents()
    return PlantedCase(name, group, parts, design, n_elements=m, haar=haar)


# --- what is planted --------------------------------------------------------------------------------------------------
def _named(group: AbstractGroup, copies: dict[str, int]) -> tuple[AbstractGroup, Parts]:
    return group, tuple((group.irrep(name), count) for name, count in copies.items())


def _so2() -> tuple[AbstractGroup, Parts]:
    return _named(SO2(), {"m=0": 3, "m=1": 2, "m=2": 1})


def _so3() -> tuple[AbstractGroup, Parts]:
    return _named(SO3(), {"l=0": 4, "l=1": 2, "l=2": 1})


def _cyclic() -> tuple[AbstractGroup, Parts]:
    """Plant k = 6 too, the one non-trivial character that is a single row."""
    return _named(Cyclic(12), {"k=0": 3, "k=1": 2, "k=3": 1, "k=6": 1})


def _torus() -> tuple[AbstractGroup, Parts]:
    """Plant unequal numbers of m=1⊗k=1 and m=1⊗k=-1, which a real tensor product would not tell apart."""
    copies = {"m=0⊗k=0": 3, "m=1⊗k=0": 1, "m=0⊗k=1": 1, "m=1⊗k=1": 1, "m=1⊗k=-1": 2}
    return _named(SO2() * Cyclic(3), copies)


def _every(group: AbstractGroup) -> tuple[AbstractGroup, Parts]:
    """Plant every irrep of a finite group: three trivial rows, one of each sign, two of each larger one."""
    return group, tuple((rep, 3 if rep.trivial else min(rep.dim, 2)) for rep in group.irreps(4))


def _se2() -> tuple[AbstractGroup, Parts]:
    """Plant one position and one vector (m = 1 of the rotation)."""
    group = SE(2)
    return group, ((_trivial(group), 3), (group.affine_representations()[0], 1), (_standard(group), 1))


def _lorentz() -> tuple[AbstractGroup, Parts]:
    """Plant two four-vectors."""
    group = Lorentz()
    return group, ((_trivial(group), 3), (_standard(group), 2))


def _line() -> tuple[AbstractGroup, Parts]:
    """Plant a position and the characters of ω = 1.3 and 2.9."""
    group = Translation(1)
    position = group.affine_representations()[0]
    return group, ((_trivial(group), 3), (position, 1), (group.irrep("ω=1.3"), 1), (group.irrep("ω=2.9"), 1))


def _ring() -> tuple[AbstractGroup, Parts]:
    """Plant the first two harmonics of a periodic shift."""
    group = Translation(1, period=(1.0,))
    trivial, *harmonics = group.irreps(2)
    return group, ((trivial, 3), (harmonics[0], 2), (harmonics[1], 1))


def _trivial(group: AbstractGroup) -> Representation:
    return group.irreps(0)[0]


def _standard(group: AbstractGroup) -> Representation:
    return next(rep for rep in group.irreps(1) if not rep.trivial)


# --- at which elements ------------------------------------------------------------------------------------------------
def _orbit(group: AbstractGroup, n: int, m: int, rng: np.random.Generator) -> Array:
    """The design of `sample_orbits`: full orbits of small finite groups, grids with a random offset, else draws."""
    return group.orbit(n, m, seed=rng)


def _independent(group: AbstractGroup, n: int, m: int, rng: np.random.Generator) -> Array:
    """Independent Haar draws; of a finite group without replacement, as equal elements say nothing."""
    if group.order is not None:
        return group.orbit(n, m, seed=rng)
    return group.sample(n * m, seed=rng).reshape(n, m, -1)


def _window(group: AbstractGroup, n: int, m: int, rng: np.random.Generator) -> Array:
    """Angles within ±60°, shifts within ±5: one parameter, uniform."""
    half = pi / 3 if group.compact else 5.0
    return rng.uniform(-half, half, size=(n, m, 1))


def _tilts(group: AbstractGroup, n: int, m: int, rng: np.random.Generator) -> Array:
    """Rotation vectors, or rapidity vectors after a Haar rotation: uniform directions, lengths uniform up to 1."""
    vectors = _ball(rng, n, m)
    if group.compact:
        return vectors
    return np.concatenate([SO3().sample(n * m, seed=rng).reshape(n, m, 3), vectors], axis=-1)


def _poses(group: AbstractGroup, n: int, m: int, rng: np.random.Generator) -> Array:
    """Positions in the square ±2 and uniform angles."""
    return np.concatenate([rng.uniform(-2, 2, size=(n, m, 2)), rng.uniform(-pi, pi, size=(n, m, 1))], axis=-1)


def _ball(rng: np.random.Generator, n: int, m: int) -> Array:
    vectors = rng.normal(size=(n, m, 3))
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True) * rng.uniform(0, 1, size=(n, m, 1))


def _with_identity(design: Design) -> Design:
    """The same design with the identity as every item's first element."""

    def upright(group: AbstractGroup, n: int, m: int, rng: np.random.Generator) -> Array:
        params = design(group, n, m, rng)
        params[:, 0] = group.identity()
        return params

    return upright


CONTENTS: dict[str, Callable[[], tuple[AbstractGroup, Parts]]] = {
    "SO2": _so2,
    "SO3": _so3,
    "Cyclic(12)": _cyclic,
    "Dihedral(4)": lambda: _every(Dihedral(4)),
    "Hyperoctahedral(2)": lambda: _every(Hyperoctahedral(2)),
    "SO2*Cyclic(3)": _torus,
    "Translation ring": _ring,
    "Translation line": _line,
    "SE(2)": _se2,
    "Lorentz": _lorentz,
}
# The non-compact groups have no Haar probability: each says where its elements are drawn.
DRAWS: dict[str, Design] = {"Translation line": _window, "SE(2)": _poses, "Lorentz": _tilts}
COMPACT = tuple(name for name in CONTENTS if name not in DRAWS)
LIMITED: dict[str, Design] = {"SO2": _window, "SO3": _tilts}
