"""`verify`: how true it is, on unseen items, that the group acts linearly in given coordinates."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import reduce
from operator import add

import numpy as np
import pandas as pd

from geodis.coordinates.energy import BlockCells, OrbitEnergy, orbit_energy
from geodis.coordinates.evidence import Evidence, Settings, gather
from geodis.coordinates.heldout import HeldOutCodes, ratio_interval
from geodis.coordinates.latent import Block, LatentCoordinates
from geodis.coordinates.relabelled import StructureNull, structure_null
from geodis.errors import AliasingError
from geodis.linalg import Array
from geodis.metrics import best_linear_error, content_retention, orbit_signal
from geodis.metrics.acting import acting_error
from geodis.orbits import Orbits
from geodis.reports.certify import VANISHING, certificate_of, check_claim, unit_codes
from geodis.reports.floor import discretisation_floors
from geodis.reports.report import COLUMNS, DETAILS, Report
from geodis.statistics import Interval
from geodis.threads import one_blas_thread

RIDGE = 0.1  # of the refits under the null, which see the tested items only


@one_blas_thread
def verify(
    orbits: Orbits,
    coordinates: LatentCoordinates,
    level: float = 0.95,
    delta: float | None = None,
    seed: int = 0,
    *,
    n_null: int = 99,
    verbose: bool = False,
) -> Report:
    """How true Φ(f(g·x)) ≈ ρ(g)Φ(f(x)) is on these items: one row a block and one for all, each with its null.

    The value is the equivariance error 1 − energy = L/(2T), or L/I for coordinates of limited designs: 0 is exact, 1 is
    chance (no better than not acting, for limited designs).

    Parameters
    ----------
    orbits : Orbits
        Items that the coordinates were not fitted on.
    coordinates : LatentCoordinates
        What is verified.
    level : float
        Confidence level: two-way (clusters × elements) t intervals for crossed orbits, cluster-wise ones otherwise.
    delta : float, optional
        Ask for a certificate: is the error of all blocks below delta with confidence `level`?
    seed : int
        Seed of nulls.
    n_null : int
        Common relabellings of the elements (null N2), each with a refit on these items.
    verbose : bool
        Whether to show a progress bar.

    Returns
    -------
    Report
        `.rows` with columns block, metric, value, ci_low, ci_high, identity (the error of not acting), null_mean and
        null_p (N2; items shuffled for invariant blocks), ceiling (the best cross-fitted linear map), status.

    Raises
    ------
    OverlapError
        When an item was fitted.
    ShapeError, ParameterError
        For embeddings of another dimension, another group, a level or delta outside its range.

    Examples
    --------
    >>> import numpy as np
    >>> from geodis import LinearCoordinates, Orbits, verify
    >>> from geodis.groups import SO2
    >>> rng = np.random.default_rng(0)
    >>> angle = SO2().orbit(60, 12).reshape(-1, 1)
    >>> start = np.repeat(rng.uniform(0, 6.28, (60, 1)), 12, axis=0)
    >>> z = np.hstack([np.cos(angle + start), np.sin(angle + start)]) @ rng.normal(size=(2, 8))
    >>> orbits = Orbits.from_arrays(z + 0.05 * rng.normal(size=z.shape), angle, np.repeat(np.arange(60), 12), SO2())
    >>> train, test = orbits.split(0.5)
    >>> report = verify(test, LinearCoordinates(SO2()).fit_orbits(train).coordinates_, n_null=19)
    >>> report.rows.loc[0, "block"], bool(report.rows.loc[0, "value"] < 0.05)
    ('m=1', True)
    """
    check_claim("verify", orbits, coordinates, level, delta)
    coordinates.refuse_fitted(orbits.labels)
    energy = orbit_energy(orbits, coordinates)
    codes = orbits.map(lambda z: coordinates.transform(z.astype(np.float64)))
    clusters = [s.clusters for s in orbits.stacks() if s.z.shape[1] >= 2]
    crossed = orbits.crossed and len(clusters) == 1
    certificate = None
    if delta is not None:
        certificate = certificate_of(orbits, codes, coordinates, energy, delta, level, seed)
    evidence = _evidence(orbits, coordinates, n_null, level, seed, verbose)
    nulls = _nulls(coordinates, codes, evidence, clusters)
    floors = discretisation_floors(codes, coordinates, energy)
    rows, details, copies = [], [], dict[str, int]()
    for block, cells, floor in zip(coordinates.blocks, energy.cells, floors[:-1], strict=True):
        copy = copies.get(block.irrep.name, 0)
        copies[block.irrep.name] = copy + 1
        label = f"{block.irrep.name} #{copy + 1}" if copy else block.irrep.name
        limited = coordinates.limited and not block.irrep.trivial  # not acting is all that an invariant block does
        interval = _interval(cells, clusters, crossed, limited, level)
        own = replace(codes, z=codes.z[:, block.columns])
        ceiling = _ceiling(own, block, cells, limited, seed)
        null = _judged(nulls.get(block.irrep.name), copy)
        rows.append(_row(label, cells, interval, null, ceiling, limited, _status(block, cells, evidence)))
        details.append(_detail(label, cells, block, rows[-1]) | {"floor": floor})
    rows.append(_total_row(energy, codes, coordinates, clusters, crossed, evidence, level, seed))
    details.append(_detail("all", energy.total, None, rows[-1]) | {"floor": floors[-1]})
    return Report(
        rows=pd.DataFrame(rows, columns=COLUMNS),
        details=pd.DataFrame(details, columns=DETAILS),
        group=repr(orbits.group),
        n_items=orbits.n_items,
        n_clusters=len(np.unique(orbits.clusters)),
        n_elements=int(orbits.sizes.max()),
        level=level,
        limited=coordinates.limited,
        orbit_signal=orbit_signal(orbits, level=level, seed=seed).value,
        content=content_retention(orbits, level=level).value,
        content_canonical=_canonical_content(codes, coordinates, level),
        certificate=certificate,
        coordinates=coordinates,
        codes=codes,
    )


def _evidence(
    orbits: Orbits, coordinates: LatentCoordinates, n_null: int, level: float, seed: int, verbose: bool
) -> tuple[Evidence, Settings]:
    orders = [b.irrep.order for b in coordinates.blocks if b.irrep.orthogonal and b.irrep.cocycle is None]
    settings = Settings(
        max_order=max(orders, default=1), ridge=RIDGE, n_null=n_null, level=level, seed=seed, verbose=verbose
    )
    try:
        return gather(orbits, settings, coordinates.lift), settings
    except AliasingError as error:
        # Fewer elements than at the fit: the blocks can be scored all the same, only the search could not be.
        settings = replace(settings, max_order=error.usable)
        return gather(orbits, settings, coordinates.lift), settings


def _nulls(
    coordinates: LatentCoordinates, codes: Orbits, context: tuple[Evidence, Settings], clusters: list[Array]
) -> dict[str, StructureNull]:
    """N2 for the irreps that act, N0 for the trivial one."""
    evidence, settings = context
    if evidence.degenerate or not evidence.design.sufficient:
        return {}
    reps = {b.irrep.name: b.irrep for b in coordinates.blocks}
    copies = Counter(b.irrep.name for b in coordinates.blocks)
    nulls = structure_null(copies, list(reps.values()), evidence, settings, RIDGE)
    for rep in reps.values():
        if rep.trivial:
            nulls[rep.name] = _shuffled_items(coordinates, codes, clusters, settings)
    return nulls


def _shuffled_items(
    coordinates: LatentCoordinates, codes: Orbits, clusters: list[Array], settings: Settings
) -> StructureNull:
    """N0 for the invariant blocks: energies of the best one with rows shuffled over items, and all true energies."""
    trivial = [b for b in coordinates.blocks if b.irrep.trivial]
    stacks = [s for s in codes.stacks() if s.z.shape[1] >= 2]
    mean = codes.z.mean(axis=0)
    held = HeldOutCodes(
        [np.stack([(s.z - mean)[..., b.columns] for b in trivial]) for s in stacks],
        [np.ones((*s.z.shape[:2], 1, 1)) for s in stacks],
        clusters,
        False,
        0.0,
    )
    return StructureNull(held.energies(), held.item_null(settings.n_null, np.random.default_rng([settings.seed, 6])))


def _judged(null: StructureNull | None, copy: int) -> tuple[float, float]:
    """The mean error under the null and the p-value of a copy."""
    if null is None or not len(null.draws):
        return float("nan"), float("nan")
    return 1.0 - null.mean, null.p(copy)


def _interval(cells: BlockCells, clusters: list[Array], crossed: bool, limited: bool, level: float) -> Interval | None:
    if not cells.loss or len(np.unique(np.concatenate(clusters))) < 2:
        return None
    below = cells.identity if limited else cells.variation
    if cells.mean(below) <= 0:
        return None
    return ratio_interval(cells.loss, below, clusters, crossed, level)


def _error(cells: BlockCells, limited: bool) -> float:
    below = cells.mean(cells.identity if limited else cells.variation)
    return cells.mean(cells.loss) / below if below > 0 else float("nan")


def _row(
    label: str,
    cells: BlockCells,
    interval: Interval | None,
    null: tuple[float, float],
    ceiling: float,
    limited: bool,
    status: str,
) -> dict[str, object]:
    if status == "degenerate":
        return _unknown_row(label, limited, status)
    below = cells.mean(cells.identity if limited else cells.variation)
    return {
        "block": label,
        "metric": "error / identity" if limited else "equivariance error",
        "value": _error(cells, limited),
        "ci_low": max(interval.low, 0.0) if interval else float("nan"),
        "ci_high": interval.high if interval else float("nan"),
        "identity": cells.mean(cells.identity) / below if below > 0 else float("nan"),
        "null_mean": null[0],
        "null_p": null[1],
        "ceiling": ceiling,
        "status": status,
    }


def _unknown_row(label: str, limited: bool, status: str) -> dict[str, object]:
    """Collapse or no block: the error of chance, never 0/0 and never a good score."""
    metric = "error / identity" if limited else "equivariance error"
    return dict.fromkeys(COLUMNS, float("nan")) | {"block": label, "metric": metric, "value": 1.0, "status": status}


def _total_row(
    energy: OrbitEnergy,
    codes: Orbits,
    coordinates: LatentCoordinates,
    clusters: list[Array],
    crossed: bool,
    context: tuple[Evidence, Settings],
    level: float,
    seed: int,
) -> dict[str, object]:
    """All non-trivial blocks together, each at unit variance a row."""
    unknown = float("nan")
    if energy.total is None:
        return _unknown_row("all", coordinates.limited, _overall(coordinates, energy, context))
    interval = _interval(energy.total, clusters, crossed, coordinates.limited, level)
    error = acting_error(codes, energy, coordinates)
    if interval is not None and error is not None:
        interval = error.estimate().interval(level)  # the variances that bring blocks to one scale are estimates too
    acting = codes.map(lambda c: unit_codes(c, coordinates))
    below = energy.total.mean(energy.total.identity if coordinates.limited else energy.total.variation)
    rho = reduce(add, (b.irrep for b in coordinates.blocks if not b.irrep.trivial))
    ceiling = best_linear_error(acting, rho, seed=seed) / below
    return _row(
        "all",
        energy.total,
        interval,
        (unknown, unknown),
        ceiling,
        coordinates.limited,
        _overall(coordinates, energy, context),
    )


def _ceiling(own: Orbits, block: Block, cells: BlockCells, limited: bool, seed: int) -> float:
    below = cells.mean(cells.identity if limited else cells.variation)
    return best_linear_error(own, block.irrep, seed=seed) / below if below > 0 else float("nan")


def _status(block: Block, cells: BlockCells, context: tuple[Evidence, Settings]) -> str:
    evidence, _ = context
    if evidence.degenerate or cells.mean(cells.variation) <= 0:
        return "degenerate"
    if not evidence.design.sufficient:
        return "insufficient"
    if not block.irrep.trivial and cells.mean(cells.identity) <= VANISHING * cells.mean(cells.variation):
        return "degenerate"  # nothing moves
    mismatch = cells.mean(cells.mismatch)
    if np.isfinite(mismatch) and mismatch <= VANISHING * cells.mean(cells.variation):
        return "pose-only"
    return block.status


def _overall(coordinates: LatentCoordinates, energy: OrbitEnergy, context: tuple[Evidence, Settings]) -> str:
    evidence, _ = context
    if evidence.degenerate:
        return "degenerate"
    if not evidence.design.sufficient:
        return "insufficient"
    both = zip(coordinates.blocks, energy.cells, strict=True)
    acting = {_status(block, cells, context) for block, cells in both if not block.irrep.trivial}
    return acting.pop() if acting in ({"pose-only"}, {"degenerate"}) else coordinates.status


def _detail(label: str, cells: BlockCells | None, block: Block | None, row: dict[str, object]) -> dict[str, object]:
    """The item-specific error and the orbit signal beside the error (theory.md §1)."""
    unknown = float("nan")
    if cells is None or not cells.loss or row["status"] == "degenerate":
        return dict.fromkeys(DETAILS, unknown) | {"block": label}
    variation, mismatch = cells.mean(cells.variation), cells.mean(cells.mismatch)
    loss, identity = cells.mean(cells.loss), cells.mean(cells.identity)
    return {
        "block": label,
        "energy": 1 - loss / variation if variation > 0 else unknown,
        "skill": 1 - loss / identity if identity > VANISHING * variation else unknown,
        "item_error": loss / mismatch if mismatch > VANISHING * variation else unknown,
        "orbit_signal": identity / variation if variation > 0 else unknown,
        "isotropy": block.isotropy if block is not None else unknown,
        "fitted_energy": block.energy if block is not None else unknown,
    }


def _canonical_content(codes: Orbits, coordinates: LatentCoordinates, level: float) -> float:
    """1-NN item identity of the coordinates: whether they still say which item it is."""
    return content_retention(codes, level=level).value if coordinates.n_coordinates else float("nan")
