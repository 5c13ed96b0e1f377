"""`certify`: is the error below δ on unseen items and elements, with confidence, or why can that not be said."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from geodis.bounds import simultaneous_bound
from geodis.coordinates.design import leakage
from geodis.coordinates.energy import BlockCells, OrbitEnergy, orbit_energy
from geodis.coordinates.latent import LatentCoordinates
from geodis.errors import ParameterError
from geodis.linalg import Array
from geodis.metrics import MetricResult, orbit_signal
from geodis.metrics.acting import ActingError, acting_error, multiplicative
from geodis.metrics.cells import rounding
from geodis.orbits import Orbits
from geodis.reports.certificate import SIGNAL_FLOOR, Cause, Certificate
from geodis.threads import one_blas_thread

VANISHING = 1e-10  # share of the variance below which a denominator is rounding
FAKED = 0.05  # energy that an invariant code may fake on the tested elements
CHANCE = 5.0  # standard errors by which random elements may leak: for a circle, one chance in 400


@one_blas_thread
def certify(
    orbits: Orbits, coordinates: LatentCoordinates, delta: float, level: float = 0.95, seed: int = 0
) -> Certificate:
    """Claim, with confidence `level`, that the equivariance error on unseen items and elements is below δ; or refuse.

    Granted when the one-sided upper bound of the error of all blocks is below delta, and the lower bound of the orbit
    signal above its floor: not moving is no equivariance. Refused with the reason otherwise. `verify(delta=…)` gives
    the same certificate beside its tables; this one takes no null and is cheap.

    Parameters
    ----------
    orbits : Orbits
        Items that the coordinates were not fitted on. Elements should be drawn as those that the claim is about.
    coordinates : LatentCoordinates
        What is certified.
    delta : float
        The error that is claimed, relative to the variance; for coordinates of limited designs relative to not acting.
    level : float
        Confidence. Crossed orbits: two-way t over clusters × elements; nested ones: t over clusters, whose elements are
        their own.
    seed : int
        Seed of the bound for every element.

    Returns
    -------
    Certificate
        Prints as one sentence; `cause` names why it was refused, `to_json` keeps it.

    Raises
    ------
    OverlapError
        When an item was fitted.
    ShapeError, ParameterError
        For embeddings of another dimension, another group, a level or delta outside its range.

    Examples
    --------
    >>> import numpy as np
    >>> from geodis import LinearCoordinates, Orbits
    >>> from geodis.groups import SO2
    >>> rng = np.random.default_rng(0)
    >>> angle = SO2().orbit(80, 12).reshape(-1, 1)
    >>> start = np.repeat(rng.uniform(0, 6.28, (80, 1)), 12, axis=0)
    >>> z = np.hstack([np.cos(angle + start), np.sin(angle + start)]) @ rng.normal(size=(2, 8))
    >>> orbits = Orbits.from_arrays(z + 0.2 * rng.normal(size=z.shape), angle, np.repeat(np.arange(80), 12), SO2())
    >>> train, test = orbits.split(0.5)
    >>> coordinates = LinearCoordinates(SO2()).fit_orbits(train).coordinates_
    >>> certify(test, coordinates, delta=0.2).granted, certify(test, coordinates, delta=0.001).cause
    (True, 'bound')
    """
    check_claim("certify", orbits, coordinates, level, delta)
    coordinates.refuse_fitted(orbits.labels)
    energy = orbit_energy(orbits, coordinates)
    codes = orbits.map(lambda z: coordinates.transform(z.astype(np.float64)))
    return certificate_of(orbits, codes, coordinates, energy, delta, level, seed)


def check_claim(what: str, orbits: Any, coordinates: Any, level: float, delta: float | None) -> None:
    """Raise `ParameterError` unless orbits, coordinates, level and delta are what a claim can be made of."""
    if not isinstance(orbits, Orbits):
        raise ParameterError(f"{what}: orbits", "Orbits", type(orbits).__name__)
    if not isinstance(coordinates, LatentCoordinates):
        raise ParameterError(
            f"{what}: coordinates", "LatentCoordinates", type(coordinates).__name__, "Pass est.coordinates_."
        )
    if orbits.group != coordinates.group:
        raise ParameterError(f"{what}: orbits", f"orbits of {coordinates.group!r}", repr(orbits.group))
    if not 0.0 < level < 1.0:
        raise ParameterError(f"{what}: level", "a number in (0, 1)", level)
    if delta is not None and not (np.isfinite(delta) and delta > 0.0):
        raise ParameterError(f"{what}: delta", "a positive number", delta)


def certificate_of(
    orbits: Orbits,
    codes: Orbits,
    coordinates: LatentCoordinates,
    energy: OrbitEnergy,
    delta: float,
    level: float,
    seed: int = 0,
) -> Certificate:
    """The certificate from what `orbit_energy` measured on `orbits`, whose coordinates are `codes`."""
    acting = acting_error(orbits, energy, coordinates)
    signal = _signal(codes, coordinates, level, seed)
    facts = _Facts(orbits, coordinates, energy, acting, signal, delta, level)
    cause, reason = facts.refusal()
    worst, element = _every_element(orbits, acting, level, seed)
    return Certificate(
        granted=not cause,
        delta=delta,
        level=level,
        error=math.nan if acting is None else acting.value,
        upper=facts.upper,
        orbit_signal=0.0 if signal is None else signal.value,
        reason=reason,
        cause=cause,
        metric="error / identity" if coordinates.limited else "equivariance error",
        signal_lower=math.nan if signal is None or signal.ci is None else signal.ci[0],
        item_error=_item_error(energy.total),
        worst_upper=worst,
        worst_element=element,
        group=repr(orbits.group),
        design="crossed" if orbits.crossed else "nested",
        method="none" if acting is None else acting.estimate().method,
        n_items=orbits.n_items,
        n_clusters=len(np.unique(orbits.clusters)),
        n_elements=int(orbits.sizes.max()),
    )


def unit_codes(codes: Array, coordinates: LatentCoordinates) -> Array:
    """The columns of all non-trivial blocks, each block at unit variance a row."""
    parts = []
    for block in coordinates.blocks:
        if not block.irrep.trivial:
            part = codes[:, block.columns]
            parts.append(part / max(np.sqrt(part.var(axis=0).mean()), 1e-150))
    return np.concatenate(parts, axis=1)


@dataclass(frozen=True)
class _Facts:
    """What speaks for and against a claim."""

    orbits: Orbits
    coordinates: LatentCoordinates
    energy: OrbitEnergy
    acting: ActingError | None
    signal: MetricResult | None
    delta: float
    level: float

    @property
    def upper(self) -> float:
        """The one-sided upper bound of the error."""
        return math.nan if self.acting is None else self.acting.upper(self.level)

    def refusal(self) -> tuple[Cause, str]:
        """Why no certificate is granted: a name and a sentence, the gravest first; empty if nothing speaks against."""
        if self.energy.total is None:
            return "no block", "no block that the group moves was kept"
        if not self._sufficient():
            return "insufficient", "too few items or elements for an upper bound"
        if self._degenerate():
            return "degenerate", "the codes do not vary, so that the orbit signal cannot be told from its floor"
        still = self._still_error()
        if still is not None:
            return "limited", f"on these elements a code that does not move at all has an error of only {still:.2g}"
        if self._pose_only():
            return "pose-only", "the code is the same for all items"
        signal = math.nan if self.signal is None else self.signal.value
        lower = math.nan if self.signal is None or self.signal.ci is None else self.signal.ci[0]
        if not lower > SIGNAL_FLOOR:
            return "invariant", f"the orbit signal {signal:.2g} is at its floor, the group moves nothing"
        if not math.isfinite(self.upper):
            return "insufficient", "too few items or elements for an upper bound"
        if self.upper >= self.delta:
            error = math.nan if self.acting is None else self.acting.value
            return "bound", f"the upper bound is {self.upper:.3g} (estimate {error:.3g})"
        return "", ""

    def _sufficient(self) -> bool:
        stacks = [s for s in self.orbits.stacks() if s.z.shape[1] >= 2]
        moved = any((s.params != s.params[:, :1]).any() for s in stacks)
        clusters = np.unique(np.concatenate([s.clusters for s in stacks])) if stacks else ()
        return moved and len(clusters) >= 2

    def _degenerate(self) -> bool:
        z = self.orbits.z.astype(np.float64)
        variation = float(((z - z.mean(axis=0)) ** 2).sum(axis=1).mean())
        return (
            variation <= rounding(self.orbits.z)
            or self.acting is None
            or self.signal is None
            or self.signal.status == "degenerate"
        )

    def _still_error(self) -> float | None:
        """The error of an invariant code on these elements, where it is below delta or lower than chance leaves it."""
        if self.coordinates.limited:
            return None  # the error is relative to not acting: there an invariant code has nothing to show
        parts = [s.params for s in self.orbits.stacks() if s.params.shape[1] >= 2]
        for rep in {b.irrep.name: b.irrep for b in self.coordinates.blocks if not b.irrep.trivial}.values():
            faked, error = leakage(rep, parts)
            if self.orbits.crossed:
                # One set of elements: how far m of them may leak by chance, were they drawn from Haar measure.
                m = parts[0].shape[1]
                error = math.sqrt(2.0 * rep.commutant_dim / (m * (m - 1))) / rep.dim
            if 1.0 - faked <= self.delta or (faked > FAKED and faked > CHANCE * error):
                return max(1.0 - faked, 0.0)
        return None

    def _pose_only(self) -> bool:
        return all(
            cells.mean(cells.mismatch) <= VANISHING * cells.mean(cells.variation)
            for cells, block in zip(self.energy.cells, self.coordinates.blocks, strict=True)
            if not block.irrep.trivial
        )


def _signal(codes: Orbits, coordinates: LatentCoordinates, level: float, seed: int) -> MetricResult | None:
    """How far the group moves the acting coordinates, relative to other items, with a one-sided lower bound."""
    if all(b.irrep.trivial for b in coordinates.blocks):
        return None
    # The lower end of the two-sided interval at 2·level − 1 is the one-sided bound at `level`.
    two_sided = max(2.0 * level - 1.0, 1e-6)
    return orbit_signal(codes.map(lambda c: unit_codes(c, coordinates)), level=two_sided, seed=seed, n_draws=1)


def _item_error(total: BlockCells | None) -> float:
    if total is None or not total.loss:
        return math.nan
    mismatch = total.mean(total.mismatch)
    return total.mean(total.loss) / mismatch if mismatch > VANISHING * total.mean(total.variation) else math.nan


def _every_element(
    orbits: Orbits, acting: ActingError | None, level: float, seed: int
) -> tuple[float, tuple[float, ...] | None]:
    """The largest of the bounds that hold for every tested element together, and its parameters."""
    if acting is None or not acting.crossed or len(acting.loss) < 2:
        return math.nan, None
    bound = simultaneous_bound(acting.loss, acting.below.mean(axis=1), level, seed=seed)
    upper = [multiplicative(float(v), float(u)) for v, u in zip(bound.values, bound.upper, strict=True)]
    worst = int(np.argmax(upper))
    if not math.isfinite(upper[worst]):
        return math.nan, None
    return upper[worst], tuple(float(x) for x in orbits.params[worst])
