"""Turbulent flows moved by a group, embedded by a network, fitted, verified and edited: what the demo asks of them."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
from torch import nn

from geodis.actions import AbstractAction, FieldShift, FieldSymmetries
from geodis.coordinates import IsotypicSpectrum, LatentCoordinates, LinearCoordinates, isotypic_spectrum
from geodis.encoders import TurbulenceNet, encode
from geodis.encoders.turbulence import GRID
from geodis.errors import DesignError
from geodis.linalg import Array
from geodis.orbits import Orbits
from geodis.reports import Report, verify
from geodis.reports.edits import nearest_rows
from geodis.sampling import sample_orbits
from geodis.simulators import random_velocity, simulate_turbulence
from geodis.statistics import Interval, clustered_t

LAYER = "bottleneck"
VELOCITY = ((1, 1, 1),)  # one vector field of even parity
TIMES = (2, 4)  # of the snapshots; time 0 is a random field and no turbulence yet
UNSEEN_FLOWS = 3  # second entry of the flows' seed; the network was trained and tested on others
UNSEEN = 1 / 3  # share of the runs that no fit sees
UNTRAINED = 1  # seed of the network without training
LEVEL = 0.95
SAME = 1e-6  # distance of matrices below which elements are one


@dataclass(frozen=True, eq=False)
class Symmetry:
    """A group that moves flows, and what is asked of it.

    Attributes
    ----------
    name, words : str
        In file names and headings; in a sentence ("turning and reflecting the flow").
    action : AbstractAction
        How it moves velocities `(n, 2, 32, 32)`.
    n_elements, max_order : int
        Elements an item, irreps up to this order.
    step : tuple of float
        The element by which latents are edited.
    step_words : str
        The same in words.
    drawn : tuple of elements
        How the flow in the picture is moved.
    plane : str
        The irrep whose plane is drawn, if it was kept.
    meanings : dict of str to str
        What moves like an irrep.
    """

    name: str
    words: str
    action: AbstractAction
    n_elements: int
    max_order: int
    step: tuple[float, ...]
    step_words: str
    drawn: tuple[tuple[float, ...], ...]
    plane: str
    meanings: dict[str, str]


@dataclass(frozen=True, eq=False)
class Moves:
    """Every unseen latent, edited by one element: `found` is the latent nearest to it, `wanted` the true one."""

    wanted: Array
    found: Array
    clusters: Array

    @property
    def top1(self) -> float:
        """The share of right edits."""
        return float((self.found == self.wanted).mean())

    def interval(self) -> Interval:
        """The 95 % interval of `top1`, over runs: t, or one-sided binomial where all edits are right (or wrong)."""
        right = self.found == self.wanted
        shares = np.array([right[self.clusters == run].mean() for run in np.unique(self.clusters)])
        if self.top1 in (0.0, 1.0):  # no spread for a t interval to go by
            margin = 1 - (1 - LEVEL) ** (1 / len(shares))
            low, high = (1 - margin, 1.0) if self.top1 else (0.0, margin)
            return Interval(low, high, LEVEL, "one-sided binomial over runs", math.nan)
        return clustered_t(shares, LEVEL)


@dataclass(frozen=True, eq=False)
class Finding:
    """All that was measured for one group."""

    symmetry: Symmetry
    flows: Array
    n_fitted: int
    unseen: Orbits
    spectrum: IsotypicSpectrum
    report: Report
    moves: Moves
    untrained_energy: float
    untrained_rows: int

    @property
    def acting(self) -> list[int]:
        """The blocks that the group moves."""
        return [i for i, block in enumerate(self.report.coordinates.blocks) if not block.irrep.trivial]

    @property
    def leading(self) -> list[int]:
        """The first copy of every irrep that acts."""
        names = [block.irrep.name for block in self.report.coordinates.blocks]
        return [i for i in self.acting if names.index(names[i]) == i]

    @property
    def copies(self) -> Counter[str]:
        """How many copies of each irrep are kept."""
        return Counter(block.irrep.name for block in self.report.coordinates.blocks)

    @property
    def unseen_flows(self) -> Array:
        """The velocity behind every row of the unseen orbits: `(N, 2, 32, 32)`."""
        return np.asarray(self.symmetry.action.act(self.unseen.params, self.flows[self.unseen.items]))

    @property
    def plane(self) -> int | None:
        """The block that is drawn: the first copy of the irrep asked for if it was kept, else the first plane."""
        blocks = self.report.coordinates.blocks
        planes = [i for i in self.acting if blocks[i].irrep.dim == 2]
        asked = [i for i in planes if blocks[i].irrep.name == self.symmetry.plane]
        return next(iter(asked + planes), None)

    def null(self, block: int) -> tuple[float, float]:
        """Mean energy and p-value of an irrep's first copy under relabellings, on the fitted runs."""
        name = self.report.coordinates.blocks[block].irrep.name
        if block not in self.leading:
            return math.nan, math.nan
        return self.spectrum.structure_mean[name], self.spectrum.structure_p[name]


def symmetries() -> tuple[Symmetry, ...]:
    """The eight symmetries of the square, and the periodic shifts."""
    side = float(GRID)
    return (
        Symmetry(
            "symmetries", "turning and reflecting the flow", FieldSymmetries(VELOCITY, d=2), 8, 2, (5.0,),
            "a quarter turn", tuple((float(g),) for g in range(8)), "([1],[1])",
            {"([1],[1])": "a vector", "([],[1,1])": "a vorticity", "([],[2])": "xy", "([1,1],[])": "x² − y²"},
        ),
        # Five steps along each axis, of 6.4 cells: neither whole cells nor multiples of the network's strides.
        Symmetry(
            "shifts", "shifting the flow", FieldShift(VELOCITY, (GRID, GRID)), 25, 2, (side / 5, 0.0),
            "a shift by a fifth of the side", ((0.0, 0.0), (side / 5, 0.0), (0.0, side / 5), (side / 2, side / 2)),
            "k=(1,0)", {},
        ),
    )  # fmt: skip


def snapshots(n_runs: int, seed: int) -> tuple[Array, Array]:
    """Velocities `(2·n_runs, 2, 32, 32)` of flows that the network was not trained on, and the run of each."""
    start = random_velocity(n_runs, GRID, seed=(seed, UNSEEN_FLOWS)).astype(np.float32)
    flows = simulate_turbulence(start, max(TIMES) + 1)[:, list(TIMES)]
    return flows.reshape(-1, 2, GRID, GRID), np.repeat(np.arange(n_runs), len(TIMES))


def investigate(
    symmetry: Symmetry, net: nn.Module, flows: Array, runs: Array, seed: int, verbose: bool, n_null: int
) -> Finding:
    """Embed, fit on some runs, verify and edit on the others; fit once more in a network without training."""
    fitted, unseen = orbits_of(symmetry, net, flows, runs, seed, verbose)
    est = LinearCoordinates(fitted.group, max_order=symmetry.max_order, random_state=seed).fit_orbits(fitted)
    spectrum = isotypic_spectrum(fitted, max_order=symmetry.max_order, n_null=n_null, seed=seed, verbose=verbose)
    report = verify(unseen, est.coordinates_, seed=seed, n_null=n_null, verbose=verbose)
    before, after = orbits_of(symmetry, TurbulenceNet(UNTRAINED).eval(), flows, runs, seed, verbose)
    control = LinearCoordinates(before.group, max_order=symmetry.max_order, random_state=seed).fit_orbits(before)
    return Finding(
        symmetry, flows, fitted.n_items, unseen, spectrum, report, move_unseen(est.coordinates_, unseen, symmetry),
        control.score(after.z, after.params, items=after.items), acting_rows(control.coordinates_),
    )  # fmt: skip


def orbits_of(
    symmetry: Symmetry, net: nn.Module, flows: Array, runs: Array, seed: int, verbose: bool = False
) -> tuple[Orbits, Orbits]:
    """`(fitted, unseen)` orbits of the bottleneck; whole runs are held out."""
    orbits = sample_orbits(
        encode(net, LAYER), flows, symmetry.action, symmetry.n_elements, seed, clusters=runs, verbose=verbose
    )
    return orbits.split(UNSEEN, seed=seed)


def move_unseen(coordinates: LatentCoordinates, unseen: Orbits, symmetry: Symmetry) -> Moves:
    """Edit every latent by the step and look for its nearest neighbour (cosine) among all unseen latents."""
    z = unseen.z.astype(np.float64)
    edited = np.asarray(coordinates.edit(z, np.tile(symmetry.step, (len(z), 1))))
    return Moves(moved_rows(unseen, symmetry.step), nearest_rows(edited, z), unseen.clusters)


def moved_rows(orbits: Orbits, step: tuple[float, ...]) -> Array:
    """The row where each row's item is seen moved on by `step`.

    Raises
    ------
    DesignError
        When some item was not seen there.
    """
    group, n, m = orbits.group, orbits.n_items, int(orbits.sizes.max())
    if not orbits.regular:
        raise DesignError(f"Expected items seen at equally many elements, got {orbits!r}.")
    # Matrices tell how far elements are apart where parameters jump (a shift by 0 and by a whole period).
    moved = group.compose(np.tile(step, (len(orbits), 1)), orbits.params)
    there, here = (np.asarray(group.matrix(g)).reshape(n, m, -1) for g in (moved, orbits.params))
    apart = np.abs(there[:, :, None] - here[:, None]).max(axis=-1)
    if apart.min(axis=-1).max() > SAME:
        raise DesignError(f"Expected every item at its elements moved on by {step}, got {orbits!r}.")
    return (apart.argmin(axis=-1) + m * np.arange(n)[:, None]).ravel()


def acting_rows(coordinates: LatentCoordinates) -> int:
    """How many coordinates the group moves."""
    return sum(block.irrep.dim for block in coordinates.blocks if not block.irrep.trivial)
