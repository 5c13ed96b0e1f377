"""The irrep-energy report: how much of an orbit each factor of the group moves alone, in one irrep, on its own plane.

By Peter–Weyl the variance V of an orbit z: G → R^D is the sum of its energies in the irreps. A linear code on which
every factor acts by one irrep, orthogonally and on directions of its own, has all of V in one irrep a factor. What is
missing has a name each: interaction (functions of several factors at once), off-irrep energy (other irreps of one
factor), isotropy (s_d/s_1 of the coefficients, below 1 where the action is no rotation), overlap (factors that share
directions), share (a factor that moves nothing).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import stats

from geodis.errors import ParameterError
from geodis.groups.options import count
from geodis.linalg import Array, check_finite
from geodis.metrics.cells import rounding
from geodis.metrics.grids import factors_of
from geodis.metrics.harmonics import transform_of
from geodis.metrics.irrep_measures import PRESENT, EnergySums
from geodis.metrics.irrep_report import FactorEnergy, IrrepEnergy
from geodis.metrics.result import Status
from geodis.orbits import Orbits
from geodis.statistics import check_level, permutation_p
from geodis.threads import one_blas_thread

PARTS = 20  # groups of clusters that the jackknife leaves out in turn
MEASURES = ("lsbd_energy", "score", "interaction", "off_irrep", "isotropy", "overlap")


@one_blas_thread
def irrep_energy(
    orbits: Orbits, *, max_order: int | None = None, level: float = 0.95, n_null: int = 99, seed: int = 0
) -> IrrepEnergy:
    """Split the variance of orbits into irreps, to see whether each factor turns directions of its own by one irrep.

    Full grids of SO2, of cyclic groups and of their products are read by FFT, every frequency; whole finite groups by
    all their irreps; other elements of compact groups by least squares on the irreps up to an order.

    Parameters
    ----------
    orbits : Orbits
        Embeddings; items need not share their elements.
    max_order : int, optional
        Off the grid, the largest order of the irreps; by default what half as many functions as elements allow.
    level : float
        Confidence level of the intervals over items.
    n_null : int
        Draws with the elements permuted within items; 0 for none.
    seed : int
        Seed of the draws.

    Returns
    -------
    IrrepEnergy
        Status ``degenerate`` (and NaN) where nothing moves: a constant is never disentangled.

    Raises
    ------
    ParameterError, FiniteError
        For something else than orbits, options outside their range, NaN.
    DesignError
        For groups that are not compact, or too few elements for the functions.

    Notes
    -----
    Isotropy is taken item by item (an item's own ellipse counts), overlap of the directions that all items share. See
    :doc:`/catalogue` for codes of which D_LSBD does not see what is wrong.

    References
    ----------
    Tonnaer, Perez Rey, Menkovski, Holenderski and Portegies, "Quantifying and Learning Linear Symmetry-Based
    Disentanglement", ICML 2022, arXiv:2011.06070, whose measure D_LSBD this report takes apart.

    Examples
    --------
    >>> import numpy as np
    >>> from geodis.groups import SO2
    >>> a, b = np.meshgrid(np.arange(8) * np.pi / 4, np.arange(8) * np.pi / 4)
    >>> angles = np.stack([a.ravel(), b.ravel()], axis=1)
    >>> torus = np.concatenate([np.cos(angles), np.sin(angles)], axis=1)
    >>> report = irrep_energy(Orbits.from_arrays(torus, angles, np.zeros(64), SO2() * SO2()), n_null=19)
    >>> round(report.score, 6), [f.irrep for f in report.factors]
    (1.0, ['m=1⊗m=0', 'm=0⊗m=1'])
    """
    check_level(level)
    if not isinstance(orbits, Orbits):
        raise ParameterError("orbits", "an Orbits (Orbits.from_arrays(z, params, items, group))", type(orbits).__name__)
    count(n_null, "n_null", 0)
    check_finite(orbits.z, "embeddings z")
    stacks = [s for s in orbits.stacks() if s.z.shape[1] >= 2]
    names = [repr(g) for g in factors_of(orbits.group)]
    if not stacks:
        return _empty(orbits, level, "insufficient", "no item has two elements")
    codes = [s.z.astype(np.float64) for s in stacks]
    transforms = [transform_of(orbits.group, s.params, max_order) for s in stacks]
    sums = EnergySums([t(z) for t, z in zip(transforms, codes, strict=True)], len(names))
    if sums.variance.mean() <= rounding(orbits.z):
        return _empty(orbits, level, "degenerate", "the elements do not move the code")
    everything = np.ones(len(sums.variance))
    values = sums.measures(everything)
    intervals = _jackknife(sums, values, np.concatenate([s.clusters for s in stacks]), level)
    null_mean, null_p = _permuted(transforms, codes, values["lsbd_energy"], len(names), n_null, seed)
    factors = sums.factors(names, everything)
    absent = [f.factor for f in factors if not f.share > PRESENT]
    n_items = len(sums.variance)
    status: Status = "insufficient" if n_items < 2 else "partial" if absent else "ok"
    variance = float(sums.variance.mean())
    return IrrepEnergy(
        group=repr(orbits.group),
        n_items=n_items,
        n_elements=max(z.shape[1] for z in codes),
        **values,
        overlap_chance=sums.overlap_chance(),
        unresolved=1.0 - float(sums.resolved.mean()) / variance,
        factors=factors,
        powers={name: float(p.mean()) / variance for own in sums.powers for name, p in own.items()},
        intervals=intervals,
        level=level,
        null_mean=null_mean,
        null_p=null_p,
        status=status,
        notes=flags(values, factors),
    )


def flags(values: dict[str, float], factors: tuple[FactorEnergy, ...]) -> tuple[str, ...]:
    """What is wrong with a code, in words; nothing for one that is linear, orthogonal and disentangled."""
    found = [
        f"factor {i + 1} ({f.factor}) is absent: share {f.share:.1e}" for i, f in enumerate(factors)
        if not f.share > PRESENT
    ]  # fmt: skip
    for name, bad, text in (
        ("interaction", values["interaction"] > 0.05, "of the variance depends on several factors at once"),
        ("off_irrep", values["off_irrep"] > 0.05, "of the single-factor energy lies outside the leading irreps"),
        ("overlap", values["overlap"] > 0.1, "overlap: factors move the same directions"),
        ("isotropy", values["isotropy"] < 0.9, "isotropy: a factor acts linearly but not orthogonally"),
    ):
        if bad:
            found.append(f"{values[name]:.3f} {text}")
    return tuple(found)


def _jackknife(
    sums: EnergySums, values: dict[str, float], clusters: Array, level: float
) -> dict[str, tuple[float, float]]:
    known, index = np.unique(clusters, return_inverse=True)
    n_parts = min(len(known), PARTS)
    if n_parts < 2:
        return dict.fromkeys(MEASURES, (math.nan, math.nan))
    part = index % n_parts
    draws = [sums.measures((part != g).astype(np.float64)) for g in range(n_parts)]
    factor = float(stats.t.ppf((1 + level) / 2, n_parts - 1))
    out = {}
    for name in MEASURES:
        left_out = np.array([draw[name] for draw in draws])
        half = factor * math.sqrt((n_parts - 1) / n_parts * float(((left_out - left_out.mean()) ** 2).sum()))
        out[name] = (max(0.0, values[name] - half), min(1.0, values[name] + half))
        if not math.isfinite(half):
            out[name] = (math.nan, math.nan)
    return out


def _permuted(
    transforms: list[Any], codes: list[Array], observed: float, n_factors: int, n_null: int, seed: int
) -> tuple[float, float]:
    """Mean of lsbd_energy with elements permuted within items, and how often it reaches the observed one."""
    if n_null == 0:
        return math.nan, math.nan
    rng = np.random.default_rng(seed)
    # Energies depend on inner products of an item's rows only: m coordinates hold them.
    short = [_shortened(z) for z in codes]
    draws = np.empty(n_null)
    for b in range(n_null):
        mixed = [np.take_along_axis(z, rng.random(z.shape[:2]).argsort(axis=1)[..., None], axis=1) for z in short]
        found = [t(z) for t, z in zip(transforms, mixed, strict=True)]
        variance = sum(float(h.variance.sum()) for h in found)
        lead = 0.0
        for j in range(n_factors):
            names = {name for h in found for name in h.powers[j]}
            lead += max((sum(float(h.powers[j][n].sum()) for h in found if n in h.powers[j]) for n in names), default=0)
        draws[b] = lead / variance
    return float(draws.mean()), permutation_p(observed, draws)


def _shortened(z: Array) -> Array:
    centred = z - z.mean(axis=1, keepdims=True)
    if z.shape[2] <= z.shape[1]:
        return centred
    return np.swapaxes(np.linalg.qr(np.swapaxes(centred, 1, 2), mode="r"), 1, 2)


def _empty(orbits: Orbits, level: float, status: Status, why: str) -> IrrepEnergy:
    names = [repr(g) for g in factors_of(orbits.group)]
    return IrrepEnergy(
        group=repr(orbits.group),
        n_items=orbits.n_items,
        n_elements=int(orbits.sizes.max()),
        **dict.fromkeys(MEASURES, math.nan),
        overlap_chance=math.nan,
        unresolved=math.nan,
        factors=tuple(FactorEnergy(name, "", math.nan, math.nan, math.nan, 0) for name in names),
        powers={},
        intervals=dict.fromkeys(MEASURES, (math.nan, math.nan)),
        level=level,
        null_mean=math.nan,
        null_p=math.nan,
        status=status,
        notes=(why,),
    )
