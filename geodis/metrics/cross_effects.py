"""What else moves when one factor is moved: edits of one factor, and what every other coordinate does then."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from geodis.coordinates.latent import LatentCoordinates
from geodis.coordinates.lift import AbstractInvertibleLift
from geodis.errors import DesignError, NotInvertibleError, ParameterError, ShapeError
from geodis.linalg import Array, check_finite, to_numpy
from geodis.metrics.cells import rounding
from geodis.metrics.effect_matrix import CrossEffects
from geodis.metrics.grids import factors_of
from geodis.metrics.result import Status
from geodis.orbits import Orbits
from geodis.statistics import check_level, clustered_t
from geodis.threads import one_blas_thread

CONTENT = "content"  # what the coordinates do not span
INVARIANT = "invariant"
SHORT = 1e-3  # of the root mean square length of sham directions, below which one is not stretched further
Reembedding = Callable[[Array], Any]


@one_blas_thread
def cross_effects(
    orbits: Orbits,
    coordinates: LatentCoordinates,
    reembed: Reembedding | None = None,
    *,
    level: float = 0.95,
    seed: int = 0,
) -> CrossEffects:
    """Move one factor's coordinates of unseen items, re-embed, and see what all other coordinates do.

    Sources are the factors of a product group (all blocks on which one acts), or the blocks of any other group, moved
    by steps that occur within items. Targets are the same, the invariant coordinates and the content, which is what the
    coordinates do not span. Without `reembed` an edit leaves everything else alone by construction.

    Parameters
    ----------
    orbits : Orbits
        Embeddings of items that the coordinates were not fitted on.
    coordinates : LatentCoordinates
        What is acted on.
    reembed : callable, optional
        Edited embeddings (N, D) → embeddings (N, D): an encoder after a decoder, the nearest neighbour in a bank, the
        rest of a network. Its effect on embeddings that were not edited is taken off.
    level : float
        Confidence level.
    seed : int
        Seed of the steps and of the sham displacements.

    Returns
    -------
    CrossEffects

    Raises
    ------
    NotInvertibleError
        For coordinates of a lift that cannot be undone: there are no edited embeddings.
    ParameterError, ShapeError, FiniteError, OverlapError
        For something else than orbits and coordinates of one group, no block that moves, fitted items, a `reembed` that
        returns another shape or NaN.
    DesignError
        When no item has two elements.

    Examples
    --------
    >>> import numpy as np
    >>> from geodis import LinearCoordinates
    >>> from geodis.groups import SO2, Cyclic
    >>> G = SO2() * Cyclic(3)
    >>> g, rng = G.sample(960), np.random.default_rng(0)
    >>> parts = [G.irrep(n)(g) @ rng.normal(size=(80, 2)).repeat(12, axis=0)[..., None] for n in ("m=1⊗k=0", "m=0⊗k=1")]
    >>> orbits = Orbits.from_arrays(np.concatenate(parts, axis=1)[..., 0], g, np.repeat(np.arange(80), 12), G)
    >>> train, test = orbits.split(0.5)
    >>> coordinates = LinearCoordinates(G, max_order=1).fit_orbits(train).coordinates_
    >>> leak = np.zeros((4, 4)); leak[0, 2] = leak[1, 3] = 0.3
    >>> found = cross_effects(test, coordinates, lambda z: z + z @ leak)
    >>> found.leaks[["source", "target"]].iloc[0].tolist(), bool(found.low[0, 1] < 0.3 < found.high[0, 1])
    (['SO2()', 'Cyclic(3)'], True)
    """
    check_level(level)
    _check(orbits, coordinates, reembed)
    keep = np.repeat(orbits.sizes > 1, orbits.sizes)
    if not keep.any():
        raise DesignError("Moving a code by a step of its own orbit needs items with two elements at least.")
    if coordinates.lift is not None:
        orbits, coordinates, reembed = _flattened(orbits, coordinates, reembed)
    data = _Data(orbits, coordinates, reembed, keep, np.random.default_rng(seed))
    sources, targets = sources_of(coordinates), _targets(coordinates)
    shape = (len(sources), len(targets))
    out = {name: np.full(shape, math.nan) for name in ("effect", "low", "high", "null", "sham")}
    out |= {name: np.zeros(shape, dtype=bool) for name in ("moves", "specific")}
    miss, still = np.full(len(sources), math.nan), []
    for i, (name, blocks) in enumerate(sources.items()):
        moved = data.move(i, blocks)
        if moved is None:
            still.append(f"{name} does not move")
            continue
        miss[i] = math.sqrt(float(moved.missed.mean() / moved.wanted.mean()))
        for j, target in enumerate(targets.values()):
            for key, value in data.effect(moved, target, level).items():
                out[key][i, j] = value
    n_clusters = len(data.clusters)
    status: Status = "degenerate" if still else "ok" if n_clusters > 1 else "insufficient"
    return CrossEffects(
        tuple(sources), tuple(targets), **out, miss=miss, level=level, n_items=data.n_items, n_clusters=n_clusters,
        status=status, notes=tuple(still),
    )  # fmt: skip


# --- who is moved and watched -----------------------------------------------------------------------------------------
def sources_of(coordinates: LatentCoordinates) -> dict[str, tuple[int, ...]]:
    """The blocks that each source moves: all on which a factor of a product acts, or one block each."""
    parts = factors_of(coordinates.group)
    if len(parts) == 1:
        return {n: (i,) for i, n in enumerate(_block_names(coordinates)) if not coordinates.blocks[i].irrep.trivial}
    found = {}
    for j, name in enumerate(_distinct([repr(g) for g in parts])):
        blocks = tuple(i for i, b in enumerate(coordinates.blocks) if j in b.irrep.factors)
        if blocks:
            found[name] = blocks
    return found


def _targets(coordinates: LatentCoordinates) -> dict[str, tuple[int, ...] | None]:
    """The blocks that each target consists of; None for the content."""
    parts = factors_of(coordinates.group)
    found: dict[str, tuple[int, ...] | None] = {}
    if len(parts) == 1:
        found |= sources_of(coordinates)
    else:
        names = _distinct([repr(g) for g in parts])
        for j, name in enumerate(names):
            own = tuple(i for i, b in enumerate(coordinates.blocks) if b.irrep.factors == (j,))
            if own:
                found[name] = own
        mixed = tuple(i for i, b in enumerate(coordinates.blocks) if len(b.irrep.factors) > 1)
        if mixed:
            found["entangled"] = mixed
    invariant = tuple(i for i, b in enumerate(coordinates.blocks) if b.irrep.trivial)
    if invariant:
        found[INVARIANT] = invariant
    if coordinates.n_coordinates < coordinates.n_features:
        found[CONTENT] = None
    return found


def _distinct(names: list[str]) -> list[str]:
    return [n if names.count(n) == 1 else f"{n} #{names[: i + 1].count(n)}" for i, n in enumerate(names)]


def _block_names(coordinates: LatentCoordinates) -> list[str]:
    names = [b.irrep.name for b in coordinates.blocks]
    counts = [names[: i + 1].count(n) for i, n in enumerate(names)]
    return [n if c == 1 else f"{n} #{c}" for n, c in zip(names, counts, strict=True)]


# --- moving and watching ----------------------------------------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class _Moved:
    """One source moved: changes of the embedding (N, D), and squares of the wanted movement and the source's codes."""

    change: Array
    edit: Array
    wanted: Array
    missed: Array
    spread: Array


class _Data:
    """Embeddings to edit, and what they look like re-embedded without an edit."""

    def __init__(
        self,
        orbits: Orbits,
        coordinates: LatentCoordinates,
        reembed: Reembedding | None,
        keep: Array,
        rng: np.random.Generator,
    ) -> None:
        self.coordinates, self.reembed, self.dtype = coordinates, reembed, np.dtype(np.float64)
        self.z = orbits.z[keep].astype(np.float64)
        self.items = orbits.items[keep]
        self.n_items = len(np.unique(self.items))
        self.clusters, self.cluster = np.unique(orbits.clusters[keep], return_inverse=True)
        self.step = _steps(orbits, keep, rng)
        self.plain, again = self.embedded(self.z), self.embedded(self.z)
        self.repeated = again - self.plain
        self.tolerance = max(rounding(orbits.z[keep]), rounding(self.plain), rounding(again.astype(self.dtype)))
        # Where a sham displacement goes: the difference of two random rows.
        self.towards = self.z[rng.permutation(len(self.z))] - self.z[rng.permutation(len(self.z))]

    def embedded(self, z: Array) -> Array:
        if self.reembed is None:
            return z
        out = to_numpy(self.reembed(z))
        if out.shape != z.shape:
            raise ShapeError("reembed(z)", str(z.shape), out.shape)
        check_finite(out, "reembed(z)")
        self.dtype = out.dtype if out.dtype.kind == "f" else self.dtype
        return out.astype(np.float64)

    def move(self, source: int, blocks: tuple[int, ...]) -> _Moved | None:
        """The source moved by the steps; None where it stays."""
        parts = factors_of(self.coordinates.group)
        step, coordinates = self.step, self.coordinates
        if len(parts) == 1:
            coordinates = coordinates.only(blocks[0])
        else:
            step = self._alone(source)
        edit = np.asarray(coordinates.edit(self.z, step)) - self.z
        wanted = (self._seen(edit, blocks) ** 2).sum(axis=1)
        spread, rounded = self._spread(blocks), self._rounding(blocks)
        if not min(float(wanted.mean()), float(spread.mean())) > rounded:
            return None
        change = self.embedded(self.z + edit) - self.plain
        missed = (self._seen(change - edit, blocks) ** 2).sum(axis=1)
        return _Moved(change, edit, wanted, missed, spread)

    def effect(self, moved: _Moved, target: tuple[int, ...] | None, level: float) -> dict[str, Any]:
        """How far the target goes after the edit, after none and after the sham; nothing for a target of one value."""
        spread, rounded = self._spread(target), self._rounding(target)
        if not float(spread.mean()) > rounded:
            return {}
        squares = {name: (self._seen(x, target) ** 2).sum(axis=1) for name, x in (
            ("effect", moved.change), ("null", self.repeated), ("sham", self._sham(moved.edit, target)),
        )}  # fmt: skip
        unit = float(moved.spread.mean() / spread.mean() / moved.wanted.mean())
        found: dict[str, Any] = {name: math.sqrt(unit * float(x.mean())) for name, x in squares.items()}
        found["low"], found["high"] = self._interval(found["effect"], squares["effect"], spread, moved, level)
        seen = float(squares["effect"].mean()) > rounded
        found["moves"] = seen and self._above(squares["effect"] - squares["null"], level)
        found["specific"] = found["moves"] and self._above(squares["effect"] - squares["sham"], level)
        return found

    def _sham(self, edit: Array, target: tuple[int, ...] | None) -> Array:
        aside = self.towards - self._within(self.towards, target)
        length = np.linalg.norm(aside, axis=1)
        # Two rows may differ in the target alone: then there is nothing but rounding to go along.
        shortest = max(SHORT * float(np.sqrt((length**2).mean())), 1e-300)
        size = np.linalg.norm(edit, axis=1) / np.maximum(length, shortest)
        return self.embedded(self.z + size[:, None] * aside) - self.plain

    def _interval(self, value: float, effect: Array, spread: Array, moved: _Moved, level: float) -> tuple[float, float]:
        """Of √(E effect · E source's spread / E wanted · E spread), on the scale of logarithms, over clusters."""
        n = len(self.clusters)
        if n < 2:
            return math.nan, math.nan
        if value == 0.0:
            return 0.0, 0.0
        relative = [x / x.mean() for x in (effect, moved.spread, moved.wanted, spread)]
        influence = np.bincount(self.cluster, relative[0] + relative[1] - relative[2] - relative[3]) / len(effect)
        error = math.sqrt(n / (n - 1) * float((influence**2).sum())) / 2
        factor = math.exp(float(stats.t.ppf((1 + level) / 2, n - 1)) * error)
        return value / factor, value * factor

    def _above(self, difference: Array, level: float) -> bool:
        """Whether a mean difference is above 0 with confidence, over clusters."""
        means = np.bincount(self.cluster, difference) / np.bincount(self.cluster)
        low = clustered_t(means, level).low
        return bool(math.isfinite(low) and low > 0.0)

    def _alone(self, factor: int) -> Array:
        """The steps with all factors but one at rest."""
        parts, start = factors_of(self.coordinates.group), 0
        out = self.coordinates.group.identity(len(self.step))
        for j, g in enumerate(parts):
            if j == factor:
                out[:, start : start + g.n_params] = self.step[:, start : start + g.n_params]
            start += g.n_params
        return out

    def _columns(self, block: int) -> slice:
        return self.coordinates.blocks[block].columns

    def _seen(self, x: Array, target: tuple[int, ...] | None) -> Array:
        """The target's part of a displacement: its coordinates, or what the coordinates do not span."""
        return self._within(x, None) if target is None else np.asarray(x @ self._analysis(target).T)

    def _analysis(self, blocks: tuple[int, ...]) -> Array:
        return np.concatenate([self.coordinates.analysis[self._columns(b)] for b in blocks])

    def _within(self, x: Array, target: tuple[int, ...] | None) -> Array:
        """The part of a displacement that is the target's."""
        a, p = self.coordinates.analysis, self.coordinates.synthesis
        if target is None:
            return np.asarray(x - x @ a.T @ p.T)
        columns = [self._columns(b) for b in target]
        return np.asarray(sum((x @ a[c].T) @ p[:, c].T for c in columns))

    def _spread(self, target: tuple[int, ...] | None) -> Array:
        """|code − mean|² of each row."""
        codes = self._seen(self.z - self.coordinates.centre, target)
        return np.asarray(((codes - codes.mean(axis=0)) ** 2).sum(axis=1))

    def _rounding(self, target: tuple[int, ...] | None) -> float:
        """Rounding of embeddings in the target's unit."""
        return self.tolerance * (1.0 if target is None else float((self._analysis(target) ** 2).sum(axis=1).max()))


def _steps(orbits: Orbits, keep: Array, rng: np.random.Generator) -> Array:
    """For every row the step to another row of its item."""
    sizes = orbits.sizes[orbits.sizes > 1]
    starts = np.repeat(np.cumsum(sizes) - sizes, sizes)
    size = np.repeat(sizes, sizes)
    rows = np.arange(len(size))
    other = starts + (rows - starts + rng.integers(1, size)) % size
    params = orbits.params[keep]
    return np.asarray(orbits.group.compose(params[other], orbits.group.inverse(params)))


def _flattened(
    orbits: Orbits, coordinates: LatentCoordinates, reembed: Reembedding | None
) -> tuple[Orbits, LatentCoordinates, Reembedding | None]:
    """The same question about lifted embeddings, in which the coordinates are linear."""
    lift = coordinates.lift
    if not isinstance(lift, AbstractInvertibleLift):
        raise NotInvertibleError("cross_effects", lift)
    lifted = orbits.map(lambda z: lift(z.astype(np.float64)))
    if reembed is None:
        return lifted, coordinates.flat, None
    return lifted, coordinates.flat, lambda h: lift(to_numpy(reembed(lift.inverse(h))))


def _check(orbits: Any, coordinates: Any, reembed: Any) -> None:
    if not isinstance(orbits, Orbits):
        raise ParameterError("cross_effects: orbits", "Orbits", type(orbits).__name__)
    if not isinstance(coordinates, LatentCoordinates):
        raise ParameterError("cross_effects: coordinates", "LatentCoordinates", type(coordinates).__name__)
    if orbits.group != coordinates.group:
        raise ParameterError("cross_effects: orbits", f"orbits of {coordinates.group!r}", repr(orbits.group))
    if orbits.n_features != coordinates.n_features:
        raise ShapeError("cross_effects: orbits", f"embeddings of dimension {coordinates.n_features}", orbits.z.shape)
    if reembed is not None and not callable(reembed):
        raise ParameterError("cross_effects: reembed", "a callable (N, D) → (N, D)", type(reembed).__name__)
    if not sources_of(coordinates):
        raise ParameterError("cross_effects: coordinates", "a block that the group moves", "none")
    check_finite(orbits.z, "embeddings z")
    coordinates.refuse_fitted(orbits.labels)
