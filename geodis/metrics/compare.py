"""Which of two encoders is more equivariant, on the same items and elements."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import stats

from geodis.coordinates.energy import orbit_energy
from geodis.coordinates.latent import LatentCoordinates
from geodis.errors import DesignError, ParameterError
from geodis.metrics.acting import ActingError, acting_error, centred_estimate
from geodis.metrics.cells import rounding
from geodis.metrics.result import MetricResult, Status
from geodis.orbits import Orbits
from geodis.statistics import Estimate, check_level

ROUNDING = 64.0 * float(np.finfo(np.float64).eps)  # standard error below which a difference of shares is rounding


def compare(
    orbits_a: Orbits,
    orbits_b: Orbits,
    coordinates_a: LatentCoordinates,
    coordinates_b: LatentCoordinates,
    *,
    level: float = 0.95,
) -> MetricResult:
    """The error of A less the error of B, paired: negative where A is more equivariant.

    Both errors are those that `verify` prints in its row "all". An item that is hard for both encoders, or an element,
    drops out of the difference: the interval is narrower than two separate ones tell.

    Parameters
    ----------
    orbits_a, orbits_b : Orbits
        Embeddings of the same items at the same elements by two encoders, of any dimensions.
    coordinates_a, coordinates_b : LatentCoordinates
        Coordinates of each, fitted on other items.
    level : float
        Confidence level: two-way t (clusters × elements) for crossed orbits, cluster-wise t for nested ones.

    Returns
    -------
    MetricResult
        `value` is the difference; `baselines` holds the two errors as ``a`` and ``b``; `p_value` is that of no
        difference (two-sided). Status ``degenerate`` where one of the two does not vary or has no block that the group
        moves, ``insufficient`` for one item or one element. The notes say so where the blocks differ: an error over
        fewer blocks is another question.

    Raises
    ------
    ParameterError
        For something else than orbits and coordinates of one group, or errors relative to different things.
    DesignError
        When items, elements or clusters differ.
    OverlapError
        When an item was fitted.

    Examples
    --------
    >>> import numpy as np
    >>> from geodis import LinearCoordinates, Orbits
    >>> from geodis.groups import SO2
    >>> G, rng = SO2(), np.random.default_rng(0)
    >>> angle, items = G.orbit(80, 12).reshape(-1, 1), np.repeat(np.arange(80), 12)
    >>> turned = angle + rng.uniform(0, 6.28, 80)[items, None]
    >>> z = np.hstack([np.cos(turned), np.sin(turned)]) @ rng.normal(size=(2, 8))
    >>> halves = [Orbits.from_arrays(z + s * rng.normal(size=z.shape), angle, items, G).split(0.5) for s in (0.1, 0.5)]
    >>> fits = [LinearCoordinates(G, max_order=2).fit_orbits(train).coordinates_ for train, _ in halves]
    >>> result = compare(halves[0][1], halves[1][1], *fits)
    >>> result.status, result.value < 0, result.p_value < 0.01
    ('ok', True, True)
    """
    check_level(level)
    for name, orbits, coordinates in (("a", orbits_a, coordinates_a), ("b", orbits_b, coordinates_b)):
        _check(name, orbits, coordinates)
        coordinates.refuse_fitted(orbits.labels)
    _check_paired(orbits_a, orbits_b, coordinates_a, coordinates_b)
    parts = [_error(orbits_a, coordinates_a), _error(orbits_b, coordinates_b)]
    enough = orbits_a.n_items >= 2 and int(orbits_a.sizes.max()) >= 2
    a, b = parts
    if a is None or b is None:
        missing = " and ".join(name for name, part in zip("AB", parts, strict=True) if part is None)
        status: Status = "degenerate" if enough else "insufficient"
        note = f"{missing} does not vary or has no block that the group moves"
        return _result(orbits_a, level, Estimate(math.nan, math.nan, math.nan, "none"), {}, status, (note,))
    estimate = centred_estimate(a.value - b.value, a.influence - b.influence)
    known = math.isfinite(estimate.variance)
    if known and (estimate.value != 0.0 or estimate.variance > 0.0):
        estimate = estimate._replace(variance=max(estimate.variance, ROUNDING**2))
    notes = [] if known else ["one item (or cluster) or one element says nothing of others"]
    names = [_acting(c) for c in (coordinates_a, coordinates_b)]
    if names[0] != names[1]:
        notes.append(f"totals over different blocks: {', '.join(names[0])} in A, {', '.join(names[1])} in B")
    errors = {"a": a.value, "b": b.value}
    return _result(orbits_a, level, estimate, errors, "ok" if known else "insufficient", tuple(notes))


def _acting(coordinates: LatentCoordinates) -> list[str]:
    return sorted(block.irrep.name for block in coordinates.blocks if not block.irrep.trivial)


def _error(orbits: Orbits, coordinates: LatentCoordinates) -> ActingError | None:
    centred = orbits.z.astype(np.float64) - orbits.z.mean(axis=0, dtype=np.float64)
    if float((centred**2).sum(axis=1).mean()) <= rounding(orbits.z):
        return None
    return acting_error(orbits, orbit_energy(orbits, coordinates), coordinates)


def _result(
    orbits: Orbits, level: float, estimate: Estimate, errors: dict[str, float], status: Status, notes: tuple[str, ...]
) -> MetricResult:
    interval = estimate.interval(level)
    return MetricResult(
        name="compare",
        value=estimate.value,
        ci=(interval.low, interval.high),
        ci_method=interval.method,
        level=level,
        n_items=orbits.n_items,
        n_group=int(orbits.sizes.max()),
        baselines=errors,
        lower_is_better=True,
        status=status,
        notes=notes,
        p_value=_two_sided(estimate),
    )


def _two_sided(estimate: Estimate) -> float | None:
    """The p-value of no difference; None where the design tells no variance."""
    if not (math.isfinite(estimate.variance) and math.isfinite(estimate.value)):
        return None
    if estimate.variance == 0.0:
        return float(estimate.value == 0.0)
    return float(2.0 * stats.t.sf(abs(estimate.value) / math.sqrt(estimate.variance), estimate.df))


def _check(name: str, orbits: Any, coordinates: Any) -> None:
    if not isinstance(orbits, Orbits):
        raise ParameterError(f"compare: orbits_{name}", "Orbits", type(orbits).__name__)
    if not isinstance(coordinates, LatentCoordinates):
        raise ParameterError(
            f"compare: coordinates_{name}", "LatentCoordinates", type(coordinates).__name__, "Pass est.coordinates_."
        )
    if orbits.group != coordinates.group:
        raise ParameterError(f"compare: orbits_{name}", f"orbits of {coordinates.group!r}", repr(orbits.group))


def _check_paired(a: Orbits, b: Orbits, first: LatentCoordinates, second: LatentCoordinates) -> None:
    if a.group != b.group:
        raise ParameterError("compare: orbits_b", f"orbits of {a.group!r}", repr(b.group))
    if first.limited != second.limited:
        raise ParameterError(
            "compare: coordinates", "two errors relative to the same thing",
            "one relative to the variance and one relative to not acting", "Fit both on the same elements.",
        )  # fmt: skip
    for what, left, right in (
        ("items", a.items, b.items), ("params", a.params, b.params), ("clusters", a.clusters, b.clusters)
    ):  # fmt: skip
        if not np.array_equal(left, right):
            raise DesignError(
                f"compare: expected the same {what} in the same order in both orbits, got others. Encode the same "
                "items at the same elements with both encoders (sample_orbits with the same seed)."
            )
