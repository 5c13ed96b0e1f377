"""Integrator, substeps and cap of an n-body emulator, chosen by the error on validation systems and by nothing else."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from tqdm import tqdm

from geodis.emulators.body_samples import BodySamples
from geodis.emulators.law_cap import fit_cap, peak_accelerations
from geodis.emulators.law_polish import polish_law
from geodis.emulators.law_start import start_law
from geodis.emulators.nbody_dynamics import NBodyDynamics
from geodis.emulators.pairwise_law import PairwiseLaw

FORCES = {"euler": 1, "leapfrog": 1, "yoshida4": 3}  # evaluations a substep
FIRST_SUBSTEPS = (16, 64)  # of the leapfrogs that the law is first polished with
NEAR, WIDEST = 1.05, 1e5  # a found cap is refined by this factor; caps are looked for over this ratio
FEW, SOME, HARD, FINALISTS = (
    256,
    500,
    64,
    3,
)  # systems of a first polish, of a last one, close encounters, last candidates


@final
@dataclass(frozen=True)
class Candidate:
    """A fitted law with one choice of integrator, substeps and cap, and its errors on validation systems.

    Attributes
    ----------
    dynamics : NBodyDynamics
    mse : float
        Mean squared error of a coordinate on the validation systems.
    median : float
        Median over systems of the same.
    n_systems : int
        Validation systems that were used: a part in the first round, all in the last.
    """

    dynamics: NBodyDynamics
    mse: float
    median: float
    n_systems: int

    def __str__(self) -> str:
        d = self.dynamics
        return (
            f"{d.integrator:>8} × {d.substeps:<5} cap {d.law.cap:<9} "
            f"mse {self.mse:.3e}  median {self.median:.3e}  ({self.n_systems} systems)  {d.law}"
        )


def choose_dynamics(
    law: PairwiseLaw,
    train: BodySamples,
    valid: BodySamples,
    *,
    integrators: Sequence[str],
    substeps: Sequence[int],
    caps: Sequence[str],
    softening: bool = True,
    seed: int = 0,
    verbose: bool = False,
) -> tuple[Candidate, ...]:
    """Fitted candidates, best first; `law` is not changed.

    The law is started by least squares and polished with few substeps. Then every integrator × substeps × cap (with at
    most as many force evaluations as the largest of `substeps`) is polished on up to 256 training systems, its cap
    found on 64 of the close encounters, and scored on a quarter of the validation systems. The best three are
    polished on 500 more systems and scored on all of them. Training systems never choose, validation systems never fit.
    """
    rng = torch.Generator().manual_seed(seed)
    order = torch.randperm(train.n, generator=rng)
    few, some = train.rows(order[:FEW]), train.rows(order[:SOME])
    begun = _first(copy.deepcopy(law), few, softening)
    look = valid.rows(torch.randperm(valid.n, generator=rng)[: max(50, valid.n // 4)])
    hard, low, high = _closest(begun, train, max(substeps))
    settings = [(i, k) for i in integrators for k in substeps if FORCES[i] * k <= max(substeps)]
    found = []
    for integrator, k in tqdm(settings or [(integrators[0], max(substeps))], desc="candidates", disable=not verbose):
        free = NBodyDynamics(_capped(begun, "none"), train.span, integrator, k)
        polish_law(free, few, _learned(free.law, softening), steps=3)
        for cap in caps:
            candidate = NBodyDynamics(_capped(free.law, cap), train.span, integrator, k)
            if cap != "none":
                fit_cap(candidate, hard, low, high)
            found.append(scored(candidate, look))
    found.sort(key=lambda c: c.mse)
    last = []
    for candidate in tqdm(_finalists(found), desc="finalists", disable=not verbose):
        law_before = copy.deepcopy(candidate.dynamics.law)
        before = NBodyDynamics(law_before, train.span, candidate.dynamics.integrator, candidate.dynamics.substeps)
        if candidate.dynamics.law.cap != "none":
            most = math.exp(candidate.dynamics.law.value("log cap"))
            fit_cap(candidate.dynamics, hard, most / NEAR, most * NEAR, rounds=6)
        learned = _learned(candidate.dynamics.law, softening)
        polish_law(candidate.dynamics, _joined(some, hard), learned, steps=5)
        last.append(min((scored(candidate.dynamics, valid), scored(before, valid)), key=lambda c: c.mse))
    kept = {id(c.dynamics) for c in _finalists(found)}
    return tuple(sorted(last, key=lambda c: c.mse)) + tuple(c for c in found if id(c.dynamics) not in kept)


def _finalists(found: list[Candidate]) -> list[Candidate]:
    """The best, and the best that commutes with O(d) if that one does not."""
    out = found[:FINALISTS]
    if not any(c.dynamics.law.commutes for c in out):
        out = out + [c for c in found if c.dynamics.law.commutes][:1]
    return out


def _first(law: PairwiseLaw, few: BodySamples, softening: bool) -> PairwiseLaw:
    law.cap = "none"
    start_law(law, few)
    for k in FIRST_SUBSTEPS:
        polish_law(NBodyDynamics(law, few.span, "leapfrog", k), few, _learned(law, softening), steps=6)
    return law


def _capped(law: PairwiseLaw, cap: str) -> PairwiseLaw:
    out = copy.deepcopy(law)
    out.cap = cap
    return out


def _closest(law: PairwiseLaw, train: BodySamples, substeps: int) -> tuple[BodySamples, float, float]:
    """Systems from the quarter of closest encounters, evenly by rank, and between which accelerations a cap may lie.

    The very closest alone would say little: after their encounter everything depends on everything.
    """
    peaks = peak_accelerations(NBodyDynamics(law, train.span, "leapfrog", substeps), train)
    upper = peaks.argsort(descending=True)[: max(1, train.n // 4)]
    rows = upper[torch.linspace(0, len(upper) - 1, min(HARD, len(upper))).round().long()]
    low = float(peaks.quantile(0.1).clamp_min(1e-12))
    return train.rows(rows), low, min(float(peaks.max()), WIDEST * low)


def _learned(law: PairwiseLaw, softening: bool) -> Tensor:
    out = torch.ones(len(law.names), dtype=torch.bool)
    out[law.names.index("softening²")] = softening
    out[law.names.index("log cap")] = law.cap != "none"
    return out


def _joined(a: BodySamples, b: BodySamples) -> BodySamples:
    later = None if a.target_v is None or b.target_v is None else torch.cat([a.target_v, b.target_v])
    x, v, s, y = (torch.cat([getattr(a, n), getattr(b, n)]) for n in ("x", "v", "scalars", "target_x"))
    return BodySamples(x, v, s, y, later, a.span)


def scored(dynamics: NBodyDynamics, valid: BodySamples) -> Candidate:
    """The dynamics with their errors on `valid`."""
    y, _ = dynamics.predict(valid.x, valid.v, valid.scalars)
    # A roll-out that leaves the floating-point range is infinitely bad, not an error.
    each = (y - valid.target_x).square().mean((1, 2)).nan_to_num(float("inf"))
    return Candidate(dynamics, float(each.mean()), float(each.median()), valid.n)
