"""Everything a fit needs to know about the rows, gathered in one pass: moments, folds, retained rows, design."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from tqdm import tqdm

from geodis.coordinates.crossfit import Folds
from geodis.coordinates.design import Design, read_design
from geodis.coordinates.forms import Folded, HaarForms, haar_forms, homogeneous
from geodis.coordinates.fourier import half_dim
from geodis.coordinates.lift import AbstractLift
from geodis.coordinates.moments import Moments, lift_stack
from geodis.coordinates.spread import rounding_share
from geodis.errors import ParameterError
from geodis.groups import AbstractGroup, Representation
from geodis.linalg import Array
from geodis.orbits import Orbits, Stack

CHUNK_BYTES = 2**24  # of float64 rows a batch: large enough for BLAS, small enough for the cache and the memory
PILOT_ROWS = 8192  # rows that choose the shift and the principal subspace
RESERVOIR_ROWS = 16384  # rows kept for nulls and intervals
LIMITED_ROWS = 65536  # rows kept when pairs are needed
FORM_ENTRIES = 4_000_000  # Σ (h·q)² of one fold, which bounds q for groups with large irreps


@dataclass(frozen=True)
class Settings:
    """The choices of a fit; see `LinearCoordinates` for their meaning."""

    max_order: int = 4
    min_energy: float = 0.5
    ridge: float | str = "auto"
    n_folds: int = 5
    max_components: int = 128
    n_null: int = 99
    level: float = 0.95
    seed: int = 0
    verbose: bool = False

    def check(self) -> None:
        """Raise `ParameterError` for a choice outside its range."""
        _expect("max_order", self.max_order, _is_integer(self.max_order) and self.max_order >= 0, "an integer ≥ 0")
        _expect(
            "min_energy",
            self.min_energy,
            _is_number(self.min_energy) and 0.0 <= self.min_energy < 1.0,
            "a number in [0, 1)",
        )
        valid = self.ridge == "auto" or (_is_number(self.ridge) and float(self.ridge) >= 0)
        _expect("ridge", self.ridge, valid, "'auto' or a number ≥ 0")
        _expect("n_folds", self.n_folds, _is_integer(self.n_folds) and self.n_folds >= 2, "an integer ≥ 2")
        _expect(
            "max_components",
            self.max_components,
            _is_integer(self.max_components) and self.max_components >= 1,
            "an integer ≥ 1",
        )
        _expect("n_null", self.n_null, _is_integer(self.n_null) and self.n_null >= 19, "an integer ≥ 19")
        _expect("seed (random_state)", self.seed, _is_integer(self.seed) and self.seed >= 0, "an integer ≥ 0")
        _expect("level", self.level, _is_number(self.level) and 0.0 < self.level < 1.0, "a number in (0, 1)")


@dataclass(frozen=True)
class Evidence:
    """The rows of a fit, reduced. With a lift, D is the dimension of the lifted embedding.

    Attributes
    ----------
    group : AbstractGroup
    design : Design
    crossed : bool
    basis : ndarray (D, q) or None
        The principal subspace in which irreps are sought.
    shift, mean : ndarray (D,)
        The provisional centre and the mean of the items.
    cov : ndarray (D, D)
        The covariance, items weighted equally.
    square : float
        E|z|², uncentred: the scale against which variance is called rounding.
    eps : float
        Machine epsilon of the rows as they came.
    forms : list of HaarForms
        One an irrep; empty for limited designs and for insufficient ones.
    folds : Folds
    rows : Folded
        Retained homogeneous rows in the principal subspace.
    labels : tuple
        The items.
    lift : AbstractLift or None
        What the rows went through.
    collapsed : bool
        Whether the rows before the lift are constant up to rounding.
    """

    group: AbstractGroup
    design: Design
    crossed: bool
    basis: Array | None
    shift: Array
    mean: Array
    cov: Array
    square: float
    eps: float
    forms: list[HaarForms]
    folds: Folds
    rows: Folded
    labels: tuple[Any, ...]
    lift: AbstractLift | None = None
    collapsed: bool = False

    @property
    def degenerate(self) -> bool:
        """Whether the embedding is constant up to rounding."""
        return self.collapsed or bool(np.trace(self.cov) <= rounding_share(self.eps) * self.square)

    @property
    def n_components(self) -> int:
        """The number q of directions in which irreps are sought."""
        return len(self.mean) if self.basis is None else int(self.basis.shape[1])

    def embed(self, w: Array) -> Array:
        """Rows of the principal subspace (…, q) as rows of R^D (…, D)."""
        return w if self.basis is None else w @ self.basis.T


def gather(orbits: Orbits, settings: Settings, lift: AbstractLift | None = None) -> Evidence:
    """Read the orbits once: design from the parameters, then moments of the (lifted) rows in batches."""
    settings.check()
    stacks = list(orbits.stacks())
    design = read_design(orbits.group, stacks, settings.max_order, settings.seed)
    if len(np.unique(orbits.clusters)) < 2:  # items of one cluster are one independent thing
        design = replace(design, n_items=min(design.n_items, 1))
    reps = [] if design.limited or not design.sufficient else list(orbits.group.irreps(settings.max_order))
    n_features = orbits.n_features if lift is None else lift.n_features
    shift, basis = pilot(orbits.z, reps, settings.max_components, lift)
    moments = Moments(
        orbits.group,
        reps,
        n_features,
        n_folds=folds_for(design, settings),
        basis=basis,
        shift=shift,
        reservoir_rows=LIMITED_ROWS if design.limited else RESERVOIR_ROWS,
        expected_rows=len(orbits),
        seed=settings.seed,
        lift=lift,
    )
    chunks = [chunk for stack in stacks for chunk in _chunks(stack, n_features)]
    for chunk in tqdm(chunks, desc="reading rows", disable=not settings.verbose):
        moments.add_stack(chunk)
    return evidence_of(moments, design, orbits.crossed)


def evidence_of(moments: Moments, design: Design, crossed: bool) -> Evidence:
    """Evidence from finished moments."""
    moments.finish()
    second = np.sum([fold.second for fold in moments.folds], axis=0)
    n = sum(fold.n for fold in moments.folds)
    offset = second[:-1, -1] / n
    cov = second[:-1, :-1] / n - np.outer(offset, offset)
    square = float(np.trace(second[:-1, :-1]) / n + 2 * moments.shift @ offset + moments.shift @ moments.shift)
    forms = haar_forms(moments, design.repeated) if moments.reps else []
    lift = None if moments.basis is None else homogeneous(moments.basis)
    seconds = np.stack([f.second if lift is None else lift.T @ f.second @ lift for f in moments.folds])
    folds = Folds.of(seconds, np.array([f.n for f in moments.folds]), (32 * moments.eps) ** 2 * square)
    return Evidence(
        moments.group,
        design,
        crossed,
        moments.basis,
        moments.shift,
        moments.shift + offset,
        (cov + cov.T) / 2,
        square,
        moments.eps,
        forms,
        folds,
        moments.reservoir.stacks(),
        tuple(moments.labels),
        moments.lift,
        moments.spread is not None and moments.spread.vanishes(moments.eps),
    )


def folds_for(design: Design, settings: Settings) -> int:
    """As many folds as asked for, no more than there are items."""
    return max(2, min(settings.n_folds, design.n_items))


def pilot(
    z: Array, reps: Sequence[Representation], max_components: int, lift: AbstractLift | None = None
) -> tuple[Array, Array | None]:
    """`(shift, basis)` from evenly spread (lifted) rows: their mean, and their principal axes when D is large."""
    picked = lift_stack(z[:: max(1, len(z) // PILOT_ROWS)].astype(np.float64), lift)
    shift = picked.mean(axis=0)
    entries = sum(half_dim(rep) ** 2 for rep in reps) or 1
    q = max(min(max_components, int((FORM_ENTRIES / entries) ** 0.5)), min(32, max_components))
    if picked.shape[1] <= q:
        return shift, None
    centred = picked - shift
    _, axes = np.linalg.eigh(centred.T @ centred)
    return shift, np.ascontiguousarray(axes[:, ::-1][:, :q])


def _chunks(stack: Stack, n_features: int) -> list[Stack]:
    n, m, _ = stack.z.shape
    step = max(1, CHUNK_BYTES // (8 * m * (n_features + 1)))
    return [Stack(*(x[a : a + step] for x in stack)) for a in range(0, n, step)]


def _is_number(x: object) -> bool:
    return isinstance(x, (int, float, np.integer, np.floating)) and not isinstance(x, bool) and bool(np.isfinite(x))


def _is_integer(x: object) -> bool:
    return isinstance(x, (int, np.integer)) and not isinstance(x, bool)


def _expect(name: str, value: object, valid: bool, expected: str) -> None:
    if not valid:
        raise ParameterError(name, expected, repr(value))
