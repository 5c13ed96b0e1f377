"""Which irreps one embedding holds: a row an irrep, found on some items and measured on others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from geodis.coordinates.assemble import assemble
from geodis.coordinates.crossfit import fit_copies
from geodis.coordinates.energy import BlockCells, block_cells
from geodis.coordinates.evidence import Evidence, Settings, gather
from geodis.coordinates.heldout import HeldOutCodes, ratio_interval
from geodis.coordinates.latent import Block, LatentCoordinates
from geodis.coordinates.relabelled import StructureNull, structure_null
from geodis.coordinates.search import Found, unit_variance
from geodis.coordinates.solve import find
from geodis.groups import AbstractGroup, Representation
from geodis.metrics.equivariance import orbit_signal
from geodis.orbits import Orbits
from geodis.statistics import permutation_p
from geodis.threads import one_blas_thread

COLUMNS = [
    "irrep", "name", "copies", "energy", "ci_low", "ci_high", "fitted_energy", "null", "null_mean", "null_p",
    "orbit_signal", "item_error", "floor", "status",
]  # fmt: skip
RELABELLED, PERMUTED, NONE = "relabelled", "permuted", "–"
RIDGE = 0.1  # of the refits under the null, which see the unseen items only
VANISHING = 1e-10  # share of the variance below which a denominator is rounding


@one_blas_thread
def irreps_held(fitted: Orbits, unseen: Orbits, settings: Settings) -> pd.DataFrame:
    """One row for each irrep that moves something: how far its best copy, found on `fitted`, is there on `unseen`.

    Parameters
    ----------
    fitted, unseen : Orbits
        Two sets of items in one embedding, with the same group and design.
    settings : Settings
        Orders, threshold, draws, level and seed.

    Returns
    -------
    DataFrame
        irrep; name (the same but for characters of R^n, whose frequency it tells); copies (found on the fitted items,
        above `min_energy` and better than with permuted labels); energy of the best one on the unseen items with its
        interval, whether or not it counts as a copy; fitted_energy (cross-fitted on the fitted items: choose by it);
        null, null_mean, null_p; orbit_signal of the embedding; item_error (L/D_item: near 1, the code moves alike for
        all items); floor; status.

    Notes
    -----
    The null is "relabelled" (N2: one random relabelling of the elements, common to all unseen items, and a new fit on
    them), or, for groups so small that almost all relabellings are alike, "permuted" (N1: the labels of each unseen
    item permuted).

    Examples
    --------
    >>> from geodis.groups import SO2
    >>> rng = np.random.default_rng(0)
    >>> angle = SO2().orbit(40, 12).reshape(-1, 1)
    >>> start = np.repeat(rng.uniform(0, 6.28, (40, 1)), 12, axis=0)
    >>> z = np.hstack([np.cos(2 * angle + start), np.sin(2 * angle + start), rng.normal(size=(480, 2))])
    >>> orbits = Orbits.from_arrays(z, angle, np.repeat(np.arange(40), 12), SO2())
    >>> irreps_held(*orbits.split(0.5), Settings(max_order=2, n_null=19))[["irrep", "copies", "status"]]
      irrep  copies  status
    0   m=1       0  absent
    1   m=2       1      ok
    """
    scene = _Scene.of(fitted, unseen, settings)
    signal = orbit_signal(unseen, level=settings.level, seed=settings.seed).value
    if not scene.acting:
        why = scene.trouble or "absent"
        names = [rep.name for rep in known_irreps(unseen.group, settings.max_order)]
        rows = [_unknown(name, name, why) for name in names]
    else:
        nulls = scene.nulls()
        labels = _labels(scene.acting, unseen.group, settings.max_order)
        rows = [scene.row(f, label, nulls) for f, label in zip(scene.acting, labels, strict=True)]
    return pd.DataFrame([row | {"orbit_signal": signal} for row in rows], columns=COLUMNS)


def known_irreps(group: AbstractGroup, max_order: int) -> list[Representation]:
    """The irreps that move something, and the affine representations, that are the same in every embedding."""
    return [rep for rep in group.irreps(max_order) if not rep.trivial] + list(group.affine_representations())


@dataclass(frozen=True)
class _Scene:
    """What was found on the fitted items, and the unseen ones to measure it on."""

    evidence: Evidence
    acting: list[Found]
    ridge: float
    unseen: Orbits
    judge: Evidence  # of the unseen items
    settings: Settings

    @classmethod
    def of(cls, fitted: Orbits, unseen: Orbits, settings: Settings) -> _Scene:
        evidence, judge = gather(fitted, settings), gather(unseen, replace(settings, ridge=RIDGE))
        # The invariants, often dozens of copies, would take longer than all that moves.
        evidence = replace(evidence, forms=[forms for forms in evidence.forms if not forms.rep.trivial])
        found, ridge = find(evidence, settings)
        sound = judge.design.sufficient and not judge.degenerate
        acting = [f for f in found if not f.rep.trivial] if sound else []
        return cls(evidence, acting, ridge, unseen, judge, settings)

    @property
    def trouble(self) -> str | None:
        """Why nothing can be told of this embedding."""
        both = (self.evidence, self.judge)
        if not all(e.design.sufficient for e in both):
            return "insufficient"
        return "degenerate" if any(e.degenerate for e in both) else None

    def nulls(self) -> dict[str, StructureNull]:
        """N2 on the unseen items, for every irrep."""
        return structure_null({}, [f.rep for f in self.acting], self.judge, self.settings, RIDGE)

    def row(self, found: Found, label: str, nulls: dict[str, StructureNull]) -> dict[str, Any]:
        name, null = found.rep.name, nulls[found.rep.name]
        fitted_energy = float(found.energies[0]) if len(found.energies) else math.nan
        leading = _leading(found, self.evidence, self.ridge)
        if leading is None:
            energy = float(null.observed[0]) if len(null.observed) else math.nan
            row = _unknown(name, label, "absent") | {"energy": energy} | _judged(null)
        else:
            row = self._measured(leading, found, null) | {"irrep": label, "name": name}
        return row | {"copies": found.kept, "fitted_energy": fitted_energy}

    def _measured(self, coordinates: LatentCoordinates, found: Found, null: StructureNull) -> dict[str, Any]:
        codes = self.unseen.map(lambda z: coordinates.transform(z.astype(np.float64)))
        (block,) = coordinates.blocks
        cells = block_cells(codes, block)
        below = cells.identity if coordinates.limited else cells.variation
        variation, identity, mismatch = (cells.mean(x) for x in (cells.variation, cells.identity, cells.mismatch))
        if variation <= 0 or identity <= VANISHING * variation:
            return _unknown("", "", "degenerate")
        low, high = self._interval(cells, coordinates.limited)
        told = mismatch > VANISHING * variation
        return {
            "energy": 1.0 - cells.mean(cells.loss) / cells.mean(below),
            "ci_low": low,
            "ci_high": high,
            "item_error": cells.mean(cells.loss) / mismatch if told else math.nan,
            "floor": _floor(codes, cells.mean(below)),
            "status": _status(found.kept, told, block),
        } | (_judged(null) if len(null.draws) else self._permuted(codes, block, coordinates.limited))

    def _interval(self, cells: BlockCells, limited: bool) -> tuple[float, float]:
        clusters = [s.clusters for s in self.unseen.stacks() if s.z.shape[1] >= 2]
        if len(np.unique(np.concatenate(clusters))) < 2:
            return math.nan, math.nan
        below = cells.identity if limited else cells.variation
        crossed = self.unseen.crossed and len(clusters) == 1
        ratio = ratio_interval(cells.loss, below, clusters, crossed, self.settings.level)
        return 1.0 - ratio.high, 1.0 - ratio.low

    def _permuted(self, codes: Orbits, block: Block, limited: bool) -> dict[str, Any]:
        """N1 on the unseen items, for the copy as it was fitted."""
        if limited or not block.irrep.orthogonal:
            return {"null": NONE, "null_mean": math.nan, "null_p": math.nan}
        stacks = [s for s in codes.stacks() if s.z.shape[1] >= 2]
        mean = codes.z.mean(axis=0)
        held = HeldOutCodes(
            [(s.z - mean)[None] for s in stacks],
            [np.swapaxes(np.asarray(block.irrep(s.params)), -1, -2) for s in stacks],
            [s.clusters for s in stacks],
            False,
            self.judge.design.repeated,
        )
        draws = held.label_null(self.settings.n_null, np.random.default_rng([self.settings.seed, 7]))
        p = permutation_p(float(held.energies()[0]), draws)
        return {"null": PERMUTED, "null_mean": float(draws.mean()), "null_p": p}


def _leading(found: Found, evidence: Evidence, ridge: float) -> LatentCoordinates | None:
    """The best copy of an irrep as coordinates, also where it was not kept; None where there is none to be had."""
    if found.kept:
        return assemble([replace(found, kept=1)], evidence)
    forms = [f for f in evidence.forms if f.rep.name == found.rep.name]
    if evidence.design.limited or not forms:
        return None
    stay, white = evidence.folds.without()
    solution, _ = fit_copies(forms[0], stay, white, ridge, 1)
    if not len(solution) or not len(found.energies):
        return None
    rows, offsets = unit_variance(solution, white, solution.shape[1])
    return assemble([replace(found, kept=1, rows=rows, offsets=offsets)], evidence)


def _labels(acting: Sequence[Found], group: AbstractGroup, max_order: int) -> list[str]:
    """Names of irreps; characters of R^n, whose frequency differs from embedding to embedding, are numbered."""
    known = {rep.name for rep in known_irreps(group, max_order)}
    n, labels = 0, []
    for found in acting:
        n += found.rep.name not in known
        labels.append(found.rep.name if found.rep.name in known else f"frequency {n}")
    return labels


def _judged(null: StructureNull) -> dict[str, Any]:
    kind = RELABELLED if len(null.draws) else NONE
    return {"null": kind, "null_mean": _finite_mean(null), "null_p": null.p() if len(null.draws) else math.nan}


def _finite_mean(null: StructureNull) -> float:
    """Draws without any copy have no energy."""
    finite = null.draws[np.isfinite(null.draws)]
    return float(finite.mean()) if len(finite) else math.nan


def _floor(codes: Orbits, below: float) -> float:
    """The share that the action's own interpolation makes: E|c(gh·x) − c(g·(h·x))|² over the denominator."""
    if codes.detours is None or not len(codes.detours.items):
        return math.nan
    apart = (codes.detours.direct - codes.detours.composed) ** 2
    return float(apart.sum(axis=1).mean() / below)


def _status(kept: int, told: bool, block: Block) -> str:
    if not kept:
        return "absent"
    return block.status if told else "pose-only"


def _unknown(name: str, label: str, status: str) -> dict[str, Any]:
    row = dict.fromkeys(COLUMNS, math.nan)
    return row | {"irrep": label, "name": name, "copies": 0, "null": NONE, "status": status}
